"""The condition of a rule as a tree: read once, then specialised, compiled, explained and compared.

A node is tested against an event's fields and its record. `specialise` decides what is known beforehand (the
stream and the action), so that most rules are decided by one look-up; `compile` makes closures of the rest.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from shipper.core.record import Record
from shipper.processors.rules.matchers import MISSING, Holds, Matcher, matches_null, text_of
from shipper.processors.rules.text import Text

Event: TypeAlias = dict[str, Any]
Test: TypeAlias = Callable[[Event, Record], bool]
Facts: TypeAlias = Mapping[str, Any]

_DEEPEST: Final = 64
"""Levels of an event a rule looks into; deeper ones are nothing GitHub sends."""
_LONGEST: Final = 200
"""Characters of a value an explanation shows."""


@dataclass(frozen=True)
class Always:
    """Decided: holds, or does not, for every event."""

    holds: bool


@dataclass(frozen=True)
class Field:
    """A field whose value, or any element of it where it is an array, matches."""

    name: str
    matcher: Matcher
    wanted: str = field(default="", compare=False)


@dataclass(frozen=True)
class Exists:
    """A field that the event has, or has not, whatever its value."""

    name: str
    there: bool


@dataclass(frozen=True)
class Same:
    """A field whose text is that of another field."""

    name: str
    other: str
    start: bool = False
    end: bool = False


@dataclass(frozen=True)
class Keyword:
    """A text that occurs in any value of the event, at any depth."""

    matcher: Matcher
    wanted: str = field(default="", compare=False)


@dataclass(frozen=True)
class All:
    """Every part holds."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True)
class Some:
    """At least one part holds."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True)
class Not:
    """The part does not hold."""

    part: "Condition"


Condition: TypeAlias = Always | Field | Exists | Same | Keyword | All | Some | Not


def specialise(node: Condition, facts: Facts) -> Condition:
    """What is left of a condition for events whose fields in `facts` have these values."""
    match node:
        case Field() | Exists() if node.name in facts:
            return Always(_leaf(node)(facts[node.name]))
        case Not():
            part = specialise(node.part, facts)
            return Always(not part.holds) if isinstance(part, Always) else Not(part)
        case All() | Some():
            decisive = isinstance(node, Some)
            parts = [specialise(part, facts) for part in node.parts]
            if Always(decisive) in parts:
                return Always(decisive)
            open_ = tuple(part for part in parts if not isinstance(part, Always))
            if len(open_) < 2:
                return open_[0] if open_ else Always(not decisive)
            return Some(open_) if decisive else All(open_)
        case _:
            return node


def compile_condition(node: Condition) -> Test:  # noqa: PLR0911 - one return a kind of node
    """The condition as a closure."""
    match node:
        case Always():
            holds = node.holds
            return lambda _event, _record: holds
        case Field() | Exists():
            return _on_field(node.name, _leaf(node))
        case Same():
            return _same(node)
        case Keyword():
            match_ = node.matcher.compile()
            return lambda event, _record: any(map(match_, _scalars(event)))
        case Not():
            test = compile_condition(node.part)
            return lambda event, record: not test(event, record)
        case All():
            return _all([compile_condition(part) for part in node.parts])
        case Some():
            return _some([compile_condition(part) for part in node.parts])


def _all(tests: list[Test]) -> Test:
    if len(tests) == 2:
        first, second = tests
        return lambda event, record: first(event, record) and second(event, record)

    def test(event: Event, record: Record) -> bool:
        for part in tests:  # noqa: SIM110 - all() over a generator costs twice as much
            if not part(event, record):
                return False
        return True

    return test


def _some(tests: list[Test]) -> Test:
    if len(tests) == 2:
        first, second = tests
        return lambda event, record: first(event, record) or second(event, record)

    def test(event: Event, record: Record) -> bool:
        for part in tests:  # noqa: SIM110 - any() over a generator costs twice as much
            if part(event, record):
                return True
        return False

    return test


def _leaf(node: Field | Exists) -> Holds:
    """Whether a field's value, MISSING or a list included, does what the leaf wants."""
    if isinstance(node, Exists):
        there = node.there
        return lambda value: (value is not MISSING) is there
    holds, absent = node.matcher.compile(), matches_null(node.matcher)

    def test(value: Any) -> bool:
        if value is MISSING:
            return absent
        if value.__class__ is list:
            return any(map(holds, _elements(value)))
        return holds(value)

    return test


def _elements(values: list[Any]) -> Iterator[Any]:
    """The elements of an array and of the arrays in it."""
    waiting = [iter(values)]
    while waiting:
        for value in waiting[-1]:
            if value.__class__ is list:
                if len(waiting) < _DEEPEST:
                    waiting.append(iter(value))
                    break
            else:
                yield value
        else:
            waiting.pop()


def _scalars(event: Any) -> Iterator[Any]:
    """All values of an event that hold no others."""
    waiting = [(event, 0)]
    while waiting:
        value, depth = waiting.pop()
        if not isinstance(value, (list, dict)):
            yield value
        elif depth < _DEEPEST:
            inner = value.values() if isinstance(value, dict) else value
            waiting += [(element, depth + 1) for element in inner]


def read_field(name: str) -> Callable[[Event, Record], Any]:
    """How to get a field: a key of the event, a path of keys with dots between, `stream` or `organization`."""
    if name == "stream":
        return lambda _event, record: record.stream
    if name == "organization":
        return lambda event, record: (
            event.get(name, MISSING) if record.organization is None else record.organization
        )
    if "." not in name:
        return lambda event, _record: event.get(name, MISSING)
    return lambda event, _record: _dig(event, name)


def _dig(value: Any, path: str) -> Any:
    """What is at a path; the values of all elements where an array is on the way; a key with dots in it wins."""
    while True:
        if value.__class__ is dict:
            if path in value:
                return value[path]
            head, dot, path = path.partition(".")
            value = value.get(head, MISSING)
            if not dot or value is MISSING:
                return MISSING
        elif value.__class__ is list:
            found = [_dig(element, path) for element in value if element.__class__ is dict]
            return [element for element in found if element is not MISSING] or MISSING
        else:
            return MISSING


def _on_field(name: str, holds: Holds) -> Test:
    if name in ("stream", "organization") or "." in name:
        read = read_field(name)
        return lambda event, record: holds(read(event, record))
    return lambda event, _record: holds(event.get(name, MISSING))


def _same(node: Same) -> Test:
    read, read_other = read_field(node.name), read_field(node.other)

    def texts(value: Any) -> Iterator[str]:
        for element in _elements(value if isinstance(value, list) else [value]):
            if (text := text_of(element)) is not None:
                yield text.lower()

    def pattern(other: str) -> Callable[[str], bool]:
        text = Text((other,))
        text = text.open_start() if node.end else text
        return (text.open_end() if node.start else text).compile()

    def test(event: Event, record: Record) -> bool:
        matches = [pattern(other) for other in texts(read_other(event, record))]
        return any(match(text) for match in matches for text in texts(read(event, record)))

    return test


def explain_condition(node: Condition, event: Event, record: Record) -> dict[str, Any]:
    """Whether a condition holds for an event, and why: what each field should be and what it is."""
    holds = compile_condition(node)(event, record)
    match node:
        case Always():
            return {"holds": holds}
        case Not():
            return {"holds": holds, "not": explain_condition(node.part, event, record)}
        case All():
            return {"holds": holds, "all": [explain_condition(part, event, record) for part in node.parts]}
        case Some():
            return {"holds": holds, "any": [explain_condition(part, event, record) for part in node.parts]}
        case Keyword():
            return {"holds": holds, "field": "", "wanted": node.wanted, "found": "any value of the event"}
        case _:
            found = read_field(node.name)(event, record)
            return {"holds": holds, "field": node.name, "wanted": _wanted(node), "found": show(found)}


def _wanted(node: Field | Exists | Same) -> str:
    match node:
        case Field():
            return node.wanted
        case Exists():
            return "present" if node.there else "absent"
        case Same():
            return f"the value of {node.other}"


def show(value: Any) -> str:
    """A value for people, cut to a length that fits a line."""
    if value is MISSING:
        return "absent"
    if isinstance(value, (dict, list)):
        return f"{'an object' if isinstance(value, dict) else 'an array'} of {len(value)}" if value else "empty"
    text = value if isinstance(value, str) else "null" if value is None else text_of(value) or "a number"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"
