"""What the tests of processors share: a context whose clock is theirs, and records."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from shipper.core.component import Component, Context, Paths
from shipper.core.record import Record
from shipper.core.telemetry import Health, Meter

REPOSITORY = Path(__file__).parents[2]


@dataclass
class StoppedClock:
    """Time that moves when a test says so."""

    seconds: float = 1_000_000.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> int:
        return int(self.seconds * 1e9)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def context(clock: StoppedClock, tmp_path: Path) -> Context:
    """A component named `part`, whose files are in the test's directory."""
    return Context("part", Meter(), Health(clock), clock, Paths(tmp_path, tmp_path))


@pytest.fixture
def record() -> Callable[..., Record]:
    """Makes a record of an event."""

    def make(body: Any, stream: str = "audit_log", **fields: Any) -> Record:
        return Record("uid", stream, "github.event", 1, 2, body, **fields)

    return make


@pytest.fixture
def build(context: Context) -> Callable[..., Any]:
    """Builds a processor from the body it has in a configuration."""

    def make(component: Component[Any, Any], body: dict[str, Any] | None = None) -> Any:
        return component.build(component.config.model_validate(body or {}), context)

    return make


@pytest.fixture
def check(context: Context) -> Callable[..., list[Any]]:
    """The problems that a processor finds in a body."""

    def find(component: Component[Any, Any], body: dict[str, Any]) -> list[Any]:
        return list(component.check(component.config.model_validate(body), context.paths))

    return find
