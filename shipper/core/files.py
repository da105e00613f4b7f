"""What stands where a file is wanted."""

import stat
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
