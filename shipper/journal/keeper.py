"""Keeps the journal's storage working: opens it, mends damage, and gets over disks that fail."""

import errno
import logging
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from shipper.core.clock import Clock
from shipper.core.errors import Unavailable
from shipper.core.telemetry import Meter
from shipper.journal import damage, foreign, salvage, schema
from shipper.journal.damage import beside
from shipper.journal.lock import Lock
from shipper.journal.safe import SafeCheckpoints
from shipper.journal.state import Damage, State
from shipper.journal.store import Store

log = logging.getLogger(__name__)

T = TypeVar("T")

#: The component that health and logs speak of.
COMPONENT = "storage"

#: What a storage that does not work raises.
_FAULTS = (Damage, sqlite3.Error, OSError, UnicodeDecodeError)

#: Errors after which the connection is opened anew; after others, such as a full disk, it is still good.
_BROKEN = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOTADB)


class Keeper:
    """The storage of a journal, used by one thread only.

    Every fault of the storage becomes `Unavailable` with what, where and the cure, and each call tries anew, so
    that the journal works again as soon as the disk does. Damage is mended at once: the file is set aside, and
    what can be believed is carried into a new one.

    Args:
        path: the file; None keeps everything in memory.
    """

    def __init__(self, path: Path | None, clock: Clock, meter: Meter) -> None:
        self.path = path
        self._clock = clock
        self._meter = meter
        self._store: Store | None = None
        self._lock: Lock | None = None
        self._identity: tuple[int, int] | None = None
        self._volume = 0
        self._mended = False
        self.outage = ""
        """Why the storage does not work, if it does not."""
        self._former: State | None = None
        self.safe = SafeCheckpoints(beside(path, "-checkpoints") if path else None)
        self.stale: set[str] = set()
        """Sources that must look at their checkpoints before they go on, since something was taken back."""

    @property
    def was_open(self) -> bool:
        """Whether there ever was a storage that worked."""
        return self._store is not None or self._former is not None

    @property
    def state(self) -> State:
        """The state as last known, also while the storage does not work."""
        store, former = self._store, self._former  # the thread changes them meanwhile
        return store.state if store else former or State({}, {}, {}, 0, 0)

    def do(self, job: Callable[[Store], T], *, writes: bool = True) -> T:
        """Run a job on the storage, opened if need be.

        Only one that `writes` shows that an outage is over: reading, and moving a cursor, may work on a full disk.

        Raises:
            Unavailable: the storage does not work now; nothing of the job was done.
        """
        try:
            result = job(self._opened())
        except _FAULTS as error:
            raise self._failed(error) from error
        if writes and self.outage:
            log.info("storage works again", extra={"component": COMPONENT, "path": str(self.path)})
            self.outage = ""
        return result

    def close(self) -> None:
        """Let go of everything."""
        if self._store:
            try:
                self._store.db.close()
            except sqlite3.Error as error:
                log.warning("storage could not be closed properly: %s", error, extra={"path": str(self.path)})
            self._former = self._store.state
            self._store = None
        if self._lock:
            self._lock.release()
            self._lock = None

    def _opened(self) -> Store:
        if self._store is None:
            self._store = self._open()
        elif self.path and self._identity != _identity(self.path):
            self._store = self._put_back(self._store, self.path)
        return self._store

    def _open(self) -> Store:
        path = self.path
        if path is None:
            db = schema.connect(None)
            schema.create(db)
            return self._taken_up(Store(db, self._clock))
        foreign.examine(path)  # before anything is made that only stands beside journals
        _make_directory(path)
        self._lock = self._lock or Lock(path)
        self._finish_interrupted(path)
        if not path.exists():
            self.safe.clear()
            salvage.create(path)
        self.safe.load()
        try:
            damage.examine(path)
            store = Store(schema.connect(path), self._clock)
        except (Damage, sqlite3.Error, UnicodeDecodeError) as error:
            if not damage.is_damage(error):
                raise
            store = self._mend(path, str(error))
        self._identity = _identity(path)
        self._volume = path.parent.stat().st_dev
        return self._taken_up(store)

    def _mend(self, path: Path, why: str) -> Store:
        """Carry what can be believed into a new file, set the damaged one aside."""
        found, aside = mend(path, self._clock.now(), self.safe.values)
        self._mended = True
        self._meter.count("shipper_journal_damaged")
        log.error(
            "storage is damaged (%s); it was set aside and work goes on: %s", why, found.summary,
            extra={"component": COMPONENT, "path": str(path), "set_aside": str(aside), **found.figures},
        )  # fmt: skip
        return Store(schema.connect(path), self._clock)

    def _finish_interrupted(self, path: Path) -> None:
        """End a mending that a crash interrupted: a new file is complete once the damaged one has moved."""
        fresh = beside(path, ".new")
        if not fresh.exists():
            return
        if path.exists() or not any(path.parent.glob(f"{path.name}.damaged-*")):
            fresh.unlink()
        else:
            damage.set_aside(path, self._clock.now())
            fresh.rename(path)

    def _put_back(self, store: Store, path: Path) -> Store:
        """The file was removed or replaced under us: what we have open is the truth, write it there again."""
        if _volume(path) != self._volume:
            raise OSError(errno.ENODEV, "another volume, or none, is mounted there")
        _make_directory(path)
        if self._lock and not self._lock.holds(path):
            self._lock.release()
            self._lock = None
        self._lock = self._lock or Lock(path)
        fresh = beside(path, ".new")
        fresh.unlink(missing_ok=True)
        salvage.copy(store.db, fresh)
        damage.set_aside(path, self._clock.now())
        fresh.rename(path)
        damage.sync_directory(path)
        self._let_go()
        log.warning(
            "storage was removed or replaced while in use; it was written again, nothing is lost",
            extra={"component": COMPONENT, "path": str(path)},
        )
        self._identity = _identity(path)
        return self._taken_up(Store(schema.connect(path), self._clock))

    def _taken_up(self, store: Store) -> Store:
        """Make the storage agree with what this process has promised since it started."""
        if self._former:
            if salvage.carry(store, self._former) or self._mended:
                self.stale |= set(self._former.sources)
            self._former = None
        self._mended = False
        return store

    def _failed(self, error: Exception) -> Unavailable:
        if isinstance(error, sqlite3.ProgrammingError):
            raise error
        damaged = damage.is_damage(error)
        if self.path and (damaged or getattr(error, "sqlite_errorcode", 0) & 0xFF in _BROKEN):
            self._let_go()
            if damaged and self._former:
                return self._heal(self.path, str(error))
        reason = explain(error, self.path)
        if not self.outage:
            log.error("%s", reason, extra={"component": COMPONENT, "path": str(self.path)})
        self.outage = reason
        return Unavailable(reason)

    def _heal(self, path: Path, why: str) -> Unavailable:
        """Damage found while running: mend now, and have the caller come back to the mended storage."""
        try:
            self._store = self._taken_up(self._mend(path, why))
            self._identity = _identity(path)
        except _FAULTS as error:
            return Unavailable(explain(error, path))
        return Unavailable(f"storage {path} was damaged and has been mended; again")

    def _let_go(self) -> None:
        store, self._store = self._store, None
        if store:
            self._former = store.state
            try:
                store.db.close()
            except sqlite3.Error:
                log.debug("closing failed storage", exc_info=True)


def mend(path: Path, now: int, safe: dict[str, bytes]) -> tuple[salvage.Found, Path]:
    """Carry what can be believed into a new file, set the damaged one aside; what was found, and where it is."""
    fresh = beside(path, ".new")
    found = salvage.salvage(path, fresh, now, safe)
    aside = damage.set_aside(path, now)
    fresh.rename(path)
    damage.sync_directory(path)
    return found, aside


def explain(error: Exception, path: Path | None) -> str:
    """What happened to the storage, where, and the cure."""
    if isinstance(error, foreign.Foreign):
        return str(error)
    name = getattr(error, "sqlite_errorname", "") or type(error).__name__
    number = getattr(error, "errno", None)
    if name == "SQLITE_FULL" or number in (errno.ENOSPC, errno.EDQUOT):
        return f"storage {path}: the disk is full; free some space or move the storage, nothing is lost meanwhile"
    if name.startswith("SQLITE_READONLY") or number in (errno.EPERM, errno.EACCES, errno.EROFS):
        return f"storage {path} can't be written to (read-only disk or missing permission); make it writable"
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_IOERR")) or number is not None:
        return f"storage {path} can't be reached ({name}: {error}); is its volume mounted and healthy?"
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return f"storage {path} is locked by another program; end whatever has the file open"
    return f"storage {path} does not work ({name}: {error})"


def _make_directory(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - a microsecond a transaction matters
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _volume(path: Path) -> int:
    """The device that a directory is on, or would be on if it were made."""
    return next(each.stat().st_dev for each in path.absolute().parents if each.exists())
