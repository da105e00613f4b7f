"""What the journal knows of itself in memory: logs, readers and sizes, as loaded and checked at the start."""

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from shipper.core.journal import Cursor, CursorState, LogState
from shipper.journal.schema import PLACE_BITS, VERSION, seal, unpack_ends, version

#: What an entry takes beside its payload, for the limit.
ENTRY_COST: Final = 64


class Damage(Exception):
    """The database contradicts itself."""

    def __init__(self, what: str) -> None:
        super().__init__(" ".join(what.split()))


@dataclass(slots=True)
class Reader:
    """A cursor of one log."""

    place: int
    active: bool
    heir: bool = False
    """Whether it took over from readers that leave, and they may still read."""


@dataclass(slots=True)
class Log:
    """One log. It holds the places from `start` to before `end`."""

    id: int
    name: str
    start: int = 0
    end: int = 0
    bytes: int = 0
    had_reader: bool = False
    readers: dict[str, Reader] = field(default_factory=dict)

    def low(self, besides: str | None = None, place: int = 0) -> int:
        """The place below which nobody needs anything; with `besides`, as if that reader stood at `place`."""
        places = [
            place if name == besides else each.place for name, each in list(self.readers.items()) if each.active
        ]
        return min(places, default=self.start)

    def first(self, leaving: Collection[str]) -> int:
        """Where a new reader starts: with what waits for readers that leave, or left nobody behind."""
        deserted = not any(each.active for each in self.readers.values())
        left = [each.place for name, each in self.readers.items() if deserted or name in leaving]
        kept = [place for place in left if place >= self.start]
        return min(kept, default=self.end if self.had_reader else self.start)

    def delivered(self) -> int:
        """The place below which every active reader has everything; 0 without one."""
        return min((each.place for each in list(self.readers.values()) if each.active), default=0)


class Born(NamedTuple):
    """When a source's newest checkpoint row was begun, and how many records all logs had had by then."""

    time: int
    records: int


@dataclass(slots=True)
class State:
    """Everything the journal holds but the records.

    The event loop looks at it while the writer's thread changes it: whoever iterates does so over a copy.
    """

    logs: dict[str, Log]
    sources: dict[str, int]
    born: dict[int, Born]
    """Each source's newest checkpoint row."""
    dead_letters: int
    dead_bytes: int

    def ends(self) -> dict[int, int]:
        """The end of every log."""
        return {log.id: log.end for log in list(self.logs.values())}

    def cursors(self) -> list[CursorState]:
        """Every cursor, by log and reader; one that was away stands at the oldest record still kept."""
        return [
            CursorState(Cursor(log.name, name), max(reader.place, log.start), log.end, reader.active)
            for log in sorted(self.logs.values(), key=lambda log: log.name)
            for name, reader in sorted(log.readers.items(), key=lambda item: item[0])
        ]

    def log_states(self) -> list[LogState]:
        """Every log, by name."""
        logs = [LogState(log.name, log.start, log.end, log.bytes) for log in list(self.logs.values())]
        return sorted(logs, key=lambda log: log.name)

    @property
    def bytes(self) -> int:
        """Live bytes: what counts against the limit."""
        return sum(log.bytes for log in list(self.logs.values())) + self.dead_bytes

    @property
    def records(self) -> int:
        """Records in all logs."""
        return sum(log.end - log.start for log in list(self.logs.values()))


def load(db: sqlite3.Connection) -> State:
    """Read and check everything but the payloads.

    Raises:
        Damage: rows are missing, or don't agree with each other or with their checksums.
    """
    if version(db) != VERSION:
        raise Damage(f"tables of version {version(db)}, not {VERSION}")
    logs = {log.name: log for log in _logs(db)}
    by_id = {log.id: log for log in logs.values()}
    for row in db.execute("SELECT log, reader, place, active, sum FROM cursors"):
        _check(row, "cursor")
        if row[0] not in by_id:
            raise Damage("a cursor of no log")
        by_id[row[0]].readers[row[1]] = Reader(row[2], bool(row[3]))
    for log in logs.values():
        _measure(db, log)
    dead = db.execute("SELECT count(*), coalesce(sum(length(payload)), 0) FROM dead_letters").fetchone()
    sources = dict(db.execute("SELECT name, id FROM sources"))
    return State(logs, sources, _born(db, by_id), dead[0], dead[1])


def _logs(db: sqlite3.Connection) -> list[Log]:
    rows = db.execute("SELECT id, name, end, had_reader, sum FROM logs ORDER BY id").fetchall()
    for row in rows:
        _check(row, "log")
    return [Log(row[0], row[1], end=row[2], had_reader=bool(row[3])) for row in rows]


def _measure(db: sqlite3.Connection, log: Log) -> None:
    base = log.id << PLACE_BITS
    first, count, size, rows = db.execute(
        "SELECT min(place), sum(count), sum(length(payload)), count(*) FROM entries"
        " WHERE place >= ? AND place < ?",
        (base, base + (1 << PLACE_BITS)),
    ).fetchone()
    log.start = log.end if first is None else first - base
    log.bytes = (size or 0) + rows * ENTRY_COST
    if log.start + (count or 0) != log.end:
        raise Damage(f"entries of log {log.name} are missing")
    if log.low() < log.start:
        raise Damage(f"log {log.name} starts behind a reader")
    if any(reader.place > log.end for reader in log.readers.values()):
        raise Damage(f"a cursor of log {log.name} stands behind its end")


def _born(db: sqlite3.Connection, logs: dict[int, Log]) -> dict[int, Born]:
    born: dict[int, Born] = {}
    for row in db.execute("SELECT source, born, time, value, ends, sum FROM checkpoints ORDER BY source, born"):
        _check(row, "checkpoint")
        ends = unpack_ends(row[4])
        born[row[0]] = Born(row[1], sum(ends.values()))
        if any(number not in logs or end > logs[number].end for number, end in ends.items()):
            raise Damage("a checkpoint vouches for records that are not there")
    return born


def _check(row: tuple[Any, ...], what: str) -> None:
    if seal(*row[:-1]) != row[-1]:
        raise Damage(f"a {what}'s checksum")
