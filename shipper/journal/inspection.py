"""Looking at a journal without owning it, for `shipper state`, also while a shipper has it open."""

import sqlite3
import time
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shipper.core.errors import Unavailable
from shipper.core.journal import (
    Checkpoint,
    Chunk,
    CursorState,
    DeadLetter,
    LogState,
    Page,
    Usage,
    dead_letter_log,
    pipeline_of,
)
from shipper.journal import damage, foreign, letters
from shipper.journal.damage import beside, is_damage, read_only
from shipper.journal.keeper import explain, mend
from shipper.journal.lock import Lock
from shipper.journal.reading import chunks, newest_checkpoints, pages
from shipper.journal.safe import SafeCheckpoints
from shipper.journal.salvage import unsealed
from shipper.journal.schema import FORGOTTEN
from shipper.journal.state import Damage, load

#: Tables whose rows are looked at one by one only here.
_SEALED: Final = ("entries", "seen", "dead_letters")

#: Dead letters fetched at once.
_LETTERS: Final = 100

#: Records that wait, and their bytes, read at once.
_RECORDS: Final = 2048
_BYTES: Final = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a journal holds, but for records and dead letters."""

    cursors: list[CursorState]
    logs: list[LogState]
    checkpoints: list[Checkpoint]
    usage: Usage
    """With a capacity of 0: that is the configuration's."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `state fsck` found."""

    sound: bool
    problem: str
    set_aside: list[Path]
    """Damaged journals of earlier times; they may be deleted."""


class View:
    """What a journal holds at one moment, whatever its owner does meanwhile; made by `view`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._state = load(db)

    def remembered(self, source: str) -> list[Page]:
        """The ids of a source."""
        return pages(self._db, source, 0, {log.id: log.delivered() for log in self._state.logs.values()})

    def forgotten(self, source: str) -> int | None:
        """The time (ms) up to which ids of a source were forgotten, since they were too old; None: none was."""
        row = self._db.execute("SELECT value FROM meta WHERE key=?", (f"{FORGOTTEN}{source}",)).fetchone()
        return row[0] if row else None

    def waiting(self) -> Iterator[Chunk]:
        """Records that some exporter does not have yet, but for copies of dead letters."""
        for log in self._state.logs.values():
            if log.name != dead_letter_log(pipeline_of(log.name)):
                place = max(log.low(), log.start)
                while found := chunks(self._db, log, place, _RECORDS, _BYTES):
                    yield from found
                    place = found[-1].next

    def dead(self) -> set[str]:
        """The ids of the dead letters."""
        return {uid for (uid,) in self._db.execute("SELECT uid FROM dead_letters")}


@contextmanager
def view(path: Path) -> Iterator[View]:
    """Look at everything as it is at one moment; raises Unavailable."""
    with _reading(path) as db:
        db.execute("BEGIN")
        yield View(db)


def snapshot(path: Path) -> Snapshot:
    """Read cursors, logs and checkpoints.

    Raises:
        Unavailable: there is no journal, or it can't be read, with the reason and the cure.
    """
    with _reading(path) as db:
        state = load(db)
        usage = Usage(state.bytes, 0, state.records, state.dead_letters)
        return Snapshot(state.cursors(), state.log_states(), newest_checkpoints(db), usage)


def dead_letters(path: Path, pipeline: str | None = None) -> Iterator[DeadLetter]:
    """Dead letters, oldest first; raises Unavailable."""
    with _reading(path) as db:
        found = letters.after(db, 0, pipeline, _LETTERS)
        while found:
            yield from found
            found = letters.after(db, found[-1].id, pipeline, _LETTERS)


def request_retry(path: Path, numbers: Collection[int]) -> None:
    """Have dead letters given once more to who refused them: by the shipper that runs, or by the next one.

    Raises:
        Unavailable: there is no journal, or it can't be written to.
    """
    try:
        with _reading(path):
            pass
        with closing(sqlite3.connect(path, timeout=10.0, isolation_level=None)) as db:
            letters.request(db, numbers)
    except sqlite3.Error as error:
        raise Unavailable(explain(error, path)) from error


def check(path: Path) -> Verdict:
    """Check everything, however long it takes; changes nothing. Damage is mended by the next start.

    Raises:
        Unavailable: there is no journal, or it can't be read.
    """
    _look(path)
    problem = damage.check_all(path)
    if not problem:
        with _reading(path) as db:
            problem = next((f"{table} {key}: checksum" for table in _SEALED for key in unsealed(db, table)), "")
    aside = [
        each
        for each in sorted(path.parent.glob(f"{beside(path, '').name}.damaged-*"))
        if not each.name.endswith(("-wal", "-shm"))
    ]
    return Verdict(not problem, problem, aside)


def repair(path: Path) -> str:
    """Mend a damaged journal now, as the next start would; says what was carried over.

    Raises:
        Unavailable: a shipper has it open, or the disk does not allow it.
    """
    _look(path)
    safe = SafeCheckpoints(beside(path, "-checkpoints"))
    lock = Lock(path)
    try:
        safe.load()
        found, aside = mend(path, time.time_ns(), safe.values)
    except (OSError, sqlite3.Error) as error:
        raise Unavailable(explain(error, path)) from error
    finally:
        lock.release()
    return f"{found.summary}; the damaged file is now {aside}"


def _look(path: Path) -> None:
    """Have something at the path that is, or was, a journal; raises Unavailable."""
    try:
        foreign.examine(path)
        there = path.exists()
    except OSError as error:
        raise Unavailable(explain(error, path)) from error
    if not there:
        raise Unavailable(f"there is no storage at {path}; is it the path of extensions.storage?")


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    _look(path)
    try:
        with read_only(path) as db:
            yield db
    except (Damage, sqlite3.Error) as error:
        if is_damage(error):
            raise Unavailable(
                f"storage {path} is damaged ({error}); it is mended when the shipper starts"
            ) from error
        raise Unavailable(explain(error, path)) from error
