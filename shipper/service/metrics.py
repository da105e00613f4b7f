"""The shipper's metrics for Prometheus, and the same pushed by OTLP where the configuration says so."""

import os
import resource
import time
from collections.abc import Iterator
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from shipper.core.telemetry import Meter

_STARTED: Final = time.monotonic()


def process_metrics() -> Iterator[Metric]:
    """What the Collector says of its own process, under its names."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    yield CounterMetricFamily(
        "otelcol_process_uptime", "Seconds since the process started.", time.monotonic() - _STARTED
    )
    yield CounterMetricFamily(
        "otelcol_process_cpu_seconds", "CPU seconds, user and system.", usage.ru_utime + usage.ru_stime
    )
    yield GaugeMetricFamily("otelcol_process_memory_rss", "Resident memory in bytes.", resident_bytes())


def resident_bytes() -> int:
    """Resident memory now; the peak where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - no Path for one short read
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class MeterCollector:
    """Shows a `Meter` to prometheus_client, which knows the text format."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def collect(self) -> Iterator[Metric]:
        """All metrics, those without a series included, so that a dashboard finds their names."""
        for name, metric, series in self._meter.collect():
            family = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            shown = family(name, metric.help, labels=metric.labels)
            for labels, value in series.items():
                shown.add_metric(labels, value)
            yield shown
        yield from process_metrics()


def metrics_app(meter: Meter) -> web.Application:
    """The application that serves `/metrics`."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(MeterCollector(meter))

    async def show(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    app = web.Application(client_max_size=0)
    app.router.add_get("/metrics", show)
    return app
