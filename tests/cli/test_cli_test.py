"""`shipper test`: events in, what became of them out, and every difference said."""

import json
from xml.etree import ElementTree as ET

import pytest

PUBLIC = {"action": "repo.access", "visibility": "public", "@timestamp": 1_760_000_000_123, "_document_id": "u1"}
LINE = (
    "<107>1 2025-10-09T08:53:20.123000Z api.github.com github - repo.access "
    '[github@32473 uid="u1" action="repo.access" severity="high" rule="repository-made-public" stream="audit_log"]'
    '[meta sequenceId="1"] '
    '{"action":"repo.access","visibility":"public","@timestamp":1760000000123,"_document_id":"u1"}'
)


def one(event=None, expect=None, **test):
    given = {"event": PUBLIC if event is None else event} if not {"events", "file", "input"} & set(test) else {}
    return [{"name": "it", **given, "expect": expect or {}, **test}]


@pytest.mark.parametrize(
    "expect",
    [
        {},
        {"dropped": False, "rule": "repository-made-public", "severity": "high"},
        {"event_name": "github.audit_log.repo.access"},
        {"attributes": {"category": "vcs", "log.record.uid": "u1", "client.address": None}},
        {"body": PUBLIC},
        {"syslog": LINE},
        {"dead_letter": False},
    ],
)
def test_what_is_expected_and_found_passes(configure, shipper, expect):
    configure(tests=one(expect=expect))
    result = shipper("test")
    assert result.exit_code == 0, result.output
    assert "1 test: 1 passed, 0 failed" in result.output


@pytest.mark.parametrize(
    ("event", "expect", "said"),
    [
        (
            PUBLIC,
            {"dropped": True},
            ["dropped", "expected  true", "found     false: shipped, rule repository-made"],
        ),
        (PUBLIC, {"rule": None}, ["rule", "expected  null", "found     repository-made-public"]),
        (PUBLIC, {"severity": "low"}, ["severity", "expected  low", "found     high"]),
        (PUBLIC, {"event_name": "x"}, ["event_name", "found     github.audit_log.repo.access"]),
        (PUBLIC, {"attributes": {"category": "x"}}, ["attributes.category", "expected  x", "found     vcs"]),
        (PUBLIC, {"attributes": {"source": None}}, ["attributes.source", "expected  null", "found     github"]),
        (PUBLIC, {"body": {"action": "x"}}, ["body", '-  "action": "x"', '+  "action": "repo.access",']),
        (PUBLIC, {"syslog": "<1>"}, ["syslog", "- <1>", f"+ {LINE}", "they differ from character 3 on"]),
        (
            {"action": "repo.access"},
            {"dropped": False},
            ["found     true: dropped by rules by rule routine-access"],
        ),
        ({"action": "repo.access"}, {"severity": "high"}, ["severity", "expected  a record", "by rule routine"]),
        ({"action": "git.clone"}, {"rule": "x"}, ["rule", "expected  x", "found     null"]),
        (PUBLIC, {"dead_letter": True}, ["dead_letter", "expected  true"]),
        ({"action": True}, {"body": {"action": 1}}, ["body"]),
    ],
)
def test_each_difference_is_said_with_the_line_of_the_test(configure, shipper, event, expect, said):
    path = configure(tests=one(event, expect))
    line = 1 + path.read_text()[: path.read_text().index("- name: it")].count("\n")
    result = shipper("test")
    assert result.exit_code == 1
    assert f"pipelines.yaml:{line}: FAILED it" in result.stdout
    for part in said:
        assert part in result.stdout


def test_all_differences_of_all_tests_are_said_at_once(configure, shipper):
    expect = {"severity": "low", "rule": "x"}
    configure(tests=[{"name": name, "event": PUBLIC, "expect": expect} for name in ("a", "b")])
    result = shipper("test")
    assert result.stdout.count("expected") == 4
    assert "2 tests: 0 passed, 2 failed" in result.stdout


def test_several_events_have_an_expectation_each_or_one_for_all(configure, shipper):
    events = [PUBLIC, {"action": "repo.access"}]
    configure(tests=one(events=events, expect=[{"severity": "high"}, {"dropped": True, "rule": "routine-access"}]))
    assert shipper("test").exit_code == 0
    configure(tests=one(events=events, expect={"dropped": False}))
    result = shipper("test")
    assert "event 2: dropped" in result.stdout
    assert "event 1" not in result.stdout
    configure(tests=one(events=events, expect=[{"severity": "high"}]))
    assert "2 events, but 1 expectations" in shipper("test").stdout


@pytest.mark.parametrize(
    "content",
    [
        json.dumps([PUBLIC, PUBLIC]),
        json.dumps(PUBLIC) + "\n" + json.dumps(PUBLIC) + "\n",
        "\ufeff" + json.dumps([PUBLIC, PUBLIC], indent=2),
    ],
)
def test_events_come_from_a_recorded_page_or_one_a_line(configure, shipper, folder, content):
    (folder / "page.json").write_text(content)
    configure(tests=one(file="page.json", expect=[{"severity": "high"}] * 2))
    assert shipper("test").exit_code == 0


@pytest.mark.parametrize("content", ["", "[", '{"message": "Not Found"', "<html>", '{"a":1}\nnonsense\n'])
def test_a_page_without_events_fails_the_test(configure, shipper, folder, content):
    (folder / "page.json").write_text(content)
    configure(tests=one(file="page.json"))
    result = shipper("test")
    assert result.exit_code == 1
    assert "found     page.json: " in result.stdout


def test_alerts_and_organizations_are_said_by_the_input(configure, shipper):
    rules = [{"name": "ours", "match": {"organization": "acme"}, "severity": "low"}]
    alert = {"number": 1, "state": "open", "repository": {"name": "x", "owner": {"login": "o"}}}
    source = {"stream": "secret_scanning", "organization": "acme", "event": alert | {"secret": "s3cret"}}
    expect = {"rule": "ours", "event_name": "github.secret_scanning_alert.open"}
    expect["body"] = alert | {"secret": "[hidden]"}
    configure(processors={"normalize": {}, "rules": {"rules": rules}}, tests=one(input=source, expect=expect))
    result = shipper("test")
    assert result.exit_code == 0, result.output


def test_a_stream_that_does_not_exist_fails(configure, shipper):
    configure(tests=one(input={"stream": "code-scanning", "event": {}}))
    assert "there is no stream code-scanning; there are audit_log, code_scanning" in shipper("test").stdout


def test_refused_records_are_dead_letters(configure, shipper):
    schema = {"on_invalid": "dead_letter"}
    configure(
        processors={"normalize": {}, "schema": schema},
        tests=one({"action": 5}, {"dead_letter": True, "dropped": False}),
    )
    assert shipper("test").exit_code == 0


def test_the_exact_otlp_json_is_compared_but_for_what_changes_by_itself(configure, shipper, folder):
    configure(exporters={"otlphttp": {"endpoint": "http://localhost:4318"}})
    explained = json.loads(shipper("explain", "-", "--output", "json", stdin=json.dumps(PUBLIC)).stdout)
    otlp = explained["exports"][0]["json"]
    record = otlp["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]
    record["observedTimeUnixNano"] = "1"
    record["timeUnixNano"] = int(record["timeUnixNano"])
    record["attributes"].reverse()
    otlp["resourceLogs"][0]["scopeLogs"][0]["scope"]["version"] = "0.0.1"
    (folder / "record.json").write_text(json.dumps(otlp))
    configure(tests=one(expect={"otlp": "record.json"}))
    result = shipper("test")
    assert result.exit_code == 0, result.output
    record["severityNumber"] = 9
    (folder / "record.json").write_text(json.dumps(otlp))
    result = shipper("test")
    assert result.exit_code == 1
    assert '-              "severityNumber": 9' in result.stdout
    assert '+              "severityNumber": 17' in result.stdout


@pytest.mark.parametrize(("content", "said"), [(None, "can't be read"), ("nonsense", "it is no JSON")])
def test_an_otlp_file_that_is_none_fails(configure, shipper, folder, content, said):
    if content:
        (folder / "record.json").write_text(content)
    configure(tests=one(expect={"otlp": "record.json"}))
    result = shipper("test")
    assert (result.exit_code, said in result.stdout) == (1, True)


def test_the_syslog_line_is_that_of_the_pipelines_exporter(configure, shipper):
    syslog = {"endpoint": "h", "protocol": "rfc3164", "facility": "local0"}
    expect = {"syslog": "<131>Oct  9 08:53:20 api.github.com github: " + LINE[LINE.index("{") :]}
    configure(exporters={"syslog/old": syslog}, tests=one(expect=expect))
    result = shipper("test")
    assert result.exit_code == 0, result.output


def test_files_beside_the_configuration_are_run_too(configure, shipper, folder):
    configure(tests=one())
    (folder / "more.yaml").write_text("tests:\n\n  - name: more\n    event: {action: x}\n    expect: {rule: y}\n")
    result = shipper("test", "more.yaml")
    assert "more.yaml:3: FAILED more" in result.stdout
    assert "2 tests: 1 passed, 1 failed" in result.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tests: [{name: a, event: {}, expct: {}}]", "unknown key (did you mean expect?)"),
        ("tests: [{name: a, event: {}, expect: {}, pipeline: logs/x}]", "there is no pipeline logs/x"),
        ("tests: [{name: a, file: gone.json, expect: {}}]", "there is no file gone.json"),
        ("processors: {}\ntests: []", "error[unknown-key]: processors"),
        ("tests:\n\t- name", "a tab; YAML is indented with spaces"),
        ("- a", "the file must be a map with `tests:`"),
    ],
)
def test_a_file_beside_it_that_is_wrong_is_78_with_its_line(configure, shipper, folder, text, said):
    configure(tests=one())
    (folder / "more.yaml").write_text(text)
    result = shipper("test", "more.yaml")
    assert result.exit_code == 78
    assert "more.yaml:" in result.stderr
    assert said in result.stderr


def test_without_tests_it_fails(configure, shipper):
    configure()
    result = shipper("test")
    assert result.exit_code == 1
    assert "there are no tests" in result.stderr


RULES = [
    {"name": "a", "match": [{"action": "one"}, {"action": "two"}], "not": [{"x": 1}, {"y": 1}], "severity": "low"},
    {"name": "b", "match": {"action": "three"}, "mode": "shadow", "severity": "low"},
    {"name": "c", "match": {"stream": "audit_log"}, "drop": True},
]


def test_coverage_names_the_rules_and_branches_that_no_test_meets(configure, shipper):
    events = [{"action": "one"}, {"action": "one", "x": 1}]
    configure(processors={"rules": {"rules": RULES, "use": []}}, tests=one(events=events))
    result = shipper("test")
    assert "no test hits 1 of 3 rules: b" in result.stdout
    result = shipper("test", "--coverage")
    assert result.exit_code == 0
    assert "coverage: 66 % (2 of 3) rules, 50 % (2 of 4) branches" in result.stdout
    assert result.stdout.splitlines()[-3:] == [
        "  rules: a: no test takes match[1]",
        "  rules: a: no test is kept away by not[1]",
        "  rules: b: no test hits it",
    ]


def test_full_coverage_says_so(configure, shipper):
    events = [{"action": "one"}, {"action": "two"}, {"action": "one", "x": 1}, {"action": "one", "y": 1}]
    events.append({"action": "three"})
    configure(processors={"rules": {"rules": RULES, "use": []}}, tests=one(events=events))
    assert shipper("test", "--coverage").stdout.splitlines()[-1] == (
        "coverage: 100 % (3 of 3) rules, 100 % (4 of 4) branches"
    )


def test_junit_names_each_test_and_its_failures(configure, shipper, folder):
    tests = [{"name": "good <&>", "event": PUBLIC, "expect": {}}]
    tests.append({"name": "bad", "event": {"action": "\x1b[31m"}, "expect": {"body": {"a": "]]>"}}})
    configure(tests=tests)
    assert shipper("test", "--junit", "report.xml").exit_code == 1
    suite = ET.parse(folder / "report.xml").getroot().find("testsuite")  # noqa: S314 - our own
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    good, bad = suite.findall("testcase")
    assert (good.get("name"), good.get("file")) == ("good <&>", "pipelines.yaml")
    failure = bad.find("failure")
    assert failure is not None
    assert failure.get("message") == "body"
    assert '-  "a": "]]>"' in (failure.text or "")


def test_json_output_holds_everything(configure, shipper):
    configure(tests=one(expect={"severity": "low"}))
    result = shipper("test", "--output", "json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["passed"], found["failed"]) == (1, 0, 1)
    [test] = found["tests"]
    assert test["failures"] == [{"event": 1, "what": "severity", "expected": "low", "found": "high"}]
    assert found["coverage"]["rules_hit"] == 1


def test_secrets_need_not_be_set_but_what_processors_read_must(configure, shipper, monkeypatch):
    monkeypatch.delenv("NO_SUCH_VARIABLE", raising=False)
    receivers = {
        "github": {"organizations": ["${env:NO_SUCH_VARIABLE}"], "auth": {"token": "${env:NO_SUCH_VARIABLE}"}}
    }
    exporters = {"otlphttp": {"endpoint": "${env:NO_SUCH_ENDPOINT}"}}
    configure(receivers=receivers, exporters=exporters, tests=one())
    result = shipper("test")
    assert result.exit_code == 0
    assert "NO_SUCH_ENDPOINT, NO_SUCH_VARIABLE are not set" in result.stderr
    processors = {
        "rules": {"rules": [{"name": "a", "match": {"x": "${env:NO_SUCH_VARIABLE}"}, "severity": "low"}]}
    }
    configure(receivers=receivers, processors=processors, tests=one())
    result = shipper("test")
    assert result.exit_code == 78
    assert "the variable NO_SUCH_VARIABLE is not set" in result.stderr


def test_what_an_event_holds_never_reaches_the_terminal_raw(configure, shipper):
    hostile = "\x1b]0;owned\x07\u202e\x9b31m\u2028"
    configure(tests=one({"action": hostile}, {"body": {}, "syslog": "x", "event_name": "y"}))
    for output in ("text", "json"):
        shown = shipper("test", "--output", output).stdout
        assert all(char.isprintable() or char == "\n" for char in shown)
        assert "owned" in shown


def test_each_test_starts_anew(configure, shipper):
    """No processor carries anything from one test to the next."""
    configure(tests=[{"name": str(n), "event": PUBLIC, "expect": {"severity": "high"}} for n in range(3)])
    assert shipper("test").exit_code == 0


@pytest.mark.parametrize(
    "command", [("test", "--junit"), ("reconcile", "--since", "1h", "--report")], ids=["test", "reconcile"]
)
@pytest.mark.parametrize(
    ("place", "why"), [("absent/x", "there is no directory absent"), (".", "is a directory"), ("file/x", "file")]
)
def test_a_report_that_can_not_be_written_is_told_before_any_work(shipper, folder, command, place, why):
    (folder / "file").write_text("")
    refused = shipper(*command, place)
    assert refused.exit_code == 2
    assert why in refused.stderr
