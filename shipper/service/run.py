"""The process: starts a generation, reloads it, stops it, and says at the end what was drained and what waits."""

import asyncio
import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from shipper.config import Invalid, Loaded
from shipper.core.errors import ShipperError
from shipper.service.admin import admin_app
from shipper.service.generation import Generation, Services
from shipper.service.graph import picture
from shipper.service.listeners import Listeners
from shipper.service.logs import Mask
from shipper.service.metrics import metrics_app
from shipper.service.status import status
from shipper.service.tap import Taps

log = logging.getLogger(__name__)

#: Exit codes (sysexits.h where it has one).
OK: Final = 0
FAILED: Final = 1
SOME_WAIT: Final = 75

#: Seconds between two looks at the files of the configuration.
_WATCH_INTERVAL: Final = 1.0


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
        generation: what to start with, built.
        services: what it was built with; the journal is closed at the end.
        options: how it was called.
        mask: learns the secrets of every configuration.
    """

    def __init__(
        self,
        load: Callable[[], Loaded],
        generation: Generation,
        services: Services,
        options: Options,
        mask: Mask,
    ) -> None:
        self.generation = generation
        self._load = load
        self._services = services
        self._options = options
        self._mask = mask
        self._listeners = Listeners()
        self._taps = Taps(services.clock)
        self._taps.attach(generation.pipelines)
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._reload = asyncio.Event()

    async def run(self) -> int:
        """Run until told to stop, or once; the exit code."""
        try:
            await self._listen(self.generation.loaded)
            await self.generation.start()
            self._introduce()
            if self._options.once:
                before = self.generation.waiting()
                failures = await self._receive_once()
            else:
                failures = []
                await self._receive()
                before = self.generation.waiting() - self.generation.taken()
            waiting = await self._drain()
            drained = before + self.generation.taken() - waiting
        finally:
            await self.generation.close()
            await self._listeners.close()
            await self._services.journal.close()
        return _conclude(drained, waiting, failures)

    def stop(self) -> None:
        """Stop receiving and drain; called again: stop at once, what waits is sent at the next start."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    def reload(self) -> None:
        """Read the configuration again and swap, as SIGHUP asks for."""
        self._reload.set()

    async def _receive(self) -> None:
        """Receive until stopped, reloading when asked."""
        self.generation.receive()
        watching = asyncio.create_task(self._watch()) if self._options.watch else None
        stop = asyncio.create_task(self._stop.wait())
        while not stop.done():
            reload = asyncio.create_task(self._reload.wait())
            await asyncio.wait([stop, reload], return_when=asyncio.FIRST_COMPLETED)
            if reload.done() and not stop.done():
                self._reload.clear()
                await self._swap()
            reload.cancel()
        if watching:
            watching.cancel()
        log.info("stopping: no more events are taken; draining")
        await self.generation.stop_receiving()

    async def _receive_once(self) -> list[str]:
        """Poll each source once, unless stopped meanwhile; says what could not be asked."""
        polling = asyncio.create_task(self.generation.receive_once())
        stop = asyncio.create_task(self._stop.wait())
        await asyncio.wait([polling, stop], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not polling.done():
            polling.cancel()
            with suppress(asyncio.CancelledError):
                await polling
            return ["stopped before every source was asked"]
        return polling.result()

    async def _drain(self) -> int:
        """Wait until nothing waits, the time is over or somebody is in a hurry; how many records wait.

        With `--once` the time starts anew whenever something was delivered: a long backlog is not a stuck one.
        """
        draining = asyncio.create_task(self.generation.drain())
        hurry = asyncio.create_task(self._hurry.wait())
        left = self.generation.waiting()
        while True:
            done, _ = await asyncio.wait(
                [draining, hurry], timeout=self._options.drain_timeout, return_when=asyncio.FIRST_COMPLETED
            )
            waiting = self.generation.waiting()
            if done or not (self._options.once and waiting < left):
                break
            left = waiting
        for task in (draining, hurry):
            task.cancel()
        return waiting

    async def _swap(self) -> None:
        """Build what the configuration says now, then swap; on any failure go on as before and say why."""
        former = self.generation
        try:
            loaded = self._load()
            self._mask.learn(loaded.secrets)
            if loaded.storage != former.loaded.storage:
                raise ShipperError("extensions.storage cannot change while running; restart for that")  # noqa: TRY301
            built = Generation(loaded, self._services)
            await self._listen(loaded)
        except (Invalid, ShipperError) as error:
            self._refuse(error)
            return
        await former.close()
        self.generation = built
        self._taps.attach(built.pipelines)
        try:
            await built.start()
        except ShipperError as error:
            await built.close()
            self._refuse(error)
            self.generation = Generation(former.loaded, self._services)
            self._taps.attach(self.generation.pipelines)
            await self.generation.start()
        else:
            self._services.meter.count("shipper_config_reloads", result="ok")
            log.info("reloaded the configuration")
            self._introduce()
        self.generation.receive()

    def _refuse(self, error: ShipperError) -> None:
        self._services.meter.count("shipper_config_reloads", result="refused")
        reasons = [str(each) for each in error.diagnostics] if isinstance(error, Invalid) else [str(error)]
        log.error("the new configuration is refused; the running one goes on", extra={"reasons": reasons})

    async def _listen(self, loaded: Loaded) -> None:
        admin, metrics = loaded.admin, loaded.telemetry.metrics
        status, meter, health = self._status, self._services.meter, self._services.health
        await self._listeners.put("admin", admin, lambda: admin_app(health, status, self._taps))
        await self._listeners.put("metrics", metrics, lambda: metrics_app(meter))

    async def _watch(self) -> None:
        """Ask for a reload when a file of the configuration changed, also by a swapped symlink."""
        before = _fingerprint(self.generation.loaded.files)
        while True:
            await self._services.clock.sleep(_WATCH_INTERVAL)
            now = _fingerprint(self.generation.loaded.files)
            if now != before:
                before = now
                self.reload()

    def _introduce(self) -> None:
        for name in self.generation.loaded.pipelines:
            log.info("%s: %s", name, picture(self.generation.loaded, name))
        for warning in self.generation.loaded.warnings:
            log.warning(str(warning))

    def _status(self) -> dict[str, Any]:
        return status(self.generation, self._services)


def _fingerprint(files: set[Path]) -> dict[Path, tuple[int, int, int] | None]:
    """What tells a changed file; stat follows symlinks, so a ConfigMap's swap changes the inode."""
    prints: dict[Path, tuple[int, int, int] | None] = {}
    for file in files:
        try:
            found = file.stat()
        except OSError:
            prints[file] = None
        else:
            prints[file] = found.st_ino, found.st_mtime_ns, found.st_size
    return prints


def _conclude(drained: int, waiting: int, failures: list[str]) -> int:
    """Say what was done, as the last line of the log, and give the exit code."""
    for failure in failures:
        log.error("not polled: %s", failure)
    log.info(
        "stopped: %d records drained, %d wait in storage",
        drained,
        waiting,
        extra={"drained": drained, "waiting": waiting},
    )
    if waiting:
        return SOME_WAIT
    return FAILED if failures else OK


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
