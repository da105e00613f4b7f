"""One event's way through the processors of a pipeline, step by step, without network and storage."""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from shipper.config import Loaded, Part
from shipper.core.batch import BodyKind
from shipper.core.clock import Clock
from shipper.core.component import Context, Exported, Processor
from shipper.core.record import Record
from shipper.core.telemetry import Health, Meter
from shipper.service.offline.events import SCOPE
from shipper.wire import otlp

#: When tests take place, in ns since the epoch: 2026-01-01T00:00:00Z. Events without a time of their own get it.
THEN: Final = 1_767_225_600 * 10**9


class FixedClock:
    """Time that stands still, so that a test's result is the same every time."""

    def __init__(self, now: int = THEN) -> None:
        self._now = now

    def now(self) -> int:
        """Always the same, in ns since the epoch."""
        return self._now

    def monotonic(self) -> float:
        """Always the same."""
        return 0.0

    async def sleep(self, seconds: float) -> None:
        """Return at once."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one processor did with one record."""

    processor: str
    before: Record
    after: tuple[Record, ...]
    refusal: str
    """Why it refused the record; then the record is a dead letter."""
    explanation: dict[str, Any] | None
    """What the processor says of it, where it can explain."""

    @property
    def dropped(self) -> bool:
        """Whether the record goes no further, and is no dead letter."""
        return not self.after and not self.refusal


@dataclass(frozen=True, slots=True)
class Journey:
    """The whole way of one record."""

    record: Record
    """As it was received."""
    steps: tuple[Step, ...]
    arrived: tuple[Record, ...]
    """What the exporters get: one record, none, or what a processor made of it."""

    @property
    def dropped(self) -> Step | None:
        """The step that dropped it."""
        return next((step for step in self.steps if step.dropped), None)

    @property
    def refused(self) -> Step | None:
        """The step that refused it."""
        return next((step for step in self.steps if step.refusal), None)

    @property
    def rule(self) -> str | None:
        """The rule that decided: on the record, or the one that dropped it."""
        end = self.dropped
        if end:
            return (end.explanation or {}).get("rule")
        last = self.arrived[0] if self.arrived else self.refused.before if self.refused else self.record
        rule = last.attributes.get("shipper.rule")
        return rule if isinstance(rule, str) else None


class Course:
    """The processors of one pipeline, built for following single records.

    Raises:
        ConfigError: one of them can't be built.
    """

    def __init__(self, loaded: Loaded, pipeline: str, clock: Clock) -> None:
        self.id = pipeline
        config = loaded.pipelines[pipeline]
        self._processors: list[tuple[str, Processor]] = [
            (name, _build(loaded, loaded.processors[name], clock)) for name in config.processors
        ]
        receivers = [loaded.receivers[name].config for name in config.receivers]
        self._resource = _resource(receivers[0])
        self._body: BodyKind = getattr(receivers[0], "body", "map")

    def follow(self, record: Record) -> Journey:
        """Send one record through. Its body is shared, the rest is copied."""
        first = record.copy()
        steps: list[Step] = []
        arrived = [record]
        for name, processor in self._processors:
            arrived = [after for each in arrived for after in self._step(name, processor, each, steps)]
            if not arrived:
                break
        return Journey(first, tuple(steps), tuple(arrived))

    def exported(self, record: Record) -> Exported:
        """The record as exporters get it: encoded as OTLP and decoded again."""
        [exported] = otlp.decode(otlp.encode([record], self._resource, SCOPE, self._body))
        return exported

    def _step(self, name: str, processor: Processor, record: Record, steps: list[Step]) -> list[Record]:
        before = record.copy()
        explain = getattr(processor, "explain", None)
        explanation = explain(before.copy()) if explain else None
        out = processor([record])
        refusal = next((each.refusal for each in out if each.refusal), "")
        after = [each for each in out if not each.refusal]
        steps.append(Step(name, before, tuple(each.copy() for each in after), refusal, explanation))
        return after


def _build(loaded: Loaded, part: Part, clock: Clock) -> Any:
    return part.component.build(part.config, Context(part.id, Meter(), Health(clock), clock, loaded.paths))


def _resource(receiver: Any) -> dict[str, str]:
    """What the receiver says of the source of its records."""
    address = urlsplit(getattr(receiver, "base_url", "")).hostname or ""
    return {"service.name": "github", "vcs.provider.name": "github", "server.address": address}
