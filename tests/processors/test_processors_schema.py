"""schema: JSON Schemas that are true to the wire, and what becomes of records that fail."""

import json
import logging
from pathlib import Path

import jsonschema
import pytest

from shipper.core.errors import ConfigError
from shipper.processors.json_schema import Validator
from shipper.processors.schema import PACKAGED, component, packaged

SAMPLES = Path(__file__).parents[2].parent / "shared" / "data" / "github"
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the recorded payloads are not here")
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def samples():
    audit = json.loads((SAMPLES / "gitHubResponse24LogsOrganization.json").read_text())
    audit += [json.loads(line) for line in (SAMPLES / "audit_log_edge_cases.ndjson").read_text().splitlines()]
    found = [("audit_log", event) for event in audit]
    for stream in ("code_scanning", "secret_scanning", "dependabot"):
        found += [
            (stream, alert) for alert in json.loads((SAMPLES / f"alerts/{stream}_org_alerts.json").read_text())
        ]
        hooks = sorted(SAMPLES.glob(f"webhooks/*__{stream}_alert__*.json"))
        found += [(stream, json.loads(hook.read_text())["alert"]) for hook in hooks]
    return found


@needs_samples
def test_all_recorded_payloads_pass(build, record):
    """Whatever GitHub was seen to send is valid, arrays for names and booleans for permissions included."""
    records = [record(event, stream) for stream, event in samples()]
    assert len(records) > 40
    assert [out.attributes for out in build(component)(records)] == [{}] * len(records)


@needs_samples
def test_both_engines_agree_on_recorded_payloads_and_their_ruins():
    """The quick engine says of each payload, and of each with a field broken, what the reference engine says."""
    compared = 0
    for stream, event in samples():
        schema = json.loads(packaged(stream).read_text())
        oracle, ours = jsonschema.Draft202012Validator(schema), Validator(packaged(stream))
        for ruined in [event, *({**event, key: 7.5} for key in event), *({**event, key: {}} for key in event)]:
            assert (not ours.failures(ruined)) == oracle.is_valid(ruined), ruined
            compared += 1
    assert compared > 1000


@pytest.mark.parametrize("stream", PACKAGED)
def test_the_packaged_schemas_are_schemas_of_draft_2020_12(stream):
    """They say their draft, are valid by it, and describe each field."""
    schema = json.loads(packaged(stream).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == DIALECT
    assert all("description" in field for field in schema["properties"].values())


@pytest.mark.parametrize(
    ("stream", "event", "errors"),
    [
        ("audit_log", {"actor": "ann"}, ['/: "action" is a required property']),
        (
            "audit_log",
            {"action": "a.b", "@timestamp": "1615077308538"},
            ['/@timestamp: the value is not of type "integer"'],
        ),
        ("audit_log", {"action": ""}, ["/action: the value is shorter than 1 character"]),
        ("audit_log", "text", ['/: the value is not of type "object"']),
        ("audit_log", None, ['/: the value is not of type "object"']),
        (
            "code_scanning",
            {"number": 1, "state": "open", "rule": {"security_severity_level": "error"}},
            ['/rule/security_severity_level: the value is not one of "low", "medium" or 3 other candidates'],
        ),
        (
            "code_scanning",
            {"number": "1", "rule": {}},
            ['/: "state" is a required property', '/number: the value is not of type "integer"'],
        ),
        ("secret_scanning", {"number": 1}, ['/: "secret_type" is a required property']),
        (
            "dependabot",
            {"number": 1, "state": "gone"},
            ['/state: the value is not one of "open", "dismissed" or 2 other candidates'],
        ),
    ],
)
def test_records_that_fail_are_tagged_with_pointers_and_messages(build, record, stream, event, errors):
    """By default they go on, marked, with their body as it was."""
    [out] = build(component)([record(event, stream)])
    assert out.attributes == {"shipper.schema.valid": False, "shipper.schema.errors": errors}
    assert out.body == event
    assert out.refusal == ""


def test_records_that_pass_or_have_no_schema_carry_no_mark(build, record):
    """Only failures are marked."""
    out = build(component)([record({"action": "a.b"}), record({"anything": 1}, "webhook")])
    assert [one.attributes for one in out] == [{}, {}]


def test_on_a_page_only_those_that_fail_are_marked(build, record):
    """Whether a page holds one stream or several, each record fares as it would alone."""
    schema = build(component)
    audit = [record({"action": "a.b"}), record({"action": 5}), record({"action": "c.d"})]
    alerts = [record({"number": 1, "state": "gone"}, "dependabot"), record({"anything": 1}, "webhook")]
    for page in (audit, audit[::2], [*audit[:1], *alerts], alerts, []):
        valid = [one.attributes.get("shipper.schema.valid", True) for one in schema([*page])]
        assert valid == [one.body.get("action") != 5 and one.stream != "dependabot" for one in page]


@pytest.mark.parametrize("dialect", [DIALECT, "http://json-schema.org/draft-07/schema#", None])
@pytest.mark.parametrize("name", [{}, {"$id": "https://example.com/main.json"}, {"$id": "other.json"}])
def test_a_page_is_judged_by_the_whole_schema(tmp_path, dialect, name):
    """With references into the schema itself, and whatever it is called."""
    main = {"properties": {"org_id": {"$ref": "#/definitions/id"}}, "definitions": {"id": {"type": "integer"}}}
    main |= name | ({"$schema": dialect} if dialect else {})
    (tmp_path / "main.json").write_text(json.dumps(main))
    assert Validator(tmp_path / "main.json").all_valid([{"org_id": 5}, {}])
    assert not Validator(tmp_path / "main.json").all_valid([{"org_id": 5}, {"org_id": "five"}])


@pytest.mark.parametrize(
    "event",
    [
        {"action": "a.b", "actor": "\ud800"},
        {"action": "a.b", "\udfff": 1},
        {"action": "a.b", "number": 10**400},
        {"action": "a.b", "data": {"deep": [[[[[[{}]]]]]]}},
    ],
)
def test_hostile_content_is_checked_like_any_other(build, record, event):
    """Lone surrogates and endless numbers don't break the check."""
    assert build(component)([record(event)])[0].attributes == {}


def test_lone_surrogates_hide_no_failure(build, record):
    """An event that the engine can't take as it is fails where it would fail without them."""
    [out] = build(component)([record({"action": 5, "actor": "\ud800"})])
    assert out.attributes["shipper.schema.errors"] == ['/action: the value is not of type "string"']


def test_an_event_too_deep_to_check_is_marked_not_lost(build, record):
    """Nesting that no engine follows is a failure of the event, not of the shipper."""
    deep = leaf = {}
    for _ in range(100_000):
        leaf["a"] = leaf = {}
    [out] = build(component)([record({"action": ["\ud800"], "data": deep})])
    assert out.attributes["shipper.schema.errors"] == ["/: the event can't be checked"]


def test_errors_are_few_short_and_without_values(build, record, tmp_path):
    """Ten errors at most, cut, and nothing of what the event says."""
    schema = {"$schema": DIALECT, "additionalProperties": {"type": "integer"}}
    (tmp_path / "s.json").write_text(json.dumps(schema))
    event = {f"{n}{'k' * 1000}": "ghp_secret" for n in range(50)}
    [out] = build(component, {"schemas": {"audit_log": "s.json"}})([record(event)])
    errors = out.attributes["shipper.schema.errors"]
    assert len(errors) == 10
    assert max(map(len, errors)) < 650
    assert "ghp_secret" not in str(errors)


def test_dead_letter_refuses_and_drop_forgets(build, record, context):
    """What on_invalid says becomes of failures; the valid go on."""
    good, bad = {"action": "a.b"}, {"action": 1}
    kept = build(component, {"on_invalid": "dead_letter"})([record(bad), record(good)])
    reason = 'fails the schema of audit_log: /action: the value is not of type "string"'
    assert [out.refusal for out in kept] == [reason, ""]
    assert [out.body for out in build(component, {"on_invalid": "drop"})([record(bad), record(good)])] == [good]
    assert context.meter.value("shipper_dropped_log_records", processor="part", reason="schema") == 1


def test_failures_are_counted_per_stream_and_field_and_one_in_a_hundred_is_logged(build, record, context, caplog):
    """Array places count as one field; a missing property is counted by its name."""
    schema = build(component)
    with caplog.at_level(logging.WARNING):
        for _ in range(150):
            schema(
                [
                    record({"@timestamp": "x"}),
                    record({"rule": {"tags": [1, 2]}, "number": 1, "state": None}, "code_scanning"),
                ]
            )
    count = context.meter.value
    assert count("shipper_schema_invalid_log_records", processor="part", stream="audit_log") == 150
    fields = {"/action": 150, "/@timestamp": 150}
    for field, number in fields.items():
        assert count("shipper_schema_invalid_fields", processor="part", stream="audit_log", field=field) == number
    assert (
        count("shipper_schema_invalid_fields", processor="part", stream="code_scanning", field="/rule/tags/*")
        == 300
    )
    said = [(line.stream, line.field, line.failed) for line in caplog.records]
    assert said == [
        ("audit_log", "/action", 1),
        ("code_scanning", "/rule/tags/*", 1),
        ("audit_log", "/action", 100),
        ("code_scanning", "/rule/tags/*", 100),
    ]


def test_events_can_not_flood_the_counters_with_fields(build, record, context, tmp_path):
    """Beyond two hundred fields all are counted as one."""
    (tmp_path / "s.json").write_text(
        json.dumps({"additionalProperties": False, "patternProperties": {"^a": False}})
    )
    schema = build(component, {"schemas": {"audit_log": "s.json"}})
    schema([record({f"a{n}": 1}) for n in range(500)])
    series = next(series for name, _, series in context.meter.collect() if name == "shipper_schema_invalid_fields")
    assert len(series) == 201
    assert series["part", "audit_log", "other"] == 300


@pytest.mark.parametrize("dialect", [DIALECT, "http://json-schema.org/draft-07/schema#"])
def test_schemas_refer_to_files_beside_them(build, record, tmp_path, dialect):
    """References lead to other files by relative name, in drafts 2020-12 and 7."""
    (tmp_path / "common.json").write_text(json.dumps({"definitions": {"id": {"type": "integer"}}}))
    main = {"$schema": dialect, "properties": {"org_id": {"$ref": "common.json#/definitions/id"}}}
    (tmp_path / "main.json").write_text(json.dumps(main))
    schema = build(component, {"schemas": {"audit_log": "main.json"}})
    assert [out.attributes.get("shipper.schema.errors") for out in schema([record({"org_id": "1"})])] == [
        ['/org_id: the value is not of type "integer"']
    ]


def test_a_reference_below_an_id_leads_to_the_file_beside_that_has_it(build, record, tmp_path):
    """An `$id` on the web is a name, not an address."""
    base = "https://schemas.example.com/v1"
    (tmp_path / "common.json").write_text(json.dumps({"$id": f"{base}/common.json", "type": "integer"}))
    main = {"$id": f"{base}/main.json", "properties": {"org_id": {"$ref": "common.json"}}}
    (tmp_path / "main.json").write_text(json.dumps(main))
    [out] = build(component, {"schemas": {"audit_log": "main.json"}})([record({"org_id": "1"})])
    assert out.attributes["shipper.schema.valid"] is False


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (None, "unreadable-file", "can't read {path}: No such file or directory"),
        ("{", "bad-schema", "{path}:1:2: no JSON: Expecting property name enclosed in double quotes"),
        ('{"type": "objekt"}', "bad-schema", "is no JSON Schema at /type"),
        ('{"properties": []}', "bad-schema", "is no JSON Schema at /properties"),
        ('{"pattern": "(a"}', "bad-schema", "is no JSON Schema at /pattern"),
        ('{"$schema": "https://example.com/my"}', "bad-schema", "Unknown meta-schema: 'https://example.com/my'"),
        (
            '{"$ref": "https://example.com/x.json"}',
            "remote-reference",
            "refers to https://example.com/x.json, which is not on this machine and is not fetched",
        ),
        ('{"$ref": "gone.json"}', "bad-reference", "gone.json"),
        ('{"$ref": "#/$defs/gone"}', "bad-reference", "Pointer '/$defs/gone' does not exist"),
    ],
)
def test_unusable_schemas_are_problems(check, tmp_path, content, code, message):
    """Each fault of a file is found without network, with its place and reason."""
    path = tmp_path / "s.json"
    if content is not None:
        path.write_text(content)
    [problem] = check(component, {"schemas": {"audit_log": "s.json"}})
    assert (problem.loc, problem.code) == (("schemas", "audit_log"), code)
    assert message.replace("{path}", str(path)) in problem.message


def test_an_unusable_schema_stops_the_build(build):
    """Who builds without checking is told the same."""
    with pytest.raises(ConfigError, match=r"schemas.audit_log: can't read"):
        build(component, {"schemas": {"audit_log": "gone.json"}})


def test_explain_says_schema_and_errors_and_changes_nothing(build, record):
    """An explanation marks and counts nothing."""
    event = record({"action": 1})
    explained = build(component).explain(event)
    assert explained == {
        "schema": str(packaged("audit_log")),
        "valid": False,
        "errors": ['/action: the value is not of type "string"'],
        "on_invalid": "tag",
    }
    assert event.attributes == {}
    assert build(component).explain(record({}, "webhook"))["schema"] is None
