"""Time, injected, so that tests own it."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What parts ask for the time."""

    def now(self) -> int:
        """Wall-clock time in nanoseconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""


class SystemClock:
    """The machine's own time."""

    def now(self) -> int:
        """Wall-clock time in nanoseconds since the epoch."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        await asyncio.sleep(seconds)
