"""What the journal promises, whatever it stands on: the seam between receiving and exporting.

Everything to the left of the journal can be done again and keeps no state; everything to the right reads it at
its own pace. A log is named after its pipeline; a reader is an exporter of it. A record's place in its log is
an integer that only grows, so a cursor is one number: the place of the next record to be exported.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias

from shipper.core.batch import Commit

_DEAD_LETTER: Final = "/dead_letter"
_RETRY: Final = "/retry/"


def dead_letter_log(pipeline: str) -> str:
    """The log that a pipeline's dead-letter exporters read."""
    return f"{pipeline}{_DEAD_LETTER}"


def retry_log(pipeline: str, exporter: str) -> str:
    """The log of dead letters that `exporter`, and nobody else, is to be given again."""
    return f"{pipeline}{_RETRY}{exporter}"


def is_retry(log: str) -> bool:
    """Whether it is a log of dead letters that are given again."""
    return _RETRY in log


def pipeline_of(log: str) -> str:
    """The pipeline a log belongs to."""
    return log.removesuffix(_DEAD_LETTER).split(_RETRY, 1)[0]


@dataclass(frozen=True, slots=True)
class Entry:
    """Part of one batch for one log.

    `payload` is a serialized OTLP `ExportLogsServiceRequest` with `count` log records: since protobuf messages
    concatenate, payloads joined are a request.
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
    """Given by the journal; never given twice."""
    exporter: bool = False
    """Whether `component` is an exporter: a retry is then for that exporter only."""


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
    appends_waiting: int = 0
    """Appends that wait for room: more than 0 means that the journal is full."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a journal may hold."""

    max_size: int = 2**30
    """Bytes of undelivered records and dead letters from which on appends wait."""
    retention: float = 7 * 86400.0
    """Seconds for which the ids of delivered events are kept."""


@dataclass(frozen=True, slots=True)
class CursorState:
    """One cursor as `state show` tells it."""

    cursor: Cursor
    place: int
    end: int
    active: bool
    """Whether the present configuration has this reader; one that is not active holds nothing back."""


@dataclass(frozen=True, slots=True)
class LogState:
    """One log as `state show` tells it: the places it holds, and the bytes they take."""

    name: str
    start: int
    end: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a source was left. `time` is that of the commit, ns since the epoch."""

    source: str
    value: bytes
    time: int


PageKind: TypeAlias = Literal["taken", "shared", "dropped"]


@dataclass(frozen=True, slots=True)
class Page:
    """Ids that one commit brought, packed, `DIGEST_SIZE` bytes each, with the span of their times in ms."""

    digests: bytes
    oldest: int
    newest: int
    kind: PageKind
    """taken: their records went into logs; dropped: every pipeline dropped them; shared: another source's are."""
    delivered: bool
    """Whether every active reader of every log it went to is past it."""


class Journal(Protocol):
    """An append-only log with a cursor per exporter. See `shipper.testing` for the executable contract.

    Every method that touches the storage raises `Unavailable` while the storage does not work (disk full,
    read-only, volume gone): nothing of that call was done, and a later one may work.
    """

    async def append(
        self,
        entries: Sequence[Entry],
        commit: Commit | None = None,
        dead: Sequence[DeadLetter] = (),
        *,
        durable: bool = False,
    ) -> None:
        """Store all of it or nothing, in one transaction; waits while the journal is full."""

    async def checkpoint(self, source: str) -> bytes | None:
        """What the last commit of `source` left."""

    async def seen(self, source: str, since: int) -> bytes:
        """Digests of the ids of `source` committed with a newest time of at least `since` (ms), packed."""

    async def open(self, cursor: Cursor, leaving: Collection[Cursor] = ()) -> int:
        """The cursor's place; from now on the log keeps what it has not read.

        A new cursor takes over what waits for those of its log that are `leaving`, or have left it without a
        reader. If there are none, it starts behind the newest record of a log that had a reader before, and at
        the oldest record of one that never had. One that was away starts where it was, or at the oldest record
        still kept.
        """

    async def retain(self, cursors: Collection[Cursor]) -> None:
        """Let go of every other cursor: it keeps its place but no longer holds its log back.

        Where a new one takes over from it, that goes on where it stands now, and the place is forgotten.
        """

    async def read(
        self, cursor: Cursor, max_records: int, max_bytes: int, start: int | None = None
    ) -> list[Chunk]:
        """The next records behind the cursor (or from the place `start` on) without moving it.

        At least one if there is one; how many bytes they are is estimated from their entries' mean.
        """

    async def advance(
        self, cursor: Cursor, place: int, dead: Sequence[DeadLetter] = (), entries: Sequence[Entry] = ()
    ) -> None:
        """Move the cursor to `place`, never back, in one transaction with dead letters found on the way.

        `entries` are for logs that dead-letter exporters read. Never waits for room, since it makes some.
        """

    async def wait(self, cursor: Cursor, records: int = 1, start: int = 0) -> None:
        """Return when so many records are behind the cursor, or behind `start` where that is further on."""

    def waiting(self, cursor: Cursor, start: int = 0) -> int:
        """Records behind the cursor, or behind `start` where that is further on."""

    def usage(self) -> Usage:
        """How full it is."""

    async def remembered(self, source: str, since: int) -> list[Page]:
        """The ids of `source` with a newest time of at least `since` (ms), with whether they were delivered."""

    async def checkpoints(self) -> list[Checkpoint]:
        """Where every source was left, by name."""

    async def rewind(self, source: str, value: bytes | None, forget_since: int | None = None) -> None:
        """Replace a checkpoint; None: as at a first start. Ids from `forget_since` (ms) on are taken again."""

    def cursors(self) -> list[CursorState]:
        """Every cursor, by log and reader."""

    def logs(self) -> list[LogState]:
        """Every log, by name."""

    def dead_letters(self, pipeline: str | None = None) -> AsyncIterator[DeadLetter]:
        """Dead letters, oldest first."""

    async def dead_letter(self, number: int) -> DeadLetter | None:
        """One dead letter."""

    async def retry(self, numbers: Collection[int]) -> int:
        """Give dead letters to who refused them once more, out of the dead letters; how many there were.

        What an exporter refused goes to `retry_log`, what a processor refused to every exporter of the pipeline.
        """

    async def close(self) -> None:
        """Finish what is under way and let go of the storage."""
