"""Doubt: the cursor of an exporter without answers stays in front of what its backend may still lose."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from shipper.core.component import Unanswered
from shipper.core.journal import DeadLetter


class _Held(NamedTuple):
    """Records up to `place` that were sent, with the dead letters found among them."""

    place: int
    letters: list[DeadLetter]


class Doubt:
    """Holds the last window back until it is beyond doubt, so that a crash sends it again.

    Args:
        exporter: says when that is.
        settle: moves the cursor to a place, in one transaction with dead letters before it.
    """

    def __init__(
        self, exporter: Unanswered, settle: Callable[[int, Sequence[DeadLetter]], Awaitable[None]]
    ) -> None:
        self._exporter = exporter
        self._settle = settle
        self._held: _Held | None = None
        self._holding = asyncio.Event()

    @property
    def place(self) -> int | None:
        """Up to where records are held, if any are."""
        return self._held.place if self._held else None

    async def add(self, place: int, letters: Sequence[DeadLetter], *, sent: bool) -> None:
        """Hold what was sent up to `place`; what was held before is settled by that."""
        former = self._held
        if not sent:
            await self._pass(place, letters)
            return
        self._held = _Held(place, list(letters))
        self._holding.set()
        if former:
            await self._settle(*former)

    async def watch(self) -> None:
        """Settle what is held as soon as it is beyond doubt, until cancelled."""
        while True:
            await self._holding.wait()
            held = self._held
            await self._exporter.settled(at_once=False)
            if self._held is held:
                await self._release()

    async def resolve(self) -> None:
        """Settle what is held, at once.

        Raises:
            Unavailable: it is not known whether the backend has it; it is sent again by whoever comes next.
        """
        if self._held:
            await self._exporter.settled(at_once=True)
            await self._release()

    async def _pass(self, place: int, letters: Sequence[DeadLetter]) -> None:
        """Nothing was sent up to `place`: it waits for what is held before it."""
        if self._held:
            self._held = _Held(place, [*self._held.letters, *letters])
        else:
            await self._settle(place, letters)

    async def _release(self) -> None:
        held, self._held = self._held, None
        self._holding.clear()
        if held:
            await self._settle(*held)
