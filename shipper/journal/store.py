"""The journal's transactions, on the writer's thread: plain functions of an open database.

State is changed in memory only after its transaction was committed, so that both always agree.
"""

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import zstandard

from shipper.core.batch import Commit
from shipper.core.clock import Clock
from shipper.core.journal import Chunk, Cursor, DeadLetter, Entry, Page
from shipper.journal import reading, rows
from shipper.journal.schema import DROPPED, FORGOTTEN, KIND, PLACE_BITS, SHARED, pack_ends
from shipper.journal.state import ENTRY_COST, Born, Log, Reader, State, load
from shipper.wire.jsontext import clean

#: A source's checkpoint gets a new row after so many ns, or records; between, its row is replaced. The older rows
#: are what salvage falls back to.
_SPACING: Final = 60 * 10**9
_SPACING_RECORDS: Final = 1000

#: Entries that one advance deletes at most: more than one append adds, so deleting always catches up.
_PRUNE: Final = 32


class Store:
    """An open database with its state in memory; closes it where that can't be read.

    Raises:
        Damage: what is read contradicts its checksum or the rest.
        sqlite3.Error: the storage does not work.
    """

    def __init__(self, db: sqlite3.Connection, clock: Clock) -> None:
        self.db = db
        self.clock = clock
        try:
            self.state: State = load(db)
        except BaseException:
            db.close()
            raise
        self._durable = False
        self._pack = zstandard.ZstdCompressor(level=1)

    def append(
        self, entries: Sequence[Entry], commit: Commit | None, dead: Sequence[DeadLetter], *, durable: bool
    ) -> None:
        """Entries, a source's state and dead letters, all or nothing."""
        packed = [(self.log(entry.log), entry.count, self._pack.compress(entry.payload)) for entry in entries]
        source = self.source(commit.source) if commit else 0
        with self.transaction(durable=durable):
            ends = self._insert(packed)
            born = self._commit(source, commit, ends) if commit else None
            self._bury(dead)
        self._added(packed, dead)
        if born:
            self.state.born[source] = born

    def open(self, cursor: Cursor, leaving: Collection[Cursor]) -> int:
        """Make a cursor hold its log, where it stood or where a new one starts."""
        log = self.log(cursor.log)
        reader = log.readers.get(cursor.reader)
        if reader and reader.active:
            return reader.place
        names = [each.reader for each in leaving if each.log == cursor.log]
        place = max(reader.place, log.start) if reader else log.first(names)
        with self.transaction():
            rows.put_cursor(self.db, log.id, cursor.reader, place, active=True)
            if not log.had_reader:
                rows.put_log(self.db, log.id, log.name, log.end, had_reader=True)
        log.had_reader = True
        log.readers[cursor.reader] = Reader(place, active=True, heir=not reader and bool(names))
        return place

    def retain(self, cursors: Collection[Cursor]) -> None:
        """Let every other cursor hold nothing back; new ones go on where those stood that they took over from."""
        for log in self.state.logs.values():
            readers = {name: each for name, each in log.readers.items() if each.active}
            gone = {name: each for name, each in readers.items() if Cursor(log.name, name) not in cursors}
            heirs = {name: each for name, each in readers.items() if each.heir and name not in gone}
            if gone or heirs:
                stood = min((each.place for each in gone.values() if not each.heir), default=0)
                self._replace(log, gone, {name: max(each.place, stood) for name, each in heirs.items()})

    def _replace(self, log: Log, gone: Mapping[str, Reader], heirs: Mapping[str, int]) -> None:
        """Some readers go, and heirs stand elsewhere; what waits is either the heirs' or theirs who go.

        An heir that goes has read nothing and so leaves nothing.
        """
        forgotten = {name for name, each in gone.items() if heirs or each.heir}
        with self.transaction():
            for name, reader in gone.items():
                if name in forgotten:
                    rows.delete_cursor(self.db, log.id, name)
                else:
                    rows.put_cursor(self.db, log.id, name, reader.place, active=False)
            for name, place in heirs.items():
                rows.put_cursor(self.db, log.id, name, place, active=True)
        for name, reader in gone.items():
            reader.active = False
            if name in forgotten:
                del log.readers[name]
        for name, place in heirs.items():
            log.readers[name] = Reader(place, active=True)

    def read(self, cursor: Cursor, max_records: int, max_bytes: int, start: int | None) -> list[Chunk]:
        """The next records of a cursor's log, from `start` or else from its place."""
        log, at = self._log_and_place(cursor)
        place = max(at, log.start, start or 0)
        chunks = reading.chunks(self.db, log, place, max_records, max_bytes)
        if not chunks and log.end > at and (start or 0) <= at:
            self.advance(cursor, log.end, (), ())  # what is left is a gap
        return chunks

    def advance(self, cursor: Cursor, place: int, dead: Sequence[DeadLetter], entries: Sequence[Entry]) -> None:
        """Move a cursor, keep dead letters, and delete what every reader is past."""
        log, former = self._log_and_place(cursor)
        if place > log.end:
            raise ValueError(f"place {place} is behind the end of log {log.name}, {log.end}")
        if place <= former and not dead and not entries:
            return
        place = max(place, former)
        packed = [(self.log(entry.log), entry.count, self._pack.compress(entry.payload)) for entry in entries]
        reader = log.readers[cursor.reader]
        with self.transaction():
            rows.put_cursor(self.db, log.id, cursor.reader, place, active=reader.active)
            self._insert(packed)
            self._bury(dead)
            freed = self._delete_read(log, log.low(besides=cursor.reader, place=place), _PRUNE)
        reader.place = place
        self._added(packed, dead)
        self._removed(log, freed)

    def prune(self, limit: int) -> bool:
        """Delete up to `limit` entries that every reader is past; whether there were any."""
        for log in self.state.logs.values():
            low = log.low()
            if low > log.start:
                with self.transaction():
                    freed = self._delete_read(log, low, limit)
                self._removed(log, freed)
                if freed:
                    return True
        return False

    def rewind(self, source: str, value: bytes | None, forget_since: int | None) -> None:
        """Replace a checkpoint; forget ids from `forget_since` (ms) on."""
        number = self.source(source)
        now = self.clock.now()
        with self.transaction(durable=True):
            self.db.execute("DELETE FROM checkpoints WHERE source=?", (number,))
            rows.put(self.db, rows.PUT_CHECKPOINT, (number, now, now, value, pack_ends(self.state.ends())))
            if forget_since is not None:
                self.db.execute("DELETE FROM seen WHERE source=? AND newest>=?", (number, forget_since))
        self.state.born[number] = Born(now, 0)

    def remembered(self, source: str, since: int) -> list[Page]:
        """Ids with a newest time of at least `since` (ms), by page, with whether each was delivered."""
        delivered = {log.id: log.delivered() for log in self.state.logs.values()}
        return reading.pages(self.db, source, since, delivered)

    def replace_letters(self, letters: Sequence[DeadLetter], entries: Sequence[Entry]) -> None:
        """Delete dead letters, and append entries in their place."""
        packed = [(self.log(entry.log), entry.count, self._pack.compress(entry.payload)) for entry in entries]
        with self.transaction():
            self.db.executemany("DELETE FROM dead_letters WHERE id=?", [(letter.id,) for letter in letters])
            self._insert(packed)
        self._added(packed, ())
        self.state.dead_letters -= len(letters)
        self.state.dead_bytes -= sum(len(letter.payload) for letter in letters)

    def log(self, name: str) -> Log:
        """A log, made if there is none."""
        log = self.state.logs.get(name)
        if log is None:
            number = 1 + max((each.id for each in self.state.logs.values()), default=0)
            with self.transaction():
                rows.put_log(self.db, number, name, 0, had_reader=False)
            log = self.state.logs[name] = Log(number, name)
        return log

    def source(self, name: str) -> int:
        """A source's number, given at its first commit."""
        number = self.state.sources.get(name)
        if number is None:
            with self.transaction():
                inserted = self.db.execute("INSERT INTO sources(name, forget_before) VALUES(?, 0)", (name,))
                number = inserted.lastrowid or 0
            self.state.sources[name] = number
        return number

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[None]:
        """All or nothing. With `durable`, on the disk and not only with the system when it returns."""
        if durable != self._durable:
            self.db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._durable = durable
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.db.execute("COMMIT")
        except BaseException:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            raise

    def _insert(self, packed: Sequence[tuple[Log, int, bytes]]) -> dict[int, int]:
        ends: dict[int, int] = {}
        for log, count, payload in packed:
            first = ends.get(log.id, log.end)
            ends[log.id] = first + count
            rows.insert_entry(self.db, log.id << PLACE_BITS | first, count, payload)
        for log in {id(log): log for log, _, _ in packed}.values():
            rows.put_log(self.db, log.id, log.name, ends[log.id], had_reader=log.had_reader)
        return ends

    def _commit(self, source: int, commit: Commit, ends: dict[int, int]) -> Born | None:
        now = self.clock.now()
        born = None
        if commit.checkpoint is not None:
            vouched = self.state.ends() | ends
            born = self.state.born.get(source, Born(0, 0))
            total = sum(vouched.values())
            if now - born.time >= _SPACING or total - born.records >= _SPACING_RECORDS:
                born = Born(max(now, born.time + 1), total)
            checkpoint = source, born.time, now, commit.checkpoint, pack_ends(vouched)
            rows.put(self.db, rows.PUT_CHECKPOINT, checkpoint)
        if seen := commit.seen:
            times = _integer(seen.newest), _integer(seen.oldest)
            went = [(seen.digests, ends), (seen.dropped, {KIND: DROPPED})]
            if seen.shared:
                went.append((seen.shared, {KIND: SHARED} | self.state.ends() | ends))
            for digests, vouched in went:
                if digests:
                    rows.put(self.db, rows.INSERT_SEEN, (source, *times, now, pack_ends(vouched), digests))
        if commit.forget_before is not None:
            before = _integer(commit.forget_before)
            self.db.execute("UPDATE sources SET forget_before=? WHERE id=?", (before, source))
        return born

    def put_forgotten(self, source: str, time: int) -> None:
        """Note that ids of a source were forgotten, up to those of `time` (ms)."""
        self.db.execute(
            "INSERT INTO meta VALUES(?, ?) ON CONFLICT(key) DO UPDATE SET value = max(value, excluded.value)",
            (f"{FORGOTTEN}{source}", time),
        )

    def _bury(self, dead: Sequence[DeadLetter]) -> None:
        for letter in dead:
            uid, reason, answer = clean(letter.uid), clean(letter.reason), clean(letter.answer)
            who = letter.pipeline, letter.component, int(letter.exporter)
            row = (*who, uid, reason, answer, letter.attempts, letter.time, letter.payload)
            rows.put(self.db, rows.INSERT_LETTER, row)

    def _delete_read(self, log: Log, low: int, limit: int) -> list[tuple[int, int, int]]:
        if low <= log.start:
            return []
        base = log.id << PLACE_BITS
        found = self.db.execute(
            "SELECT place, count, length(payload) FROM entries WHERE place >= ? AND place < ?"
            " AND place + count <= ? ORDER BY place LIMIT ?",
            (base, base | low, base | low, limit),
        ).fetchall()
        if found:
            self.db.execute("DELETE FROM entries WHERE place BETWEEN ? AND ?", (found[0][0], found[-1][0]))
        return found

    def _added(self, packed: Sequence[tuple[Log, int, bytes]], dead: Sequence[DeadLetter]) -> None:
        for log, count, payload in packed:
            log.end += count
            log.bytes += len(payload) + ENTRY_COST
        self.state.dead_letters += len(dead)
        self.state.dead_bytes += sum(len(letter.payload) for letter in dead)

    def _removed(self, log: Log, deleted: list[tuple[int, int, int]]) -> None:
        if deleted:
            log.start = deleted[-1][0] + deleted[-1][1] - (log.id << PLACE_BITS)
            log.bytes -= sum(row[2] + ENTRY_COST for row in deleted)

    def _log_and_place(self, cursor: Cursor) -> tuple[Log, int]:
        log = self.state.logs.get(cursor.log)
        reader = log.readers.get(cursor.reader) if log else None
        if not log or not reader:
            raise ValueError(f"{cursor.reader} has not opened {cursor.log}")
        return log, reader.place


def _integer(number: int) -> int:
    """What SQLite can hold: times of events are whatever somebody sent."""
    return max(-(2**63), min(number, 2**63 - 1))
