"""The journal's tables, and the connection to them.

Every row carries a checksum over what it says and where it stands, so that a byte that rotted is found when it
is read, and salvage knows what to believe.
"""

import sqlite3
import zlib
from pathlib import Path
from typing import Final

VERSION: Final = 1

#: Bits of a place within `entries.place`: the log's id stands above them, so one b-tree holds all logs in order.
PLACE_BITS: Final = 44

#: Beside the ends of logs at a row of ids, in place of a log's id: what became of them.
KIND: Final = 0
TAKEN: Final = 0
#: Another source has their records.
SHARED: Final = 1
#: They went into no log, since every pipeline dropped them.
DROPPED: Final = 2

#: Before a source's name, the key in `meta` of the time (ms) up to which its ids were forgotten.
FORGOTTEN: Final = "forgotten "

_TABLES: Final = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE logs(id INTEGER PRIMARY KEY, name TEXT NOT NULL, end INTEGER NOT NULL,
    had_reader INTEGER NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE entries(place INTEGER PRIMARY KEY, count INTEGER NOT NULL, sum INTEGER NOT NULL,
    payload BLOB NOT NULL);
CREATE TABLE cursors(log INTEGER NOT NULL, reader TEXT NOT NULL, place INTEGER NOT NULL, active INTEGER NOT NULL,
    sum INTEGER NOT NULL, PRIMARY KEY(log, reader)) WITHOUT ROWID;
CREATE TABLE sources(id INTEGER PRIMARY KEY, name TEXT NOT NULL, forget_before INTEGER NOT NULL);
CREATE TABLE checkpoints(source INTEGER NOT NULL, born INTEGER NOT NULL, time INTEGER NOT NULL, value BLOB,
    ends TEXT NOT NULL, sum INTEGER NOT NULL, PRIMARY KEY(source, born)) WITHOUT ROWID;
CREATE TABLE seen(id INTEGER PRIMARY KEY, source INTEGER NOT NULL, newest INTEGER NOT NULL,
    oldest INTEGER NOT NULL, stored INTEGER NOT NULL, ends TEXT NOT NULL, digests BLOB NOT NULL,
    sum INTEGER NOT NULL);
CREATE INDEX seen_by_time ON seen(source, newest);
CREATE TABLE dead_letters(id INTEGER PRIMARY KEY AUTOINCREMENT, pipeline TEXT NOT NULL, component TEXT NOT NULL,
    exporter INTEGER NOT NULL, uid TEXT NOT NULL, reason TEXT NOT NULL, answer TEXT NOT NULL,
    attempts INTEGER NOT NULL, time INTEGER NOT NULL, payload BLOB NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE requests(id INTEGER PRIMARY KEY, numbers TEXT NOT NULL);
"""

#: The statements, as the database itself keeps them.
STATEMENTS: Final = frozenset(filter(None, map(str.strip, _TABLES.split(";"))))


def connect(path: Path | None) -> sqlite3.Connection:
    """A connection for the one writer; transactions are begun and ended by hand. None: in memory."""
    connection = sqlite3.connect(path or ":memory:", isolation_level=None, timeout=5.0, check_same_thread=False)
    try:
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute("PRAGMA cell_size_check=ON")
        connection.execute("PRAGMA cache_size=-4096")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def version(connection: sqlite3.Connection) -> int:
    """The version of the tables; 0 where there are none."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def create(connection: sqlite3.Connection) -> None:
    """Make the tables of an empty file."""
    connection.executescript(f"BEGIN IMMEDIATE;{_TABLES};PRAGMA user_version={VERSION};COMMIT")


def seal(*parts: bytes | str | int | None) -> int:
    """The checksum of a row: over each part with its length, so that no two rows share their text."""
    total = 0
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
        total = zlib.crc32(data, zlib.crc32(b"%d:" % len(data), total))
    return total


def pack_ends(ends: dict[int, int]) -> str:
    """Log ids with a place each, as text."""
    return " ".join(f"{log}:{end}" for log, end in ends.items())


def unpack_ends(text: str) -> dict[int, int]:
    """What `pack_ends` packed; raises ValueError."""
    return {int(log): int(end) for log, _, end in (part.partition(":") for part in text.split())}
