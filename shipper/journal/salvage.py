"""What can be believed of a damaged journal, carried into a new one.

Nothing is believed but rows whose checksum holds. What is missing between them is marked as a gap, so that
places keep their meaning. A checkpoint vouches for everything stored with it and before; it is kept only if all
of that was delivered or is still here, else an older one is, so that the source is asked again.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from shipper.journal import rows, schema, wal
from shipper.journal.damage import beside, read_only
from shipper.journal.schema import FORGOTTEN, KIND, PLACE_BITS, seal, unpack_ends
from shipper.journal.state import Log, Reader, State, load
from shipper.journal.store import Store

#: Columns of each table: the key, then all of them in the order of their checksum, which comes last.
_COLUMNS: Final = {
    "logs": ("id", "id, name, end, had_reader, sum"),
    "entries": ("place", "place, count, payload, sum"),
    "cursors": ("log", "log, reader, place, active, sum"),
    "checkpoints": ("source", "source, born, time, value, ends, sum"),
    "sources": ("id", "id, name, forget_before"),
    "seen": ("id", "source, newest, oldest, stored, ends, digests, sum"),
    "dead_letters": (
        "id",
        "pipeline, component, exporter, uid, reason, answer, attempts, time, payload, sum",
    ),
}

Row = tuple[Any, ...]

#: What reading a damaged table raises; the second where a message quotes its bytes.
_UNREADABLE: Final = (sqlite3.Error, UnicodeDecodeError)


@dataclass
class Found:
    """What a salvage carried over."""

    records: int = 0
    lost: int = 0
    checkpoints: int = 0
    figures: dict[str, int] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """The same for people."""
        return (
            f"{self.records} waiting records and {self.checkpoints} checkpoints were carried over;"
            " what is missing is asked for again"
        )


@dataclass
class _Readable:
    """Rows of a damaged journal whose checksums hold."""

    rows: dict[str, list[Row]]
    whole: set[str]
    """Tables every row of which could be read."""

    def count(self) -> int:
        """How many rows there are."""
        return sum(map(len, self.rows.values()))


def create(path: Path) -> None:
    """Make a new, empty journal, there whole or not at all."""
    fresh = beside(path, ".new")
    _new(fresh).close()
    fresh.rename(path)


def copy(db: sqlite3.Connection, path: Path) -> None:
    """Write all of an open journal to a new file."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with closing(sqlite3.connect(path)) as target:
        db.backup(target)


def salvage(path: Path, fresh: Path, now: int, safe: dict[str, bytes]) -> Found:
    """Carry what can be believed of the journal at `path` into a new one at `fresh`; `path` is not changed.

    Args:
        path: the damaged journal.
        fresh: the new one; replaced if there is one.
        now: for new checkpoint rows, ns.
        safe: checkpoints known to be delivered, for sources whose own were lost.
    """
    readable = _read(path)
    for leftover in (fresh, beside(fresh, "-wal"), beside(fresh, "-shm")):
        leftover.unlink(missing_ok=True)
    with closing(_new(fresh)) as db:
        db.execute("BEGIN IMMEDIATE")
        found = _carry_over(db, readable, now, safe)
        db.executemany("INSERT OR REPLACE INTO meta VALUES(?, ?)", _forgotten(path))
        db.execute("COMMIT")
    return found


def _forgotten(path: Path) -> list[tuple[str, int]]:
    """How far ids were forgotten, as far as that can be read."""
    try:
        with read_only(path) as db:
            return db.execute(
                "SELECT key, value FROM meta WHERE key GLOB ? AND typeof(value) = 'integer'", (f"{FORGOTTEN}*",)
            ).fetchall()
    except (sqlite3.Error, UnicodeDecodeError):
        return []


def carry(store: Store, former: State) -> bool:
    """Make a reopened journal go on where this process was: no place is given twice, every reader is there.

    Returns:
        Whether records were taken back that this process had stored.
    """
    lost = False
    for name, was in former.logs.items():
        log = store.log(name)
        if log.end < was.end:
            lost = True
            with store.transaction():
                rows.insert_entry(store.db, log.id << PLACE_BITS | log.end, was.end - log.end, b"")
                had_reader = log.had_reader or was.had_reader
                rows.put_log(store.db, log.id, name, was.end, had_reader=had_reader)
        for reader in was.readers:
            if reader not in log.readers:
                with store.transaction():
                    place = max(was.readers[reader].place, log.start)
                    rows.put_cursor(store.db, log.id, reader, place, active=was.readers[reader].active)
    store.state = load(store.db)
    return lost


def unsealed(db: sqlite3.Connection, table: str) -> Iterator[int]:
    """Keys of rows whose checksum does not hold."""
    key, columns = _COLUMNS[table]
    for row in db.execute(f"SELECT {key}, {columns} FROM {table}"):  # noqa: S608 - names of ours
        if not _holds(table, row[1:]):
            yield row[0]


def _new(path: Path) -> sqlite3.Connection:
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    db = schema.connect(path)
    schema.create(db)
    return db


def _read(path: Path) -> _Readable:
    """From a copy, with the write-ahead log if it can be read, else without.

    A copy, since SQLite deletes the write-ahead log of a file of no bytes. A first page that is gone or spoiled is
    taken from there, which is all that SQLite needs to find the others.
    """
    copy_path = beside(path, ".salvage")
    best = _Readable({table: [] for table in _COLUMNS}, set())
    try:
        for suffix in ("", "-wal"):
            if beside(path, suffix).exists():
                shutil.copyfile(beside(path, suffix), beside(copy_path, suffix))
        best = max(_read_copy(copy_path, "mode=ro"), best, key=_Readable.count)
        best = max(_read_copy(copy_path, "mode=ro&immutable=1"), best, key=_Readable.count)
        if image := wal.first_page(beside(path, "-wal")):
            with copy_path.open("r+b") as file:
                file.write(image)
            shutil.copyfile(beside(path, "-wal"), beside(copy_path, "-wal"))
            best = max(best, _read_copy(copy_path, "mode=ro"), key=_Readable.count)
    finally:
        for suffix in ("", "-wal", "-shm"):
            beside(copy_path, suffix).unlink(missing_ok=True)
    return best


def _read_copy(path: Path, options: str) -> _Readable:
    readable = _Readable({table: [] for table in _COLUMNS}, set())
    with suppress(*_UNREADABLE), read_only(path, options=options) as db:
        for table in _COLUMNS:
            readable.rows[table] = _rows(db, table, readable.whole)
    return readable


def _rows(db: sqlite3.Connection, table: str, whole: set[str]) -> list[Row]:
    rowid = "rowid" if table in ("logs", "entries", "sources", "seen", "dead_letters") else None
    found: dict[Any, Row] = {}
    try:
        keys, complete = _keys(db, table, rowid)
        for key in keys:
            row = _row(db, table, key, rowid)
            if row is not None and _holds(table, row):
                found[key] = row
        if complete and len(found) == len(keys):
            whole.add(table)
    except _UNREADABLE:
        pass
    return [found[key] for key in sorted(found)]


def _keys(db: sqlite3.Connection, table: str, rowid: str | None) -> tuple[list[Any], bool]:
    """Keys from both ends up to where the tree is broken."""
    keys: dict[Any, None] = {}
    columns = rowid or ("log, reader" if table == "cursors" else "source, born")
    for order in ("", " DESC"):
        ordering = ", ".join(column + order for column in columns.split(", "))
        try:
            for key in db.execute(f"SELECT {columns} FROM {table} NOT INDEXED ORDER BY {ordering}"):  # noqa: S608
                keys[key] = None
        except _UNREADABLE:
            continue
        return list(keys), True
    return list(keys), False


def _row(db: sqlite3.Connection, table: str, key: tuple[Any, ...], rowid: str | None) -> Row | None:
    names = (rowid,) if rowid else (("log", "reader") if table == "cursors" else ("source", "born"))
    where = " AND ".join(f"{name}=?" for name in names)
    try:
        row: Row | None = db.execute(
            f"SELECT {_COLUMNS[table][1]} FROM {table} NOT INDEXED WHERE {where}",  # noqa: S608 - names of ours
            key,
        ).fetchone()
    except _UNREADABLE:
        return None
    return row


def _holds(table: str, row: Row) -> bool:
    if table == "sources":
        return isinstance(row[0], int) and isinstance(row[1], str) and isinstance(row[2], int)
    try:
        return bool(seal(*row[:-1]) == row[-1])
    except (TypeError, ValueError):
        return False


def _carry_over(db: sqlite3.Connection, old: _Readable, now: int, safe: dict[str, bytes]) -> Found:
    found = Found()
    intact: dict[int, int] = {}
    for log in _logs(old):
        intact[log.id] = _entries(db, log, old.rows["entries"], found)
    db.executemany("INSERT OR IGNORE INTO sources(id, name, forget_before) VALUES(?,?,?)", old.rows["sources"])
    kept = [row for row in old.rows["checkpoints"] if _vouched(row[4], intact)]
    db.executemany(rows.PUT_CHECKPOINT, kept)
    _restore_safe(db, safe, now)
    found.checkpoints = db.execute("SELECT count(DISTINCT source) FROM checkpoints").fetchone()[0]
    seen = [row for row in old.rows["seen"] if _vouched(row[4], intact)]
    db.executemany(rows.INSERT_SEEN, seen)
    db.executemany(rows.INSERT_LETTER, old.rows["dead_letters"])
    found.figures = {"carried": found.records, "lost": found.lost, "checkpoints": found.checkpoints}
    return found


def _logs(old: _Readable) -> Iterable[Log]:
    """Logs with their readers. If any cursor may be missing, one that comes back reads all that is kept."""
    trusted = "cursors" in old.whole
    logs = {
        row[0]: Log(row[0], row[1], end=row[2], had_reader=bool(row[3]) and trusted) for row in old.rows["logs"]
    }
    for number, reader, place, active, _sum in old.rows["cursors"]:
        if number in logs:
            logs[number].readers[reader] = Reader(place, bool(active))
    return logs.values()


def _entries(db: sqlite3.Connection, log: Log, entries: list[Row], found: Found) -> int:
    """Copy a log's entries that somebody still needs, with gaps marked; up to where none is missing."""
    base = log.id << PLACE_BITS
    mine = [(row[0] - base, *row[1:]) for row in entries if row[0] >> PLACE_BITS == log.id]
    log.end = max([log.end, *(row[0] + row[1] for row in mine), *(each.place for each in log.readers.values())])
    if log.had_reader or log.readers:
        log.start = mine[0][0] if mine else log.end
    low = log.low()
    if log.had_reader:
        mine = [row for row in mine if row[0] + row[1] > low]
    at = min(low, mine[0][0]) if mine else low
    holes = []
    for first, count, payload, _sum in [*mine, (log.end, 0, b"", 0)]:
        if first > at:
            holes.append(at)
            rows.insert_entry(db, base | at, first - at, b"")
            found.lost += first - at
        if count:
            rows.insert_entry(db, base | first, count, payload)
            found.records += count if payload else 0
        if not payload and count:
            holes.append(first)
        at = first + count
    rows.put_log(db, log.id, log.name, log.end, had_reader=log.had_reader)
    for reader, state in log.readers.items():
        rows.put_cursor(db, log.id, reader, state.place, active=state.active)
    return min([*holes, log.end])


def _vouched(ends: str, intact: dict[int, int]) -> bool:
    return all(log == KIND or intact.get(log, -1) >= end for log, end in unpack_ends(ends).items())


def _restore_safe(db: sqlite3.Connection, safe: dict[str, bytes], now: int) -> None:
    """For sources that have no checkpoint left, the newest that is known to be delivered."""
    for name, value in safe.items():
        row = db.execute("SELECT id FROM sources WHERE name=?", (name,)).fetchone()
        number = (
            row[0]
            if row
            else db.execute("INSERT INTO sources(name, forget_before) VALUES(?, 0)", (name,)).lastrowid
        )
        if not db.execute("SELECT 1 FROM checkpoints WHERE source=?", (number,)).fetchone():
            rows.put(db, rows.PUT_CHECKPOINT, (number, now, now, value, ""))
