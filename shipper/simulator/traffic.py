"""When the audit events of one organization happen, and when each can be listed; drawn from the seed.

Events come in the order of their times (some share one); a few become visible late.
"""

import random
from collections.abc import Iterator
from typing import NamedTuple

from shipper.simulator.options import Options
from shipper.simulator.people import Cast
from shipper.simulator.templates import BUSINESS, FIRST_BUSINESS, FIRST_NOTABLE, NOTABLE, ROUTINE, ROUTINE_WEIGHTS


class Arrival(NamedTuple):
    """An event before it has a body: its number in its organization, times in ms, and its kind."""

    serial: int
    time: int
    visible: int
    kind: int


class Traffic:
    """The arrivals of one organization (or of the enterprise itself), in the order of their times."""

    def __init__(self, options: Options, cast: Cast, start: int, *, business: bool = False) -> None:
        self._options = options
        self._rng = random.Random(f"{cast.seed}/{cast.login.lower()}/traffic")  # noqa: S311 - reproducible
        self._start = start
        self._business = business
        self._arrivals = self._all()
        self._next = next(self._arrivals, None)

    def until(self, now: int) -> Iterator[Arrival]:
        """What has happened since the last call."""
        while self._next is not None and self._next.time <= now:
            yield self._next
            self._next = next(self._arrivals, None)

    def _all(self) -> Iterator[Arrival]:
        previous = 0
        for serial, due in enumerate(self._times()):
            time = previous if previous and self._rng.random() < self._options.ties else int(due)
            previous = max(time, previous)
            yield Arrival(serial, previous, self._visible(previous), self._kind(serial))

    def _times(self) -> Iterator[float]:
        backlog, rate = self._options.backlog, self._options.rate
        if self._business:
            backlog, rate = backlog // 20, rate / 20
        step = self._options.backlog_period * 1000 / max(backlog, 1)
        for number in range(backlog):
            yield self._start - (backlog - number - self._rng.random()) * step
        number = 0
        while rate > 0:
            yield self._start + (number + self._rng.random()) * 1000 / rate
            number += 1

    def _visible(self, time: int) -> int:
        if self._rng.random() >= self._options.late:
            return time
        return time + int(self._rng.random() * self._options.late_bound * 1000)

    def _kind(self, serial: int) -> int:
        if self._business:
            return FIRST_BUSINESS + serial % len(BUSINESS)
        live = serial - self._options.backlog
        dense = 0 <= live < 3 * len(NOTABLE)
        every = 3 if dense else 40
        if serial % every == every - 1:
            return FIRST_NOTABLE + (live if dense else serial) // every % len(NOTABLE)
        return self._rng.choices(range(len(ROUTINE)), cum_weights=ROUTINE_WEIGHTS)[0]
