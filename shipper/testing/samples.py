"""Records, windows and contexts made up for tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from shipper.core.batch import Scope
from shipper.core.clock import Clock
from shipper.core.component import Context, Exported, Paths
from shipper.core.record import Record
from shipper.core.telemetry import Health, Meter
from shipper.testing.clock import ManualClock
from shipper.wire import otlp

RESOURCE = {"service.name": "github"}
SCOPE = Scope("shipper.testing", "1")


def make_record(uid: str, body: Any = None, *, timestamp: int = 1_700_000_000 * 10**9) -> Record:
    """A record that is complete enough to be exported."""
    return Record(
        uid=uid,
        stream="audit_log",
        event_name="github.audit_log.repo.access",
        timestamp=timestamp,
        observed=timestamp,
        body={"action": "repo.access", "_document_id": uid} if body is None else body,
        severity_number=9,
        severity_text="info",
    )


def encode(uids: Sequence[str]) -> bytes:
    """A payload of made-up records, as the journal stores them."""
    return otlp.encode([make_record(uid) for uid in uids], RESOURCE, SCOPE)


@dataclass(frozen=True)
class _Window:
    otlp: bytes
    count: int

    @cached_property
    def records(self) -> list[Exported]:
        return otlp.decode(self.otlp)


def make_window(records: Sequence[Record]) -> _Window:
    """What an exporter is given for these records."""
    return _Window(otlp.encode(records, RESOURCE, SCOPE), len(records))


def make_context(component: str, clock: Clock | None = None, directory: Path | None = None) -> Context:
    """A context with a meter and health of its own."""
    clock = clock or ManualClock()
    directory = directory or Path()
    return Context(component, Meter(), Health(clock), clock, Paths(directory, directory))
