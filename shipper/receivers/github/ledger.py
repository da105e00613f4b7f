"""What is kept of one listing in the journal: its checkpoint and its ids, in the transaction of each page."""

import logging
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import orjson

from shipper import __version__
from shipper.core.batch import Batch, BodyKind, Commit, Scope, Seen, unpacked
from shipper.core.component import Context, Intake
from shipper.core.record import Record
from shipper.receivers.github.kin import Kin
from shipper.receivers.github.remembered import Remembered, digest

log = logging.getLogger(__name__)

SCOPE: Final = Scope("shipper.receiver.github", __version__)

Checkpoint = dict[str, int | None]


class Shape(Protocol):
    """What events of a stream are."""

    @property
    def stream(self) -> str:
        """Its name."""

    def uid(self, event: Any) -> str:
        """Its identity."""

    def time(self, event: Any) -> int | None:
        """What the listing is ordered by, in ms."""

    def record(self, event: Any, observed: int, uid: str) -> Record:
        """Its record."""


@dataclass(slots=True)
class Fresh:
    """The events of a page that this listing did not have before."""

    records: list[Record]
    digests: list[bytes]
    times: list[int | None]
    listed: list[int | None]
    """The times of all events of the page, known ones too, in order."""
    shared: list[bytes] = field(default_factory=list)
    """Those that another listing took: they have a time among `times`, but no record."""

    @property
    def newest(self) -> int | None:
        """The newest time among the new ones."""
        return max((time for time in self.times if time is not None), default=None)

    def share(self, known: Collection[bytes]) -> None:
        """Leave the records of these to the listing that took them."""
        rows = list(zip(self.digests, self.records, strict=True))
        self.shared = [key for key, _ in rows if key in known]
        self.digests = [key for key, _ in rows if key not in known]
        self.records = [record for key, record in rows if key not in known]


class Ledger:
    """One listing's state, in memory as it is in the journal."""

    def __init__(  # noqa: PLR0913 - what a batch is made of
        self,
        source: str,
        shape: Shape,
        intake: Intake,
        context: Context,
        resource: Mapping[str, str],
        *,
        body: BodyKind,
        kin: Kin | None = None,
    ) -> None:
        self.source = source
        self.shape = shape
        self.remembered = Remembered()
        self.floor: int | None = None
        """The time (ms) from which on events may be listed that are not known; None: nothing was read yet."""
        self._kin = kin or Kin()
        self._kin.join(self)
        self._intake = intake
        self._context = context
        self._resource = resource
        self._body = body
        self._stored: bytes | None = None
        self._current = self._loaded = False
        for metric in ("shipper_late_events", "shipper_duplicate_events"):
            self._count(metric, 0)

    async def open(self) -> Checkpoint | None:
        """The checkpoint, if it is not the one that is known already (a first start, a rewind, a failed commit).

        Raises:
            Unavailable: the journal does not work now.
        """
        stored = await self._intake.checkpoint(self.source)
        if self._current and stored == self._stored:
            return None
        checkpoint = decoded(stored, self.source)
        await self._load(checkpoint.get("newest") or 0, checkpoint.get("forgotten"))
        self._kin.doubt(self)
        self._stored, self._current = stored, True
        return checkpoint

    async def _load(self, newest: int, forgotten: int | None) -> None:
        """Have the ids in memory that are in the journal. The arguments: see `Remembered`."""
        self.remembered = Remembered(await self._intake.seen(self.source, 0), newest, forgotten)
        self._loaded = True

    async def knows(self, digests: Sequence[bytes], times: Sequence[int | None]) -> set[bytes]:
        """Those of these ids that this listing has; what is no longer in memory is looked up in the journal."""
        if not self._loaded:  # the checkpoint is only for who goes on from it: looking at it takes note of it
            await self._load(self._context.clock.now() // 1_000_000, self.remembered.forgotten)
        known = {key for key in digests if key in self.remembered}
        forgotten = self.remembered.forgotten
        doubtful = {
            key: time or 0
            for key, time in zip(digests, times, strict=True)
            if forgotten is not None and key not in known and (time is None or time <= forgotten)
        }
        if doubtful:
            packed = await self._intake.seen(self.source, min(doubtful.values()))
            known |= doubtful.keys() & unpacked(packed)
        return known

    def doubt(self) -> None:
        """Look into the journal before the next answer to others."""
        self._loaded = False

    @asynccontextmanager
    async def taking(self, events: Sequence[Any], asked: int) -> AsyncIterator[Fresh]:
        """The new ones of a page, to be committed before this ends: no other listing takes any meanwhile.

        Raises:
            Unavailable: the journal does not work now.
        """
        async with self._kin.lock:
            fresh = self._sort_out(events, asked)
            known = await self._kin.knows(self, fresh.digests, fresh.times) if fresh.digests else ()
            if known:
                fresh.share(known)
            yield fresh

    def _sort_out(self, events: Sequence[Any], asked: int) -> Fresh:
        """The new ones of a page, whoever else took them.

        An event from before `asked` (ms), which the server was not asked for, is new only if nothing of its age
        was forgotten: it can't be told from one that was taken.
        """
        observed = self._context.clock.now()
        fresh = Fresh([], [], [], [])
        on_page: set[bytes] = set()
        shape, forgotten = self.shape, self.remembered.forgotten
        unsure = -1 if forgotten is None else min(forgotten, asked - 1)
        for event in events:
            uid = shape.uid(event)
            key = digest(uid)
            time = shape.time(event)
            fresh.listed.append(time)
            if key in self.remembered or key in on_page or (time is not None and time <= unsure):
                continue
            on_page.add(key)
            fresh.digests.append(key)
            fresh.times.append(time)
            fresh.records.append(shape.record(event, observed, uid))
        return fresh

    def records(self, events: Sequence[Any]) -> list[Record]:
        """The records of a page, taken before or not."""
        observed = self._context.clock.now()
        return [self.shape.record(event, observed, self.shape.uid(event)) for event in events]

    async def commit(self, fresh: Fresh, checkpoint: Checkpoint, at: int, forget: int | None) -> None:
        """Store the new records of a page with the state that holds then; one transaction.

        Args:
            fresh: the new ones.
            checkpoint: the state.
            at: the time (ms) that events without one are filed under.
            forget: ids of before (ms) can't be listed again; None: keep all.

        Raises:
            Unavailable: nothing was stored.
        """
        self.floor = self.floor if forget is None else forget
        before = None if forget is None else self._forget(forget)
        state = {**checkpoint, "forgotten": self.remembered.forgotten}
        stored = orjson.dumps({key: value for key, value in state.items() if value is not None})
        if not fresh.times and stored == self._stored:
            return
        seen = self._seen(fresh, at)
        self._current = self._loaded = False
        await self._intake.emit(self.batch(fresh.records, Commit(self.source, stored, seen, before)))
        if seen is not None:
            self.remembered.add([*fresh.digests, *fresh.shared], seen.newest)
        self._stored, self._current, self._loaded = stored, True, True

    def _forget(self, before: int) -> int | None:
        """Forget in memory what can't be listed here again; the time before which the journal may."""
        kept = self.remembered.forget(before)
        needed = self._kin.needed(self, self._context.clock.now() // 1_000_000)
        return kept if kept is None or needed is None else min(kept, needed)

    def batch(self, records: Sequence[Record], commit: Commit | None = None) -> Batch:
        """A batch of records of this listing."""
        return Batch(records, self._resource, SCOPE, commit, body=self._body)

    def count(self, fresh: Fresh, behind: int | None) -> None:
        """Count what a page had: events taken before, and new ones from before `behind` (ms)."""
        self._count("shipper_duplicate_events", len(fresh.listed) - len(fresh.records))
        if behind is not None:
            times = [self.shape.time(record.body) for record in fresh.records]
            self._count("shipper_late_events", sum(time is not None and time < behind for time in times))

    def _count(self, metric: str, n: int) -> None:
        self._context.meter.count(metric, n, receiver=self._context.id, stream=self.shape.stream)

    @staticmethod
    def _seen(fresh: Fresh, at: int) -> Seen | None:
        if not fresh.times:
            return None
        times = [at if time is None else time for time in fresh.times]
        return Seen(b"".join(fresh.digests), min(times), max(times), b"".join(fresh.shared))


def decoded(stored: bytes | None, source: str) -> Checkpoint:
    """The checkpoint that was stored; empty where there is none that can be read."""
    if stored is None:
        return {}
    try:
        value = orjson.loads(stored)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        log.warning("the checkpoint can't be read and is begun anew", extra={"source": source})
        return {}
    return {key: time for key, time in value.items() if isinstance(time, int)}
