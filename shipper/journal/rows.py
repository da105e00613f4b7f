"""Writing the journal's rows, each sealed by its checksum."""

import sqlite3
from typing import Final

from shipper.journal.schema import seal

#: The checksum, which comes last, is over the other columns in this order.
PUT_CHECKPOINT: Final = (
    "INSERT OR REPLACE INTO checkpoints(source, born, time, value, ends, sum) VALUES(?,?,?,?,?,?)"
)
INSERT_SEEN: Final = "INSERT INTO seen(source, newest, oldest, stored, ends, digests, sum) VALUES(?,?,?,?,?,?,?)"
INSERT_LETTER: Final = (
    "INSERT INTO dead_letters(pipeline, component, exporter, uid, reason, answer, attempts, time, payload, sum)"
    " VALUES(?,?,?,?,?,?,?,?,?,?)"
)

Value = str | bytes | int | None


def put_log(db: sqlite3.Connection, number: int, name: str, end: int, *, had_reader: bool) -> None:
    """A log."""
    row = number, name, end, int(had_reader)
    db.execute("INSERT OR REPLACE INTO logs VALUES(?,?,?,?,?)", (*row, seal(*row)))


def put_cursor(db: sqlite3.Connection, log: int, reader: str, place: int, *, active: bool) -> None:
    """A reader's place in a log."""
    row = log, reader, place, int(active)
    db.execute("INSERT OR REPLACE INTO cursors VALUES(?,?,?,?,?)", (*row, seal(*row)))


def delete_cursor(db: sqlite3.Connection, log: int, reader: str) -> None:
    """A reader that leaves nothing behind."""
    db.execute("DELETE FROM cursors WHERE log=? AND reader=?", (log, reader))


def insert_entry(db: sqlite3.Connection, place: int, count: int, packed: bytes) -> None:
    """An entry; `place` has its log's id above `PLACE_BITS`.

    An empty `packed` marks a gap: places whose records damage took.
    """
    db.execute("INSERT INTO entries VALUES(?,?,?,?)", (place, count, seal(place, count, packed), packed))


def put(db: sqlite3.Connection, statement: str, row: tuple[Value, ...]) -> None:
    """A row of one of the statements above, given without its checksum."""
    db.execute(statement, (*row, seal(*row)))
