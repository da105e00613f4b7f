"""A clock that tests own."""

import asyncio
from typing import Final

_START: Final = 1_700_000_000 * 10**9


class ManualClock:
    """Time that stands still until it is moved.

    Args:
        now: wall-clock time at the start, ns since the epoch.
        automatic: whether a sleep moves the time by itself and returns at once, for tests in which only the
            lengths of waits matter.
    """

    def __init__(self, now: int = _START, *, automatic: bool = False) -> None:
        self._start = now
        self._passed = 0.0
        self._automatic = automatic
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self.slept: list[float] = []
        """The seconds of every sleep that was asked for."""

    def now(self) -> int:
        """Wall-clock time in nanoseconds since the epoch."""
        return self._start + round(self._passed * 10**9)

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return self._passed

    async def sleep(self, seconds: float) -> None:
        """Return once the time was moved so far."""
        self.slept.append(seconds)
        if self._automatic:
            self.advance(seconds)
        if seconds <= 0 or self._automatic:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._passed + seconds, future))
        await future

    def advance(self, seconds: float) -> None:
        """Move the time, and wake who slept until then."""
        self._passed += max(0.0, seconds)
        due = [sleeper for sleeper in self._sleepers if sleeper[0] <= self._passed]
        self._sleepers = [sleeper for sleeper in self._sleepers if sleeper[0] > self._passed]
        for _, future in sorted(due, key=lambda sleeper: sleeper[0]):
            if not future.done():
                future.set_result(None)

    @property
    def sleeping(self) -> int:
        """How many sleep."""
        return sum(not future.done() for _, future in self._sleepers)
