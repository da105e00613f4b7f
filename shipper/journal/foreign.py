"""Tells whether what stands at the journal's path is another's: that is left alone, whatever state it is in.

A damaged journal must still be told from it. A regular file is another's

- if it is a SQLite database that can tell of its tables, and none of a journal's is among them;
- if it is no SQLite database, its first page tells of no journal's tables either, and none of the files that a
  journal leaves stands beside it.
"""

import sqlite3
from pathlib import Path
from typing import Final

from shipper.core.files import no_file
from shipper.journal import schema
from shipper.journal.damage import MAGIC, beside, read_only

_PAGE: Final = 4096


class Foreign(OSError):
    """It is another's. Says what it is, and the cure."""


def examine(path: Path) -> None:
    """Look at what stands at a journal's path, if anything does, without changing or making a file.

    Raises:
        Foreign: it is no journal and never was one.
        OSError: it can't be looked at.
    """
    cure = "set extensions.storage.path to a file of its own"
    if kind := no_file(path):
        raise Foreign(f"storage {path} is {kind}, no file; {cure}")
    if not path.exists():
        return
    with path.open("rb") as file:
        page = file.read(_PAGE)
    if page.startswith(MAGIC):
        if _is_anothers(path):
            raise Foreign(f"storage {path} holds another program's database, which was left alone; {cure}")
    elif page and not _was_ours(path, page):
        raise Foreign(f"storage {path} is another program's file, which was left alone; {cure}")


def _is_anothers(path: Path) -> bool:
    """Whether a database has tables, and can tell of them, but none of a journal's."""
    wal = beside(path, "-wal")
    # Without a write-ahead log there is nothing to wait for, and no other file needs to be made.
    options = "mode=ro" if wal.exists() and wal.stat().st_size else "mode=ro&immutable=1"
    try:
        with read_only(path, options=options) as db:
            found = {sql for (sql,) in db.execute("SELECT sql FROM sqlite_master WHERE sql NOTNULL")}
    except (sqlite3.Error, UnicodeDecodeError):
        return False
    return bool(found) and found.isdisjoint(schema.STATEMENTS)


def _was_ours(path: Path, page: bytes) -> bool:
    beside_it = any(beside(path, suffix).exists() for suffix in (".lock", "-checkpoints"))
    return beside_it or any(statement.encode() in page for statement in schema.STATEMENTS)
