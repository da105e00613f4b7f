"""Where the process tells of itself, kept in step with the configuration: admin, metrics, the metrics' push."""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal

from aiohttp import web

from shipper.config import AdminConfig, MetricsConfig, MetricsPushConfig
from shipper.core.telemetry import Meter
from shipper.net.server import Listener, ListenError

if TYPE_CHECKING:
    from shipper.service.observe.otlp_metrics import MetricPush

log = logging.getLogger(__name__)

_KEYS: Final = {"admin": "service.admin.endpoint", "metrics": "service.telemetry.metrics.endpoint"}


class Listeners:
    """Listeners by name, each on its endpoint; `None` where one is switched off.

    A default endpoint that is taken (a second shipper on this machine) is worth a warning; one that somebody
    wrote down is worth an error.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._open: dict[str, tuple[str, Listener]] = {}
        self._push: tuple[MetricsPushConfig, MetricPush] | None = None

    async def put(
        self, name: str, config: AdminConfig | MetricsConfig | Literal[False], app: Callable[[], web.Application]
    ) -> None:
        """Make `name` listen where `config` says, with a fresh application; what listens there already stays.

        Raises:
            ListenError: an endpoint that was written down can't be listened on; the former listener goes on.
        """
        endpoint = config.endpoint if config else None
        former = self._open.get(name)
        if former and former[0] == endpoint:
            return
        if config and endpoint:
            listener = Listener(app(), endpoint)
            try:
                await listener.start()
            except ListenError as error:
                cure = f"end what listens there, or set {_KEYS[name]} to another"
                if "endpoint" in config.model_fields_set:
                    raise ListenError(f"{error}; {cure}") from error
                log.warning("%s; going on without it; %s", error, cure)
                return
            self._open[name] = endpoint, listener
            log.info("%s listens on %s:%d", name, listener.host, listener.port)
        else:
            self._open.pop(name, None)
        if former:
            await former[1].close()

    async def push(self, config: MetricsConfig | Literal[False]) -> None:
        """Push the metrics where `config` says; a push that is unchanged goes on."""
        wanted = config.otlp if config else None
        if self._push and self._push[0] != wanted:
            _, former = self._push
            self._push = None
            await asyncio.to_thread(former.close)
        if wanted and not self._push:
            from shipper.service.observe.otlp_metrics import MetricPush  # noqa: PLC0415 - the SDK only where configured

            headers = {name: value.get_secret_value() for name, value in wanted.headers.items()}
            self._push = wanted, MetricPush(self._meter, wanted.endpoint, headers, wanted.interval)

    async def close(self) -> None:
        """Stop listening, and push once more."""
        while self._open:
            await self._open.popitem()[1][1].close()
        await self.push(False)
