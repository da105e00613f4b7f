"""The shipper's metrics for Prometheus: what the `Meter` counts, and what the Collector says of its process."""

import os
import resource
import time
from collections.abc import Iterator
from itertools import chain
from typing import Final, TypeAlias

from aiohttp import web

from shipper.core.telemetry import Meter, Metric
from shipper.wire.prometheus import CONTENT_TYPE, family

_STARTED: Final = time.monotonic()


Shown: TypeAlias = tuple[str, Metric, dict[tuple[str, ...], float]]

#: What the Collector says of its own process, under its names.
PROCESS: Final = {
    "otelcol_process_uptime": Metric("counter", "Seconds since the process started.", ()),
    "otelcol_process_cpu_seconds": Metric("counter", "CPU seconds, user and system.", ()),
    "otelcol_process_memory_rss": Metric("gauge", "Resident memory in bytes.", ()),
}


def exposition(meter: Meter) -> bytes:
    """Everything there is to say, metrics without a series included, so that a dashboard finds their names."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    process = (time.monotonic() - _STARTED, usage.ru_utime + usage.ru_stime, resident_bytes())
    own: Iterator[Shown] = (
        (name, metric, {(): value}) for (name, metric), value in zip(PROCESS.items(), process, strict=True)
    )
    return b"".join(
        family(name, metric.kind, metric.help, metric.labels, series)
        for name, metric, series in chain(meter.collect(), own)
    )


def resident_bytes() -> int:
    """Resident memory now; the peak where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - no Path for one short read
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def metrics_app(meter: Meter) -> web.Application:
    """The application that serves `/metrics`."""

    async def show(_request: web.Request) -> web.Response:
        return web.Response(body=exposition(meter), headers={"Content-Type": CONTENT_TYPE})

    app = web.Application(client_max_size=0)
    app.router.add_get("/metrics", show)
    return app
