"""Quota as a budget: what a token may still use of each resource, and what a poll should use of it. Pure.

GitHub counts each resource (`core`, `audit_log`, …) in windows of an hour, told by `X-RateLimit-*`; secondary
limits stop everything a token does. Source: docs.github.com "Rate limits for the REST API".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shipper.receivers.github.answers import integer, until_reset

#: Share of a poll's part of the budget that may be spent on reading again what was read already.
SWEEP_SHARE: Final = 0.5


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
        resource = headers.get("x-ratelimit-resource", "")[:64] or resource
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
        if window is not None and window.remaining < max(self._floor(window), 1):
            wait = max(wait, window.ends - now)
        return wait

    def remaining(self, resource: str) -> int | None:
        """Calls left as last heard of."""
        return self._windows[resource].remaining if resource in self._windows else None

    def allowance(self, resource: str, now: float, interval: float, sharers: int) -> float:
        """Requests that each poll of each stream that shares the resource may use; infinite where unlimited."""
        window = self._present(resource, now)
        if window is None:
            return float("inf")
        polls = max((window.ends - now) / interval, 1.0) * max(sharers, 1)
        return max(window.remaining - self._floor(window), 0) / polls

    def spacing(self, resource: str, now: float, interval: float, sharers: int) -> float:
        """Seconds between polls: the interval, more once half the window is used faster than it lasts."""
        window = self._present(resource, now)
        if window is None or window.limit is None or window.remaining > window.limit / 2:
            return interval
        usable = max(window.remaining - self._floor(window), 1)
        left = window.ends - now
        return max(interval, min(left * max(sharers, 1) / usable, left))

    def _floor(self, window: Window) -> int:
        """What is left to others; half of a window that is smaller than that."""
        if window.limit is not None and window.limit <= self._min_remaining:
            return window.limit // 2
        return self._min_remaining

    def _present(self, resource: str, now: float) -> Window | None:
        window = self._windows.get(resource)
        return window if window is not None and now < window.ends else None
