"""Syslog messages: what they say, and that no content of an event can make them say anything else."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.core.component import Exported
from shipper.core.record import Record
from shipper.testing.syslog import parse_rfc5424, split_octets
from shipper.wire.syslog import FACILITIES, Formatter, Framing, Style, frame, severity, wrapped

RESOURCE = {"service.name": "github", "server.address": "api.github.com"}
TIME = 1767225600_123456789


def exported(body: Any = None, name: str = "github.audit_log.repo.access", **fields: Any) -> Exported:
    attributes = {
        "severity": "high",
        "shipper.rule": "repository-made-public",
        "user.name": "octocat",
        "vcs.repository.name": "widgets",
        "vcs.owner.name": "acme",
        "client.address": "192.0.2.7",
        "url.full": "https://github.example/acme",
    }
    record = Record("id-1", "audit_log", name, TIME, 0, {"a": 1} if body is None else body, attributes, 17, "high")
    for key, value in fields.items():
        setattr(record, key, value)
    return Exported(record, dict(RESOURCE), ("shipper.receiver.github", "1.2"))


def text(style: Style, record: Exported) -> str:
    return Formatter(style).message(record, 1).data.decode()


RFC5424 = (
    "<107>1 2026-01-01T00:00:00.123456Z api.github.com github - repo.access "
    '[github@32473 uid="id-1" action="repo.access" severity="high" rule="repository-made-public" '
    'stream="audit_log" actor="octocat" repo="widgets" org="acme"][meta sequenceId="1"] {"a":1}'
)
CEF = (
    "<131>Jan  1 00:00:00 api.github.com github: CEF:0|GitHub|audit_log|1.2|repo.access|repo.access|8|"
    "rt=1767225600123 externalId=id-1 act=repo.access suser=octocat request=https://github.example/acme "
    "src=192.0.2.7 cs1Label=repo cs1=widgets cs2Label=org cs2=acme cs3Label=rule "
    'cs3=repository-made-public cs4Label=severity cs4=high msg={"a":1}'
)
LEEF = (
    "<107>Jan  1 00:00:00 api.github.com github: LEEF:2.0|GitHub|audit_log|1.2|repo.access|^|"
    "devTime=2026-01-01T00:00:00.123+0000^devTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ^cat=audit_log^sev=8^"
    "usrName=octocat^src=192.0.2.7^url=https://github.example/acme^resource=widgets^domain=acme^"
    'policy=repository-made-public^severity=high^externalId=id-1^event={"a":1}'
)


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        (Style(), RFC5424),
        (Style(protocol="rfc3164"), '<107>Jan  1 00:00:00 api.github.com github: {"a":1}'),
        (Style(protocol="rfc3164", message_format="cef", facility=16), CEF),
        (Style(protocol="rfc3164", message_format="leef"), LEEF),
    ],
)
def test_a_record_in_each_style(style: Style, expected: str):
    assert text(style, exported()) == expected


SEVERITIES = {
    0: (21, 22, 23, 24),
    1: (19, 20),
    2: (18,),
    3: (17,),
    4: (13, 14, 15, 16),
    5: (10, 11, 12),
    6: (0, 9, 25, -1),
    7: (1, 2, 3, 4, 5, 6, 7, 8),
}


@pytest.mark.parametrize(
    ("number", "expected"), [(number, expected) for expected, group in SEVERITIES.items() for number in group]
)
def test_severity_by_the_opentelemetry_table(number: int, expected: int):
    assert severity(number) == expected


def test_facilities_have_the_numbers_of_rfc_5424():
    assert [FACILITIES[name] for name in ("kern", "syslog", "authpriv", "ftp", "ntp", "log_audit", "local0")] == [
        0, 5, 10, 11, 12, 13, 16,
    ]  # fmt: skip
    assert len(FACILITIES) == 24


@pytest.mark.parametrize(
    ("name", "msgid"),
    [
        ("github.audit_log.org.add_member", "org.add_member"),
        ("github.code_scanning_alert.open", "code_scanning.open"),
        ("github.secret_scanning_alert.resolved", "secret_scanning.resolved"),
        ("github.audit_log." + "x" * 40, "x" * 32),
        ("github.audit_log.two words\n<34>1", "two_words_<34>1"),
        ("github.audit_log.é", "_"),
        ("github.audit_log.", "-"),
        ("", "-"),
    ],
)
def test_msgid_is_the_action_or_stream_and_state(name: str, msgid: str):
    assert parse_rfc5424(text(Style(), exported(name=name)).encode()).msgid == msgid


def test_a_record_without_time_says_so():
    message = parse_rfc5424(text(Style(), exported(timestamp=0)).encode())
    assert message.timestamp is None
    later = parse_rfc5424(text(Style(), exported(timestamp=0, observed=TIME)).encode())
    assert later.timestamp == datetime(2026, 1, 1, 0, 0, 0, 123456, UTC)


def test_only_what_a_record_has_is_in_its_structured_data():
    record = exported(attributes={"user.name": 7, "vcs.owner.name": ["acme"]}, severity_text="", stream="")
    assert parse_rfc5424(text(Style(), record).encode()).structured_data == {
        "github@32473": {"uid": "id-1", "action": "repo.access"},
        "meta": {"sequenceId": "1"},
    }


def test_structured_data_escapes_three_characters_and_no_other():
    message = text(Style(), exported(uid="a\"b\\c]d[e'f"))
    assert r'uid="a\"b\\c\]d[e' + "'f\"" in message


def test_the_mark_of_a_byte_order_on_request():
    assert b'] \xef\xbb\xbf{"a":1}' in Formatter(Style(bom=True)).message(exported(), 1).data


def test_the_sequence_starts_again_behind_its_end():
    """RFC 5424, 7.3.1."""
    messages = Formatter(Style()).messages([exported()] * 3, 2**31 - 2)
    numbers = [parse_rfc5424(message.data).structured_data["meta"]["sequenceId"] for message in messages]
    assert numbers == ["2147483646", "2147483647", "1"]
    assert wrapped(2**31) == 1


@pytest.mark.parametrize(
    ("limit", "character"), [(1024, "x"), (2000, "é"), (8192, "𝄞"), (1024, "]"), (1024, "\\")]
)
def test_a_message_that_is_too_long_is_cut_at_a_character_with_a_mark(limit: int, character: str):
    message = Formatter(Style(max_size=limit)).message(exported(character * 9000), 1)
    parsed = parse_rfc5424(message.data)
    assert limit - 4 < len(message.data) <= limit
    assert parsed.text.endswith(f"…[cut: {message.size} bytes]")
    assert parsed.structured_data["github@32473"]["uid"] == "id-1"


def test_a_message_whose_fields_alone_are_too_long_is_still_a_message():
    attributes = dict.fromkeys(("severity", "shipper.rule", "user.name", "vcs.owner.name"), "]" * 9000)
    attributes["vcs.repository.name"] = "]" * 9000
    record = exported("x" * 9000, "github.audit_log." + "]" * 9000, uid='"' * 9000, attributes=attributes)
    record.resource.update({"server.address": "h" * 300, "service.name": "a" * 300})
    message = Formatter(Style(max_size=1024)).message(record, 2**31 - 1)
    parsed = parse_rfc5424(message.data)
    assert len(message.data) <= 1024
    assert parsed.structured_data["github@32473"]["uid"] == '"' * 8 + "…"
    assert (len(parsed.hostname), len(parsed.app_name), len(parsed.msgid)) == (255, 48, 32)


hostile = st.text(
    st.one_of(
        st.characters(codec=None),
        st.sampled_from('\n\r\0\t\x1b\x7f\x85\u2028\u2029\ud800\udfff"\\]=|^<>[] 0123456789'),
    ),
    max_size=60,
)
forged = st.sampled_from(
    [
        "\n<34>1 2026-01-01T00:00:00Z evil evil - - - forged",
        '"] [meta sequenceId="9"] forged',
        "\\",
        '\\"',
        "]",
        "12 <34>1 - - - - - -",
        "\r\n\r\n",
        "\0",
        "CEF:0|evil|evil|1|1|1|10|msg=x",
        "^event={}^usrName=evil",
        "\u202e",
    ]
)
evil = st.one_of(hostile, forged, st.builds("".join, st.lists(st.one_of(hostile, forged), max_size=4)))
bodies = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | evil | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(evil, inner, max_size=4),
    max_leaves=12,
)
ATTRIBUTES = (
    *("severity", "shipper.rule", "user.name", "vcs.owner.name", "vcs.repository.name"),
    *("client.address", "url.full", "stream"),
)
records = st.builds(
    lambda uid, stream, name, time, body, attributes, number, resource, version: Exported(
        Record(uid, stream, name, time, 0, body, attributes, number, ""), resource, ("s", version)
    ),
    evil,
    evil,
    st.builds(
        str.__add__,
        st.sampled_from(["", "github.audit_log.", "github.x_alert.", "github.code_scanning_alert."]),
        evil,
    ),
    st.integers(0, 2**64 - 1),
    bodies,
    st.dictionaries(
        st.sampled_from(ATTRIBUTES),
        evil | st.integers(),
    ),
    st.integers(-1, 30),
    st.dictionaries(st.sampled_from(["server.address", "service.name"]), evil),
    evil,
)
sizes = st.sampled_from([1024, 1025, 1500, 8192])


def written(text: str) -> str:
    """How text that a strict format can't hold is written."""
    clean = text.encode("utf-8", "backslashreplace").decode()
    return re.sub("[\x00-\x1f\x7f-\x9f\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", clean)


@given(st.lists(records, max_size=4), sizes)
def test_hostile_events_stay_one_rfc5424_message_each(events: list[Exported], size: int):
    messages = Formatter(Style(max_size=size)).messages(events, 1)
    stream = frame([message.data for message in messages], Framing.OCTETS)
    found = [parse_rfc5424(message) for message in split_octets(stream)]
    assert [message.structured_data["meta"]["sequenceId"] for message in found] == [
        str(number) for number in range(1, len(events) + 1)
    ]
    for message, parsed, event in zip(messages, found, events, strict=True):
        assert len(message.data) <= size
        assert parsed.facility == 13
        assert set(parsed.structured_data) == {"github@32473", "meta"}
        params = parsed.structured_data["github@32473"]
        assert set(params) <= {"uid", "action", "severity", "rule", "stream", "actor", "repo", "org"}
        if message.size <= size:
            assert params.get("uid", "") == written(event.record.uid)
            actor = event.record.attributes.get("user.name", "")
            assert params.get("actor", "") == (written(actor) if isinstance(actor, str) else "")


@given(st.lists(records, max_size=4), sizes, st.sampled_from(["rfc5424", "rfc3164"]))
def test_hostile_events_are_one_line_each(events: list[Exported], size: int, protocol: Any):
    """Whatever a reader takes for a line break; and the frame that follows is not swallowed."""
    messages = Formatter(Style(protocol=protocol, max_size=size)).messages(events, 1)
    stream = frame([message.data for message in messages], Framing.LINES)
    lines = stream.decode().splitlines()
    assert len(lines) == len(events)
    assert all(re.match(r"<\d{1,3}>", line) for line in lines)


@given(st.dictionaries(evil, evil | st.integers(-(2**63), 2**63 - 1), max_size=5))
def test_a_body_is_json_that_means_the_same(body: dict[str, Any]):
    message = Formatter(Style(max_size=10**6)).message(exported(body or {"a": 1}), 1)
    sent = json.loads(parse_rfc5424(message.data).text)
    clean = json.loads(json.dumps(body or {"a": 1}).encode().decode())
    faithful = {
        key.encode("utf-8", "backslashreplace").decode(): value.encode("utf-8", "backslashreplace").decode()
        if isinstance(value, str)
        else value
        for key, value in clean.items()
    }
    assert sent == faithful


def cef_fields(line: str) -> tuple[list[str], dict[str, str]]:
    r"""CEF by its own rules: `\|` in the header, `\=` and `\\` in the extension."""
    parts = re.split(r"(?<!\\)(?:\\\\)*\|", line, maxsplit=7)
    keys = list(re.finditer(r"(?:^| )([A-Za-z0-9]+)=", mask(parts[7])))
    ends = [key.start() for key in keys[1:]] + [len(parts[7])]
    values = {key[1]: parts[7][key.end() : end] for key, end in zip(keys, ends, strict=True)}
    return parts[:7], {key: re.sub(r"\\(.)", r"\1", value) for key, value in values.items()}


def mask(extension: str) -> str:
    """The extension with escaped pairs blotted out."""
    return re.sub(r"\\.", "..", extension)


@given(records)
def test_hostile_events_choose_no_cef_field(event: Exported):
    message = Formatter(Style(message_format="cef", max_size=10**6)).message(event, 1)
    header, extension = cef_fields(parse_rfc5424(message.data).text)
    assert header[:2] == ["CEF:0", "GitHub"]
    assert header[6] in {"1", "3", "5", "8", "10"}
    uid = event.record.uid
    assert extension.get("externalId", "") == written(uid)
    assert set(extension) <= {
        "rt", "externalId", "act", "suser", "request", "src", "c6a2", "c6a2Label", "msg",
        *(f"cs{n}" for n in range(1, 5)), *(f"cs{n}Label" for n in range(1, 5)),
    }  # fmt: skip


@given(records)
def test_hostile_events_choose_no_leef_field(event: Exported):
    message = Formatter(Style(message_format="leef", max_size=10**6)).message(event, 1)
    parts = parse_rfc5424(message.data).text.split("|", 6)
    assert parts[:2] == ["LEEF:2.0", "GitHub"]
    assert parts[5] == "^"
    keys = [pair.partition("=")[0] for pair in parts[6].split("^")]
    assert len(keys) == len(set(keys))
    assert set(keys) <= {
        "devTime", "devTimeFormat", "cat", "sev", "usrName", "src", "url", "resource", "domain", "policy",
        "severity", "externalId", "event",
    }  # fmt: skip
    assert keys[-1] == "event"


@pytest.mark.parametrize(
    "body",
    [
        None,
        True,
        7,
        "text",
        [1],
        {"deep": [[[[{}]]]]},
        2**70,
        float("nan"),
        b"\x00\xff",
        "\ud800",
        {"k": "\udfff"},
    ],
)
def test_any_body_can_be_sent(body: Any):
    record = exported()
    record.record.body = body
    assert parse_rfc5424(text(Style(), record).encode()).text
