"""Applies rules to records: what is decided by stream and action is decided once, not for each record."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from shipper.core.component import Context
from shipper.core.record import SEVERITY_NUMBERS, Record
from shipper.processors.rules.conditions import (
    Always,
    Event,
    Test,
    compile_condition,
    explain_condition,
    specialise,
)
from shipper.processors.rules.matchers import MISSING
from shipper.processors.rules.rule import Rule

log = logging.getLogger(__name__)

_MOST_ACTIONS: Final = 4096
"""Actions a stream's plans are remembered for; GitHub has about a thousand."""
_MOST_STREAMS: Final = 64
_LONGEST_ACTION: Final = 256
_HOUR: Final = 3600.0
_FEWEST: Final = 20
"""Records of a stream that say something about the share a rule drops."""


@dataclass(frozen=True, slots=True)
class Hit:
    """How often a rule matched since the start, and when last (ns since the epoch, None: never)."""

    count: int
    last: int | None


@dataclass(slots=True)
class _Outcome:
    """A rule made ready: what it does to a record, and its tally of the batch under way."""

    rule: Rule
    number: int
    text: str
    attributes: dict[str, Any]
    pending: int = 0
    count: int = 0
    last: int | None = None


_Step = tuple[Test | None, _Outcome]
"""What is left to test, None where nothing is, and what follows."""


class Rules:
    """The processor. One instance serves one pipeline."""

    def __init__(self, rules: Sequence[Rule], default_severity: str, context: Context) -> None:
        self._context = context
        self._outcomes = [_outcome(rule) for rule in rules]
        self._default = _outcome(Rule("", Always(holds=True), default_severity))
        del self._default.attributes["shipper.rule"]
        self._plans: dict[str, dict[Any, tuple[_Step, ...]]] = {}
        self._shares = _Shares(context)
        for rule in rules:
            context.meter.count("shipper_rule_hits", 0, processor=context.id, rule=rule.name)
        context.meter.count("shipper_dropped_log_records", 0, processor=context.id, reason="rule")

    def __call__(self, records: list[Record]) -> list[Record]:
        """Give each record its severity; leave out those that a rule drops."""
        kept = []
        dropped: Counter[tuple[str, str]] = Counter()
        stream, plans = "", self._plans.get("", {})
        for record in records:
            if record.stream != stream:
                stream = record.stream
                plans = self._plans.get(stream, {})
            body = record.body
            event: Event = body if body.__class__ is dict else {}
            action = event.get("action", MISSING)
            try:
                steps = plans[action]
            except (KeyError, TypeError):
                steps = self._plan(stream, action)
                plans = self._plans.get(stream, {})
            outcome = (_decide(steps, event, record) if steps else None) or self._default
            if outcome.text:
                record.severity_number = outcome.number
                record.severity_text = outcome.text
                record.attributes.update(outcome.attributes)
            elif not record.refusal:
                dropped[stream, outcome.rule.name] += 1
                continue
            kept.append(record)
        self._tally(records, dropped)
        return kept

    def hits(self) -> dict[str, Hit]:
        """Each rule's hits, in the order of the rules; those that share a name together."""
        found: dict[str, Hit] = {}
        for outcome in self._outcomes:
            before = found.get(outcome.rule.name, Hit(0, None))
            last = max((time for time in (before.last, outcome.last) if time is not None), default=None)
            found[outcome.rule.name] = Hit(before.count + outcome.count, last)
        return found

    def explain(self, record: Record) -> dict[str, Any]:
        """Which rules were tried, why each matched or did not, and what came of it; changes and counts nothing."""
        event = record.body if isinstance(record.body, dict) else {}
        tried = []
        winner = self._default
        for outcome in self._outcomes:
            rule = outcome.rule
            because = explain_condition(rule.condition, event, record)
            mode = "shadow" if rule.shadow else "enforce"
            tried.append({"rule": rule.name, "mode": mode, "matched": because["holds"], "because": because})
            if because["holds"] and not rule.shadow:
                winner = outcome
                break
        return {
            "rule": winner.rule.name or None,
            "dropped": winner.rule.drops,
            "severity": winner.text or None,
            "set": dict(winner.rule.attributes),
            "tried": tried,
        }

    def _plan(self, stream: str, action: Any) -> tuple[_Step, ...]:
        """The rules that may match records of this stream and action, each with what is left to test."""
        plans = self._plans.get(stream, {})
        if len(self._plans) < _MOST_STREAMS:
            self._plans[stream] = plans
        facts = {"stream": stream, "action": action}
        known = action is MISSING or (isinstance(action, str) and len(action) <= _LONGEST_ACTION)
        if not known or len(plans) >= _MOST_ACTIONS:
            action = _Any
            if action in plans:
                return plans[action]
            del facts["action"]
        steps: list[_Step] = []
        for outcome in self._outcomes:
            condition = specialise(outcome.rule.condition, facts)
            if condition == Always(holds=False):
                continue
            test = None if isinstance(condition, Always) else compile_condition(condition)
            steps.append((test, outcome))
            if test is None and not outcome.rule.shadow:
                break
        plans[action] = tuple(steps)
        return plans[action]

    def _tally(self, records: list[Record], dropped: Counter[tuple[str, str]]) -> None:
        meter, processor = self._context.meter, self._context.id
        now = self._context.clock.now()
        for outcome in self._outcomes:
            if outcome.pending:
                meter.count("shipper_rule_hits", outcome.pending, processor=processor, rule=outcome.rule.name)
                outcome.count += outcome.pending
                outcome.last = now
                outcome.pending = 0
        if dropped:
            meter.count("shipper_dropped_log_records", dropped.total(), processor=processor, reason="rule")
        self._shares.add(records, dropped)


def _decide(steps: tuple[_Step, ...], event: Event, record: Record) -> _Outcome | None:
    """What the first enforced rule that matches does; names the shadow rules on the way."""
    shadows: list[str] = []
    winner = None
    for test, outcome in steps:
        if test is None or test(event, record):
            outcome.pending += 1
            if not outcome.rule.shadow:
                winner = outcome
                break
            shadows.append(outcome.rule.name)
    if shadows:
        record.attributes["shipper.rule.shadow"] = ",".join(shadows)
    return winner


_STREAM: Final = attrgetter("stream")


class _Any:
    """Key of the plan for records whose action is not known beforehand."""


def _outcome(rule: Rule) -> _Outcome:
    severity = rule.severity or ""
    attributes = {**rule.attributes, "shipper.rule": rule.name, "severity": severity}
    return _Outcome(rule, SEVERITY_NUMBERS.get(severity, 0), severity, attributes)


class _Shares:
    """Says in the log, once an hour, which rules drop more than half of a stream."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._since = context.clock.monotonic()
        self._seen: Counter[str] = Counter()
        self._dropped: Counter[tuple[str, str]] = Counter()
        self._said: dict[tuple[str, str], float] = {}

    def add(self, records: Sequence[Record], dropped: Counter[tuple[str, str]]) -> None:
        """Count a batch and speak up where it is due."""
        now = self._context.clock.monotonic()
        if now - self._since >= _HOUR:
            self._since = now
            self._seen.clear()
            self._dropped.clear()
        self._seen.update(map(_STREAM, records))
        for key, count in dropped.items():
            self._dropped[key] += count
            stream, rule = key
            seen = self._seen[stream]
            quiet = now - self._said.get(key, -_HOUR) < _HOUR
            if seen < _FEWEST or self._dropped[key] * 2 <= seen or quiet:
                continue
            self._said[key] = now
            log.warning(
                "rule %s drops more than half of %s; check that this is meant",
                rule,
                stream,
                extra={"component": self._context.id, "rule": rule, "stream": stream}
                | {"dropped": self._dropped[key], "seen": seen},
            )
