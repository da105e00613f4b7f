"""Simulated time: faster than real time, starting when one likes, fast or slow by a fixed amount."""

from shipper.core.clock import Clock, SystemClock


class SimulatedClock:
    """A clock that runs `speed` times as fast as `base`, from `start` (ns since the epoch; None: now)."""

    def __init__(
        self, speed: float = 1.0, *, start: int | None = None, skew: float = 0.0, base: Clock | None = None
    ) -> None:
        self._base = base or SystemClock()
        self._speed = speed
        self._origin = self._base.now()
        self._origin_monotonic = self._base.monotonic()
        self._start = (self._origin if start is None else start) + int(skew * 1e9)

    def now(self) -> int:
        """Simulated nanoseconds since the epoch."""
        return self._start + int((self._base.now() - self._origin) * self._speed)

    def monotonic(self) -> float:
        """Simulated seconds that never go back."""
        return (self._base.monotonic() - self._origin_monotonic) * self._speed

    async def sleep(self, seconds: float) -> None:
        """Return after so many simulated seconds."""
        await self._base.sleep(seconds / self._speed)
