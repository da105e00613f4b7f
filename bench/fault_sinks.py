"""Backends that fail in every way they know, by seed, and remember what they took: the judges of the fault run.

They read what arrives with other parsers than ours (opentelemetry-proto, a strict RFC 5424 reader), so that a
fault of ours is not repeated in the judgement. `faults` counts what they did; `unanswered` how often they took
records and the answer never arrived, which is when a shipper must send them again.
"""

import asyncio
import json
import random
import socket
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio
from aiohttp import web
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from shipper.testing.syslog import parse_rfc5424

#: Seconds after which the shipper gives an attempt up, and for which a backend that hangs does.
TIMEOUT = 1.0
HANG = 1.3

_METHOD = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"


def poison(uid: str) -> bool:
    """Whether the OTLP backends refuse this record for good."""
    return zlib.crc32(uid.encode()) % 199 == 0


def canonical(body: Any) -> str:
    """A body as text that is equal where the body is."""
    return json.dumps(body, sort_keys=True, ensure_ascii=False)


class Sink:
    """What every backend has: its luck, and a ledger.

    Args:
        seed: of its luck.
        kinds: faults with their shares of all occasions.
    """

    def __init__(self, seed: str, kinds: Mapping[str, float]) -> None:
        self.taken: Counter[str] = Counter()
        self.bodies: dict[str, set[str]] = {}
        self.declined: set[str] = set()
        """What it said that it threw away, so that nobody may send it again."""
        self.faults: Counter[str] = Counter()
        self.unanswered = 0
        self.calm = False
        self._kinds = kinds
        self._random = random.Random(seed)

    def draw(self) -> str:
        """The fault of this occasion, or nothing."""
        luck = self._random.random()
        for kind, share in self._kinds.items():
            luck -= share
            if luck < 0 and not self.calm:
                self.faults[kind] += 1
                return kind
        return ""

    def take(self, uid: str, body: str) -> None:
        """Keep a record."""
        self.taken[uid] += 1
        self.bodies.setdefault(uid, set()).add(body)


class _Otlp(Sink):
    def judge(self, payload: bytes) -> list[tuple[str, str]] | None:
        """The records of a request, None where it must be refused for good."""
        message = ExportLogsServiceRequest.FromString(payload)
        records = [
            (_uid(record), canonical(_plain(record.body)))
            for resource in message.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]
        if not any(poison(uid) for uid, _ in records):
            return records
        self.faults["refused for good (poison)"] += 1
        return None

    def keep(self, records: list[tuple[str, str]], kind: str) -> bytes:
        """Take records, all but one of several if the success is to be partial; the answer."""
        answer = ExportLogsServiceResponse()
        if kind == "partial success" and len(records) > 1:
            declined, _ = records.pop()
            self.declined.add(declined)
            answer.partial_success.rejected_log_records = 1
            answer.partial_success.error_message = "one record is not to our taste"
        for uid, body in records:
            self.take(uid, body)
        if kind in _UNANSWERED:
            self.unanswered += 1
        return answer.SerializeToString()


_UNANSWERED = ("took it, hung up", "took it, answered too late", "took it, half an answer")


class HttpSink(_Otlp):
    """OTLP over HTTP."""

    _STATUSES: Mapping[str, tuple[int, dict[str, str]]] = {
        "503": (503, {}),
        "429 with Retry-After": (429, {"Retry-After": "0"}),
        "502": (502, {}),
        "504": (504, {}),
        "401": (401, {}),
        "403": (403, {}),
        "404": (404, {}),
    }

    def __init__(self, seed: int) -> None:
        kinds = dict.fromkeys(self._STATUSES, 0.03) | dict.fromkeys(_UNANSWERED[::2], 0.03)
        rare = {"hung": 0.01, _UNANSWERED[1]: 0.01, "reset unread": 0.04, "partial success": 0.01}
        super().__init__(f"{seed}/http", kinds | rare)

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/logs", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.endpoint = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        kind = self.draw()
        if kind in self._STATUSES:
            status, headers = self._STATUSES[kind]
            return web.Response(status=status, headers=headers)
        if kind == "reset unread":
            return _abort(request)
        body = await request.read()
        if kind == "hung":
            await asyncio.sleep(HANG)
            return _abort(request)
        records = self.judge(body)
        if records is None:
            return web.Response(status=400, text="poison")
        return await self._took(request, self.keep(records, kind), kind)

    async def _took(self, request: web.Request, answer: bytes, kind: str) -> web.StreamResponse:
        """Records were taken: answer, or fail to."""
        if kind == "took it, answered too late":
            await asyncio.sleep(HANG)
        if kind == "took it, half an answer" and request.transport:
            request.transport.write(b"HTTP/1.1 2")
            request.transport.close()
        if kind == "took it, hung up":
            _abort(request)
        return web.Response(body=answer, content_type="application/x-protobuf")


def _abort(request: web.Request) -> web.Response:
    if request.transport:
        request.transport.abort()
    return web.Response()


class GrpcSink(_Otlp):
    """OTLP over gRPC."""

    _CODES = ("UNAVAILABLE", "ABORTED", "DATA_LOSS", "UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED")

    def __init__(self, seed: int) -> None:
        kinds = dict.fromkeys((*self._CODES, "RESOURCE_EXHAUSTED with RetryInfo"), 0.03)
        rare = {
            "took it, hung up": 0.03,
            "took it, answered too late": 0.01,
            "hung": 0.01,
            "partial success": 0.01,
        }
        super().__init__(f"{seed}/grpc", kinds | rare)

    async def __aenter__(self) -> Self:
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers((_Export(self._answer),))
        self.endpoint = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.stop(None)

    async def _answer(self, request: bytes, context: Any) -> bytes:
        kind = self.draw()
        if kind in self._CODES:
            await context.abort(grpc.StatusCode[kind], "because")
        if kind == "RESOURCE_EXHAUSTED with RetryInfo":
            status = Status(code=8)
            status.details.add().Pack(RetryInfo(retry_delay=Duration(nanos=10**7)))
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "later")
        if kind == "hung":
            await asyncio.sleep(HANG)
            await context.abort(grpc.StatusCode.CANCELLED, "late")
        records = self.judge(request)
        if records is None:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "poison")
            return b""
        answer = self.keep(records, kind)
        if kind == "took it, answered too late":
            await asyncio.sleep(HANG)
        if kind == "took it, hung up":
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        return answer


class _Export(grpc.GenericRpcHandler):
    def __init__(self, answer: Callable[[bytes, Any], Any]) -> None:
        self._answer = answer

    def service(self, details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(self._answer) if details.method == _METHOD else None


class SyslogSink(Sink):
    """RFC 5424 over TCP with octet counting. `unanswered` counts the connections it broke.

    It stops as programs do: killed, with whatever it has not taken thrown away and the connection reset; or in
    order, behind what it has read so far, while its system may hold more and then resets the connection.
    """

    def __init__(self, seed: int) -> None:
        kinds = {"hung up": 0.0015, "reset": 0.0015, "stalled": 0.0005}
        super().__init__(f"{seed}/syslog", kinds)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    async def absent(self, seconds: float) -> None:
        """Listen to nobody new for a while."""
        self.faults["not listening"] += 1
        self._server.close()
        await asyncio.sleep(seconds)
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await self._keep(reader)
                kind = self.draw()
                if kind == "stalled":
                    await asyncio.sleep(HANG)
                elif kind:
                    self.unanswered += 1
                    await self._break(reader, writer, abrupt=kind == "reset")
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _keep(self, reader: asyncio.StreamReader) -> None:
        length = int((await reader.readuntil(b" "))[:-1])
        uid, body = _message(await reader.readexactly(length))
        self.take(uid, body)

    async def _break(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, abrupt: bool) -> None:
        if abrupt:
            connected = writer.get_extra_info("socket")
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        reader.feed_eof()  # what it has read by now is the end
        while True:
            await self._keep(reader)


def _message(message: bytes) -> tuple[str, str]:
    """The uid and the body of a message."""
    found = parse_rfc5424(message)
    return found.structured_data["github@32473"]["uid"], canonical(json.loads(found.text))


def _uid(record: Any) -> str:
    return next(pair.value.string_value for pair in record.attributes if pair.key == "log.record.uid")


def _plain(value: AnyValue) -> Any:
    """An AnyValue as JSON would have it."""
    kind = value.WhichOneof("value")
    if kind == "kvlist_value":
        return {pair.key: _plain(pair.value) for pair in value.kvlist_value.values}
    if kind == "array_value":
        return [_plain(item) for item in value.array_value.values]
    return getattr(value, kind) if kind else None
