"""What the journal promises, whatever it stands on: the seam between receiving and exporting.

Everything to the left of the journal can be done again and keeps no state; everything to the right reads it at
its own pace. A log is named after its pipeline; a reader is an exporter of it. A record's place in its log is
an integer that only grows, so a cursor is one number: the place of the next record to be exported.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from shipper.core.batch import Commit


@dataclass(frozen=True, slots=True)
class Entry:
    """Part of one batch for one log.

    `payload` is a serialized OTLP `ExportLogsServiceRequest` of one `ResourceLogs` with `count` log records:
    since protobuf messages concatenate, payloads joined are a request.
    """

    log: str
    payload: bytes
    count: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that nobody will take, with why. `payload` is encoded as in `Entry`."""

    pipeline: str
    component: str
    """The processor or exporter that refused it."""
    uid: str
    reason: str
    answer: str
    attempts: int
    time: int
    """ns since the epoch."""
    payload: bytes
    id: int = 0
    """Given by the journal."""


class Cursor(NamedTuple):
    """Whose place: the log, and the exporter that reads it."""

    log: str
    reader: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of one entry: records `start` to `stop` of `payload`, the first of them at place `first`."""

    first: int
    payload: bytes
    start: int
    stop: int
    whole: bool
    """Whether the stretch is the whole entry, so that the payload can be used as it is."""

    @property
    def next(self) -> int:
        """The place behind the last record."""
        return self.first + self.stop - self.start


@dataclass(frozen=True, slots=True)
class Usage:
    """How full the journal is."""

    bytes: int
    capacity: int
    records: int
    """Records it holds, in all logs."""
    dead_letters: int


class Journal(Protocol):
    """An append-only log with a cursor per exporter. See `shipper.testing` for the executable contract."""

    async def append(
        self,
        entries: Sequence[Entry],
        commit: Commit | None = None,
        dead: Sequence[DeadLetter] = (),
        *,
        durable: bool = False,
    ) -> None:
        """Store all of it or nothing, in one transaction; waits while the journal is full.

        Raises:
            Unavailable: the storage does not work now (disk full, volume gone); nothing was stored.
        """

    async def checkpoint(self, source: str) -> bytes | None:
        """What the last commit of `source` left."""

    async def seen(self, source: str, since: int) -> bytes:
        """Digests of the ids of `source` committed with a newest time of at least `since` (ms), packed."""

    async def open(self, cursor: Cursor) -> int:
        """The cursor's place; a new cursor starts behind the newest record of an existing log."""

    async def read(self, cursor: Cursor, max_records: int, max_bytes: int) -> list[Chunk]:
        """The next records behind the cursor without moving it; at least one if there is one."""

    async def advance(self, cursor: Cursor, place: int, dead: Sequence[DeadLetter] = ()) -> None:
        """Move the cursor to `place`, in one transaction with the dead letters found on the way."""

    async def wait(self, cursor: Cursor) -> None:
        """Return when something is behind the cursor."""

    def waiting(self, cursor: Cursor) -> int:
        """Records behind the cursor."""

    def usage(self) -> Usage:
        """How full it is."""

    def dead_letters(self, pipeline: str | None = None) -> AsyncIterator[DeadLetter]:
        """Dead letters, oldest first."""

    async def close(self) -> None:
        """Finish what is under way and let go of the storage."""
