"""Components: what a pipeline is made of, and how one is registered.

A component is one module (or package): a docstring for users, a `Config`, the class, and
`component = Component(...)`. Ours stand in a table of `service.registry`; third parties add theirs by the entry
points `shipper.receivers`, `shipper.processors`, `shipper.exporters`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar, runtime_checkable

from pydantic import BaseModel, ConfigDict

from shipper.core.batch import Batch
from shipper.core.clock import Clock
from shipper.core.errors import Problem
from shipper.core.record import Record
from shipper.core.telemetry import Health, Meter

Kind: TypeAlias = Literal["receiver", "processor", "exporter"]


class ConfigModel(BaseModel):
    """Base of every configuration model: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Paths:
    """Where relative paths of a configuration start: the working directory, as in the Collector.

    Files that are read are looked for beside the configuration file too.
    """

    working: Path
    config: Path

    def input(self, path: str) -> Path:
        """The file to read: the first that exists, else where it was looked for first."""
        candidates = [self.working / path, self.config / path]
        return next((candidate for candidate in candidates if candidate.exists()), candidates[0])

    def output(self, path: str) -> Path:
        """The file to write."""
        return self.working / path


@dataclass(frozen=True)
class Context:
    """What a component is given beside its configuration."""

    id: str
    """Its id: `type` or `type/name`."""
    meter: Meter
    health: Health
    clock: Clock
    paths: Paths
    led_until: int | None = None
    """When (ms) another replica last led, if one did: a source without a checkpoint begins no later than that."""


class Intake(Protocol):
    """The receiver's way to the journal.

    `await emit(batch)` returning means the batch is in the journal of every pipeline; raising means that none of
    it is; awaiting it is the back-pressure.
    """

    async def emit(self, batch: Batch) -> None:
        """Hand a batch over."""

    async def checkpoint(self, source: str) -> bytes | None:
        """What the last commit of `source` left, None at the first start."""

    async def seen(self, source: str, since: int) -> bytes:
        """Digests of the ids `source` committed with times of at least `since` (ms), packed."""


class Receiver(Protocol):
    """Gets events from a source."""

    async def run(self, intake: Intake, *, once: bool = False) -> None:
        """Receive until cancelled; with `once`, ask each source once and return.

        Raises:
            Unavailable: with `once` only: some source could not be asked; the others were.
        """


class Processor(Protocol):
    """A function of records: no I/O, no clock, no state that matters after a crash.

    It returns the records that go on, in order; it may change them but not their bodies in place. A record with
    `refusal` set goes to the dead letters.
    """

    def __call__(self, records: list[Record]) -> list[Record]:
        """Process one batch."""


class Exporter(Protocol):
    """Sends batches to one backend; opened and closed by `async with`. Never retries by itself."""

    async def __aenter__(self) -> "Exporter":
        """Make ready to export; does not need the backend to be there."""

    async def __aexit__(self, *exc: object) -> None:
        """Let go of connections."""

    async def export(self, window: "Window") -> None:
        """One attempt to send all records of the window.

        Raises:
            Unavailable: nothing may be taken as sent; try again later.
            Rejected: the backend refuses records for good.
        """

    async def check(self) -> str:
        """Connect without sending a record; says in a few words what answered. Raises as `export` does."""


@runtime_checkable
class Unanswered(Protocol):
    """What an exporter also offers whose backend never answers, so that nobody can tell at once what it took.

    Its cursor stays in front of what is in doubt, which is at most one batch; a crash sends that again.
    """

    doubtful: int
    """Records that were exported and may be lost yet."""

    async def settled(self) -> None:
        """Find out about them: return when nothing is in doubt.

        Raises:
            Unavailable: they are in doubt still; the next call, or the next export, sends them again.
        """


class Window(Protocol):
    """Consecutive records of one log, as read from the journal; see `shipper.delivery.window`."""

    @property
    def count(self) -> int:
        """How many records; never 0."""

    @property
    def otlp(self) -> bytes:
        """The records as one serialized `ExportLogsServiceRequest`, nothing decoded."""

    @property
    def records(self) -> Sequence["Exported"]:
        """The records, decoded at first use."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A record as an exporter sees it: decoded from OTLP, with its resource and scope."""

    record: Record
    resource: dict[str, Any]
    scope: tuple[str, str]


C = TypeVar("C", bound=BaseModel)
P_co = TypeVar("P_co", covariant=True)


def _no_problems(_config: Any, _paths: Paths) -> Iterable[Problem]:
    return ()


def _nothing(_config: Any) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class Component(Generic[C, P_co]):
    """A kind of component: the model of its configuration and the function that builds it.

    `check` finds, without network, what the model can't express (files that are missing, rules that never
    match), with `Problem.loc` relative to the component's configuration; `build` may rely on it.
    """

    kind: Kind
    config: type[C]
    build: Callable[[C, Context], P_co]
    check: Callable[[C, Paths], Iterable[Problem]] = field(default=_no_problems)
    writes: Callable[[C], Mapping[str, str]] = field(default=_nothing)
    """The files it writes to, as they are configured, by key."""
    stability: str = "beta"
