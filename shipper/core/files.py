"""What stands where a file is wanted, and whether one can be written there."""

import errno
import os
import stat
import tempfile
from pathlib import Path
from typing import Final

_KINDS: Final = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def no_file(path: Path) -> str:
    """What stands at a path instead of a regular file, such as `a directory`; nothing where one does, or nothing.

    Raises:
        OSError: it can't be looked at.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return ""
    return next((name for holds, name in _KINDS if holds(mode)), "")


def try_writing(path: Path) -> None:
    """See whether a file can be written, or made with its folders; leaves nothing behind.

    Permissions alone don't tell: on a read-only disk, in /proc and the like nothing can be made.

    Raises:
        OSError: it can't.
    """
    if path.exists():
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC))
        return
    there = next(parent for parent in path.absolute().parents if parent.exists())
    if not there.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(there))
    Path(tempfile.mkdtemp(prefix=".shipper-", dir=there)).rmdir()
