"""Events and alerts become records, whatever shape they have."""

import json
from pathlib import Path

import pytest

from shipper.wire.github import (
    alert_record,
    alert_time,
    alert_uid,
    audit_record,
    audit_uid,
    links,
    milliseconds,
    without_secret,
)
from shipper.wire.github_page import parse_page

SAMPLES = Path(__file__).parents[2].parent / "shared" / "data" / "github"
OBSERVED = 1_700_000_000_123_456_789

needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="the sample payloads are not here")

EVENT = {
    "@timestamp": 1_700_000_000_001,
    "_document_id": "abc",
    "action": "repo.access",
    "created_at": 1_690_000_000_000,
}
ALERT = {
    "number": 7,
    "state": "open",
    "created_at": "2024-05-01T10:00:00Z",
    "updated_at": "2024-05-02T10:00:00Z",
    "repository": {"id": 42, "full_name": "acme/web"},
}


def test_an_audit_event_becomes_a_record():
    record = audit_record(EVENT, OBSERVED, "acme")
    assert record.uid == "abc"
    assert record.stream == "audit_log"
    assert record.event_name == "github.audit_log.repo.access"
    assert record.timestamp == 1_700_000_000_001_000_000
    assert record.observed == OBSERVED
    assert record.organization == "acme"
    assert record.body is EVENT


@pytest.mark.parametrize(
    ("event", "timestamp", "name"),
    [
        ({"action": "a", "created_at": 1_690_000_000_000}, 1_690_000_000_000_000_000, "github.audit_log.a"),
        ({"action": "a"}, OBSERVED, "github.audit_log.a"),
        ({"@timestamp": "yesterday", "action": 5}, OBSERVED, "github.audit_log.unknown"),
        ({"@timestamp": -1, "action": ""}, OBSERVED, "github.audit_log.unknown"),
        ({"@timestamp": 10**30}, OBSERVED, "github.audit_log.unknown"),
        ("just text", OBSERVED, "github.audit_log.unknown"),
        (None, OBSERVED, "github.audit_log.unknown"),
        ([1], OBSERVED, "github.audit_log.unknown"),
    ],
)
def test_an_odd_event_is_a_record_too(event, timestamp, name):
    record = audit_record(event, OBSERVED, None)
    assert (record.timestamp, record.event_name, record.body) == (timestamp, name, event)
    assert len(record.uid) == 64


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        (1_700_000_000_000, 1_700_000_000_000),
        ("1700000000000", 1_700_000_000_000),
        (1_700_000_000_000.7, 1_700_000_000_000),
        ("2023-11-14T22:13:20Z", 1_700_000_000_000),
        ("2023-11-14T22:13:20.250+00:00", 1_700_000_000_250),
        ("2023-11-15T00:13:20+02:00", 1_700_000_000_000),
        ("2023-11-14T22:13:20", 1_700_000_000_000),
        (0, 0),
        (True, None),
        (None, None),
        ("", None),
        ("²", None),
        ("9" * 5000, None),
        (2**63, None),
        (-5, None),
        ({}, None),
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_times_are_understood_as_github_and_old_exports_write_them(value, ms):
    assert milliseconds(value) == ms


@pytest.mark.parametrize("given", [None, "", 5, ["x"], "x" * 257])
def test_an_event_without_a_usable_id_is_known_by_its_content(given):
    event = {"action": "a", "_document_id": given, "b": {"y": 1, "x": 2}}
    reordered = {"b": {"x": 2, "y": 1}, "_document_id": given, "action": "a"}
    assert audit_uid(event) == audit_uid(reordered) != audit_uid({**event, "action": "c"})


def test_the_same_event_has_the_same_id_whichever_parser_read_its_page():
    """Neighbours decide which parser reads a page; they must not decide who an event is."""
    event = '{"action": "a", "f": 1e22, "g": 0.1, "n": 1e16, "t": "é\\u2028", "i": 9007199254740993}'
    (alone,) = parse_page(f"[{event}]".encode())
    for neighbour in (b"NaN", b'"\\ud800"', b"123456789012345678901234", b'"\xff"', b"[" * 200 + b"]" * 200):
        beside = parse_page(b"[" + event.encode() + b"," + neighbour + b"]")[0]
        assert audit_uid(beside) == audit_uid(alone)


def test_the_same_odd_event_has_the_same_id_every_time():
    page = b'[{"a": NaN, "b": 123456789012345678901234567890, "c": "\\ud800", "d": 1e999}]'
    assert {audit_uid(parse_page(page)[0]) for _ in range(3)} == {
        "c3cd1467580e8f6225269737ade70a5deae60df72dfdd4473dad09ef37ff63e3"
    }


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"html_url": "https://elsewhere"}, True),
        ({"number": 8}, False),
        ({"state": "fixed"}, False),
        ({"updated_at": "2024-05-03T10:00:00Z"}, False),
        ({"repository": {"id": 43, "full_name": "acme/web"}}, False),
    ],
)
def test_an_alert_is_its_repository_number_state_and_last_change(change, same):
    assert (alert_uid({**ALERT, **change}, "code_scanning") == alert_uid(ALERT, "code_scanning")) is same


def test_on_servers_without_updated_at_a_second_dismissal_is_another_change():
    alert = {**ALERT, "updated_at": None, "state": "dismissed", "dismissed_at": "2024-05-02T10:00:00Z"}
    again = {**alert, "dismissed_at": "2024-05-09T10:00:00Z"}
    assert alert_uid(alert, "code_scanning") != alert_uid(again, "code_scanning")


def test_alerts_of_two_streams_are_two():
    assert alert_uid(ALERT, "code_scanning") != alert_uid(ALERT, "dependabot")


def test_an_alert_becomes_a_record():
    record = alert_record(ALERT, "code_scanning", OBSERVED, "acme")
    assert record.event_name == "github.code_scanning_alert.open"
    assert record.timestamp == 1_714_644_000_000_000_000
    assert record.body is ALERT


def test_an_alert_that_never_changed_is_dated_by_its_creation():
    assert alert_time({"created_at": "2024-05-01T10:00:00Z", "updated_at": None}) == 1_714_557_600_000


@pytest.mark.parametrize("alert", ["text", None, {}, {"state": None, "repository": "x"}, {"state": ["open"]}])
def test_an_odd_alert_is_a_record_too(alert):
    record = alert_record(alert, "dependabot", OBSERVED, None)
    assert (record.event_name, record.timestamp) == ("github.dependabot_alert.unknown", OBSERVED)


def test_a_secret_never_gets_into_a_record():
    alert = {**ALERT, "secret": "hunter2", "more": [{"secret": "hunter2"}, ["hunter3"]], "secret_type": "password"}
    body = alert_record(alert, "secret_scanning", OBSERVED, None).body
    assert "hunter2" not in json.dumps(body)
    assert body["secret"] == "[hidden]"
    assert body["secret_type"] == "password"
    assert alert["secret"] == "hunter2"


def test_unreadable_text_of_secret_scanning_is_withheld():
    assert "hunter2" not in without_secret('{"secret": "hunter2", "deep": [[[[')


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", {}),
        ('<https://x/a?after=b%2Cc>; rel="next"', {"next": "https://x/a?after=b%2Cc"}),
        ('<https://x/1>; rel="next", <https://x/2>; rel="last"', {"next": "https://x/1", "last": "https://x/2"}),
        ('<https://x/a,b;c>; rel=next; title="a, b"', {"next": "https://x/a,b;c"}),
        ('<https://x/a>; title="x"; rel="first next"', {"first": "https://x/a", "next": "https://x/a"}),
        ("<https://x/a>;REL=NEXT", {"next": "https://x/a"}),
        ("<https://x/a>", {}),
        ("nonsense; rel=next", {}),
    ],
)
def test_links_are_found_by_their_relation(header, found):
    assert links(header) == found


@needs_samples
def test_a_real_page_keeps_all_of_its_events():
    events = parse_page((SAMPLES / "gitHubResponse24LogsOrganization.json").read_bytes())
    records = [audit_record(event, OBSERVED, "x") for event in events]
    assert len({record.uid for record in records}) == 24
    assert records[0].uid == "CYErKZzPaf9j8zecxwUpSw"
    assert records[0].timestamp == 1_725_456_356_934_000_000


@needs_samples
def test_real_edge_cases_keep_their_shapes():
    for line in (SAMPLES / "audit_log_edge_cases.ndjson").read_bytes().splitlines():
        event = json.loads(line)
        assert audit_record(event, OBSERVED, None).body == event


@needs_samples
@pytest.mark.parametrize(
    ("stream", "different"), [("code_scanning", 4), ("dependabot", 2), ("secret_scanning", 1)]
)
def test_real_alerts_are_told_apart(stream, different):
    """Some of the samples are the same alert in the same state."""
    alerts = parse_page((SAMPLES / "alerts" / f"{stream}_org_alerts.json").read_bytes())
    assert len({alert_uid(alert, stream) for alert in alerts}) == different


def test_a_field_that_nests_too_deeply_hides_no_other():
    deep = '{"d":' * 400 + "1" + "}" * 400
    page = '[{"_document_id":"a,b]}","x":' + deep + ',"action":"repo.access"},{"action":"next"}]'
    first, second = parse_page(page.encode())
    assert first == {"_document_id": "a,b]}", "x": deep, "action": "repo.access"}
    assert second == {"action": "next"}
