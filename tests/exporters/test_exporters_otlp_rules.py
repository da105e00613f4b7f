"""The client rules of the OTLP specification, a test for each; docs/otlp.md lists them by these names."""

import asyncio
import gzip
import logging
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import grpc.aio
import pytest
import zstandard
from aiohttp import web
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from otlp_backends import (
    Backend,
    GRPCBackend,
    HTTPBackend,
    bodies,
    context,
    hang_up,
    refuse,
    respond,
    window,
)

from shipper.core.batch import Scope
from shipper.core.component import Context, Exporter
from shipper.core.errors import Rejected, Unavailable
from shipper.core.journal import Cursor, Entry
from shipper.core.record import Record
from shipper.delivery import Delivery
from shipper.exporters import otlp_grpc, otlp_http, otlp_report
from shipper.exporters.otlp_config import REQUEST_LIMIT
from shipper.exporters.otlp_grpc import OTLPExporter
from shipper.exporters.otlp_http import OTLPHTTPExporter
from shipper.journal import memory_journal
from shipper.wire import otlp

KIB, MIB = 2**10, 2**20
METRIC = "shipper_exporter_partial_rejected_log_records"


@pytest.fixture
async def http() -> AsyncIterator[HTTPBackend]:
    async with HTTPBackend() as backend:
        yield backend


@pytest.fixture
async def grpc_backend() -> AsyncIterator[GRPCBackend]:
    async with GRPCBackend() as backend:
        yield backend


def http_exporter(backend: HTTPBackend, around: Context | None = None, **config: Any) -> OTLPHTTPExporter:
    made = otlp_http.Config.model_validate({"endpoint": backend.url} | config)
    return OTLPHTTPExporter(made, around or context())


def grpc_exporter(backend: GRPCBackend, around: Context | None = None, **config: Any) -> OTLPExporter:
    made = otlp_grpc.Config.model_validate({"endpoint": backend.endpoint, "tls": {"insecure": True}} | config)
    return OTLPExporter(made, around or context())


async def failure(exporter: Exporter, *records: Any) -> Unavailable | Rejected:
    """How the export of these records fails."""
    async with exporter:
        with pytest.raises((Unavailable, Rejected)) as raised:
            await exporter.export(window(*records or ("record",)))
    error = raised.value
    assert isinstance(error, (Unavailable, Rejected))
    return error


def status_with(detail: Any) -> bytes:
    packed = AnyMessage()
    packed.Pack(detail)
    return Status(code=14, message="busy", details=[packed]).SerializeToString()


def partial(rejected: int, message: str) -> bytes:
    answer = ExportLogsServiceResponse()
    answer.partial_success.rejected_log_records = rejected
    answer.partial_success.error_message = message
    return answer.SerializeToString()


# Which answers are worth another attempt


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_http_retryable_statuses(http: HTTPBackend, status: int) -> None:
    http.answers(status)
    error = await failure(http_exporter(http))
    assert isinstance(error, Unavailable)
    assert not error.blocked
    assert len(http.requests) == 1


@pytest.mark.parametrize("status", [400, 402, 406, 408, 409, 410, 413, 414, 415, 418, 422, 431, 500, 501, 505])
async def test_http_all_other_statuses_are_final(http: HTTPBackend, status: int) -> None:
    http.answers(respond(status, Status(message="no such tenant").SerializeToString()))
    error = await failure(http_exporter(http))
    assert isinstance(error, Rejected)
    assert error.indexes is None
    assert error.answer == f"status {status}: no such tenant"


@pytest.mark.parametrize("status", [401, 403, 404, 405, 407])
async def test_http_refused_access_is_an_outage(http: HTTPBackend, status: int) -> None:
    """No verdict on the records: they wait until somebody has mended the configuration."""
    http.answers(status)
    error = await failure(http_exporter(http))
    assert isinstance(error, Unavailable)
    assert error.blocked
    assert f"status {status}" in error.reason


@pytest.mark.parametrize(
    "code", ["CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"]
)
async def test_grpc_retryable_codes(grpc_backend: GRPCBackend, code: str) -> None:
    grpc_backend.answers(code)
    error = await failure(grpc_exporter(grpc_backend))
    assert isinstance(error, Unavailable)
    assert not error.blocked
    assert f"{code}: because" in error.reason
    assert len(grpc_backend.requests) == 1


@pytest.mark.parametrize(
    "code", ["UNKNOWN", "INVALID_ARGUMENT", "ALREADY_EXISTS", "FAILED_PRECONDITION", "INTERNAL"]
)
async def test_grpc_all_other_codes_are_final(grpc_backend: GRPCBackend, code: str) -> None:
    grpc_backend.answers(code)
    error = await failure(grpc_exporter(grpc_backend))
    assert isinstance(error, Rejected)
    assert error.indexes is None
    assert error.answer == f"{code}: because"


@pytest.mark.parametrize("code", ["UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED", "NOT_FOUND"])
async def test_grpc_refused_access_is_an_outage(grpc_backend: GRPCBackend, code: str) -> None:
    grpc_backend.answers(code)
    error = await failure(grpc_exporter(grpc_backend))
    assert isinstance(error, Unavailable)
    assert error.blocked


@pytest.mark.parametrize(("asked", "waits"), [(7, 7), (0, 0), (-5, 0), (315_576_000_000, 315_576_000_000)])
async def test_grpc_resource_exhausted_is_retryable_with_retry_info(
    grpc_backend: GRPCBackend, asked: int, waits: int
) -> None:
    """That there is one says so, whatever time it asks for; the loop bounds that."""
    info = status_with(RetryInfo(retry_delay=Duration(seconds=asked)))
    grpc_backend.answers(refuse("RESOURCE_EXHAUSTED", "full", info))
    error = await failure(grpc_exporter(grpc_backend))
    assert isinstance(error, Unavailable)
    assert error.retry_after == waits


@pytest.mark.parametrize("status", [b"", status_with(BadRequest()), b"\xff no status"])
async def test_grpc_resource_exhausted_is_final_without_retry_info(
    grpc_backend: GRPCBackend, status: bytes
) -> None:
    """It is what a server says of a message that is too large for it: halves may fit."""
    grpc_backend.answers(refuse("RESOURCE_EXHAUSTED", "message larger than max", status))
    assert isinstance(await failure(grpc_exporter(grpc_backend)), Rejected)


async def test_no_connection_is_retryable() -> None:
    async with HTTPBackend() as http, GRPCBackend() as grpc_server:
        exporters = [http_exporter(http), grpc_exporter(grpc_server)]
    for exporter in exporters:
        error = await failure(exporter)
        assert isinstance(error, Unavailable)
        assert "127.0.0.1" in error.reason


async def test_a_disconnect_without_an_answer_is_retryable(http: HTTPBackend) -> None:
    http.answers(hang_up)
    assert isinstance(await failure(http_exporter(http)), Unavailable)


async def test_no_answer_in_time_is_retryable(http: HTTPBackend, grpc_backend: GRPCBackend) -> None:
    released = asyncio.Event()

    async def late(*_: Any) -> Any:
        await released.wait()
        return b"" if len(_) == 2 else web.Response()

    http.answers(late)
    grpc_backend.answers(late)
    first = await failure(http_exporter(http, timeout="100ms"))
    second = await failure(grpc_exporter(grpc_backend, timeout="100ms"))
    released.set()
    assert isinstance(first, Unavailable)
    assert isinstance(second, Unavailable)
    assert "did not answer within 0.1s" in first.reason
    assert "DEADLINE_EXCEEDED" in second.reason


# When to come back


async def test_retry_after_in_seconds(http: HTTPBackend) -> None:
    http.answers(respond(429, Retry_After="17"))
    error = await failure(http_exporter(http))
    assert isinstance(error, Unavailable)
    assert error.retry_after == 17


async def test_retry_after_as_a_date(http: HTTPBackend) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    http.answers(respond(503, Retry_After=date))
    error = await failure(http_exporter(http))
    assert isinstance(error, Unavailable)
    assert error.retry_after is not None
    assert 90 < error.retry_after <= 100


@pytest.mark.parametrize(
    "value", ["", "soon", "-5", "1e9", "99999999999", "\u0663", "Tue, 99 Foo 2024 00:00:00 GMT"]
)
async def test_a_retry_after_that_says_nothing_is_ignored(http: HTTPBackend, value: str) -> None:
    http.answers(respond(429, Retry_After=value))
    error = await failure(http_exporter(http))
    assert isinstance(error, Unavailable)
    assert error.retry_after is None


async def test_a_retry_after_in_the_past_is_now(http: HTTPBackend) -> None:
    http.answers(respond(429, Retry_After="Tue, 01 Jan 2019 00:00:00 GMT"))
    error = await failure(http_exporter(http))
    assert isinstance(error, Unavailable)
    assert error.retry_after == 0


async def test_retry_info(grpc_backend: GRPCBackend) -> None:
    info = RetryInfo(retry_delay=Duration(seconds=3, nanos=500_000_000))
    grpc_backend.answers(refuse("UNAVAILABLE", "busy", status_with(info)))
    error = await failure(grpc_exporter(grpc_backend))
    assert isinstance(error, Unavailable)
    assert error.retry_after == pytest.approx(3.5)


async def test_retry_info_behind_other_details(grpc_backend: GRPCBackend) -> None:
    status = Status.FromString(status_with(BadRequest()))
    status.MergeFrom(Status.FromString(status_with(RetryInfo(retry_delay=Duration(seconds=2)))))
    grpc_backend.answers(refuse("UNAVAILABLE", "busy", status.SerializeToString()))
    error = await failure(grpc_exporter(grpc_backend))
    assert isinstance(error, Unavailable)
    assert error.retry_after == 2


# Partial success


async def partially(exporter: Exporter, backend: Backend, around: Context) -> None:
    async with exporter:
        await exporter.export(window("a", "b", "c"))
    assert len(backend.requests) == 1
    assert around.meter.value(METRIC, exporter=around.id) == 2


async def test_partial_success_is_never_retried_and_is_counted_and_logged(
    http: HTTPBackend, grpc_backend: GRPCBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """The request is done with; what the backend rejected of it is in the telemetry and its words in the log."""
    http.answers(respond(200, partial(2, "two have no\nhost")))
    grpc_backend.answers(partial(2, "two have no\nhost"))
    around, other = context(), context()
    with caplog.at_level(logging.WARNING):
        await partially(http_exporter(http, around), http, around)
        await partially(grpc_exporter(grpc_backend, other), grpc_backend, other)
    assert [vars(record)["answer"] for record in caplog.records] == ["two have no host"] * 2
    assert [vars(record)["rejected"] for record in caplog.records] == [2, 2]


@pytest.mark.parametrize("number", ["2", '"2"'])
async def test_partial_success_in_json(http: HTTPBackend, number: str) -> None:
    body = f'{{"partialSuccess":{{"rejectedLogRecords":{number},"errorMessage":"no host"}}}}'
    http.answers(respond(200, body.encode(), "application/json; charset=utf-8"))
    around = context()
    await partially(http_exporter(http, around, encoding="json"), http, around)


async def test_a_partial_success_that_takes_nothing_refuses_every_record(
    http: HTTPBackend, grpc_backend: GRPCBackend
) -> None:
    """It is known which records those are, so they become dead letters instead of being lost."""
    http.answers(respond(200, partial(2, "too old")))
    grpc_backend.answers(partial(2**40, "too old"))
    around = context()
    for exporter in http_exporter(http, around), grpc_exporter(grpc_backend, around):
        async with exporter:
            with pytest.raises(Rejected, match="without any of its records") as refused:
                await exporter.export(window("a", "b"))
        assert (refused.value.answer, list(refused.value.indexes or ())) == ("too old", [0, 1])
    assert around.meter.value(METRIC, exporter=around.id) == 4


async def test_partial_success_without_rejected_records_is_a_warning(
    http: HTTPBackend, caplog: pytest.LogCaptureFixture
) -> None:
    http.answers(respond(200, partial(0, "use the new endpoint")))
    around = context()
    async with http_exporter(http, around) as exporter:
        await exporter.export(window("a"))
    assert around.meter.value(METRIC, exporter=around.id) == 0
    assert [vars(record)["answer"] for record in caplog.records] == ["use the new endpoint"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"\xff\xff\xff", "application/x-protobuf"),
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b'{"partialSuccess":{"rejectedLogRecords":"many"}}', "application/json"),
        (b'{"partialSuccess":{"rejectedLogRecords":{}}}', "application/json"),
        (b"OK", "text/plain"),
        (b"", "text/html"),
    ],
)
async def test_a_success_whose_body_says_nothing_is_a_success(http: HTTPBackend, body: bytes, kind: str) -> None:
    """The status alone decides: sending again would double the records."""
    http.answers(respond(200, body, kind))
    async with http_exporter(http) as exporter:
        await exporter.export(window("a"))
    assert len(http.requests) == 1


async def test_a_web_page_is_no_success(http: HTTPBackend) -> None:
    """A wrong address that answers 200 to anything must not swallow records."""
    http.answers(respond(200, b"<!doctype html><title>Sign in</title>", "text/html"))
    error = await failure(http_exporter(http))
    assert isinstance(error, Unavailable)
    assert error.blocked


# Sizes


async def test_requests_above_64_mib_are_not_sent(http: HTTPBackend, grpc_backend: GRPCBackend) -> None:
    """Before compression; the delivery halves the batch, and one record too large for any request is dead."""
    for exporter in (http_exporter(http, compression="gzip"), grpc_exporter(grpc_backend)):
        error = await failure(exporter, "x" * (REQUEST_LIMIT // 2), "y" * (REQUEST_LIMIT // 2))
        assert isinstance(error, Rejected)
        assert error.indexes is None
    assert REQUEST_LIMIT == 64 * MIB
    assert http.requests == grpc_backend.requests == []


async def test_requests_up_to_the_limit_are_sent(
    http: HTTPBackend, grpc_backend: GRPCBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both of our limit's sides, with a limit that tests can afford."""
    most = len(window("x" * MIB).otlp)
    monkeypatch.setattr(otlp_report, "REQUEST_LIMIT", most)
    for exporter, backend in ((http_exporter(http), http), (grpc_exporter(grpc_backend), grpc_backend)):
        async with exporter:
            await exporter.export(window("x" * MIB))
            with pytest.raises(Rejected):
                await exporter.export(window("x" * (MIB + 1)))
        assert [request.size for request in backend.requests] == [most]  # type: ignore[attr-defined]


async def test_answers_above_4_mib_are_not_read(http: HTTPBackend) -> None:
    http.answers(respond(200, b"\x00" * (4 * MIB + 1)), respond(400, b"x" * (5 * MIB), "text/plain"))
    async with http_exporter(http) as exporter:
        await exporter.export(window("a"))
        with pytest.raises(Rejected) as raised:
            await exporter.export(window("b"))
    assert raised.value.answer == "status 400"


async def test_grpc_answers_above_4_mib_are_not_read(grpc_backend: GRPCBackend) -> None:
    """The call went through, so the records are not sent again."""
    grpc_backend.answers(b"\x0a" + b"\x80\x80\x80\x04" + b"\x00" * (8 * MIB))
    around = context()
    async with grpc_exporter(grpc_backend, around) as exporter:
        await exporter.export(window("a"))
    assert len(grpc_backend.requests) == 1


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "deflate"])
async def test_decompression_bombs_are_refused(http: HTTPBackend, encoding: str) -> None:
    plain = b"\x00" * (32 * MIB)
    bomb = {
        "gzip": lambda: gzip.compress(plain, 9),
        "deflate": lambda: zlib.compress(plain, 9),
        "zstd": lambda: zstandard.ZstdCompressor(level=9).compress(plain),
    }[encoding]()
    http.answers(respond(400, bomb, "text/plain", Content_Encoding=encoding))
    error = await failure(http_exporter(http))
    assert isinstance(error, Rejected)
    assert error.answer == "status 400"


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "deflate"])
async def test_compressed_answers_are_read(http: HTTPBackend, encoding: str) -> None:
    packed = {
        "gzip": lambda: gzip.compress(b"no") + gzip.compress(b"pe"),
        "deflate": lambda: zlib.compress(b"nope"),
        "zstd": lambda: zstandard.ZstdCompressor().compress(b"nope"),
    }[encoding]()
    http.answers(respond(400, packed, "text/plain", Content_Encoding=encoding))
    error = await failure(http_exporter(http))
    assert isinstance(error, Rejected)
    assert error.answer == "status 400: nope"


# Connections and what is sent over them


async def test_connections_are_kept_alive(http: HTTPBackend, grpc_backend: GRPCBackend) -> None:
    for exporter, backend in ((http_exporter(http), http), (grpc_exporter(grpc_backend), grpc_backend)):
        async with exporter:
            for body in ("a", "b", "c"):
                await exporter.export(window(body))
        assert [request.bodies for request in backend.requests] == [["a"], ["b"], ["c"]]  # type: ignore[attr-defined]
        assert len({request.peer for request in backend.requests}) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
@pytest.mark.parametrize("kind", ["proto", "json"])
async def test_content_encoding(http: HTTPBackend, encoding: str, kind: str) -> None:
    async with http_exporter(http, compression=encoding, encoding=kind) as exporter:
        await exporter.export(window("x" * 5000))
    (request,) = http.requests
    assert request.headers["content-encoding"] == encoding
    assert request.bodies == ["x" * 5000]
    assert request.size < 500


async def test_grpc_compression(grpc_backend: GRPCBackend) -> None:
    """The server decompresses by itself, so that it arrives is the proof."""
    async with grpc_exporter(grpc_backend, compression="gzip") as exporter:
        await exporter.export(window("x" * 5000))
    assert grpc_backend.requests[0].bodies == ["x" * 5000]


@pytest.mark.parametrize(
    ("endpoint", "compression"),
    [
        ("collector:4317", "gzip"),
        ("127.0.0.2:4317", "none"),
        ("localhost:4317", "none"),
        ("[::1]:4317", "none"),
        ("[2001:db8::1]:4317", "gzip"),
        ("unix:///run/otlp.sock", "none"),
    ],
)
def test_gzip_is_the_default_but_not_on_loopback(endpoint: str, compression: str) -> None:
    assert OTLPExporter(otlp_grpc.Config(endpoint=endpoint), context())._gzip == (compression == "gzip")
    if not endpoint.startswith("unix"):
        over_http = OTLPHTTPExporter(otlp_http.Config(endpoint=f"http://{endpoint}"), context())
        assert over_http._compression == compression


async def test_uncompressed_requests_have_no_content_encoding(http: HTTPBackend) -> None:
    async with http_exporter(http) as exporter:
        await exporter.export(window("a"))
    assert "content-encoding" not in http.requests[0].headers


async def test_headers_are_sent_with_every_request(http: HTTPBackend, grpc_backend: GRPCBackend) -> None:
    headers = {"X-Tenant": "acme", "Authorization": "Bearer s3cret"}
    for exporter, backend in (
        (http_exporter(http, headers=headers), http),
        (grpc_exporter(grpc_backend, headers=headers), grpc_backend),
    ):
        assert "s3cret" not in repr(exporter)
        async with exporter:
            await exporter.export(window("a"))
        sent = backend.requests[0].headers  # type: ignore[attr-defined]
        assert (sent["x-tenant"], sent["authorization"]) == ("acme", "Bearer s3cret")


async def test_the_user_agent_names_the_shipper(http: HTTPBackend, grpc_backend: GRPCBackend) -> None:
    for exporter, backend in ((http_exporter(http), http), (grpc_exporter(grpc_backend), grpc_backend)):
        async with exporter:
            await exporter.export(window("a"))
        agent = backend.requests[0].headers["user-agent"]  # type: ignore[attr-defined]
        assert agent.startswith("github-log-shipper/")


@pytest.mark.parametrize("kind", ["proto", "json"])
async def test_both_encodings_carry_the_same_request(http: HTTPBackend, kind: str) -> None:
    sent = window({"a": [1, None, 0.5, True]}, "b")
    async with http_exporter(http, encoding=kind) as exporter:
        await exporter.export(sent)
    assert http.requests[0].message.SerializeToString() == sent.otlp


@pytest.mark.parametrize(
    ("path", "key", "arrives"),
    [
        ("", "endpoint", "/v1/logs"),
        ("/", "endpoint", "/v1/logs"),
        ("/otlp/", "endpoint", "/otlp/v1/logs"),
        ("/otlp?key=1", "endpoint", "/otlp/v1/logs?key=1"),
        ("/otlp", "logs_endpoint", "/otlp"),
        ("/otlp%2Fa/?b=%20", "logs_endpoint", "/otlp%2Fa/?b=%20"),
        ("", "logs_endpoint", "/"),
    ],
)
async def test_the_path_of_logs(http: HTTPBackend, path: str, key: str, arrives: str) -> None:
    config = {"endpoint": None} | {key: http.url + path}
    async with http_exporter(http, **config) as exporter:
        await exporter.export(window("a"))
    assert http.requests[0].path == arrives


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(http: HTTPBackend, status: int) -> None:
    """The headers may be credentials, and whoever answers a redirect chooses who gets them."""
    async with HTTPBackend() as other:
        http.answers(respond(status, Location=f"{other.url}/v1/logs?token=1"))
        error = await failure(http_exporter(http, headers={"authorization": "Bearer s3cret"}))
        assert isinstance(error, Unavailable)
        assert error.blocked
        assert f"redirects to {other.url}/v1/logs, which is not followed; fix the endpoint" in error.reason
        assert other.requests == []
    assert len(http.requests) == 1


async def test_credentials_in_the_address_of_a_redirect_are_not_told(http: HTTPBackend) -> None:
    http.answers(respond(302, Location="https://ops:s3cret@sso.example.com/login#access_token=s3cret"))
    error = await failure(http_exporter(http))
    assert isinstance(error, Unavailable)
    assert "redirects to https://***@sso.example.com/login, which" in error.reason


async def test_cookies_are_not_kept(http: HTTPBackend) -> None:
    http.answers(respond(200, Set_Cookie="a=b"))
    async with http_exporter(http) as exporter:
        await exporter.export(window("a"))
        await exporter.export(window("b"))
    assert "cookie" not in http.requests[1].headers


# Together with the delivery


async def deliver(exporter: Exporter, config: Any, around: Context, events: list[Any]) -> list[str]:
    """Bring events to an exporter; the reasons of those that became dead letters."""
    journal = await memory_journal()
    cursor = Cursor("logs/test", around.id)
    delivery = Delivery(cursor, exporter, config, journal, around)
    async with exporter:
        await delivery.open()
        records = [Record(f"uid-{n}", "", "", 1, 2, event) for n, event in enumerate(events)]
        if records:
            payload = otlp.encode(records, {}, Scope("scope", "1"))
            await journal.append([Entry("logs/test", payload, len(records))])
        task = asyncio.create_task(delivery.run())
        await delivery.drained()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    dead = [letter.uid async for letter in journal.dead_letters()]
    await journal.close()
    return dead


async def test_no_empty_requests(http: HTTPBackend, grpc_backend: GRPCBackend) -> None:
    """Neither at rest, nor when every record of a batch is refused."""

    async def picky(request: web.Request) -> web.Response:
        return web.Response(status=400)

    http.answers(*[picky] * 20)
    config = otlp_http.Config(endpoint=http.url)
    assert await deliver(OTLPHTTPExporter(config, context()), config, context(), []) == []
    assert http.requests == []
    dead = await deliver(OTLPHTTPExporter(config, context()), config, context(), ["a", "b", "c"])
    assert sorted(dead) == ["uid-0", "uid-1", "uid-2"]
    assert all(request.bodies for request in http.requests)


async def test_a_refused_record_is_found_and_its_neighbours_arrive(grpc_backend: GRPCBackend) -> None:
    async def picky(request: bytes, call: grpc.aio.ServicerContext) -> bytes:
        if "guilty" in bodies(grpc_backend.requests[-1].message):
            await call.abort(grpc.StatusCode.INVALID_ARGUMENT, "guilty")
        taken.extend(grpc_backend.requests[-1].bodies)
        return b""

    taken: list[str] = []
    grpc_backend.answers(*[picky] * 100)
    config = otlp_grpc.Config.model_validate({"endpoint": grpc_backend.endpoint, "tls": {"insecure": True}})
    events = [f"event {n}" for n in range(40)]
    events[17] = "guilty"
    assert await deliver(OTLPExporter(config, context()), config, context(), events) == ["uid-17"]
    assert taken == [event for event in events if event != "guilty"]


async def test_a_large_batch_is_split_below_the_limit(http: HTTPBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several records that fit one by one are sent so; one that fits no request becomes a dead letter."""
    monkeypatch.setattr(otlp_report, "REQUEST_LIMIT", 64 * KIB)
    events = ["a" * (30 * KIB), "b" * (30 * KIB), "c" * (30 * KIB), "d" * (65 * KIB), "e"]
    config = otlp_http.Config(endpoint=http.url)
    around = context()
    assert await deliver(OTLPHTTPExporter(config, around), config, around, events) == ["uid-3"]
    assert [body[0] for request in http.requests for body in request.bodies] == ["a", "b", "c", "e"]
    assert all(request.size <= 64 * KIB for request in http.requests)


async def test_concurrency_is_configurable(http: HTTPBackend) -> None:
    """As many requests at once as configured, and no more."""
    at_once = most = 0
    full = asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        if at_once == 3:
            full.set()
        await full.wait()
        await asyncio.sleep(0)
        at_once -= 1
        return web.Response()

    http.answers(*[slow] * 9)
    config = otlp_http.Config.model_validate({"endpoint": http.url, "concurrency": 3, "batch": {"max_records": 1}})
    around = context()
    assert await deliver(OTLPHTTPExporter(config, around), config, around, [f"{n}" for n in range(9)]) == []
    assert most == 3
    assert len({request.peer for request in http.requests}) == 3


async def test_retries_go_on_without_an_end_by_default(http: HTTPBackend) -> None:
    http.answers(503, 429, hang_up, 401, 302, 504)
    config = otlp_http.Config.model_validate(
        {"endpoint": http.url, "retry_on_failure": {"initial_interval": "1ms", "max_interval": "2ms"}}
    )
    around = context()
    assert config.retry_on_failure.max_elapsed_time == 0
    assert await deliver(OTLPHTTPExporter(config, around), config, around, ["a"]) == []
    assert [request.bodies for request in http.requests] == [["a"]] * 7


@pytest.mark.parametrize("transport", ["http", "grpc"])
async def test_what_a_backend_repeats_of_our_headers_is_not_kept(transport: str):
    """Some answer with the request that they refuse: it would stand in the log, `/readyz` and the dead letters."""
    key = "Bearer mark-of-the-key-0123456789"
    if transport == "http":
        async with HTTPBackend() as http:
            http.answers(respond(400, f"bad request: Authorization: {key}".encode(), "text/plain"))
            config = otlp_http.Config(endpoint=http.url, headers={"authorization": key})
            refused = await refusal(OTLPHTTPExporter(config, context()))
    else:
        async with GRPCBackend() as grpc_:
            grpc_.answers(refuse("INVALID_ARGUMENT", f"bad request: {key}"))
            config = otlp_grpc.Config(endpoint=grpc_.endpoint, tls={"insecure": True}, headers={"x-key": key})
            refused = await refusal(OTLPExporter(config, context()))
    assert "bad request: " in refused.answer
    assert "mark-of-the-key" not in f"{refused.answer} {refused.reason}"


async def refusal(exporter: Any) -> Rejected:
    async with exporter:
        with pytest.raises(Rejected) as caught:
            await exporter.export(window("x"))
    return caught.value
