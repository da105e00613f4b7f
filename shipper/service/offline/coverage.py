"""Which rules, and which branches of their `match` and `not`, were met by the events of tests."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from shipper.config import Loaded
from shipper.core.record import Record
from shipper.processors.rules import Config
from shipper.processors.rules.conditions import All, Condition, Not, Some, compile_condition
from shipper.processors.rules.config import read_rules
from shipper.processors.rules.rule import Rule


@dataclass(slots=True)
class Branch:
    """One alternative of a rule's `match`, or of its `not`."""

    name: str
    """`match`, `match[1]`, `not`, `not[0]`."""
    hit: bool = False


@dataclass(slots=True)
class RuleCoverage:
    """One rule and what tests met of it."""

    processor: str
    rule: str
    hit: bool = False
    branches: list[Branch] = field(default_factory=list)
    """Alternatives, where there are any; `not` where the rule has one."""


class _Watched:
    """A rule whose branches are told apart.

    An alternative of `match` counts where the event meets it and the rule applies; one of `not` where it keeps an
    event away that `match` would take.
    """

    def __init__(self, processor: str, rule: Rule) -> None:
        self.rule = rule
        match, unless = _split(rule.condition)
        self._match = compile_condition(match)
        self._holds = compile_condition(rule.condition)
        self._takes = [*_alternatives("match", match)] if isinstance(match, Some) else []
        self._keeps = [*_alternatives("not", unless)] if unless is not None else []
        branches = [Branch(name) for name, _ in (*self._takes, *self._keeps)]
        self.found = RuleCoverage(processor, rule.name, branches=branches)

    def see(self, event: dict[str, Any], record: Record) -> bool:
        """Note what an event meets; whether the rule is the end of its way."""
        if not self._match(event, record):
            return False
        holds = self._holds(event, record)
        self.found.hit |= holds
        met = self._takes if holds else self._keeps
        tests = [compile_condition(condition) for _, condition in met]
        names = {name for (name, _), test in zip(met, tests, strict=True) if test(event, record)}
        for branch in self.found.branches:
            branch.hit |= branch.name in names
        return holds and not self.rule.shadow


def _split(condition: Condition) -> tuple[Condition, Condition | None]:
    """`match` and `not` of a rule, which stand in one condition."""
    if isinstance(condition, All) and isinstance(condition.parts[-1], Not):
        rest = condition.parts[:-1]
        return (rest[0] if len(rest) == 1 else All(rest)), condition.parts[-1].part
    return condition, None


def _alternatives(name: str, condition: Condition) -> Iterator[tuple[str, Condition]]:
    if isinstance(condition, Some):
        yield from ((f"{name}[{place}]", part) for place, part in enumerate(condition.parts))
    else:
        yield name, condition


class Coverage:
    """What tests met of the rules of every processor `rules` that a pipeline uses."""

    def __init__(self, loaded: Loaded) -> None:
        used = dict.fromkeys(name for pipeline in loaded.pipelines.values() for name in pipeline.processors)
        self._watched = {
            name: [_Watched(name, rule) for rule in read_rules(config, loaded.paths).rules]
            for name in used
            if isinstance(config := loaded.processors[name].config, Config)
        }

    def see(self, processor: str, record: Record) -> None:
        """A record comes to a processor."""
        event = record.body if isinstance(record.body, dict) else {}
        for watched in self._watched.get(processor, ()):
            if watched.see(event, record):
                break

    def rules(self) -> list[RuleCoverage]:
        """Every rule, in the order in which they are tried."""
        return [watched.found for rules in self._watched.values() for watched in rules]
