"""A configuration's parts for a command that does one thing and ends: exporters deliver, receivers do not poll."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from shipper.config import Loaded
from shipper.core.clock import Clock, SystemClock
from shipper.core.errors import Unavailable
from shipper.core.past import HasPast, Past
from shipper.core.telemetry import Health, Meter
from shipper.journal import memory_journal
from shipper.service.generation import Generation, Services
from shipper.service.storage import open_storage


class Visit:
    """The parts, while the command uses them."""

    def __init__(self, generation: Generation, services: Services, stack: AsyncExitStack) -> None:
        self.generation = generation
        self.services = services
        self._stack = stack

    async def pasts(self) -> list[tuple[str, Past]]:
        """Every source that can be listed again, with the id of its receiver.

        Raises:
            Unavailable: there is none.
        """
        found: list[tuple[str, Past]] = []
        for name, receiver in self.generation.receivers.items():
            if isinstance(receiver, HasPast):
                found += [(name, past) for past in await receiver.past(self._stack)]
        if not found:
            raise Unavailable("no receiver of this configuration can list its past")
        return found

    async def drain(self, patience: float) -> int:
        """Wait until nothing waits, or nothing was delivered for `patience` seconds; how many records wait."""
        draining = asyncio.create_task(self.generation.drain())
        left = self.generation.waiting()
        while True:
            done, _ = await asyncio.wait([draining], timeout=patience)
            waiting = self.generation.waiting()
            if done or waiting >= left:
                break
            left = waiting
        draining.cancel()
        return waiting


@asynccontextmanager
async def visit(loaded: Loaded, clock: Clock | None = None) -> AsyncIterator[Visit]:
    """Open the storage and deliver what waits in it, as `shipper run` does.

    Raises:
        Unavailable: the storage can't be used, as while a shipper has it open.
        ConfigError: a part can't be built.
    """
    clock = clock or SystemClock()
    meter, health = Meter(), Health(clock)
    async with AsyncExitStack() as stack:
        journal = await open_storage(loaded, clock, meter, health)
        stack.push_async_callback(journal.close)
        services = Services(journal, meter, health, clock)
        generation = Generation(loaded, services)
        stack.push_async_callback(generation.close)
        await generation.start()
        yield Visit(generation, services, stack)


@asynccontextmanager
async def look(loaded: Loaded, clock: Clock | None = None) -> AsyncIterator[Visit]:
    """The parts without the storage: nothing is delivered, nothing is stored."""
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        journal = await memory_journal(clock)
        stack.push_async_callback(journal.close)
        services = Services(journal, Meter(), Health(clock), clock)
        yield Visit(Generation(loaded, services), services, stack)
