"""Appending lines to what has a reader and takes nothing back: a pipe, a terminal, a device.

Opened for writing alone and without waiting, since whoever opens a pipe for reading too is its own reader, and
writes into the void. What fits into the pipe counts as sent: no system tells when the other side has read it.
"""

import contextlib
import fcntl
import os
import select
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
#: Seconds that closing waits for the rest of a line to fit.
_GOODBYE: Final = 0.5


def is_pipe(path: Path) -> bool:
    """Whether there is a pipe, a terminal or another device of characters at the path."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


class Pipe:
    """Lines are written one behind the other, and one that was begun is ended before the next.

    Args:
        path: what `is_pipe`.
        patience: seconds that one attempt waits for room.
        monotonic: the clock.
    """

    def __init__(self, path: Path, patience: float, monotonic: Callable[[], float]) -> None:
        self._path = path
        self._patience = patience
        self._monotonic = monotonic
        self._fd: int | None = None
        self._data = b""
        """What did not fit whole at the last attempt, and how much of it did: nothing else may come between."""
        self._done = 0

    def append(self, data: bytes) -> None:
        """Write lines, waiting for the reader; the same ones again go on where the last attempt stopped.

        Raises:
            OSError: ENXIO nobody reads, EPIPE the reader went away, EAGAIN it did not make room in time.
        """
        fd = self._open()
        until = self._monotonic() + self._patience
        if self._done and data != self._data:
            self._data = self._data[: self._data.find(b"\n", self._done - 1) + 1]
            self._pour(fd, until)
        elif not self._done:
            self._lock(fd, fcntl.LOCK_EX)
        self._data = data
        self._pour(fd, until)
        self._lock(fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go, behind the end of a line where it fits."""
        if self._fd is not None and self._done:
            with contextlib.suppress(OSError):
                self._data = self._data[: self._data.find(b"\n", self._done - 1) + 1]
                self._pour(self._fd, self._monotonic() + _GOODBYE)
        self._drop()

    def _open(self) -> int:
        if self._fd is not None and not self._same(self._fd):
            self._drop()
        if self._fd is None:
            self._fd = os.open(self._path, _FLAGS)
        return self._fd

    def _same(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), self._path.stat())
        except FileNotFoundError:
            return False

    def _pour(self, fd: int, until: float) -> None:
        """Write the rest; others who lock wait until it is whole, even where the time is over before."""
        with memoryview(self._data) as data:
            while self._done < len(data):
                try:
                    self._done += os.write(fd, data[self._done :])
                except BlockingIOError:
                    if not self._room(fd, until - self._monotonic()):
                        if not self._done:
                            self._lock(fd, fcntl.LOCK_UN)
                        raise
                except OSError:
                    self._drop()
                    raise
        self._done = 0

    @staticmethod
    def _room(fd: int, seconds: float) -> bool:
        waiting = select.poll()
        waiting.register(fd, select.POLLOUT)
        return seconds > 0 and bool(waiting.poll(seconds * 1000))

    @staticmethod
    def _lock(fd: int, how: int) -> None:
        with contextlib.suppress(OSError):
            fcntl.flock(fd, how)

    def _drop(self) -> None:
        """A line that was half written ends with its reader."""
        fd, self._fd = self._fd, None
        self._data, self._done = b"", 0
        if fd is not None:
            with contextlib.suppress(OSError):
                os.close(fd)
