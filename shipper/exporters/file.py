"""Writes records to a file, one JSON object a line, for other programs to read or for keeping.

A line is whole or absent: what a crash left unfinished is cut off when the file is next opened. Files are made
readable by their owner only. Works with logrotate, be it by moving or by copying and truncating.

The path may also be `/dev/stdout`, a terminal or a named pipe. A pipe is written to while a program reads it, and
the records wait while none does; what fits into the pipe counts as sent: what its reader leaves unread is lost.

    exporters:
      file:
        path: out/events.jsonl
        format: json
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import stat
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from shipper.core.component import Component, Context, Exported, Window
from shipper.core.delivery import DeliveryConfig
from shipper.core.errors import Unavailable
from shipper.core.files import try_writing
from shipper.core.record import UID
from shipper.exporters.lane import Lane
from shipper.exporters.pipe import Pipe, is_pipe
from shipper.wire import jsontext, otlp_json
from shipper.wire.times import rfc3339

_CHUNK: Final = 2**16
#: Seconds that closing waits for a disk that hangs.
_PATIENCE: Final = 1.0
#: Of the time for an attempt: how long the reader of a pipe may take to make room.
_SHARE: Final = 0.8
#: How lines of ours begin, in every format.
_BEGINNINGS: Final = (b'{"resourceLogs":', b'{"timestamp":')

_REMEDIES: Final[dict[int | None, str]] = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the quota is used up; free some space",
    errno.EFBIG: "the file is as large as its system allows; rotate it",
    errno.EROFS: "the disk is read-only; mount it writable",
    errno.EACCES: "the shipper lacks the permission; make it and its folder writable for this user",
    errno.EPERM: "the shipper lacks the permission; make it and its folder writable for this user",
    errno.ENOENT: "its folder has vanished; bring the folder or its volume back",
    errno.ENOTDIR: "a part of its path is no folder; choose another path",
    errno.EISDIR: "there is a folder in its place; choose another path",
    errno.EIO: "the disk is failing",
    errno.ENXIO: "nobody reads this pipe; start the program that does",
    errno.EPIPE: "the program that read this pipe is gone; start it again",
    errno.EAGAIN: "the program that reads this pipe does not keep up; see why it stalls",
    errno.EPROTOTYPE: "it is neither a file nor a pipe; choose another path (for a socket: the exporter syslog)",
}


class Config(DeliveryConfig):
    """Which file, and how it is written."""

    concurrency: Literal[1] = 1
    """One batch at a time, since they share one stream."""
    path: Annotated[str, Field(min_length=1)]
    """The file, whose folders are made where they are missing; or a named pipe, or /dev/stdout."""
    format: Literal["otlp_json", "json"] = "otlp_json"
    """otlp_json: OTLP's own JSON, one batch a line; json: flat, one record a line."""


class FileExporter:
    """Appends each window by one write that reaches the disk before it counts as sent."""

    def __init__(self, config: Config, context: Context) -> None:
        self._name = config.path
        self._path = context.paths.output(config.path)
        self._flat = config.format == "json"
        self._appender = Appender(self._path)
        self._pipe = Pipe(self._path, config.timeout * _SHARE, context.clock.monotonic)
        self._lane = Lane(context.id)

    def __repr__(self) -> str:
        return f"file({self._name})"

    async def __aenter__(self) -> "FileExporter":
        return self

    async def __aexit__(self, *exc: object) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await self._lane.run(self._close)
        self._lane.close()

    async def export(self, window: Window) -> None:
        """Append the window.

        Raises:
            Unavailable: it can't be written; nothing of the window is in the file. A pipe that took a part gets
                the rest when the window comes again.
        """
        await self._lane.run(lambda: self._write(window))

    async def check(self) -> str:
        """See whether the file can be written, without writing."""
        return await self._lane.run(self._try)

    def _try(self) -> str:
        """A pipe is not opened: its reader would take that for the end when it is closed again."""
        try:
            if not is_pipe(self._path):
                _refuse_socket(self._path)
                try_writing(self._path)
            elif not os.access(self._path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as fault:
            raise self._unavailable(fault) from fault
        return f"{self._name} {'is a pipe or device' if is_pipe(self._path) else 'can be written'}"

    def _unavailable(self, fault: OSError) -> Unavailable:
        remedy = _REMEDIES.get(fault.errno, fault.strerror or str(fault))
        return Unavailable(f"{self._name} can't be written: {remedy}")

    def _write(self, window: Window) -> None:
        out = self._pipe if is_pipe(self._path) else self._appender
        try:
            out.append(self._lines(window.records))
        except OSError as fault:
            raise self._unavailable(fault) from fault

    def _close(self) -> None:
        self._pipe.close()
        self._appender.close()

    def _lines(self, records: Sequence[Exported]) -> bytes:
        if not self._flat:
            return otlp_json.encode(records) + b"\n"
        return b"".join([jsontext.dumps(flat(exported)) + b"\n" for exported in records])


class Appender:
    """A file that lines are appended to, all or nothing; safe with other writers and with rotation."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None
        self._opened = False
        self._turn = threading.Lock()

    def append(self, data: bytes) -> None:
        """Append and wait for the disk.

        Raises:
            OSError: it failed; the file holds nothing of the data.
        """
        with self._turn:
            fd = self._open()
            with _locked(fd):
                before = os.fstat(fd).st_size
                try:
                    _write_all(fd, data)
                except BaseException:
                    self._undo(fd, before)
                    raise

    def close(self) -> None:
        """Let go of the file."""
        with self._turn:
            self._drop()

    def _open(self) -> int:
        """The file at the path: the open one unless it was moved away or removed."""
        if self._fd is not None and not _same(self._fd, self._path):
            self._drop()
        if self._fd is None:
            if not self._opened:
                self._path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = _opened(self._path)
            self._opened = True
            with _locked(self._fd):
                _mend(self._fd)
        return self._fd

    def _undo(self, fd: int, size: int) -> None:
        """Take back what was written; where even that fails, the next opening does it."""
        with contextlib.suppress(OSError):
            os.ftruncate(fd, size)
        self._drop()

    def _drop(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            with contextlib.suppress(OSError):
                os.close(fd)


def flat(exported: Exported) -> dict[str, Any]:
    """The record as a flat object."""
    record = exported.record
    return {
        "timestamp": rfc3339(record.timestamp),
        "observed_timestamp": rfc3339(record.observed),
        "severity": record.severity_text,
        "severity_number": record.severity_number,
        "event_name": record.event_name,
        "attributes": {UID: record.uid, **record.attributes},
        "body": record.body,
        "resource": exported.resource,
    }


def _opened(path: Path) -> int:
    """The file, made if need be; anything else is refused, also what was put there this moment."""
    _refuse_socket(path)
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EPROTOTYPE, os.strerror(errno.EPROTOTYPE))
    return fd


def _refuse_socket(path: Path) -> None:
    """Opening one says no more than that there is no such device."""
    if path.is_socket():
        raise OSError(errno.EPROTOTYPE, os.strerror(errno.EPROTOTYPE))


def _same(fd: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(fd), there)


@contextlib.contextmanager
def _locked(fd: int) -> Iterator[None]:
    """Alone among the writers that lock, where the file system has locks."""
    with contextlib.suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_UN)


def _write_all(fd: int, data: bytes) -> None:
    if os.write(fd, data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(fd)


def _mend(fd: int) -> None:
    """Cut an unfinished last line of ours off; finish one of somebody else."""
    size = os.fstat(fd).st_size
    end = _last_line(fd, size)
    if end == size:
        return
    beginning = os.pread(fd, max(map(len, _BEGINNINGS)), end)
    if any(beginning.startswith(ours) or ours.startswith(beginning) for ours in _BEGINNINGS):
        os.ftruncate(fd, end)
    else:
        os.write(fd, b"\n")


def _last_line(fd: int, size: int) -> int:
    """Where what follows the last line break starts."""
    end = size
    while end > 0:
        start = max(end - _CHUNK, 0)
        found = os.pread(fd, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


component: Component[Config, Any] = Component(
    kind="exporter", config=Config, build=FileExporter, writes=lambda config: {"path": config.path}
)
