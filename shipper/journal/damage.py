"""Looks at a journal's files before they are used, and sets aside what can't be."""

import os
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from shipper.journal import wal
from shipper.journal.schema import version
from shipper.journal.state import Damage, load

#: What a SQLite database begins with.
MAGIC: Final = b"SQLite format 3\0"

#: Seconds the look at the start may take; damage it has no time for is found when the row is read.
_PATIENCE: Final = 2.0


def examine(path: Path) -> None:
    """Look for damage without changing a byte.

    Raises:
        Damage: something is wrong with the files or what they say.
        OSError, sqlite3.Error: they can't be read, which is no damage.
    """
    with path.open("rb") as file:
        header = file.read(100)
    if len(header) < 100 or not header.startswith(MAGIC):
        raise Damage("cut short" if MAGIC.startswith(header[:16]) else "not a SQLite file")
    if header[18:20] != b"\x02\x02":
        raise Damage("header")
    wal.examine(beside(path, "-wal"))
    with read_only(path) as db:
        try:
            _check_structure(db)
            load(db)
        except (sqlite3.DatabaseError, ValueError, TypeError, OverflowError) as error:
            raise _damage(error) from error


def read_only(path: Path, *, options: str = "mode=ro") -> closing[sqlite3.Connection]:
    """A connection that changes nothing, not even by closing it; as a context."""
    return closing(sqlite3.connect(f"{path.absolute().as_uri()}?{options}", uri=True, isolation_level=None))


def is_damage(error: BaseException) -> bool:
    """Whether an error of the database means that its content is wrong, not that it can't be reached."""
    if isinstance(error, Damage | UnicodeDecodeError | sqlite3.IntegrityError | sqlite3.DataError):
        return True
    if not isinstance(error, sqlite3.DatabaseError):
        return False
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    if code == sqlite3.SQLITE_ERROR:  # what a missing table or a text that is no text gives; else a fault of ours
        return any(words in str(error) for words in ("no such", "decode", "malformed", "unsupported file format"))
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT)


def set_aside(path: Path, now: int) -> Path:
    """Rename a journal and what belongs to it to `*.damaged-<time>`; the new name.

    The main file goes first: a rest without it is never taken for a journal.
    """
    stamp = datetime.fromtimestamp(now // 10**9, UTC).strftime("%Y%m%dT%H%M%SZ")
    target = beside(path, f".damaged-{stamp}")
    number = 1
    while target.exists():
        number += 1
        target = beside(path, f".damaged-{stamp}-{number}")
    wal_file = beside(path, "-wal")
    if path.exists():
        path.rename(target)
    if wal_file.exists() and wal_file.stat().st_size:
        wal_file.rename(beside(target, "-wal"))
    wal_file.unlink(missing_ok=True)
    beside(path, "-shm").unlink(missing_ok=True)
    return target


def beside(path: Path, suffix: str) -> Path:
    """A file that belongs to a journal."""
    return path.with_name(path.name + suffix)


def sync_directory(path: Path) -> None:
    """Make renames in the directory of `path` last."""
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def check_all(path: Path) -> str:
    """The whole check of `state fsck`, however long it takes: what is wrong, or nothing."""
    try:
        examine(path)
        with read_only(path) as db:
            problem: str = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
            return "" if problem == "ok" else problem
    except (Damage, sqlite3.DatabaseError, UnicodeDecodeError, OSError) as error:
        return str(error)


def _damage(error: Exception) -> Exception:
    if isinstance(error, sqlite3.Error) and not is_damage(error):
        return error
    return Damage(str(error))


def _check_structure(db: sqlite3.Connection) -> None:
    if version(db) == 0 and db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
        raise Damage("no tables")
    end = time.monotonic() + _PATIENCE
    db.set_progress_handler(lambda: time.monotonic() > end, 10_000)
    try:
        problem = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return
    finally:
        db.set_progress_handler(None, 0)
    if problem != "ok":
        raise Damage(problem)
