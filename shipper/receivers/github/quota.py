"""Quota as a budget: what a token may still use of each resource, and what a poll should use of it. Pure.

GitHub counts each resource (`core`, `audit_log`, …) in windows of an hour, told by `X-RateLimit-*`; secondary
limits stop everything a token does. Source: docs.github.com "Rate limits for the REST API".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shipper.core.past import Budget
from shipper.receivers.github.answers import integer, until_reset

#: Share of a poll's part of the budget that may be spent on reading again what was read already.
SWEEP_SHARE: Final = 0.5

#: Resources that are kept apart; GitHub has about fifteen.
_MOST_RESOURCES: Final = 64


@dataclass(slots=True)
class Window:
    """One resource's present window."""

    limit: int | None
    remaining: int
    ends: float
    """By our monotonic clock."""


class Quota:
    """The budget of one token. `now` is monotonic seconds throughout."""

    def __init__(self, min_remaining: int) -> None:
        self._min_remaining = min_remaining
        self._windows: dict[str, Window] = {}
        self._paused = 0.0

    def learn(self, resource: str, headers: Mapping[str, str], now: float, wall: int) -> str:
        """Take an answer's headers in; returns the resource it counted for. `wall` is our time in ns."""
        named = headers.get("x-ratelimit-resource", "")[:64]
        if named and (named in self._windows or len(self._windows) < _MOST_RESOURCES):
            resource = named
        remaining = integer(headers.get("x-ratelimit-remaining"))
        reset = until_reset(headers, wall)
        if remaining is not None and reset is not None:
            limit = integer(headers.get("x-ratelimit-limit"))
            self._windows[resource] = Window(limit, remaining, now + reset)
        return resource

    def pause(self, now: float, seconds: float, resource: str | None = None) -> None:
        """A limit was met: nothing before so many seconds, of one resource or of all."""
        if resource is None:
            self._paused = max(self._paused, now + seconds)
        else:
            limit = self._windows[resource].limit if resource in self._windows else None
            self._windows[resource] = Window(limit, 0, now + seconds)

    def wait(self, resource: str, now: float) -> float:
        """Seconds until the next request of a resource may be made."""
        wait = max(self._paused - now, 0.0)
        window = self._present(resource, now)
        if window is not None and window.remaining < max(self.floor(window.limit), 1):
            wait = max(wait, window.ends - now)
        return wait

    def remaining(self, resource: str) -> int | None:
        """Calls left as last heard of."""
        return self._windows[resource].remaining if resource in self._windows else None

    def budget(self, resource: str, now: float) -> Budget | None:
        """What may still be used; None where no limit is known."""
        window = self._present(resource, now)
        if window is None:
            return None
        floor = self.floor(window.limit)
        whole = max((window.limit or window.remaining) - floor, 1)
        return Budget(max(window.remaining - floor, 0), window.ends - now, whole)

    def allowance(self, resource: str, now: float, interval: float, sharers: int) -> float:
        """Requests that each poll of each stream that shares the resource may use; infinite where unlimited."""
        window = self._present(resource, now)
        if window is None:
            return float("inf")
        polls = max((window.ends - now) / interval, 1.0) * max(sharers, 1)
        return max(window.remaining - self.floor(window.limit), 0) / polls

    def spacing(self, resource: str, now: float, interval: float, sharers: int) -> float:
        """Seconds between polls: the interval, more once half the window is used faster than it lasts."""
        window = self._present(resource, now)
        if window is None or window.limit is None or window.remaining > window.limit / 2:
            return interval
        usable = max(window.remaining - self.floor(window.limit), 1)
        left = window.ends - now
        return max(interval, min(left * max(sharers, 1) / usable, left))

    def floor(self, limit: int | None) -> int:
        """What is left to others of a window of so many calls; half of one that is smaller than that."""
        return limit // 2 if limit is not None and limit <= self._min_remaining else self._min_remaining

    def _present(self, resource: str, now: float) -> Window | None:
        window = self._windows.get(resource)
        return window if window is not None and now < window.ends else None
