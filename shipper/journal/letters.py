"""Dead letters: reading them, and giving them once more to who refused them."""

import json
import logging
import sqlite3
from collections.abc import Collection

from shipper.core.journal import DeadLetter, Entry, retry_log
from shipper.journal.schema import seal
from shipper.journal.state import Damage
from shipper.journal.store import Store

log = logging.getLogger(__name__)


def after(db: sqlite3.Connection, number: int, pipeline: str | None, limit: int) -> list[DeadLetter]:
    """The next dead letters behind a number, oldest first."""
    rows = db.execute(
        "SELECT id, pipeline, component, exporter, uid, reason, answer, attempts, time, payload, sum"
        " FROM dead_letters WHERE id > ?1 AND (?2 IS NULL OR pipeline = ?2) ORDER BY id LIMIT ?3",
        (number, pipeline, limit),
    ).fetchall()
    return [_letter(row) for row in rows]


def retry(store: Store, numbers: Collection[int]) -> int:
    """Append dead letters again, for the exporter that refused them or, after a processor, for all of them.

    One whose exporter the configuration no longer has stays a dead letter.
    """
    chosen = _chosen(store.db, numbers)
    able = [letter for letter in chosen if _has_reader(store, target(letter))]
    if len(able) < len(chosen):
        log.warning(
            "%d dead letters stay: their pipeline or exporter is not configured any more", len(chosen) - len(able)
        )
    entries = [Entry(target(letter), letter.payload, 1) for letter in able]
    store.replace_letters(able, entries)
    return len(able)


def target(letter: DeadLetter) -> str:
    """The log that a retry appends to."""
    return retry_log(letter.pipeline, letter.component) if letter.exporter else letter.pipeline


def request(db: sqlite3.Connection, numbers: Collection[int]) -> None:
    """Ask the process that has the journal open to retry dead letters; it looks about once a second."""
    db.execute("INSERT INTO requests(numbers) VALUES(?)", (json.dumps(sorted(numbers)),))


def take_requests(store: Store) -> None:
    """Do what other processes asked for."""
    for number, numbers in store.db.execute("SELECT id, numbers FROM requests ORDER BY id").fetchall():
        try:
            wanted = json.loads(numbers)
        except ValueError:  # these rows have no checksum
            log.warning("a request to retry dead letters can't be read; ask again", extra={"request": number})
            wanted = ()
        retry(store, wanted)
        with store.transaction():
            store.db.execute("DELETE FROM requests WHERE id=?", (number,))


def _chosen(db: sqlite3.Connection, numbers: Collection[int]) -> list[DeadLetter]:
    found = [after(db, number - 1, None, 1) for number in sorted(set(numbers))]
    return [
        letters[0]
        for letters, number in zip(found, sorted(set(numbers)), strict=True)
        if letters and letters[0].id == number
    ]


def _has_reader(store: Store, name: str) -> bool:
    found = store.state.logs.get(name)
    return bool(found and any(reader.active for reader in found.readers.values()))


def _letter(row: tuple[int, str, str, int, str, str, str, int, int, bytes, int]) -> DeadLetter:
    if seal(*row[1:-1]) != row[-1]:
        raise Damage(f"dead letter {row[0]}")
    number, pipeline, component, exporter, uid, reason, answer, attempts, time, payload, _ = row
    return DeadLetter(
        pipeline, component, uid, reason, answer, attempts, time, payload, id=number, exporter=bool(exporter)
    )
