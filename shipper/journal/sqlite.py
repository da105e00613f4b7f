"""The journal on SQLite: durable, one file, one writer thread."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from pathlib import Path
from typing import Final, TypeVar

from shipper.core.batch import Commit
from shipper.core.clock import Clock
from shipper.core.errors import Unavailable
from shipper.core.journal import (
    Checkpoint,
    Chunk,
    Cursor,
    CursorState,
    DeadLetter,
    Entry,
    Limits,
    LogState,
    Page,
    Usage,
)
from shipper.core.telemetry import Health, Meter
from shipper.journal import letters, reading, upkeep
from shipper.journal.keeper import COMPONENT, Keeper
from shipper.journal.store import Store
from shipper.journal.worker import Worker

log = logging.getLogger(__name__)

T = TypeVar("T")

#: A cursor, how many records its reader waits for, and how it is told.
_Waiter = tuple[Cursor, int, int, "asyncio.Future[None]"]

#: Dead letters fetched at once.
_LETTERS: Final = 100


class SqliteJournal:
    """`core.journal.Journal` on SQLite; made by `open_journal`.

    Its state, whether it is out of order or full, is reported as the component `storage`.

    Args:
        path: the file; None keeps everything in memory and loses it at the end.
        limits: how much it may hold, and for how long.
    """

    def __init__(self, path: Path | None, limits: Limits, clock: Clock, meter: Meter, health: Health) -> None:
        self._keeper = Keeper(path, clock, meter)
        self._max_size = limits.max_size
        self._meter = meter
        meter.count("shipper_journal_damaged", 0)
        self._health = health
        self._shown: str | None = None
        self._waiters: list[_Waiter] = []
        self._queue: deque[asyncio.Future[None]] = deque()
        self._upkeep = upkeep.Upkeep(self._keeper, clock, limits.retention)
        self._worker = Worker(self._upkeep.turn, self._changed)

    async def start(self) -> None:
        """Open the storage.

        Raises:
            Unavailable: it can't be used, with the reason and the cure.
        """
        try:
            await self._do(lambda _: None)
        except BaseException:
            await self.close()
            raise
        self._meter.watch("shipper_journal_bytes", lambda: self.usage().bytes)
        self._meter.watch("shipper_journal_capacity_bytes", lambda: self._max_size)

    async def append(
        self,
        entries: Sequence[Entry],
        commit: Commit | None = None,
        dead: Sequence[DeadLetter] = (),
        *,
        durable: bool = False,
    ) -> None:
        """Store all of it or nothing; waits, first come first served, while the journal is full."""
        if entries:
            await self._room()
        await self._do(lambda store: self._append(store, entries, commit, dead, durable))

    async def checkpoint(self, source: str) -> bytes | None:
        """What the last commit of `source` left."""
        return await self._look(lambda store: self._checkpoint(store, source))

    async def seen(self, source: str, since: int) -> bytes:
        """Digests of the ids of `source` committed with a newest time of at least `since` (ms), packed."""
        return await self._look(lambda store: b"".join(page.digests for page in store.remembered(source, since)))

    async def open(self, cursor: Cursor, leaving: Collection[Cursor] = ()) -> int:
        """The cursor's place; from now on the log keeps what it has not read."""
        return await self._do(lambda store: store.open(cursor, leaving))

    async def retain(self, cursors: Collection[Cursor]) -> None:
        """Let go of every other cursor."""
        await self._do(lambda store: self._retain(store, cursors))

    async def read(
        self, cursor: Cursor, max_records: int, max_bytes: int, start: int | None = None
    ) -> list[Chunk]:
        """The next records behind the cursor without moving it."""
        return await self._look(lambda store: store.read(cursor, max_records, max_bytes, start))

    async def advance(
        self, cursor: Cursor, place: int, dead: Sequence[DeadLetter] = (), entries: Sequence[Entry] = ()
    ) -> None:
        """Move the cursor, in one transaction with the dead letters found on the way."""
        await self._look(lambda store: store.advance(cursor, place, dead, entries))

    async def wait(self, cursor: Cursor, records: int = 1, start: int = 0) -> None:
        """Return when so many records are behind the cursor, or behind `start` where that is further on."""
        while self.waiting(cursor, start) < records:
            waiter: _Waiter = (cursor, records, start, asyncio.get_running_loop().create_future())
            self._waiters.append(waiter)
            try:
                await waiter[3]
            finally:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)

    def waiting(self, cursor: Cursor, start: int = 0) -> int:
        """Records behind the cursor, or behind `start` where that is further on."""
        found = self._keeper.state.logs.get(cursor.log)
        reader = found.readers.get(cursor.reader) if found else None
        return max(0, found.end - max(reader.place, start)) if found and reader else 0

    def usage(self) -> Usage:
        """How full it is."""
        state = self._keeper.state
        return Usage(state.bytes, self._max_size, state.records, state.dead_letters, len(self._queue))

    async def remembered(self, source: str, since: int) -> list[Page]:
        """The ids of `source`, with whether they were delivered."""
        return await self._look(lambda store: store.remembered(source, since))

    async def checkpoints(self) -> list[Checkpoint]:
        """Where every source was left, by name."""
        return await self._look(lambda store: reading.newest_checkpoints(store.db))

    async def rewind(self, source: str, value: bytes | None, forget_since: int | None = None) -> None:
        """Replace a checkpoint."""
        await self._do(lambda store: store.rewind(source, value, forget_since))

    def cursors(self) -> list[CursorState]:
        """Every cursor, by log and reader."""
        return self._keeper.state.cursors()

    def logs(self) -> list[LogState]:
        """Every log, by name."""
        return self._keeper.state.log_states()

    async def dead_letters(self, pipeline: str | None = None) -> AsyncIterator[DeadLetter]:
        """Dead letters, oldest first."""
        found = await self._letters(0, pipeline)
        while found:
            for letter in found:
                yield letter
            found = await self._letters(found[-1].id, pipeline)

    async def dead_letter(self, number: int) -> DeadLetter | None:
        """One dead letter."""
        found = await self._look(lambda store: letters.after(store.db, number - 1, None, 1))
        return found[0] if found and found[0].id == number else None

    async def retry(self, numbers: Collection[int]) -> int:
        """Give dead letters to who refused them once more; how many there were."""
        return await self._do(lambda store: letters.retry(store, numbers))

    async def close(self) -> None:
        """Finish what is under way and let go of the storage."""
        for name in ("shipper_journal_bytes", "shipper_journal_capacity_bytes"):
            self._meter.forget(name)
        await self._worker.stop(self._finish)

    def _finish(self) -> None:
        try:
            self._upkeep.save_safe()
        finally:
            self._keeper.close()

    async def _letters(self, after: int, pipeline: str | None) -> list[DeadLetter]:
        return await self._look(lambda store: letters.after(store.db, after, pipeline, _LETTERS))

    def _retain(self, store: Store, cursors: Collection[Cursor]) -> None:
        store.retain(cursors)
        letters.take_requests(store)

    def _checkpoint(self, store: Store, source: str) -> bytes | None:
        self._keeper.stale.discard(source)
        return next((each.value for each in reading.newest_checkpoints(store.db, source)), None)

    def _append(
        self,
        store: Store,
        entries: Sequence[Entry],
        commit: Commit | None,
        dead: Sequence[DeadLetter],
        durable: bool,
    ) -> None:
        if commit and commit.source in self._keeper.stale:
            raise Unavailable("storage was damaged and has been mended; go on from the stored checkpoint")
        store.append(entries, commit, dead, durable=durable)

    async def _do(self, job: Callable[[Store], T]) -> T:
        return await self._worker.run(lambda: self._keeper.do(job))

    async def _look(self, job: Callable[[Store], T]) -> T:
        return await self._worker.run(lambda: self._keeper.do(job, writes=False))

    async def _room(self) -> None:
        """Return when there is room and all who asked before have gone on."""
        if not self._queue and not self._full():
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        self._report()
        try:
            await turn
        finally:
            if turn in self._queue:
                self._queue.remove(turn)
                self._changed()

    def _full(self) -> bool:
        return self._keeper.state.bytes >= self._max_size

    def _changed(self) -> None:
        """On the event loop, after everything the thread did: wake whom it concerns."""
        if self._queue and not self._full():
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
        for cursor, records, start, waiter in self._waiters:
            if not waiter.done() and self.waiting(cursor, start) >= records:
                waiter.set_result(None)
        self._report()

    def _report(self) -> None:
        reason = self._keeper.outage or (self._full_reason() if self._queue else "")
        if reason == self._shown:
            return
        self._shown = reason
        if not reason:
            self._health.ok(COMPONENT)
            return
        self._health.fail(COMPONENT, "", reason, blocked=True)
        if not self._keeper.outage and not self._keeper.state.records:  # nothing but a person makes room
            log.warning("%s", reason, extra={"component": COMPONENT})

    def _full_reason(self) -> str:
        full = f"storage {self._keeper.path or 'in memory'} is full (max_size {self._max_size} bytes)"
        if not self._keeper.state.records:
            return f"{full} of dead letters: receivers wait; raise max_size"
        behind = max(self.cursors(), key=lambda each: each.end - each.place if each.active else 0, default=None)
        who = f"; {behind.cursor.reader} is furthest behind in {behind.cursor.log}" if behind else ""
        return f"{full}: receivers wait, nothing is lost{who}; mend the exporter, or raise max_size"
