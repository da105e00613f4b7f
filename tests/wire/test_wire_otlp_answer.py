"""What OTLP backends answer, honest or not."""

from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from shipper.wire.otlp_answer import (
    Partial,
    partial_success,
    partial_success_json,
    printable,
    retry_after,
    retry_delay,
    status_text,
)

NOW = 1_700_000_000_000_000_000


@given(st.integers(0, 2**63 - 1), st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=50))
def test_partial_success_as_the_protobuf_library_writes_it(rejected: int, message: str) -> None:
    answer = ExportLogsServiceResponse()
    answer.partial_success.rejected_log_records = rejected
    answer.partial_success.error_message = message
    assert partial_success(answer.SerializeToString()) == Partial(rejected, message)


def test_negative_numbers_of_rejected_records_are_none() -> None:
    answer = ExportLogsServiceResponse()
    answer.partial_success.rejected_log_records = -5
    assert partial_success(answer.SerializeToString()) == Partial(0, "")
    assert partial_success_json(b'{"partialSuccess":{"rejectedLogRecords":-5}}') == Partial(0, "")


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", Partial(0, "")),
        (b"{}", Partial(0, "")),
        (b"[]", Partial(0, "")),
        (b'{"partialSuccess":null}', Partial(0, "")),
        (b'{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"a\\nb"}}', Partial(3, "a b")),
        (b'{"partialSuccess":{"rejectedLogRecords":3,"errorMessage":5}}', Partial(3, "5")),
    ],
)
def test_partial_success_in_json(body: bytes, found: Partial) -> None:
    assert partial_success_json(body) == found


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (Status(code=3, message="bad time").SerializeToString(), "application/x-protobuf", "bad time"),
        (b'{"code":3,"message":"bad time"}', "application/json", "bad time"),
        (b'{"error":"bad time"}', "application/json", '{"error":"bad time"}'),
        (b"bad\r\n\x1b[31mtime", "text/plain", "bad   [31mtime"),
        (b"\xff\xfe", "application/x-protobuf", "\ufffd\ufffd"),
        (b"", "application/x-protobuf", ""),
        (b"{", "application/json", "{"),
        (b"x" * 5000, "", "x" * 1000),
    ],
)
def test_the_text_of_an_error(body: bytes, kind: str, text: str) -> None:
    assert status_text(body, kind) == text


def status(delay: Duration | None, *, kind: str = "") -> bytes:
    packed = AnyMessage()
    packed.Pack(RetryInfo(retry_delay=delay))
    if kind:
        packed.type_url = kind
    return Status(details=[packed]).SerializeToString()


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        (status(Duration(seconds=5)), 5.0),
        (status(Duration(nanos=250_000_000)), 0.25),
        (status(None), 0.0),
        (status(Duration(seconds=2**40)), 2.0**40),
        (status(Duration(seconds=-1, nanos=-999_999_999)), 0.0),
        (status(Duration(seconds=5), kind="type.googleapis.com/google.rpc.Help"), None),
        (Status(message="none").SerializeToString(), None),
        (b"", None),
        (b"\xff", None),
        (b"\x1a\x02\x12\xff", None),
    ],
)
def test_the_delay_of_retry_info(data: bytes, seconds: float | None) -> None:
    assert retry_delay(data) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("120", 120.0),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0),
        ("Tue, 14 Nov 2023 22:13:30 -0000", 10.0),
        ("Tue, 14 Nov 2023 22:13:00 GMT", 0.0),
        ("1.5", None),
        ("-1", None),
        ("1234567890", None),
        ("never", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


@given(st.binary(max_size=60), st.sampled_from(["application/json", "application/x-protobuf", "text/html"]))
def test_no_answer_is_more_than_a_value_error(body: bytes, kind: str) -> None:
    assert status_text(body, kind).isprintable()
    retry_delay(body)
    for read in (partial_success, partial_success_json):
        reader: Any = read
        try:
            assert reader(body).message.isprintable()
        except (ValueError, TypeError):
            continue


@given(st.text(max_size=30))
def test_no_header_is_too_strange(value: str) -> None:
    retry_after(value, NOW)


def test_printable_text_is_one_line() -> None:
    assert printable("a\u2028b\u202ec\x00".encode()) == "a b c"
