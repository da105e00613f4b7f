"""Dead letters: reading them, and giving them once more to who refused them."""

import json
import logging
import sqlite3
from collections.abc import Collection, Sequence
from typing import Final

from shipper.core.journal import DeadLetter, Entry, retry_log
from shipper.journal.schema import seal
from shipper.journal.state import Damage
from shipper.journal.store import Store

log = logging.getLogger(__name__)

_SELECT: Final = (
    "SELECT id, pipeline, component, exporter, uid, reason, answer, attempts, time, payload, sum"
    " FROM dead_letters WHERE "
)
_STEP: Final = 100
"""Dead letters that one transaction takes along: they are in memory together."""


def after(db: sqlite3.Connection, number: int, pipeline: str | None, limit: int) -> list[DeadLetter]:
    """The next dead letters behind a number, oldest first."""
    condition = "id > ? AND pipeline = coalesce(?, pipeline) ORDER BY id LIMIT ?"
    return [_letter(row) for row in db.execute(_SELECT + condition, (number, pipeline, limit)).fetchall()]


def retry(store: Store, numbers: Collection[int]) -> int:
    """Append dead letters again, for the exporter that refused them or, after a processor, for all of them.

    One whose exporter the configuration no longer has stays a dead letter. A crash leaves those that were not
    reached: asking for all of them again is right.
    """
    wanted = sorted(set(numbers))
    retried = stay = 0
    for start in range(0, len(wanted), _STEP):
        chosen = _chosen(store.db, wanted[start : start + _STEP])
        able = [letter for letter in chosen if _has_reader(store, target(letter))]
        store.replace_letters(able, [Entry(target(letter), letter.payload, 1) for letter in able])
        retried += len(able)
        stay += len(chosen) - len(able)
    if stay:
        log.warning("%d dead letters stay: their pipeline or exporter is not configured any more", stay)
    return retried


def target(letter: DeadLetter) -> str:
    """The log that a retry appends to."""
    return retry_log(letter.pipeline, letter.component) if letter.exporter else letter.pipeline


def request(db: sqlite3.Connection, numbers: Collection[int]) -> None:
    """Ask the process that has the journal open to retry dead letters; it looks about once a second."""
    db.execute("INSERT INTO requests(numbers) VALUES(?)", (json.dumps(sorted(numbers)),))


def take_requests(store: Store) -> None:
    """Do what other processes asked for."""
    for number, numbers in store.db.execute("SELECT id, numbers FROM requests ORDER BY id").fetchall():
        wanted = _numbers(numbers)
        if wanted is None:
            log.warning("a request to retry dead letters can't be read; ask again", extra={"request": number})
        else:
            retry(store, wanted)
        with store.transaction():
            store.db.execute("DELETE FROM requests WHERE id=?", (number,))


def _numbers(text: object) -> list[int] | None:
    """The numbers of a request, None where its row, which has no checksum, rotted."""
    try:
        found = json.loads(text) if isinstance(text, (str, bytes)) else None
    except (ValueError, RecursionError):
        return None
    good = isinstance(found, list) and all(type(each) is int and 0 <= each < 2**63 for each in found)
    return found if good else None


def _chosen(db: sqlite3.Connection, numbers: Sequence[int]) -> list[DeadLetter]:
    condition = f"id IN ({','.join('?' * len(numbers))}) ORDER BY id"
    return [_letter(row) for row in db.execute(_SELECT + condition, numbers).fetchall()]


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
