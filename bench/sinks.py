"""A backend that refuses at random and remembers what it took.

It reads what arrives with other people's parsers (opentelemetry-proto), so that a fault of ours is not repeated in
the judgement.
"""

import random
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
