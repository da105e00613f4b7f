"""The program as its users start it, and backends on loopback that remember what arrives."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from aiohttp import web
from e2e_listening import PATIENCE, ended
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc as logs_grpc

from shipper.simulator import Simulator


class Backend:
    """What arrived over OTLP: requests, and their LogRecords with resource and scope."""

    def __init__(self) -> None:
        self.endpoint = ""
        self.requests: list[logs.ExportLogsServiceRequest] = []
        self.headers: list[dict[str, str]] = []
        self._arrived = asyncio.Event()

    def take(self, request: logs.ExportLogsServiceRequest) -> None:
        self.requests.append(request)
        self._arrived.set()

    async def received(self, count: int) -> None:
        """Return when that many records have arrived."""
        while len(self.records) < count:
            self._arrived.clear()
            await asyncio.wait_for(self._arrived.wait(), PATIENCE)

    @property
    def records(self) -> list[tuple[Any, Any, Any]]:
        return [
            (resource.resource, scope.scope, record)
            for request in self.requests
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]


class _Service(logs_grpc.LogsServiceServicer):
    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def Export(self, request, context):  # noqa: N802 - the service's own name
        self._backend.take(request)
        return logs.ExportLogsServiceResponse()


@pytest.fixture
async def grpc_backend() -> AsyncIterator[Backend]:
    backend = Backend()
    server = grpc.aio.server()
    logs_grpc.add_LogsServiceServicer_to_server(_Service(backend), server)
    backend.endpoint = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    yield backend
    await server.stop(None)


@pytest.fixture
async def http_backend() -> AsyncIterator[Backend]:
    backend = Backend()

    async def take(request: web.Request) -> web.Response:
        backend.headers.append(dict(request.headers))
        backend.take(logs.ExportLogsServiceRequest.FromString(await request.read()))
        return web.Response(body=b"", content_type="application/x-protobuf")

    app = web.Application(client_max_size=2**26)
    app.router.add_post("/v1/logs", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    backend.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield backend
    await runner.cleanup()


class SyslogBackend:
    """What arrived over TCP with octet counting: one `bytes` a message."""

    def __init__(self) -> None:
        self.port = 0
        self.messages: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                length = int((await reader.readuntil(b" "))[:-1])
                self.messages.append(await reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@pytest.fixture
async def syslog_backend() -> AsyncIterator[SyslogBackend]:
    backend = SyslogBackend()
    server = await asyncio.start_server(backend.serve, "127.0.0.1", 0)
    backend.port = server.sockets[0].getsockname()[1]
    yield backend
    server.close()


class Program:
    """`shipper` in a folder of its own. A run's stdout and stderr are kept as text."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[asyncio.subprocess.Process] = []

    def configure(self, github: Simulator, exporters: dict[str, Any], **changes: Any) -> Path:
        """Write a configuration of the usual pipeline with these exporters; gives its path."""
        receiver = {"organizations": ["acme-corp"], "base_url": github.url, "auth": {"token": "t"}}
        config = {
            "receivers": {"github": receiver | changes.pop("receiver", {})},
            "processors": changes.pop("processors", {"normalize": {}, "rules": {}, "schema": {}}),
            "exporters": exporters,
            "extensions": {"storage": {"path": str(self.folder / "shipper.db")}},
        }
        pipeline = {
            "receivers": ["github"],
            "processors": list(config["processors"]),
            "exporters": list(exporters),
        }
        telemetry = {"logs": {"format": "json"}, "metrics": {"endpoint": "127.0.0.1:0"}}
        config["service"] = {
            "pipelines": {"logs/github": pipeline | changes.pop("pipeline", {})},
            "telemetry": telemetry,
            "admin": {"endpoint": "127.0.0.1:0"},
        }
        path = self.folder / "pipelines.json"
        path.write_text(json.dumps(config | changes))
        return path

    async def start(self, *arguments: str, **env: str) -> asyncio.subprocess.Process:
        """Start `shipper` with these arguments; stdout and stderr are pipes."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "shipper",
            *arguments,
            cwd=self.folder,
            env={key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "GITHUB_"))}
            | env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self._started.append(process)
        return process

    async def run(self, *arguments: str, **env: str) -> tuple[int, str, str]:
        """Run to the end: exit code, stdout, stderr."""
        process = await self.start(*arguments, **env)
        out, err = await ended(process)
        assert process.returncode is not None
        return process.returncode, out, err

    async def end(self) -> None:
        """End whatever a test left running."""
        for process in self._started:
            if process.returncode is None:
                process.kill()
                await process.communicate()


@pytest.fixture
async def program(tmp_path: Path) -> AsyncIterator[Program]:
    made = Program(tmp_path)
    yield made
    await made.end()
