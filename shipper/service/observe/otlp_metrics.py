"""Pushes the shipper's own metrics by OTLP, with OpenTelemetry's SDK; imported only where configured."""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from requests import Session

from shipper import __version__
from shipper.core.telemetry import METRICS, Meter
from shipper.net.proxy import is_loopback


class MetricPush:
    """A periodic push to an OTLP/HTTP endpoint, until closed.

    Args:
        meter: what is pushed.
        endpoint: base address; `/v1/metrics` is appended.
        headers: sent with each request.
        interval: seconds between pushes.
    """

    def __init__(self, meter: Meter, endpoint: str, headers: dict[str, str], interval: float) -> None:
        session = Session()
        session.trust_env = not is_loopback(urlsplit(endpoint).hostname or "")
        url = f"{endpoint.rstrip('/')}/v1/metrics"
        exporter = OTLPMetricExporter(endpoint=url, headers=headers, timeout=10, session=session)
        reader = PeriodicExportingMetricReader(exporter, export_interval_millis=interval * 1000)
        resource = Resource.create({"service.name": "shipper", "service.version": __version__})
        self._provider = MeterProvider([reader], resource=resource)
        instruments = self._provider.get_meter("shipper", __version__)
        for name, metric in METRICS.items():
            create: Any = (
                instruments.create_observable_counter
                if metric.kind == "counter"
                else instruments.create_observable_gauge
            )
            create(name, callbacks=[_observe(meter, name)], description=metric.help)

    def close(self) -> None:
        """Push once more and stop; blocks for up to the exporter's timeout."""
        self._provider.shutdown(timeout_millis=5000)


def _observe(meter: Meter, name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
    labels = METRICS[name].labels

    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        return [
            Observation(value, dict(zip(labels, key, strict=True))) for key, value in meter.series(name).items()
        ]

    return observe
