"""Shipping a past period once: pages of the past through the pipelines, less what storage knows.

What is shipped is remembered as the live poller's own, in the transaction that stores it, so that neither ships
what the other has. How far a period has come is kept beside, as `<source>/backfill`: one page behind at worst,
whose ids are known by then.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import orjson

from shipper.core.batch import Commit, Seen, unpacked
from shipper.core.clock import Clock
from shipper.core.journal import Journal
from shipper.core.past import Budget, Excerpt, Past
from shipper.service.pipeline import Intake


@dataclass(slots=True)
class Progress:
    """How far the past of one source has come. Times are ms."""

    past: Past
    since: int
    until: int
    reached: int
    pages: int = 0
    shipped: int = 0
    known: int = 0
    resumed: bool = False
    done: bool = False
    seconds: float = 0.0
    """Since the first page was asked for."""

    @property
    def fraction(self) -> float:
        """How much of the period was listed."""
        if self.done or self.until <= self.since:
            return 1.0
        return min(max((self.reached - self.since) / (self.until - self.since), 0.0), 1.0)

    def seconds_left(self) -> float | None:
        """How long the rest takes, the source's limits included; None where that can't be told yet."""
        if self.done or not self.pages or self.fraction <= 0:
            return None
        pages = self.pages * (1 - self.fraction) / self.fraction
        return duration(pages, self.seconds / self.pages, self.past.budget())


def duration(pages: float, seconds_each: float, budget: Budget | None) -> float:
    """Seconds that so many pages take, waiting for new windows of quota where needed."""
    if budget is None or pages <= budget.requests:
        return pages * seconds_each
    windows, rest = divmod(pages - budget.requests, budget.window)
    return budget.seconds + windows * 3600.0 + rest * seconds_each


class Backfill:
    """Ships one source's past.

    Args:
        past: what is listed.
        intake: the receiver's way through its pipelines.
        journal: remembers.
        only: ship nothing but these ids; None: whatever storage does not know.
    """

    def __init__(
        self, past: Past, intake: Intake, journal: Journal, clock: Clock, only: Collection[bytes] | None = None
    ) -> None:
        self._past = past
        self._intake = intake
        self._journal = journal
        self._clock = clock
        self._only = only
        self._place = f"{past.source}/backfill"

    async def run(self, since: int, until: int, tell: Callable[[Progress], None]) -> Progress:
        """Ship what happened from `since` to `until` (ms); `tell` is called after every page.

        Raises:
            Unavailable: it can't be listed or stored; what was shipped is known, and a later run goes on there.
        """
        known: set[bytes] = set()
        for source in (self._past.source, *self._past.kin):
            known.update(unpacked(await self._journal.seen(source, 0)))
        start = since if self._only is not None else await self._resumed(since, until)
        progress = Progress(self._past, since, until, start, resumed=start > since)
        began = self._clock.monotonic()
        async for excerpt in self._past.pages(start, until):
            fresh = self._fresh(excerpt, known)
            progress.pages += 1
            progress.shipped += len(fresh)
            progress.known += len(excerpt.digests) - len(fresh)
            progress.reached = max(progress.reached, excerpt.reached or progress.reached)
            await self._store(excerpt, fresh, progress)
            progress.seconds = self._clock.monotonic() - began
            tell(progress)
        progress.done = True
        if self._only is None:
            await self._journal.rewind(self._place, None)
        tell(progress)
        return progress

    def _fresh(self, excerpt: Excerpt, known: set[bytes]) -> list[int]:
        """Places of the records that are to be shipped; they are known from now on."""
        fresh = []
        for place, digest in enumerate(excerpt.digests):
            if digest not in known and (self._only is None or digest in self._only):
                known.add(digest)
                fresh.append(place)
        return fresh

    async def _store(self, excerpt: Excerpt, fresh: list[int], progress: Progress) -> None:
        if fresh:
            times = [excerpt.times[place] for place in fresh]
            seen = Seen(b"".join(excerpt.digests[place] for place in fresh), min(times), max(times))
            records = [excerpt.batch.records[place] for place in fresh]
            commit = Commit(self._past.source, None, seen)
            await self._intake.emit(replace(excerpt.batch, records=records, commit=commit))
        if self._only is None and excerpt.reached is not None:
            value = orjson.dumps({"since": progress.since, "reached": progress.reached})
            await self._journal.append([], Commit(self._place, value))

    async def _resumed(self, since: int, until: int) -> int:
        """Where to begin: where an unfinished backfill that covers the beginning of this one was left."""
        stored = await self._journal.checkpoint(self._place)
        try:
            former = orjson.loads(stored or b"{}")
            begun, reached = int(former["since"]), int(former["reached"])
        except (ValueError, KeyError, TypeError):
            return since
        return min(reached, until) if begun <= since <= reached else since
