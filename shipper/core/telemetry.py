"""What the shipper says of itself: counters and gauges, and each component's state.

Parts count per batch, never per record. `service` renders both for Prometheus, OTLP and `/status`; nothing
here knows how.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

from shipper.core.clock import Clock


class Metric(NamedTuple):
    """One metric: its kind, what it tells, and its labels."""

    kind: Literal["counter", "gauge"]
    help: str
    labels: tuple[str, ...]


#: Every metric there is. Collector names where the Collector has the thing; ours start with `shipper_`.
METRICS: Final[dict[str, Metric]] = {
    "otelcol_receiver_accepted_log_records": Metric(
        "counter", "Records taken from the source, dropped ones included.", ("receiver",)
    ),
    "otelcol_receiver_refused_log_records": Metric(
        "counter", "Records the journal could not take; the receiver asks for them again.", ("receiver",)
    ),
    "otelcol_exporter_sent_log_records": Metric("counter", "Records the backend took.", ("exporter",)),
    "otelcol_exporter_send_failed_log_records": Metric(
        "counter", "Records in attempts that failed; they are tried again or dead-lettered.", ("exporter",)
    ),
    "otelcol_exporter_queue_size": Metric("gauge", "Records that wait for the exporter.", ("exporter",)),
    "otelcol_exporter_queue_capacity": Metric(
        "gauge", "Records that fit the journal at the present mean size.", ("exporter",)
    ),
    "shipper_exporter_partial_rejected_log_records": Metric(
        "counter", "Records a backend says it refused in a partial success; never sent again.", ("exporter",)
    ),
    "shipper_rule_hits": Metric("counter", "Records a rule matched.", ("processor", "rule")),
    "shipper_schema_invalid_log_records": Metric(
        "counter", "Records that fail their JSON Schema.", ("processor", "stream")
    ),
    "shipper_schema_invalid_fields": Metric(
        "counter",
        "Failures by field (array indexes as *); beyond 200 fields of a processor as `other`.",
        ("processor", "stream", "field"),
    ),
    "shipper_dropped_log_records": Metric(
        "counter", "Records dropped on purpose, by reason (rule or schema).", ("processor", "reason")
    ),
    "shipper_dead_letter_log_records": Metric(
        "counter", "Records refused for good and kept as dead letters.", ("pipeline", "component")
    ),
    "shipper_github_rate_limit_remaining": Metric(
        "gauge", "Calls left in the present window.", ("receiver", "resource")
    ),
    "shipper_github_requests": Metric(
        "counter", "Requests to GitHub by stream and status.", ("receiver", "stream", "status")
    ),
    "shipper_checkpoint_lag_seconds": Metric(
        "gauge",
        "Seconds since the last moment up to which everything is known to be in the journal.",
        ("receiver", "organization", "stream"),
    ),
    "shipper_late_events": Metric(
        "counter", "Events that turned up behind the newest one already taken.", ("receiver", "stream")
    ),
    "shipper_duplicate_events": Metric("counter", "Events listed again and recognized.", ("receiver", "stream")),
    "shipper_journal_bytes": Metric("gauge", "Bytes the journal uses.", ()),
    "shipper_journal_capacity_bytes": Metric("gauge", "Bytes the journal may use.", ()),
    "shipper_journal_damaged": Metric("counter", "Damaged journals that were set aside.", ()),
    "shipper_config_reloads": Metric("counter", "Reloads of the configuration by result.", ("result",)),
}

Labels: TypeAlias = tuple[str, ...]
"""The values of a series' labels, in the order of `Metric.labels`."""


class Meter:
    """All counters and gauges of the process; survives reloads."""

    def __init__(self) -> None:
        self._values: dict[str, dict[Labels, float]] = defaultdict(dict)
        self._gauges: dict[str, dict[Labels, Callable[[], float]]] = defaultdict(dict)

    def count(self, name: str, n: float = 1, /, **labels: str) -> None:
        """Add `n` to a counter. A count of 0 makes the series exist."""
        series = self._values[name]
        key = self._key(name, labels)
        series[key] = series.get(key, 0) + n

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Set a gauge."""
        self._values[name][self._key(name, labels)] = value

    def watch(self, name: str, read: Callable[[], float], /, **labels: str) -> None:
        """Have a gauge read when somebody looks."""
        self._gauges[name][self._key(name, labels)] = read

    def forget(self, name: str, /, **labels: str) -> None:
        """Remove a gauge whose component is gone."""
        self._values[name].pop(self._key(name, labels), None)
        self._gauges[name].pop(self._key(name, labels), None)

    def value(self, name: str, /, **labels: str) -> float:
        """One series' present value; 0 where nothing was counted."""
        key = self._key(name, labels)
        read = self._gauges[name].get(key)
        return read() if read else self._values[name].get(key, 0)

    def series(self, name: str) -> dict[Labels, float]:
        """A metric's present values by label values, in the order of `Metric.labels`."""
        values = dict(self._values.get(name, ()))
        values.update((key, read()) for key, read in self._gauges.get(name, {}).items())
        return values

    def collect(self) -> Iterator[tuple[str, Metric, dict[Labels, float]]]:
        """Every metric with its series."""
        for name, metric in METRICS.items():
            yield name, metric, self.series(name)

    @staticmethod
    def _key(name: str, labels: dict[str, str]) -> Labels:
        return tuple(labels[label] for label in METRICS[name].labels)


#: Seconds of failing after which a component that may recover by itself counts as not ready.
GRACE: Final = 60.0


Status: TypeAlias = Literal["starting", "ok", "failing", "blocked"]
"""How a part is; `blocked`: until somebody acts."""


@dataclass(slots=True)
class State:
    """What one part of a component is doing, for `/readyz` and `/status`."""

    component: str
    part: str
    status: Status
    since: int
    """ns since the epoch of the last change of status."""
    since_monotonic: float
    error: str = ""
    next_try: int | None = None
    """ns since the epoch of the next attempt, where one is planned."""
    note: str = ""
    """What a part that is well waits for."""

    def ready(self, monotonic: float) -> bool:
        """Whether this part works as far as anybody knows."""
        if self.status == "failing":
            return monotonic - self.since_monotonic < GRACE
        return self.status != "blocked"


class Health:
    """The state of every part of every component. `part` may be empty, or say which organization/stream."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._states: dict[tuple[str, str], State] = {}

    def ok(self, component: str, part: str = "", *, next_try: int | None = None, note: str = "") -> None:
        """The part's last attempt worked; `note` says what it waits for, if for more than its time."""
        state = self._state(component, part, "ok")
        state.next_try, state.note = next_try, note

    def starting(self, component: str, part: str = "") -> None:
        """The part has not tried yet."""
        self._state(component, part, "starting")

    def fail(
        self, component: str, part: str, error: str, *, blocked: bool = False, next_try: int | None = None
    ) -> None:
        """The part's last attempt failed; `error` says why and what to do. `blocked`: until somebody acts."""
        state = self._state(component, part, "blocked" if blocked else "failing")
        state.error, state.next_try = error, next_try

    def forget(self, component: str) -> None:
        """The component is gone."""
        self._states = {key: state for key, state in self._states.items() if key[0] != component}

    def states(self) -> list[State]:
        """All parts, in the order in which they first spoke."""
        return list(self._states.values())

    def unready(self) -> list[State]:
        """The parts that make the process not ready."""
        now = self._clock.monotonic()
        return [state for state in self._states.values() if not state.ready(now)]

    def _state(self, component: str, part: str, status: Status) -> State:
        """The part's state, a new one where it was in another."""
        state = self._states.get((component, part))
        if state is None or state.status != status:
            state = State(component, part, status, self._clock.now(), self._clock.monotonic())
            self._states[component, part] = state
        return state
