"""OTLP backends on loopback that answer what a test tells them to, and remember what they were sent."""

import gzip
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import grpc
import grpc.aio
import zstandard
from aiohttp import web
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from shipper.core.batch import Scope
from shipper.core.clock import SystemClock
from shipper.core.component import Context, Paths
from shipper.core.journal import Chunk
from shipper.core.record import Record
from shipper.core.telemetry import Health, Meter
from shipper.delivery.window import Window
from shipper.wire import otlp

METHOD = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"

HTTPAnswer = Callable[[web.Request], Awaitable[web.StreamResponse]]
GRPCAnswer = Callable[[bytes, grpc.aio.ServicerContext], Awaitable[bytes]]


def window(*bodies: Any) -> Window:
    """Records with these bodies, as a delivery hands them over."""
    records = [Record(f"uid-{n}", "audit_log", "event", 1, 2, body) for n, body in enumerate(bodies)]
    payload = otlp.encode(records, {"service.name": "github"}, Scope("scope", "1"))
    return Window.of([Chunk(0, payload, 0, len(bodies), whole=True)])


def context(folder: Path = Path("/"), name: str = "otlp/test") -> Context:
    """A component's surroundings, with real time."""
    clock = SystemClock()
    return Context(name, Meter(), Health(clock), clock, Paths(folder, folder))


def bodies(request: ExportLogsServiceRequest) -> list[str]:
    """The (string) bodies of the records of a request."""
    return [
        record.body.string_value
        for resource in request.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]


@dataclass
class Request:
    """What a backend was sent."""

    peer: str
    headers: dict[str, str]
    message: ExportLogsServiceRequest
    path: str = ""
    size: int = 0
    """Bytes on the wire."""

    @property
    def bodies(self) -> list[str]:
        return bodies(self.message)


@dataclass
class Backend:
    """Answers the scripted answers one after the other, then success."""

    script: list[Any] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def answers(self, *script: Any) -> None:
        self.script += script


@dataclass
class HTTPBackend(Backend):
    """OTLP over HTTP; an answer is a function of the request, or a status."""

    tls: Any = None
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, auto_decompress=False, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self.tls).start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._runner
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        assert self._runner
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        peer = "{}:{}".format(*request.transport.get_extra_info("peername")[:2]) if request.transport else ""
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append(Request(peer, headers, _message(raw, headers), request.path_qs, len(raw)))
        answer = self.script.pop(0) if self.script else 200
        if isinstance(answer, int):
            return web.Response(status=answer, body=b"", content_type="application/x-protobuf")
        response: web.StreamResponse = await answer(request)
        return response


def _message(raw: bytes, headers: dict[str, str]) -> ExportLogsServiceRequest:
    plain = {
        "gzip": gzip.decompress,
        "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
    }
    body = plain.get(headers.get("content-encoding", ""), bytes)(raw)
    if headers["content-type"] == "application/json":
        return json_format.Parse(body, ExportLogsServiceRequest())
    assert headers["content-type"] == "application/x-protobuf"
    return ExportLogsServiceRequest.FromString(body)


def respond(
    status: int = 200, body: bytes = b"", kind: str = "application/x-protobuf", **headers: str
) -> HTTPAnswer:
    """An answer with a body; in names of headers, `_` stands for `-`."""

    async def answer(_request: web.Request) -> web.Response:
        extra = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, body=body, headers={"Content-Type": kind, **extra})

    return answer


async def hang_up(request: web.Request) -> web.StreamResponse:
    """Disconnect without an answer."""
    assert request.transport
    request.transport.abort()
    return web.Response()


class _Handler(grpc.GenericRpcHandler):
    def __init__(self, handle: GRPCAnswer) -> None:
        self._handle = handle

    def service(self, handler_call_details: Any) -> Any:
        if handler_call_details.method != METHOD:
            return None
        return grpc.unary_unary_rpc_method_handler(self._handle)


@dataclass
class GRPCBackend(Backend):
    """OTLP over gRPC; an answer is a function of request and context, or the name of a status code."""

    credentials: Any = None
    port: int = 0
    _server: Any = None

    async def __aenter__(self) -> Self:
        self._server = grpc.aio.server(
            options=[("grpc.max_receive_message_length", 2**30), ("grpc.so_reuseport", 0)]
        )
        self._server.add_generic_rpc_handlers((_Handler(self._handle),))
        where = f"127.0.0.1:{self.port}"
        if self.credentials:
            self.port = self._server.add_secure_port(where, self.credentials)
        else:
            self.port = self._server.add_insecure_port(where)
        await self._server.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._server.stop(None)

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def _handle(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        metadata: Iterable[tuple[str, Any]] = context.invocation_metadata() or ()  # type: ignore[assignment]
        headers = {str(name): str(value) for name, value in metadata}
        message = ExportLogsServiceRequest.FromString(request)
        self.requests.append(Request(context.peer(), headers, message, size=len(request)))
        answer = self.script.pop(0) if self.script else b""
        if isinstance(answer, bytes):
            return answer
        if isinstance(answer, str):
            answer = refuse(answer)
        found: bytes = await answer(request, context)
        return found


def refuse(code: str, details: str = "because", status: bytes = b"") -> GRPCAnswer:
    """A status other than OK, perhaps with a serialized `google.rpc.Status`."""

    async def answer(_request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        if status:
            context.set_trailing_metadata((("grpc-status-details-bin", status),))
        await context.abort(grpc.StatusCode[code], details)
        return b""

    return answer
