"""Finds rules that can never match because earlier ones always do.

`implies` only says yes to what it can prove, so a warning is never wrong; a rule that hides behind a regular
expression may go unnoticed.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod

from shipper.processors.rules.conditions import All, Always, Condition, Exists, Field, Keyword, Not, Some
from shipper.processors.rules.inclusion import narrower
from shipper.processors.rules.matchers import AnyOf, Literals, matches_null
from shipper.processors.rules.rule import Rule

_MOST_CASES = 256


def covered_by(rule: Rule, earlier: Sequence[Rule]) -> list[Rule]:
    """The earlier rules that together take every record this one could; none if some could be left."""
    used: list[Rule] = []
    for case in _cases(rule.condition):
        taker = next((other for other in earlier if not other.shadow and implies(case, other.condition)), None)
        if taker is None:
            return []
        if taker not in used:
            used.append(taker)
    return used


def _cases(condition: Condition) -> Iterator[Condition]:
    """A condition as alternatives, one for each value that a field may have, as far as that stays small."""
    if isinstance(condition, Some):
        for part in condition.parts:
            yield from _cases(part)
        return
    parts = condition.parts if isinstance(condition, All) else (condition,)
    choices = [_values(part) for part in parts]
    if prod(map(len, choices)) > _MOST_CASES:
        yield condition
    else:
        yield from (All(case) for case in product(*choices))


def _values(condition: Condition) -> list[Condition]:
    match condition:
        case Field(name=name, matcher=Literals() as literals):
            return [Field(name, one) for one in literals.split()] or [condition]
        case Field(name=name, matcher=AnyOf(matchers=matchers)):
            return [value for matcher in matchers for value in _values(Field(name, matcher))]
        case Some():
            return [value for part in condition.parts for value in _values(part)]
        case _:
            return [condition]


def implies(one: Condition, other: Condition) -> bool:  # noqa: PLR0911 - one return a rule of inference
    """Whether it is certain that `other` holds for each event for which `one` does."""
    if one == other or one == Always(holds=False) or other == Always(holds=True):
        return True
    if isinstance(one, Some):
        return all(implies(part, other) for part in one.parts)
    if isinstance(other, All):
        return all(implies(one, part) for part in other.parts)
    if isinstance(other, Some) and any(implies(one, part) for part in other.parts):
        return True
    if isinstance(one, All):
        return any(implies(part, other) for part in one.parts)
    if isinstance(one, Not) and isinstance(other, Not):
        return implies(other.part, one.part)
    return _leaf_implies(one, other)


def _leaf_implies(one: Condition, other: Condition) -> bool:  # noqa: PLR0911 - one return a rule of inference
    match one, other:
        case Field(), Field() if one.name == other.name:
            return narrower(one.matcher, other.matcher)
        case Keyword(), Keyword():
            return narrower(one.matcher, other.matcher)
        case Field(), Exists(there=True) if one.name == other.name:
            return not matches_null(one.matcher)
        case Exists(there=False), Field() if one.name == other.name:
            return matches_null(other.matcher)
        case Exists(), Not(part=Exists() as part) if one.name == part.name:
            return one.there is not part.there
        case Not(part=Exists() as part), Exists() if other.name == part.name:
            return other.there is not part.there
        case Field(), Not(part=Exists(there=False) as part) if one.name == part.name:
            return not matches_null(one.matcher)
        case _:
            return False
