"""Sigma's condition expressions: `selection and not 1 of filter_*`, over the detections of a rule.

Operators bind as in Sigma: `not`, then `and`, then `or`. `them` and patterns leave out names that start with `_`.

Source: https://sigmahq.io/sigma-specification/ (rules specification, condition).
"""

import re
from collections.abc import Mapping
from typing import Final

from shipper.processors.rules.conditions import All, Condition, Not, Some

_TOKEN: Final = re.compile(r"\s*([()]|[A-Za-z0-9_*-]+|\S)")
_QUANTIFIERS: Final[dict[str, type[All | Some]]] = {"1": Some, "any": Some, "all": All}
_RESERVED: Final = frozenset({"and", "or", "not", "of", "(", ")", ""})


class GrammarError(ValueError):
    """An expression that is not one; the message says what is wrong at which character."""


def parse_condition(expression: str, detections: Mapping[str, Condition]) -> Condition:
    """The condition an expression makes of the detections it names.

    Raises:
        GrammarError: the expression is malformed or names what is not there.
    """
    parser = _Parser(expression, detections)
    condition = parser.either()
    if parser.next:
        raise parser.error(f"expected and, or, or the end, not {parser.next}")
    return condition


class _Parser:
    """Recursive descent with one token of look-ahead."""

    def __init__(self, expression: str, detections: Mapping[str, Condition]) -> None:
        self._detections = detections
        self._tokens = [(found[1], found.start(1)) for found in _TOKEN.finditer(expression)]
        self._tokens.append(("", len(expression)))
        self._place = 0
        self._depth = 0

    @property
    def next(self) -> str:
        return self._tokens[self._place][0]

    def error(self, message: str) -> GrammarError:
        return GrammarError(f"{message} (character {self._tokens[self._place][1] + 1} of the condition)")

    def _take(self) -> str:
        token = self.next
        self._place += 1
        return token

    def either(self) -> Condition:
        parts = [self._both()]
        while self.next == "or":
            self._take()
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Some(tuple(parts))

    def _both(self) -> Condition:
        parts = [self._operand()]
        while self.next == "and":
            self._take()
            parts.append(self._operand())
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _operand(self) -> Condition:
        self._depth += 1
        if self._depth > 50:
            raise self.error("nested too deep")
        condition = self._nested()
        self._depth -= 1
        return condition

    def _nested(self) -> Condition:
        if self.next == "not":
            self._take()
            return Not(self._operand())
        if self.next == "(":
            self._take()
            condition = self.either()
            if self.next != ")":
                raise self.error("expected )")
            self._take()
            return condition
        if self.next in _QUANTIFIERS and self._tokens[self._place + 1][0] == "of":
            return self._quantified()
        return self._named()

    def _quantified(self) -> Condition:
        kind = _QUANTIFIERS[self._take()]
        self._take()
        pattern = self.next
        if pattern in _RESERVED:
            raise self.error("expected them or the names of detections, such as selection_*")
        names = _matching(pattern, self._detections)
        if not names:
            raise self.error(f"no detection is named {pattern}")
        self._take()
        parts = tuple(self._detections[name] for name in names)
        return parts[0] if len(parts) == 1 else kind(parts)

    def _named(self) -> Condition:
        if self.next in _RESERVED:
            raise self.error(f"expected the name of a detection, not {self.next or 'the end'}")
        if self.next == "|":
            raise self.error("aggregations after | are gone from Sigma; correlations are not supported")
        if self.next not in self._detections:
            known = ", ".join(self._detections) or "none"
            raise self.error(f"no detection is named {self.next} (there are: {known})")
        return self._detections[self._take()]


def _matching(pattern: str, detections: Mapping[str, Condition]) -> list[str]:
    if pattern == "them":
        return [name for name in detections if not name.startswith("_")]
    wanted = re.compile(re.escape(pattern).replace(r"\*", ".*"))
    hidden = pattern.startswith("_")
    return [name for name in detections if wanted.fullmatch(name) and (hidden or not name.startswith("_"))]
