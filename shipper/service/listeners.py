"""The two listeners of the process, admin and metrics, kept in step with the configuration."""

import logging
from collections.abc import Callable
from typing import Literal

from aiohttp import web

from shipper.config import AdminConfig, MetricsConfig
from shipper.net.server import Listener, ListenError

log = logging.getLogger(__name__)


class Listeners:
    """Listeners by name, each on its endpoint; `None` where one is switched off.

    A default endpoint that is taken (a second shipper on this machine) is worth a warning; one that somebody
    wrote down is worth an error.
    """

    def __init__(self) -> None:
        self._open: dict[str, tuple[str, Listener]] = {}

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
                if "endpoint" in config.model_fields_set:
                    raise
                log.warning("%s; going on without it, set its endpoint to choose another", error)
                return
            self._open[name] = endpoint, listener
            log.info("%s listens on %s:%d", name, listener.host, listener.port)
        else:
            self._open.pop(name, None)
        if former:
            await former[1].close()

    async def close(self) -> None:
        """Stop listening."""
        while self._open:
            await self._open.popitem()[1][1].close()
