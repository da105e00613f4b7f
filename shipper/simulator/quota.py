"""How many calls a token has left: hourly windows per resource, secondary limits per minute.

Pure: the time comes in as an argument, in ms. Source: "Rate limits for the REST API", docs.github.com.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Final

HOUR: Final = 3_600_000
MINUTE: Final = 60_000


@dataclass(frozen=True, slots=True)
class Budget:
    """What `X-RateLimit-*` and `/rate_limit` say."""

    resource: str
    limit: int
    used: int
    reset: int
    """Seconds since the epoch."""

    @property
    def remaining(self) -> int:
        """Calls left."""
        return max(self.limit - self.used, 0)

    @property
    def headers(self) -> dict[str, str]:
        """The five headers."""
        values = {"Limit": self.limit, "Remaining": self.remaining, "Used": self.used, "Reset": self.reset}
        return {f"X-RateLimit-{name}": str(value) for name, value in values.items()} | {
            "X-RateLimit-Resource": self.resource
        }


class Quota:
    """The windows of one token's owner. `others` is what other users of the token consume an hour."""

    def __init__(self, limits: dict[str, int], others: float = 0.0) -> None:
        self._limits = limits
        self._others = others
        self._starts: dict[str, int] = {}
        self._used: Counter[str] = Counter()

    def look(self, resource: str, now: int) -> Budget:
        """What is left, without using any of it."""
        start = self._starts.get(resource)
        if start is None or now >= start + HOUR:
            start = now
            self._used[resource] = 0
            if self._others:
                self._starts[resource] = start
        used = self._used[resource] + int(self._others * (now - start) / HOUR)
        limit = self._limits[resource]
        return Budget(resource, limit, min(used, limit), -(-(start + HOUR) // 1000))

    def take(self, resource: str, now: int, calls: int = 1) -> Budget:
        """Use so many calls; what is left then. The window opens with its first call."""
        start = self._starts.get(resource)
        if start is None or now >= start + HOUR:
            self._starts[resource] = now
            self._used[resource] = 0
        self._used[resource] += calls
        return self.look(resource, now)

    def all(self, now: int) -> list[Budget]:
        """What is left of each resource."""
        return [self.look(resource, now) for resource in self._limits]


class Secondary:
    """Points per minute and endpoint: a read is one point, a write five."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._minute = 0
        self._points: Counter[tuple[str, str]] = Counter()

    def refuses(self, who: str, endpoint: str, now: int, points: int = 1, limit: int | None = None) -> bool:
        """Count a call; whether it is one too many."""
        if now // MINUTE != self._minute:
            self._minute = now // MINUTE
            self._points.clear()
        self._points[who, endpoint] += points
        return self._points[who, endpoint] > (self._limit if limit is None else limit)

    def retry_after(self, now: int) -> int:
        """Seconds until the minute is over."""
        return MINUTE // 1000 - now % MINUTE // 1000
