"""What one value of an event is compared with. Matchers are values: equal ones match the same.

An event's numbers and booleans have a text form too (`5`, `true`), since rules are written without knowing how the
source types its fields; a text that is a number can be compared with one. Objects match nothing.
"""

import ipaddress
import operator
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from shipper.processors.regex import Pattern
from shipper.processors.rules.text import Text

Holds: TypeAlias = Callable[[Any], bool]
"""Whether a value that is no list matches."""

MISSING: Final = type("Missing", (), {"__repr__": lambda _self: "absent"})()
"""What a field is that the event does not have."""

Scalar: TypeAlias = str | int | float | bool | None
_NUMBER = re.compile(r"[+-]?\d{1,18}(\.\d{1,18})?")


def text_of(value: Any) -> str | None:
    """The text form of a value, None where it has none."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        try:
            return str(value)
        except ValueError:  # thousands of digits
            return None
    return None


@dataclass(frozen=True)
class Literals:
    """Any of these exact values; strings compare without case."""

    texts: frozenset[str] = frozenset()
    numbers: frozenset[float] = frozenset()
    null: bool = False

    @classmethod
    def of(cls, values: Iterable[Scalar]) -> "Literals":
        """The literals of values as a rule writes them, wildcards already excluded."""
        texts, numbers, null = set(), set(), False
        for value in values:
            null = null or value is None
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                numbers.add(value)
                value = int(value) if value == value // 1 else value  # noqa: PLW2901 - 5.0 is written 5
            if (text := text_of(value)) is not None:
                texts.add(text.lower())
        return cls(frozenset(texts), frozenset(numbers), null)

    def compile(self) -> Holds:
        """See `Holds`."""
        texts, numbers, null = self.texts, self.numbers, self.null

        def holds(value: Any) -> bool:
            if value.__class__ is str:
                return value in texts or value.lower() in texts
            if value is None:
                return null
            if numbers and value.__class__ is not bool and isinstance(value, (int, float)) and value in numbers:
                return True
            return text_of(value) in texts

        return holds

    def split(self) -> Iterator["Literals"]:
        """One for each value; as many as it has."""
        by_text = {text_of(int(number) if number == number // 1 else number): number for number in self.numbers}
        for text in sorted(self.texts):
            yield Literals(frozenset([text]), frozenset([by_text[text]] if text in by_text else []))
        if self.null:
            yield Literals(null=True)


@dataclass(frozen=True)
class Glob:
    """A text with wildcards, or one whose case counts."""

    text: Text

    def compile(self) -> Holds:
        """See `Holds`."""
        return _on_text(self.text.compile())


@dataclass(frozen=True)
class Regex:
    """A regular expression that is found somewhere in the text; case counts unless flag `i` is set."""

    pattern: Pattern

    def compile(self) -> Holds:
        """See `Holds`."""
        return _on_text(self.pattern.compile())


@dataclass(frozen=True)
class Network:
    """An address inside an IPv4 or IPv6 network."""

    network: ipaddress.IPv4Network | ipaddress.IPv6Network

    def compile(self) -> Holds:
        """See `Holds`."""
        network = self.network

        def holds(value: Any) -> bool:
            if value.__class__ is not str or len(value) > 64:
                return False
            try:
                return ipaddress.ip_address(value) in network
            except ValueError:
                return False

        return holds


_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


@dataclass(frozen=True)
class Comparison:
    """A number on one side of another."""

    operator: str
    number: float

    def compile(self) -> Holds:
        """See `Holds`."""
        compare, number = _COMPARE[self.operator], self.number

        def holds(value: Any) -> bool:
            if isinstance(value, str) and _NUMBER.fullmatch(value):
                value = float(value) if "." in value else int(value)
            return isinstance(value, (int, float)) and not isinstance(value, bool) and compare(value, number)

        return holds


@dataclass(frozen=True)
class AnyOf:
    """Any of several matchers."""

    matchers: tuple["Matcher", ...]

    def compile(self) -> Holds:
        """See `Holds`."""
        tests = [matcher.compile() for matcher in self.matchers]
        return lambda value: any(test(value) for test in tests)


Matcher: TypeAlias = Literals | Glob | Regex | Network | Comparison | AnyOf


def _on_text(match: Callable[[str], bool]) -> Holds:
    def holds(value: Any) -> bool:
        text = value if value.__class__ is str else text_of(value)
        return text is not None and match(text)

    return holds


def any_of(matchers: Iterable[Matcher]) -> Matcher:
    """One matcher for all of them; literals are joined into one set."""
    found = list(matchers)
    literals = [matcher for matcher in found if isinstance(matcher, Literals)]
    rest = [matcher for matcher in found if not isinstance(matcher, Literals)]
    joined = Literals(
        frozenset().union(*(matcher.texts for matcher in literals)),
        frozenset().union(*(matcher.numbers for matcher in literals)),
        any(matcher.null for matcher in literals),
    )
    every: tuple[Matcher, ...] = (*([joined] if literals else []), *rest)
    return every[0] if len(every) == 1 else AnyOf(every)


def matches_null(matcher: Matcher) -> bool:
    """Whether an absent field matches."""
    match matcher:
        case Literals():
            return matcher.null
        case AnyOf():
            return any(matches_null(part) for part in matcher.matchers)
        case _:
            return False
