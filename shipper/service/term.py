"""From opening the journal to closing it: one generation after the other, then the drain."""

import asyncio
import logging
from contextlib import suppress

from shipper.config import Loaded
from shipper.core.errors import ShipperError
from shipper.core.waiting import first
from shipper.service.generation import Generation, Services
from shipper.service.observe.graph import picture
from shipper.service.observe.tap import Taps

log = logging.getLogger(__name__)


class Term:
    """The time for which this process has the journal. Closes it at the end of `async with`.

    Args:
        loaded: the configuration to start with.
        services: what every generation shares.
        taps: watches the pipelines of each generation.
    """

    def __init__(self, loaded: Loaded, services: Services, taps: Taps) -> None:
        self.services = services
        self._taps = taps
        self._base = 0
        self._resting: int | None = None
        self.generation = Generation(loaded, services)
        taps.attach(self.generation.pipelines)

    async def __aenter__(self) -> "Term":
        """Start delivering what waits."""
        try:
            await self.generation.start()
        except BaseException:
            await self.__aexit__()
            raise
        self._introduce()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.generation.close()
        await self.services.journal.close()

    async def receive_once(self, stop: asyncio.Event) -> list[str]:
        """Poll each source once, unless stopped meanwhile; says what could not be asked."""
        polling = asyncio.create_task(self.generation.receive_once())
        await first(polling, stop.wait())
        if not polling.done():
            polling.cancel()
            with suppress(asyncio.CancelledError):
                await polling
            return ["stopped before every source was asked"]
        return polling.result()

    async def drain(self, hurry: asyncio.Event, timeout: float, *, patient: bool) -> int:
        """Wait until nothing waits, `timeout` seconds are over, or somebody is in a hurry; how many records wait.

        With `patient` the time starts anew whenever something was delivered: a long backlog is not a stuck one.
        """
        draining = asyncio.create_task(self.generation.drain())
        left = self.generation.waiting()
        while not await first(draining, hurry.wait(), timeout=timeout):
            waiting = self.generation.waiting()
            if not patient or waiting >= left:
                break
            left = waiting
        draining.cancel()
        return self.generation.waiting()

    async def swap(self, loaded: Loaded) -> None:
        """Make another configuration ready, then swap; the journal, its cursors and what waits stay.

        Raises:
            ShipperError: it can't be built or made ready; the former configuration was never stopped.
        """
        former = self.generation
        if loaded.storage != former.loaded.storage:
            raise ShipperError("extensions.storage cannot change while running; restart for that")
        built = Generation(loaded, self.services)
        try:
            await built.prepare()
        except BaseException:
            await built.close()
            former.hold()
            raise
        await former.finish()
        await former.close()
        self._resting = delivered = self.delivered()
        self.generation = built
        self._taps.attach(built.pipelines)
        try:
            await built.start()
        finally:
            self._resting, self._base = None, delivered - built.taken() + built.waiting()
            built.receive()
        self._introduce()

    def delivered(self) -> int:
        """A count of records that grows as they leave the journal; only its differences mean something.

        A swap leaves it as it is, although other exporters than before may be behind from then on.
        """
        if self._resting is not None:
            return self._resting
        return self._base + self.generation.taken() - self.generation.waiting()

    def _introduce(self) -> None:
        loaded = self.generation.loaded
        for name in loaded.pipelines:
            log.info("%s: %s", name, picture(loaded, name))
        for warning in loaded.warnings:
            log.warning(str(warning))
