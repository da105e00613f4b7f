"""Backends that refuse at random and remember what they took: the oracle's eyes in the crash runs.

They read what arrives with other people's parsers (opentelemetry-proto, a strict frame reader), so that a fault
of ours is not repeated in the judgement.
"""

import asyncio
import random
import re
from collections import Counter
from types import TracebackType
from typing import Self

from aiohttp import web
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest


class OtlpSink:
    """An OTLP/HTTP receiver on loopback that answers 503, or not at all, at random (by seed).

    `taken` counts how often each uid was taken; `unanswered` how many requests were taken without an answer.
    """

    def __init__(self, seed: int, trouble: float = 0.3) -> None:
        self.taken: Counter[str] = Counter()
        self.unanswered = 0
        self.trouble = trouble
        self._random = random.Random(seed)

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/logs", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.endpoint = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        luck = self._random.random() / self.trouble if self.trouble else 1
        if luck < 0.6:
            return web.Response(status=503, headers={"Retry-After": "0"})
        message = ExportLogsServiceRequest.FromString(body)
        self.taken.update(
            attribute.value.string_value
            for resource in message.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
            for attribute in record.attributes
            if attribute.key == "log.record.uid"
        )
        if luck < 1:
            self.unanswered += 1
            assert request.transport is not None
            request.transport.abort()
        return web.Response(body=b"", content_type="application/x-protobuf")


class SyslogSink:
    """A TCP syslog receiver (RFC 6587 octet counting) that hangs up at random (by seed)."""

    _UID = re.compile(rb' uid="((?:[^"\\]|\\.)*)"')

    def __init__(self, seed: int, trouble: float = 0.02) -> None:
        self.taken: Counter[str] = Counter()
        self.hung_up = 0
        self.trouble = trouble
        self._random = random.Random(seed)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                length = int((await reader.readuntil(b" "))[:-1])
                frame = await reader.readexactly(length)
                uid = self._UID.search(frame)
                assert uid, frame[:200]
                self.taken[re.sub(rb"\\(.)", rb"\1", uid[1]).decode()] += 1
                if self._random.random() < self.trouble / 50:
                    self.hung_up += 1
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
