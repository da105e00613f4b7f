"""The process: stands by or has its term, reloads, stops, and says what was drained and what waits."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from shipper import __version__
from shipper.config import Invalid, Loaded
from shipper.core.clock import Clock, SystemClock
from shipper.core.errors import ShipperError, Unavailable
from shipper.core.journal import Journal
from shipper.core.telemetry import Health, Meter
from shipper.core.waiting import first
from shipper.service.generation import Services
from shipper.service.listeners import Listeners
from shipper.service.observe.admin import admin_app
from shipper.service.observe.logs import Mask
from shipper.service.observe.metrics import metrics_app
from shipper.service.observe.status import status
from shipper.service.observe.tap import Taps
from shipper.service.term import Term
from shipper.service.watching import watch

if TYPE_CHECKING:
    from shipper.net.lease import Lease

log = logging.getLogger(__name__)

#: Exit code of what has no code of its own in sysexits.h.
FAILED: Final = 1

#: Seconds until a leader asks again for a journal that the former leader still has.
_JOURNAL_RETRY: Final = 1.0


@dataclass(frozen=True)
class Options:
    """How `shipper run` was called. `drain_timeout` is in seconds."""

    once: bool = False
    watch: bool = False
    drain_timeout: float = 20.0


class Service:
    """One run of the shipper.

    Args:
        load: reads the configuration again; raises `Invalid`.
        loaded: the configuration to start with.
        open_journal: opens the journal of a configuration; raises Unavailable.
        options: how it was called.
        mask: learns the secrets of every configuration.
    """

    def __init__(
        self,
        load: Callable[[], Loaded],
        loaded: Loaded,
        open_journal: Callable[[Loaded, Clock, Meter, Health], Awaitable[Journal]],
        options: Options,
        mask: Mask,
    ) -> None:
        self._load = load
        self._loaded = loaded
        self._open_journal = open_journal
        self._options = options
        self._mask = mask
        self._clock = SystemClock()
        self._meter = Meter()
        for result in ("ok", "refused"):
            self._meter.count("shipper_config_reloads", 0, result=result)
        self._health = Health(self._clock)
        self._taps = Taps(self._clock)
        self._listeners = Listeners(self._meter)
        self._term: Term | None = None
        self._stop = asyncio.Event()
        self._delivered_at_stop: int | None = None
        self._hurry = asyncio.Event()
        self._reload = asyncio.Event()

    async def run(self) -> int:
        """Run until told to stop, or once; the exit code."""
        try:
            await self._listen(self._loaded)
            async with self._watching(), self._election() as lease:
                while (code := await self._turn(lease)) is None:
                    log.warning("this replica no longer leads; it stands by")
                return code
        finally:
            await self._listeners.close()

    def stop(self) -> None:
        """Stop receiving and drain; called again: stop at once, what waits is sent at the next start."""
        if self._stop.is_set():
            self._hurry.set()
        elif self._term:
            self._delivered_at_stop = self._term.delivered()
        self._stop.set()

    def reload(self) -> None:
        """Read the configuration again and swap, as SIGHUP asks for."""
        self._reload.set()

    async def _turn(self, lease: "Lease | None") -> int | None:
        """Stand by, lead, conclude; None if another replica took over. A standby leaves the journal alone."""
        if lease and not await self._until(lease.acquired()):
            return _conclude(0, 0, [])
        journal = await self._journal(lease)
        if journal is None:
            return _conclude(0, 0, [])
        led_until = lease.led_until if lease else None
        services = Services(journal, self._meter, self._health, self._clock, led_until)
        async with Term(self._loaded, services, self._taps) as term:
            self._term = term
            try:
                return await self._serve(term, lease)
            finally:
                self._term = None

    async def _serve(self, term: Term, lease: "Lease | None") -> int | None:
        """Receive until stopped (or once), then drain; None if another replica took over."""
        failures: list[str] = []
        before = term.delivered()
        if self._options.once:
            failures = await term.receive_once(self._stop)
        else:
            term.generation.receive()
            if await self._until(lease.lost() if lease else asyncio.Event().wait()):
                return None
            log.info("stopping: no more events are taken; draining")
            await term.generation.stop_receiving()
            if self._delivered_at_stop is not None:
                before = self._delivered_at_stop
        waiting = await term.drain(self._hurry, self._options.drain_timeout, patient=self._options.once)
        waiting += sum(term.generation.succession.stranded().values())
        return _conclude(term.delivered() - before, waiting, failures)

    async def _until(self, event: Awaitable[Any]) -> bool:
        """Whether `event` came before the stop; reloads meanwhile."""
        waited = asyncio.ensure_future(event)
        try:
            while await first(waited, self._stop.wait(), self._reload.wait()):
                if self._stop.is_set() or waited.done():
                    break
                self._reload.clear()
                await self._swap()
        finally:
            waited.cancel()
        return not self._stop.is_set()

    async def _journal(self, lease: "Lease | None") -> Journal | None:
        """The journal; a leader waits for it while the former leader still has it. None: stopped meanwhile."""
        while not self._stop.is_set():
            try:
                return await self._open_journal(self._loaded, self._clock, self._meter, self._health)
            except Unavailable as fault:
                if lease is None or not lease.leading:
                    raise
                log.warning("the storage is not ours yet: %s", fault)
                await first(self._stop.wait(), timeout=_JOURNAL_RETRY)
        return None

    async def _swap(self) -> None:
        """Load the configuration again and swap; on any failure go on as before and say why."""
        try:
            loaded = self._load()
            self._mask.learn(loaded.secrets)
            await self._listen(loaded)
            if self._term:
                await self._term.swap(loaded)
        except ShipperError as error:
            await self._listen(self._loaded)
            self._meter.count("shipper_config_reloads", result="refused")
            reasons = [str(each) for each in error.diagnostics] if isinstance(error, Invalid) else [str(error)]
            log.error("the new configuration is refused; the running one goes on", extra={"reasons": reasons})  # noqa: TRY400 - no fault of ours
        else:
            self._loaded = loaded
            self._meter.count("shipper_config_reloads", result="ok")
            log.info("reloaded the configuration")

    async def _listen(self, loaded: Loaded) -> None:
        """Serve and push what the configuration says; what is unchanged goes on."""
        await self._listeners.put("admin", loaded.admin, lambda: admin_app(self._health, self._status, self._taps))
        await self._listeners.put("metrics", loaded.telemetry.metrics, lambda: metrics_app(self._meter))
        await self._listeners.push(loaded.telemetry.metrics)

    @asynccontextmanager
    async def _watching(self) -> AsyncIterator[None]:
        """With `--watch`, a changed file of the configuration reloads it."""
        watching = watch(lambda: self._loaded.files, self.reload, self._clock)
        task = asyncio.create_task(watching) if self._options.watch else None
        if not task:
            watching.close()
        try:
            yield
        finally:
            if task:
                task.cancel()

    @asynccontextmanager
    async def _election(self) -> "AsyncIterator[Lease | None]":
        """Our candidacy, where several replicas are configured to elect one."""
        config = self._loaded.extensions.k8s_leader_elector
        if config is None:
            yield None
            return
        from shipper.net.lease import Lease  # noqa: PLC0415 - only who elects needs Kubernetes

        async with Lease(config, self._clock, self._health) as lease:
            yield lease

    def _status(self) -> dict[str, Any]:
        if self._term is None:
            return {"version": __version__, "standby": True}
        return status(self._term.generation, self._term.services)


def _conclude(drained: int, waiting: int, failures: list[str]) -> int:
    """Say what was done, as the last line of the log, and give the exit code."""
    for failure in failures:
        log.error("not polled: %s", failure)
    figures = {"drained": drained, "waiting": waiting}
    log.info("stopped: %d records drained, %d wait in storage", drained, waiting, extra=figures)
    if waiting:
        return os.EX_TEMPFAIL
    return FAILED if failures else os.EX_OK


@contextmanager
def signals(service: Service) -> Iterator[None]:
    """SIGTERM and SIGINT stop the service, SIGHUP reloads it."""
    loop = asyncio.get_running_loop()
    handlers = {signal.SIGTERM: service.stop, signal.SIGINT: service.stop, signal.SIGHUP: service.reload}
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)
