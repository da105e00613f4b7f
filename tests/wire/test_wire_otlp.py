"""Our OTLP encoder and decoder held against the protobuf library, hostile content included."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs

from shipper.core.batch import Scope
from shipper.core.component import Exported
from shipper.core.record import Record
from shipper.wire import otlp, otlp_encode, otlp_json

RESOURCE = {"service.name": "github", "vcs.provider.name": "github", "server.address": "api.github.com"}
SCOPE = Scope("shipper.receiver.github", "1.2.3")
SAMPLES = Path(__file__).parents[2].parent / "shared/data/github"

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.sampled_from(["", "\x00", "\r\n", "x" * 123, "x" * 124, "x" * 128, "é" * 70, "x" * 17_000])
)
keys = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(["", "k" * 127, "k" * 300, "\x00"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=8
)
times = st.integers(0, 2**64 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
attributes = st.dictionaries(keys.filter(lambda key: key not in ("log.record.uid", "stream")), values, max_size=5)
records = st.builds(
    Record,
    uid=texts,
    stream=st.just(""),
    event_name=texts,
    timestamp=times,
    observed=times,
    body=values,
    attributes=attributes,
    severity_number=st.integers(0, 24),
    severity_text=texts,
)
hostile = st.recursive(
    st.none()
    | st.integers()
    | st.floats()
    | st.text()
    | st.text(st.characters(categories=["Cs"]), min_size=1)
    | st.binary(max_size=10),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.none(), inner) | st.tuples(inner)
    ),
    max_leaves=8,
)


def record(body: Any = None, **fields: Any) -> Record:
    return Record(
        **({"uid": "u", "stream": "", "event_name": "", "timestamp": 0, "observed": 0, "body": body} | fields)
    )


def any_value(value: Any) -> AnyValue:
    """The value as the protobuf library builds it."""
    out = AnyValue()
    if isinstance(value, bool):
        out.bool_value = value
    elif isinstance(value, int):
        out.int_value = value
    elif isinstance(value, float):
        out.double_value = value
    elif isinstance(value, str):
        out.string_value = value
    elif isinstance(value, dict):
        out.kvlist_value.SetInParent()
        out.kvlist_value.values.extend(pairs(value))
    elif isinstance(value, list):
        out.array_value.SetInParent()
        out.array_value.values.extend(any_value(item) for item in value)
    return out


def pairs(values: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=any_value(value)) for key, value in values.items()]


def log_record(record: Record) -> LogRecord:
    return LogRecord(
        time_unix_nano=record.timestamp,
        observed_time_unix_nano=record.observed,
        severity_number=record.severity_number,  # type: ignore[arg-type]
        severity_text=record.severity_text,
        event_name=record.event_name,
        body=any_value(record.body),
        attributes=pairs({"log.record.uid": record.uid} | record.attributes),
    )


def request(batch: list[Record]) -> ExportLogsServiceRequest:
    """What the protobuf library makes of the records."""
    logs = ResourceLogs(scope_logs=[ScopeLogs(log_records=[log_record(each) for each in batch])])
    logs.resource.attributes.extend(pairs(RESOURCE))
    logs.scope_logs[0].scope.name, logs.scope_logs[0].scope.version = SCOPE
    return ExportLogsServiceRequest(resource_logs=[logs])


def body_of(payload: bytes) -> AnyValue:
    return ExportLogsServiceRequest.FromString(payload).resource_logs[0].scope_logs[0].log_records[0].body


@given(st.lists(records, max_size=3))
def test_the_bytes_are_those_of_the_protobuf_library(batch: list[Record]) -> None:
    """Not only the same message: the same bytes, so that nothing is left to a reader's leniency."""
    assert otlp.encode(batch, RESOURCE, SCOPE) == request(batch).SerializeToString()


@given(st.lists(records, max_size=3))
def test_what_the_protobuf_library_wrote_is_read_back(batch: list[Record]) -> None:
    decoded = otlp.decode(request(batch).SerializeToString())
    assert [exported.record for exported in decoded] == batch
    assert all((e.resource, e.scope) == (RESOURCE, SCOPE) for e in decoded)


@given(st.lists(records, max_size=3))
@example([Record("", "", "0", 0, 0, None, severity_text="0")])
def test_json_is_the_same_message(batch: list[Record]) -> None:
    """The protobuf library's own JSON parser finds the request in it that the binary form is."""
    text = otlp_json.encode(otlp.decode(otlp.encode(batch, RESOURCE, SCOPE)))
    parsed = json_format.Parse(text, ExportLogsServiceRequest())
    if batch:
        assert parsed == request(batch)
    else:
        assert parsed == ExportLogsServiceRequest()


@given(hostile, st.dictionaries(st.text(), hostile))
def test_no_value_stops_the_encoder_and_every_reader_takes_its_bytes(body: Any, extra: dict[str, Any]) -> None:
    batch = [record(body, attributes=extra, event_name=str(body), severity_text=str(extra)), record("neighbour")]
    for kind in ("map", "json"):
        payload = otlp.encode(batch, RESOURCE, SCOPE, kind)  # type: ignore[arg-type]
        read = ExportLogsServiceRequest.FromString(payload)
        assert len(read.resource_logs[0].scope_logs[0].log_records) == 2
        assert [e.record.uid for e in otlp.decode(payload)] == ["u", "u"]
        json.loads(otlp_json.encode(otlp.decode(payload)))
    assert otlp.decode(payload)[1].record.body == '"neighbour"'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2**63, "9223372036854775808"),
        (-(2**63) - 1, "-9223372036854775809"),
        ("\ud800", "\\ud800"),
        ("a\udfffb", "a\\udfffb"),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
    ],
)
def test_what_otlp_cannot_hold_becomes_faithful_text(value: Any, text: str) -> None:
    assert body_of(otlp.encode([record(value)], {}, SCOPE)).string_value == text
    inside = body_of(otlp.encode([record({"k": [value]})], {}, SCOPE))
    assert inside.kvlist_value.values[0].value.array_value.values[0].string_value == text


def test_an_integer_beyond_pythons_own_limit_of_digits_is_kept_in_hexadecimal() -> None:
    assert body_of(otlp.encode([record(16**5000)], {}, SCOPE)).string_value == "0x1" + "0" * 5000


@pytest.mark.parametrize("depth", [20, 21, 900])
def test_deep_nesting_ends_in_json_text(depth: int) -> None:
    """Protobuf libraries refuse deeper messages, and with them the whole request."""
    body: Any = "end"
    for _ in range(depth):
        body = {"d": body}
    found = otlp.decode(otlp.encode([record(body)], {}, SCOPE))[0].record.body
    assert ExportLogsServiceRequest.FromString(otlp.encode([record(body)], {}, SCOPE))
    levels = 0
    while isinstance(found, dict):
        found, levels = found["d"], levels + 1
    assert levels == 20
    assert found == ("end" if depth == 20 else '{"d":' * (depth - 20) + '"end"' + "}" * (depth - 20))


def test_nesting_beyond_pythons_stack_is_no_problem() -> None:
    body: Any = "end"
    for _ in range(100_000):
        body = [body]
    payload = otlp.encode([record(body)], {}, SCOPE)
    assert payload.count(b"[") == 100_000 - 20
    assert otlp.encode([record(body)], {}, SCOPE, "json").count(b"]") == 100_000


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"a": [1, None, "é"]}, '{"a":[1,null,"é"]}'),
        ("text", '"text"'),
        (None, "null"),
        ({"n": 2**70}, '{"n":"1180591620717411303424"}'),
        ({"\ud800": "\udc00"}, '{"\\\\ud800":"\\\\udc00"}'),
        ({"a": {"b": [], "c": {}}, "n": 2**70}, '{"a":{"b":[],"c":{}},"n":"1180591620717411303424"}'),
    ],
)
def test_a_json_body_is_one_string(body: Any, text: str) -> None:
    assert body_of(otlp.encode([record(body)], {}, SCOPE, "json")).string_value == text


def test_times_outside_the_range_are_brought_into_it() -> None:
    found = otlp.decode(otlp.encode([record(timestamp=-1, observed=2**70)], {}, SCOPE))[0].record
    assert (found.timestamp, found.observed) == (0, 2**64 - 1)


def test_a_forged_uid_attribute_loses_against_the_records_own() -> None:
    found = ExportLogsServiceRequest.FromString(
        otlp.encode([record(uid="own", attributes={"log.record.uid": "forged"})], {}, SCOPE)
    )
    (attribute,) = found.resource_logs[0].scope_logs[0].log_records[0].attributes
    assert (attribute.key, attribute.value.string_value) == ("log.record.uid", "own")


def test_the_stream_is_found_again_in_its_attribute() -> None:
    payload = otlp.encode([record(attributes={"stream": "audit_log"})], {}, SCOPE)
    assert otlp.decode(payload)[0].record.stream == "audit_log"


def test_a_flood_of_made_up_keys_does_not_fill_the_memory() -> None:
    def kept() -> int:
        fields = otlp_encode._VALUES, otlp_encode._ATTRIBUTES
        return max(
            sum(1 + len(sizes) for kind in field.known.values() for sizes in kind.values()) for field in fields
        )

    otlp.encode([record({f"key-{n}": n for n in range(40_000)})], {}, SCOPE)
    assert 0 < kept() <= 16384
    otlp.encode([record({f"k-{n}": "x" * size for n in range(200)}) for size in range(150)], {}, SCOPE)
    assert 0 < kept() <= 16384
    otlp.encode([record(attributes={f"key-{n}": f"value-{n}" for n in range(20_000)})], {}, SCOPE)
    assert 0 < kept() <= 16384
    assert 0 < len(otlp_encode._met) <= 4096


def test_values_that_equal_each_other_but_are_of_other_types_are_not_confused() -> None:
    """True is 1 is 1.0 in Python: what was kept of one must not be taken for the other."""
    for value in [1, True, 1.0, "1", 0, False, 0.0, None, "", [], {}, [1], [True], 1, True, 1.0, "1"]:
        one = record({"k": value, "in": {"k": value}}, attributes={"k": value})
        assert otlp.encode([one], RESOURCE, SCOPE) == request([one]).SerializeToString()


def test_keys_that_are_no_text_become_text() -> None:
    for key, text in [(1, "1"), (True, "True"), ("1", "1"), (1.0, "1.0"), (None, "None")] * 2:
        one = record({key: "v"}, attributes={key: "v"})
        assert otlp.encode([one], {}, SCOPE) == otlp.encode(
            [record({text: "v"}, attributes={text: "v"})], {}, SCOPE
        )


@given(st.lists(st.lists(records, max_size=4), max_size=3), st.integers(0, 13), st.integers(0, 13))
def test_a_cut_holds_just_those_records(batches: list[list[Record]], start: int, length: int) -> None:
    """Of one entry or of several joined ones."""
    payload = b"".join(
        otlp.encode(batch, RESOURCE | {"n": str(n)}, Scope("scope", str(n))) for n, batch in enumerate(batches)
    )
    everything = otlp.decode(payload)
    assert otlp.count(payload) == len(everything) == sum(map(len, batches))
    part = otlp.cut(payload, start, start + length)
    assert otlp.decode(part) == everything[start : start + length]
    assert otlp.count(part) == len(everything[start : start + length])


def test_a_cut_keeps_what_the_shipper_does_not_know() -> None:
    """Schema URLs and fields of later protocol versions stay with their records."""
    message = request([record("a"), record("b"), record("c")])
    message.resource_logs[0].schema_url = "https://example.com/resource"
    message.resource_logs[0].scope_logs[0].schema_url = "https://example.com/scope"
    message.resource_logs[0].scope_logs[0].log_records[1].trace_id = b"0" * 16
    part = ExportLogsServiceRequest.FromString(otlp.cut(message.SerializeToString(), 1, 2))
    del message.resource_logs[0].scope_logs[0].log_records[2]
    del message.resource_logs[0].scope_logs[0].log_records[0]
    assert part == message


@given(st.binary(max_size=200))
def test_bytes_that_are_no_request_are_a_value_error(data: bytes) -> None:
    for read in (otlp.decode, otlp.count, lambda payload: otlp.cut(payload, 0, 1)):
        try:
            read(data)
        except ValueError:
            continue


@given(st.lists(records, min_size=1, max_size=2), st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_payload_is_a_value_error_at_worst(batch: list[Record], at: int, byte: int) -> None:
    payload = bytearray(otlp.encode(batch, RESOURCE, SCOPE))
    payload[at % len(payload)] = byte
    try:
        otlp.decode(bytes(payload))
    except ValueError:
        return


@given(values, values)
def test_of_several_values_the_last_one_counts(first: Any, second: Any) -> None:
    """As protobuf merges a oneof that was sent twice; the library is the oracle."""
    both = any_value(first).SerializeToString() + any_value(second).SerializeToString()
    payload = ld(0x0A, ld(0x12, ld(0x12, ld(0x32, ld(0x0A, b"k") + ld(0x12, both)))))
    expected = AnyValue.FromString(both)
    assert otlp.decode(payload)[0].record.attributes.keys() == {"k"}
    if not isinstance(second, (dict, list)) and second is not None:
        assert any_value(otlp.decode(payload)[0].record.attributes["k"]) == expected


def test_fields_of_later_versions_between_attributes_are_skipped() -> None:
    """A resource's dropped_attributes_count, say, or an entity reference."""
    pair = ld(0x0A, ld(0x0A, b"a") + ld(0x12, ld(0x0A, b"b")))
    other = ld(0x0A, ld(0x0A, b"c") + ld(0x12, b"\x18\x05"))
    payload = ld(0x0A, ld(0x0A, pair + b"\x10\x07" + ld(0x1A, b"x") + other) + ld(0x12, ld(0x12, b"")))
    assert otlp.decode(payload)[0].resource == {"a": "b", "c": 5}


def test_values_of_strangers_nested_without_end_are_refused() -> None:
    value = any_value("end")
    payload = value.SerializeToString()
    for _ in range(5000):
        payload = ld(0x2A, ld(0x0A, payload))
    with pytest.raises(ValueError, match="nested"):
        otlp.decode(ld(0x0A, ld(0x12, ld(0x12, ld(0x2A, payload)))))


def ld(tag: int, content: bytes) -> bytes:
    """A length-delimited field."""
    out, size = bytearray([tag]), len(content)
    while size > 0x7F:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes(out) + bytes([size]) + content


def test_json_names_and_forms_are_those_of_the_specification() -> None:
    """Written out, since the protobuf library's parser takes more forms than the specification allows."""
    one = Record(
        uid="doc-1",
        stream="audit_log",
        event_name="github.audit_log.repo.access",
        timestamp=1725456356934000000,
        observed=1725456357000000001,
        body={"n": 1, "f": 0.5, "b": True, "s": "x", "z": None, "l": ["y"], "m": {}},
        attributes={"stream": "audit_log"},
        severity_number=17,
        severity_text="high",
    )
    assert json.loads(otlp_json.encode([Exported(one, {"service.name": "github"}, ("scope", "1"))])) == {
        "resourceLogs": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "github"}}]},
                "scopeLogs": [
                    {
                        "scope": {"name": "scope", "version": "1"},
                        "logRecords": [
                            {
                                "timeUnixNano": "1725456356934000000",
                                "observedTimeUnixNano": "1725456357000000001",
                                "severityNumber": 17,
                                "severityText": "high",
                                "eventName": "github.audit_log.repo.access",
                                "body": {
                                    "kvlistValue": {
                                        "values": [
                                            {"key": "n", "value": {"intValue": "1"}},
                                            {"key": "f", "value": {"doubleValue": 0.5}},
                                            {"key": "b", "value": {"boolValue": True}},
                                            {"key": "s", "value": {"stringValue": "x"}},
                                            {"key": "z", "value": {}},
                                            {
                                                "key": "l",
                                                "value": {"arrayValue": {"values": [{"stringValue": "y"}]}},
                                            },
                                            {"key": "m", "value": {"kvlistValue": {"values": []}}},
                                        ]
                                    }
                                },
                                "attributes": [
                                    {"key": "log.record.uid", "value": {"stringValue": "doc-1"}},
                                    {"key": "stream", "value": {"stringValue": "audit_log"}},
                                ],
                            }
                        ],
                    }
                ],
            }
        ]
    }


def test_records_of_one_resource_and_scope_share_it_in_json() -> None:
    def of(resource: str, scope: str) -> Exported:
        return Exported(record("b"), {"r": resource}, (scope, ""))

    read = json.loads(otlp_json.encode([of("a", "s"), of("a", "s"), of("a", "t"), of("b", "t")]))
    shape = [[len(scope["logRecords"]) for scope in logs["scopeLogs"]] for logs in read["resourceLogs"]]
    assert shape == [[2, 1], [1]]


@pytest.mark.skipif(not SAMPLES.exists(), reason="sample payloads are not part of the repository")
def test_real_events_come_back_as_they_were() -> None:
    files = sorted(SAMPLES.rglob("*.json"))
    events = [event for file in files for event in [json.loads(file.read_text())]]
    payload = otlp.encode([record(event) for event in events], RESOURCE, SCOPE)
    assert payload == request([record(event) for event in events]).SerializeToString()
    assert [exported.record.body for exported in otlp.decode(payload)] == events
