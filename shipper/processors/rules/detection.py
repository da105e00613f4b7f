"""Reads Sigma's detections: those of a rule's `match` and `not`, and those of Sigma files.

A map is AND, a list of maps or of values is OR, a field's modifiers follow bars. Faults are gathered as problems
with their place; what is faulty reads as a condition that never holds.

Source: https://sigmahq.io/sigma-specification/ (rules specification and modifiers appendix).
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from shipper.core.errors import Loc, Problem
from shipper.processors.rules.conditions import All, Always, Condition, Exists, Field, Keyword, Not, Same, Some
from shipper.processors.rules.matchers import any_of
from shipper.processors.rules.values import MODIFIERS, FaultError, Lists, Meaning, Presence, Reference, read_value

_ELSEWHERE: Final = {
    "regex": "re",
    "regexp": "re",
    "matches": "re",
    "prefix": "startswith",
    "beginswith": "startswith",
    "suffix": "endswith",
}
"""Names that other languages have for modifiers."""


@dataclass
class Reader:
    """Reads detections with the lists of a configuration, gathering problems."""

    lists: Lists
    problems: list[Problem] = field(default_factory=list)

    def read(self, detection: Any, loc: Loc) -> Condition:
        """The condition of a detection: a map, a list of maps or of keywords, or one keyword."""
        if isinstance(detection, Mapping):
            return self._join(
                All, [self._item(str(key), value, (*loc, key)) for key, value in detection.items()], loc
            )
        if isinstance(detection, list) and any(isinstance(part, (Mapping, list)) for part in detection):
            return self._join(Some, [self.read(part, (*loc, place)) for place, part in enumerate(detection)], loc)
        return self._item("", detection, loc)

    def fault(self, loc: Loc, code: str, message: str, *, at_key: bool = False) -> Condition:
        """Note a problem; the condition never holds."""
        self.problems.append(Problem(loc, code, message, at_key=at_key))
        return Always(holds=False)

    def _join(self, kind: type[All | Some], parts: list[Condition], loc: Loc) -> Condition:
        if not parts:
            return self.fault(loc, "empty-match", "is empty; to match all of a stream write {stream: audit_log}")
        return parts[0] if len(parts) == 1 else kind(tuple(parts))

    def _item(self, key: str, value: Any, loc: Loc) -> Condition:
        name, *modifiers = key.split("|")
        values = value if isinstance(value, list) else [value]
        if not self._known(modifiers, loc):
            return Always(holds=False)
        if not values:
            return self.fault(loc, "empty-match", "has no values, so nothing can match; name one or leave it out")
        before = len(self.problems)
        places = [(*loc, place) for place in range(len(values))] if isinstance(value, list) else [loc]
        found = [self._value(name, modifiers, *one) for one in zip(values, places, strict=True)]
        meanings = [meaning for meaning in found if meaning is not None]
        if len(self.problems) > before:
            return Always(holds=False)
        if "all" in modifiers:
            condition = _join_all(name, modifiers, values, meanings)
        else:
            condition = _join_any(name, meanings, describe(modifiers, values))
        return Not(condition) if "neq" in modifiers else condition

    def _known(self, modifiers: list[str], loc: Loc) -> bool:
        unknown = [modifier for modifier in modifiers if modifier not in MODIFIERS]
        for modifier in unknown:
            close = difflib.get_close_matches(modifier.lower(), sorted(MODIFIERS), 1)
            near = _ELSEWHERE.get(modifier.lower(), close[0] if close else "")
            hint = f"did you mean {near}?" if near else f"known are {', '.join(sorted(MODIFIERS))}"
            self.fault(loc, "unknown-modifier", f"unknown modifier {modifier} ({hint})", at_key=True)
        return not unknown

    def _value(self, name: str, modifiers: list[str], value: Any, loc: Loc) -> Meaning | None:
        try:
            meaning = read_value(modifiers, value, self.lists, keyword=not name)
        except FaultError as fault:
            self.fault(loc, fault.code, str(fault))
            return None
        if not name and isinstance(meaning, (Presence, Reference)):
            self.fault(loc, "modifier-conflict", "needs a field in front of its modifiers")
            return None
        return meaning


def _join_all(name: str, modifiers: list[str], values: list[Any], meanings: list[Meaning]) -> Condition:
    pairs = zip(values, meanings, strict=True)
    parts = tuple(_join_any(name, [meaning], describe(modifiers, [value])) for value, meaning in pairs)
    return parts[0] if len(parts) == 1 else All(parts)


def _join_any(name: str, meanings: list[Meaning], wanted: str) -> Condition:
    parts: list[Condition] = []
    matchers = []
    for meaning in meanings:
        match meaning:
            case Presence():
                parts.append(Exists(name, meaning.there))
            case Reference():
                parts.append(Same(name, meaning.other, meaning.start, meaning.end))
            case _:
                matchers.append(meaning)
    if matchers:
        matcher = any_of(matchers)
        parts.append(Field(name, matcher, wanted) if name else Keyword(matcher, wanted))
    return parts[0] if len(parts) == 1 else Some(tuple(parts))


def describe(modifiers: list[str], values: list[Any]) -> str:
    """What a field should be, in the words of the rule: `contains admin or owner`."""
    shown = " or ".join("null" if value is None else str(value) for value in values[:10])
    more = f" or {len(values) - 10} others" if len(values) > 10 else ""
    return " ".join([*(modifier for modifier in modifiers if modifier != "all"), shown + more])
