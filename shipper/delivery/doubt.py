"""Doubt: the cursor of an exporter without answers stays in front of what its backend may still lose."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple, TypeAlias

from shipper.core.clock import Clock
from shipper.core.component import Unanswered
from shipper.core.journal import DeadLetter

Step: TypeAlias = Callable[[], Awaitable[None]]

_QUIET: Final = 5.0
"""Seconds without a further window after which it is found out what became of the last ones."""

_ROUNDS: Final = 12
"""So many times longer at most, lest a trickle seems to wait in storage for hours."""


class _Held(NamedTuple):
    """So many records up to `place` that were sent, with the dead letters found among them."""

    place: int
    records: int
    letters: list[DeadLetter]


class Doubt:
    """Holds windows back until they are beyond doubt, so that a crash sends them again.

    Args:
        exporter: finds out.
        most: as many records may be in doubt at a time.
        settle: moves the cursor to a place, in one transaction with dead letters before it.
        clock: of the quiet behind a window.
    """

    def __init__(
        self,
        exporter: Unanswered,
        most: int,
        settle: Callable[[int, Sequence[DeadLetter]], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._exporter = exporter
        self._most = most
        self._settle = settle
        self._clock = clock
        self._held: list[_Held] = []
        self._holding = asyncio.Event()
        self._settling = asyncio.Lock()

    @property
    def place(self) -> int | None:
        """Up to where records are held, if any are."""
        return self._held[-1].place if self._held else None

    async def make_room(self, count: int) -> None:
        """Settle what is held, where it would be too much with so many records more.

        The exporter may serve other logs too, so what it has in doubt and what is held here differ.

        Raises:
            Unavailable: it is not known whether the backend has it; it is sent again by whoever comes next.
        """
        doubtful = max(self._exporter.doubtful, sum(held.records for held in self._held))
        if doubtful and doubtful + count > self._most:
            await self.resolve()

    async def add(self, place: int, letters: Sequence[DeadLetter], *, sent: int) -> None:
        """Hold so many records that were sent up to `place`; with none, it waits for what is held before it."""
        async with self._settling:
            idle = not self._held and not sent
            self._held.append(_Held(place, sent, list(letters)))
            self._holding.set()
            if idle or not self._exporter.doubtful:
                await self._release()

    async def watch(self, persist: Callable[[Step], Awaitable[None]]) -> None:
        """Settle what is held when nothing came behind it for a while; `persist` does it until it works."""
        while True:
            await self._holding.wait()
            for _ in range(_ROUNDS):
                last = self.place
                await self._clock.sleep(_QUIET)
                if self.place == last:
                    break
            if self._held:
                await persist(self.resolve)

    async def resolve(self) -> None:
        """Settle what is held, at once.

        Raises:
            Unavailable: it is not known whether the backend has it; it is sent again by whoever comes next.
        """
        async with self._settling:
            await self._exporter.settled()
            if self._held:
                await self._release()

    async def _release(self) -> None:
        await self._settle(self._held[-1].place, [letter for held in self._held for letter in held.letters])
        self._held.clear()
        self._holding.clear()
