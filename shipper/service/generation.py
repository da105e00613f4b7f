"""One configuration as running parts: receivers -> pipelines -> journal -> deliveries."""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any, Final, cast

from shipper.config import Loaded, Part
from shipper.core.clock import Clock
from shipper.core.component import Context, Exporter, Processor, Receiver
from shipper.core.delivery import DeliveryConfig
from shipper.core.errors import ShipperError, Unavailable
from shipper.core.journal import Cursor, Journal, dead_letter_log, retry_log
from shipper.core.telemetry import Health, Meter
from shipper.delivery import Delivery
from shipper.service.pipeline import Intake, Pipeline
from shipper.service.succession import Succession

log = logging.getLogger(__name__)

#: Seconds before a receiver that ended by a fault of ours is started again.
_RESTART_AFTER: Final = 30.0

#: Seconds until a storage that does not work is tried again.
_JOURNAL_RETRY: Final = 1.0

#: Seconds for which a reload waits for answers that are under way.
_ANSWERS: Final = 10.0


@dataclass(frozen=True)
class Services:
    """What every generation shares, across reloads."""

    journal: Journal
    meter: Meter
    health: Health
    clock: Clock
    led_until: int | None = None
    """When (ms) another replica last led, if one did."""


class Generation:
    """Everything one configuration names, built in the constructor, which has no side effect.

    Raises:
        ConfigError: a component can't be built.
    """

    def __init__(self, loaded: Loaded, services: Services) -> None:
        self.loaded = loaded
        self._services = services
        self._stack = AsyncExitStack()
        self._receiving: list[asyncio.Task[None]] = []
        self._delivering: list[asyncio.Task[None]] = []
        self._prepared = False
        self._started = False
        used = loaded.pipelines.values()
        self.exporters: dict[str, Exporter] = {
            name: self._build(loaded.exporters[name])
            for name in _unique(name for p in used for name in [*p.exporters, *p.dead_letter])
        }
        self.pipelines = [self._pipeline(name) for name in loaded.pipelines]
        self.receivers: dict[str, Receiver] = {
            name: self._build(loaded.receivers[name])
            for name in _unique(name for p in used for name in p.receivers)
        }
        self._turns: dict[str, asyncio.Semaphore] = {}
        self.deliveries = self._deliveries()
        self._cursors = [delivery.cursor for delivery in self.deliveries]
        self.succession = Succession(services.journal, self._cursors)

    async def prepare(self) -> None:
        """Make everything ready that can fail, beside a generation that still runs.

        Raises:
            ShipperError: something is not ready; `close` undoes the rest.
        """
        for name, exporter in self.exporters.items():
            try:
                await self._stack.enter_async_context(exporter)
            except ShipperError:
                raise
            except Exception as fault:
                log.exception("exporter can't be started", extra={"component": name})
                raise ShipperError(f"exporter {name} can't be started: {type(fault).__name__}") from fault
        for cursor in self._cursors:
            await self._services.journal.open(cursor, self.succession.leaving)
        self._prepared = True

    async def start(self) -> None:
        """Start delivering what waits. Receivers start by `receive`."""
        if not self._prepared:
            await self.prepare()
        self._started = True
        self.succession.say()
        with suppress(Unavailable):  # before anybody reads: an heir starts where the other stopped
            await self._services.journal.retain(self._cursors)
            await self.succession.say_anew(self.receivers)
        for delivery in self.deliveries:
            with suppress(Unavailable):  # it worked before; the delivery waits until it does again
                await delivery.open()
        self._delivering = [asyncio.create_task(d.run(), name=str(d)) for d in self.deliveries]
        self.hold()

    def hold(self) -> None:
        """Let go of every cursor in the journal that is not ours, as soon as the storage works."""
        self._delivering.append(asyncio.create_task(self._hold()))

    async def _hold(self) -> None:
        while True:
            try:
                await self._services.journal.retain(self._cursors)
            except Unavailable:
                await self._services.clock.sleep(_JOURNAL_RETRY)
            else:
                return

    def receive(self) -> None:
        """Start the receivers, each on its own: one that fails stops no other."""
        self._receiving = [
            asyncio.create_task(self._keep_receiving(name, receiver), name=name)
            for name, receiver in self.receivers.items()
        ]

    async def receive_once(self) -> list[str]:
        """Let every receiver ask its sources once; says what could not be asked."""
        tasks: list[Coroutine[Any, Any, None]] = [
            receiver.run(self.intake(name), once=True) for name, receiver in self.receivers.items()
        ]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, Unavailable):
                raise result
        return [
            f"{name}: {result.reason}"
            for name, result in zip(self.receivers, results, strict=True)
            if isinstance(result, Unavailable)
        ]

    async def stop_receiving(self) -> None:
        """Stop taking events; what is in the journal stays for the deliveries."""
        await _end(self._receiving)

    async def drain(self) -> None:
        """Return when nothing waits for any exporter, dead letters that appear meanwhile included."""
        draining = True
        while draining:
            await asyncio.gather(*(delivery.drained() for delivery in self.deliveries))
            draining = self.waiting() > 0

    async def finish(self) -> None:
        """Stop, and let answers that are under way arrive: a request without one would be made again."""
        await self.stop_receiving()
        finishing = [asyncio.create_task(delivery.finish()) for delivery in self.deliveries]
        if finishing:
            await asyncio.wait(finishing, timeout=_ANSWERS)
        await _end(finishing)

    async def close(self) -> None:
        """End every part; nothing is lost, since what was not delivered waits in the journal."""
        await self.stop_receiving()
        await _end(self._delivering)
        try:
            await self._stack.aclose()
        except Exception:
            log.exception("an exporter could not be closed")
        if self._started:
            for component in [*self.receivers, *self.exporters]:
                self._services.health.forget(component)

    def waiting(self) -> int:
        """Records that some exporter has not taken yet, each counted once."""
        logs: dict[str, int] = {}
        for delivery in self.deliveries:
            behind = self._services.journal.waiting(delivery.cursor)
            logs[delivery.cursor.log] = max(logs.get(delivery.cursor.log, 0), behind)
        return sum(logs.values())

    def taken(self) -> int:
        """Records put into the journal since this generation was built."""
        return sum(pipeline.taken for pipeline in self.pipelines)

    def _context(self, part: Part) -> Context:
        services = self._services
        return Context(
            part.id, services.meter, services.health, services.clock, self.loaded.paths, services.led_until
        )

    def _build(self, part: Part) -> Any:
        return part.component.build(part.config, self._context(part))

    def _pipeline(self, name: str) -> Pipeline:
        config = self.loaded.pipelines[name]
        processors: list[tuple[str, Processor]] = [
            (each, self._build(self.loaded.processors[each])) for each in config.processors
        ]
        return Pipeline(name, processors, bool(config.dead_letter), self._services.clock)

    def _deliveries(self) -> list[Delivery]:
        """For each pipeline: its exporters, its dead-letter exporters, and what each is given again by a retry."""
        deliveries: list[Delivery] = []
        for name, config in self.loaded.pipelines.items():
            dead = dead_letter_log(name)
            refused = dead if config.dead_letter else None
            deliveries += [self._delivery(name, each, refused) for each in config.exporters]
            deliveries += [self._delivery(dead, each, None) for each in config.dead_letter]
            deliveries += [
                self._delivery(retry_log(name, each), each, refused if each in config.exporters else None)
                for each in _unique([*config.exporters, *config.dead_letter])
            ]
        return deliveries

    def _delivery(self, log_name: str, exporter: str, dead_letters: str | None) -> Delivery:
        config = cast("DeliveryConfig", self.loaded.exporters[exporter].config)
        return Delivery(
            Cursor(log_name, exporter),
            self.exporters[exporter],
            config,
            self._services.journal,
            self._context(self.loaded.exporters[exporter]),
            dead_letter_log=dead_letters,
            turns=self._turns.setdefault(exporter, asyncio.Semaphore(config.concurrency)),
        )

    def intake(self, receiver: str) -> Intake:
        """The receiver's way into the journal, through every pipeline that names it."""
        mine = [p for p in self.pipelines if receiver in self.loaded.pipelines[p.id].receivers]
        return Intake(receiver, mine, self._services.journal, self._services.meter)

    async def _keep_receiving(self, name: str, receiver: Receiver) -> None:
        while True:
            try:
                await receiver.run(self.intake(name))
            except Exception as fault:
                log.exception("receiver failed; it starts again", extra={"component": name})
                self._services.health.fail(name, "", f"{type(fault).__name__}; see the log", blocked=True)
            else:
                return
            await self._services.clock.sleep(_RESTART_AFTER)


def _unique(names: Any) -> list[str]:
    return list(dict.fromkeys(names))


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
