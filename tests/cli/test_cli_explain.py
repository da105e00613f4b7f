"""`shipper explain`: the way of an event through the processors, and why."""

import json
import subprocess
import sys

import pytest
import yaml

EXPORTERS = {
    "syslog": {"endpoint": "siem.example.com"},
    "otlp": {"endpoint": "collector:4317"},
    "file/flat": {"path": "x.jsonl", "format": "json"},
    "debug": {},
}


def text(*lines):
    return "\n".join(lines)


def test_it_shows_which_rules_were_tried_and_why_each_did_or_did_not_match(configure, shipper):
    configure()
    result = shipper(
        "explain", "-", stdin='{"action": "repo.access", "visibility": "private", "actor": "octocat"}'
    )
    assert result.exit_code == 0, result.output
    assert (
        text(
            "> normalize: changed",
            "    source = github",
            "    category = vcs",
            "    stream = audit_log",
            "    user.name = octocat",
            "",
            "> rules: repository-visibility-changed matches: info",
            "    - org-admin-granted does not match",
            "        action is repo.access, wanted org.add_member or org.update_member or business.add_admin",
        )
        in result.stdout
    )
    assert (
        text(
            "    - repository-made-public does not match",
            "        visibility is private, wanted public",
            "        data.visibility is absent, wanted public",
            "        action is repo.access, wanted repo.public_repository_disabled_visibility",
            "    + repository-visibility-changed matches",
            "        action is repo.access, wanted repo.access",
            "        visibility is private, wanted present",
            "    shipper.rule = repository-visibility-changed",
            "    severity = info",
        )
        in result.stdout
    )


def test_a_dropped_event_ends_where_it_is_dropped(configure, shipper):
    configure(processors={"normalize": {}, "rules": {}, "schema": {}})
    result = shipper("explain", "-", stdin='{"action": "repo.access"}')
    assert "> rules: dropped by rule routine-access" in result.stdout
    assert "        visibility is absent, and must not be present" in result.stdout
    assert "schema" not in result.stdout
    assert "would send" not in result.stdout


def test_what_a_schema_refuses_is_a_dead_letter(configure, shipper):
    configure(processors={"schema": {"on_invalid": "dead_letter"}})
    result = shipper("explain", "-", stdin='{"action": 5}')
    assert "> schema: refused, goes to the dead letters: fails the schema of audit_log: /action" in result.stdout


def test_what_redact_changes_is_named_not_shown(configure, shipper):
    rules = [{"path": "actor_ip", "action": "mask"}]
    configure(processors={"normalize": {}, "redact": {"rules": rules}})
    result = shipper("explain", "-", stdin='{"action": "x", "actor_ip": "203.0.113.7"}')
    assert "    body.actor_ip changed" in result.stdout
    assert "    client.address = [redacted]" in result.stdout


def test_it_shows_what_each_exporter_would_send(configure, shipper):
    configure(exporters=EXPORTERS)
    event = {"action": "git.clone", "@timestamp": 1_760_000_000_123, "_document_id": "u1"}
    found = json.loads(shipper("explain", "-", "--output", "json", stdin=json.dumps(event)).stdout)
    shown = {each["exporter"]: each for each in found["exports"]}
    assert shown["syslog"]["text"] == (
        "<110>1 2025-10-09T08:53:20.123000Z api.github.com github - git.clone "
        '[github@32473 uid="u1" action="git.clone" severity="info" stream="audit_log"][meta sequenceId="1"] '
        '{"action":"git.clone","@timestamp":1760000000123,"_document_id":"u1"}'
    )
    [record] = shown["otlp"]["json"]["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    assert (record["timeUnixNano"], record["severityNumber"]) == ("1760000000123000000", 9)
    assert shown["file/flat"]["json"]["event_name"] == "github.audit_log.git.clone"
    assert "github.audit_log.git.clone" in shown["debug"]["text"]
    assert (found["result"], found["severity"], found["rule"]) == ("shipped", "info", None)


def test_what_is_shown_is_what_is_sent(configure, shipper, folder):
    """The line of the file exporter, against the one that it really writes of the same event."""
    event = {
        "action": "org.add_member",
        "permission": "admin",
        "org": "acme-corp",
        "@timestamp": 1_760_000_000_123,
    }
    (folder / "page.json").write_text(json.dumps([event]))
    path = configure(exporters={"file": {"path": "out.jsonl"}})
    [shown] = json.loads(shipper("explain", "page.json", "--output", "json").stdout)["exports"]
    config = yaml.safe_load(path.read_text())
    config["receivers"]["github"]["base_url"] = "${env:GITHUB_API_URL}"
    config["service"] |= {"telemetry": {"metrics": False}, "admin": False}
    path.write_text(yaml.safe_dump(config))
    program = [sys.executable, "-m", "shipper"]
    command = [*program, "simulate", "github", "--port", "0", "--events", "page.json", "--", *program]
    subprocess.run([*command, "run", "--once"], check=True, capture_output=True, timeout=60)
    [sent] = (folder / "out.jsonl").read_text().splitlines()
    assert comparable(json.loads(sent)) == comparable(shown["json"])


def comparable(otlp):
    record = otlp["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]
    del record["observedTimeUnixNano"]
    host = otlp["resourceLogs"][0]["resource"]["attributes"][2]
    assert host["key"] == "server.address"
    host["value"] = None
    return otlp


@pytest.mark.parametrize(
    ("event", "stream"),
    [
        ({"action": "repo.create"}, "audit_log"),
        ({"number": 1, "rule": {}, "tool": {}}, "code_scanning"),
        ({"number": 1, "secret_type": "x"}, "secret_scanning"),
        ({"number": 1, "security_advisory": {}}, "dependabot"),
        ("a string", "audit_log"),
    ],
)
def test_the_stream_is_told_by_the_events_fields(configure, shipper, event, stream):
    configure()
    assert (
        json.loads(shipper("explain", "-", "--output", "json", stdin=json.dumps([event])).stdout)["stream"]
        == stream
    )


def test_the_stream_may_be_said(configure, shipper):
    configure()
    result = shipper("explain", "-", "--stream", "dependabot", stdin='{"number": 1, "state": "open"}')
    assert "github.dependabot_alert.open (dependabot)" in result.stdout


def test_several_events_and_pipelines_are_explained_one_by_one(configure, shipper):
    uses = {"receivers": ["github"], "processors": ["normalize", "rules"], "exporters": ["debug"]}
    configure(service={"pipelines": {"logs/a": uses, "logs/b": uses}})
    events = '{"action": "one"}\n{"action": "two"}\n'
    shown = json.loads(shipper("explain", "-", "--output", "json", stdin=events).stdout)
    assert [(each["event_name"].rpartition(".")[2], each["pipeline"]) for each in shown] == [
        ("one", "logs/a"),
        ("one", "logs/b"),
        ("two", "logs/a"),
        ("two", "logs/b"),
    ]
    assert shipper("explain", "-", "--pipeline", "logs/b", stdin=events).stdout.count("logs/b: ") == 2
    assert shipper("explain", "-", "--pipeline", "logs/c", stdin=events).exit_code == 2


@pytest.mark.parametrize("content", ["", "[]", "nonsense", '{"action":', "\x1b[31m"])
def test_input_that_holds_no_event_is_65(configure, shipper, content):
    configure()
    result = shipper("explain", "-", stdin=content)
    assert result.exit_code == 65
    assert result.stderr.startswith("error: -: ")
    assert "\x1b" not in result.stderr


HOSTILE = "\x1b]0;owned\x07\u202e\x9b31m\u2028\r\n\ud800\x7f"


@pytest.mark.parametrize("output", ["text", "json"])
def test_control_characters_of_events_never_reach_the_terminal(configure, shipper, output):
    rules = [{"name": "a", "match": {"actor|contains": "nobody"}, "severity": "low"}]
    configure(processors={"normalize": {}, "rules": {"rules": rules}, "schema": {}}, exporters=EXPORTERS)
    event = {"action": HOSTILE, "actor": HOSTILE, HOSTILE: HOSTILE, "_document_id": HOSTILE, "org": {HOSTILE: 1}}
    result = shipper("explain", "-", "--output", output, stdin=json.dumps(event))
    assert result.exit_code == 0, result.output
    assert all(char.isprintable() or char == "\n" for char in result.stdout)
    assert "owned" in result.stdout
    if output == "json":
        assert json.loads(result.stdout)["event_name"] == "github.audit_log." + HOSTILE


def test_huge_and_deep_events_are_explained_too(configure, shipper):
    configure(processors={"normalize": {}, "rules": {}, "schema": {}}, exporters=EXPORTERS)
    deep = "[" * 5000 + "]" * 5000
    event = '{"action": "x", "big": "' + "a" * 1_000_000 + '", "number": ' + "9" * 5000 + "}"
    for content in (event, f'[{{"deep": {deep}}}]'):
        assert shipper("explain", "-", stdin=content).exit_code == 0


def test_closed_standard_input_is_said(configure, folder):
    configure()
    command = [sys.executable, "-m", "shipper", "explain", "-"]
    script = ["sh", "-c", '"$@" <&-', "sh", *command]
    done = subprocess.run(script, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "standard input is closed; name a file" in done.stderr
    assert "Traceback" not in done.stderr
