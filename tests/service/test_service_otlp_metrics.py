"""The shipper's own metrics, pushed by OTLP."""

import asyncio

import pytest
from aiohttp import web
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from pydantic import SecretStr

from shipper.config import MetricsConfig, MetricsPushConfig
from shipper.core.telemetry import Meter
from shipper.service.listeners import Listeners


@pytest.fixture
async def backend():
    requests = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        message = ExportMetricsServiceRequest.FromString(await request.read())
        requests.put_nowait((request.headers, message))
        return web.Response(body=b"", content_type="application/x-protobuf")

    app = web.Application()
    app.router.add_post("/v1/metrics", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", requests
    await runner.cleanup()


async def test_counters_arrive_with_their_labels_and_the_configured_headers(backend):
    endpoint, requests = backend
    meter = Meter()
    meter.count("otelcol_receiver_accepted_log_records", 24, receiver="github/prod")
    push = MetricsPushConfig(endpoint=endpoint, headers={"x-key": SecretStr("k")}, interval="100ms")
    listeners = Listeners(meter)
    await listeners.push(MetricsConfig(otlp=push))
    headers, message = await asyncio.wait_for(requests.get(), 30)
    await listeners.close()
    assert headers["x-key"] == "k"
    metrics = {m.name: m for r in message.resource_metrics for s in r.scope_metrics for m in s.metrics}
    [point] = metrics["otelcol_receiver_accepted_log_records"].sum.data_points
    assert point.as_int == 24
    assert [(a.key, a.value.string_value) for a in point.attributes] == [("receiver", "github/prod")]
