"""Alerts and what becomes of them: opened, dismissed, fixed, resolved, reopened; drawn from the seed.

Every state an alert ever had is kept: the oracle of what a client must have seen.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from shipper.simulator.options import Options
from shipper.simulator.people import Account, Cast, Repository
from shipper.simulator.rules import RULES, Rule

Stream = Literal["code_scanning", "secret_scanning", "dependabot"]
STREAMS: Final[tuple[Stream, ...]] = ("code_scanning", "secret_scanning", "dependabot")

#: What an open alert may become; anything else may be reopened.
ENDINGS: Final[dict[Stream, tuple[str, ...]]] = {
    "code_scanning": ("dismissed", "fixed"),
    "secret_scanning": ("resolved",),
    "dependabot": ("dismissed", "fixed", "auto_dismissed"),
}
_PAST: Final = 30 * 86_400_000


class Transition(NamedTuple):
    """From `time` (ms) on the alert has this state; `actor` is who did it."""

    time: int
    state: str
    actor: Account


@dataclass(slots=True)
class Alert:
    """One alert. `number` is unique in its repository and stream only. `given` is served as it is."""

    stream: Stream
    repository: Repository
    number: int
    rule: Rule
    serial: int
    history: list[Transition]
    given: dict[str, Any] | None = None
    changes: dict[str, Any] = field(default_factory=dict)
    """Fields a test wants otherwise."""

    @property
    def state(self) -> str:
        """Its present state."""
        return self.history[-1].state

    @property
    def created(self) -> int:
        """When it was opened, in ms."""
        return self.history[0].time

    @property
    def updated(self) -> int:
        """When it last changed, in ms."""
        return self.history[-1].time


class AlertBook:
    """The alerts of one organization."""

    def __init__(self, options: Options, cast: Cast, start: int) -> None:
        self._cast = cast
        self._rng = random.Random(f"{cast.seed}/{cast.login.lower()}/alerts")  # noqa: S311 - reproducible
        self._ticks = _ticks(options, self._rng, start) if options.alert_file is None else iter(())
        self._due = next(self._ticks, None)
        self._tick = 0
        self.alerts: list[Alert] = []

    def advance(self, now: int) -> None:
        """Let happen what is due."""
        while self._due is not None and self._due <= now:
            self._happen(self._due)
            self._due = next(self._ticks, None)
            self._tick += 1

    def open(
        self, stream: Stream, repository: Repository, rule: Rule, time: int, number: int | None = None
    ) -> Alert:
        """A new alert."""
        taken = [a.number for a in self.alerts if a.stream == stream and a.repository.id == repository.id]
        history = [Transition(time, "open", self._rng.choice(self._cast.accounts))]
        alert = Alert(stream, repository, number or max(taken, default=0) + 1, rule, len(self.alerts), history)
        self.alerts.append(alert)
        return alert

    def change(self, alert: Alert, state: str, time: int) -> None:
        """Give an alert another state."""
        alert.history.append(Transition(time, state, self._rng.choice(self._cast.accounts)))

    def _happen(self, time: int) -> None:
        stream = STREAMS[0] if self._tick % 4 < 2 else STREAMS[self._tick % 4 - 1]
        rules = RULES[stream]
        changeable = [alert for alert in self.alerts[-200:] if alert.stream == stream]
        if self._tick < 8 or not changeable or self._rng.random() < 0.5:
            rule = rules[sum(alert.stream == stream for alert in self.alerts) % len(rules)]
            self.open(stream, self._rng.choice(self._cast.repositories[:4]), rule, time)
            return
        alert = self._rng.choice(changeable)
        self.change(alert, self._rng.choice(ENDINGS[stream]) if alert.state == "open" else "open", time)


def _ticks(options: Options, rng: random.Random, start: int) -> Iterator[int]:
    """When something changes: the past month's share first, then live."""
    step = _PAST / max(options.alerts, 1)
    for number in range(options.alerts):
        yield int(start - (options.alerts - number - rng.random() * 0.9) * step)
    number = 0
    while options.alert_interval > 0:
        yield int(start + (number + rng.random()) * options.alert_interval * 1000)
        number += 1
