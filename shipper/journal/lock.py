"""One process at a time writes a journal."""

import contextlib
import fcntl
import os
from pathlib import Path

from shipper.core.errors import Unavailable


class Lock:
    """An advisory lock on `<journal>.lock`, let go of by the system when the process ends, however it ends.

    Raises:
        Unavailable: another process has it.
    """

    def __init__(self, journal: Path) -> None:
        self._file = os.open(lock_path(journal), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(self._file, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise Unavailable(
                f"storage {journal} is in use by another shipper (process {owner});"
                " stop that one, or give this one a storage path of its own",
                blocked=True,
            ) from None
        with contextlib.suppress(OSError):  # a full disk: the lock holds all the same, it only has no name
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def holds(self, journal: Path) -> bool:
        """Whether the lock file is still the one in the journal's directory."""
        try:
            return os.path.samestat(os.fstat(self._file), lock_path(journal).stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Let the next process have it."""
        os.close(self._file)


def in_use(journal: Path) -> bool:
    """Whether a process has the journal now."""
    try:
        file = os.open(lock_path(journal), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def lock_path(journal: Path) -> Path:
    """The file whose lock stands for the journal's."""
    return journal.with_name(journal.name + ".lock")
