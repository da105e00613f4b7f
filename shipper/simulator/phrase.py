"""The audit log's search phrase: `created:>=2026-01-01T00:00:00+00:00 action:repo -actor:somebody`.

Pure. Source: "Searching the audit log for your enterprise", docs.github.com. What GitHub does with a phrase it
can't read is not documented; here it is refused (422), so that a client's mistake shows.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

FOREVER: Final = 1 << 62
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_TERM = re.compile(r'-?[\w@.]+:"[^"]*"|-?"[^"]*"|\S+')
_QUALIFIER = re.compile(r'(-?)([A-Za-z_@][\w@.]*):("?)(.*?)\3', re.DOTALL)
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d:\d\d)(Z|[+-]\d\d:\d\d)?)?")
_COMPARISON = re.compile(r"(>=|<=|>|<|)(.*)", re.DOTALL)


class PhraseError(ValueError):
    """The phrase can't be read."""


@dataclass(frozen=True, slots=True)
class Term:
    """One condition on an event's content."""

    negated: bool
    key: str
    value: str

    def holds(self, event: Any) -> bool:
        """Whether the event fulfils it."""
        return self._found(event) != self.negated

    def _found(self, event: Any) -> bool:
        if not self.key:
            return self.value.lower() in json.dumps(event).lower()
        if not isinstance(event, Mapping):
            return False
        value = event.get({"ip": "actor_ip", "country": "actor_location"}.get(self.key, self.key))
        if isinstance(value, Mapping):
            value = value.get("country_code")
        values = value if isinstance(value, list) else [value]
        return any(self._equal(one) for one in values if one is not None)

    def _equal(self, value: Any) -> bool:
        text, wanted = str(value).lower(), self.value.lower()
        return text == wanted or (self.key == "action" and text.startswith(wanted + "."))


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions that hold together; times in ms, `until` is the first that is too late."""

    since: int
    until: int
    terms: tuple[Term, ...]

    def holds(self, time: int, body: Callable[[], Any]) -> bool:
        """Whether an event of this time fulfils all of them; the body is looked at only where needed."""
        return self.since <= time < self.until and (not self.terms or all(t.holds(body()) for t in self.terms))


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase: groups of which one must hold."""

    groups: tuple[Group, ...]
    dated: bool
    """Whether it says `created`."""

    @property
    def since(self) -> int:
        """Nothing before this time (ms) can match."""
        return min(group.since for group in self.groups)

    @property
    def until(self) -> int:
        """Nothing from this time (ms) on can match."""
        return max(group.until for group in self.groups)

    def of_any_time(self) -> "Phrase":
        """The same phrase without its times."""
        return Phrase(tuple(Group(0, FOREVER, group.terms) for group in self.groups), dated=True)

    def holds(self, time: int, body: Callable[[], Any]) -> bool:
        """Whether an event matches."""
        return any(group.holds(time, body) for group in self.groups)


def parse(text: str) -> Phrase:
    """Read a phrase; an empty one matches everything. Raises `PhraseError`."""
    groups, current, dated = [], _Draft(), False
    for word in _TERM.findall(text):
        if word == "OR":
            groups.append(current.group())
            current = _Draft()
        elif word != "AND":
            dated |= current.add(word)
    groups.append(current.group())
    return Phrase(tuple(groups), dated)


def rewrite(text: str) -> str:
    """The same phrase in other words, as GitHub's `Link` URLs may have it: offsets become `Z`."""
    return re.sub(r"(T\d\d:\d\d:\d\d)\+00:00", r"\1Z", text)


class _Draft:
    """A group while it is read."""

    def __init__(self) -> None:
        self._since, self._until = 0, FOREVER
        self._terms: list[Term] = []

    def add(self, word: str) -> bool:
        """Take one word; says whether it was about `created`."""
        match = _QUALIFIER.fullmatch(word)
        if match is None:
            self._terms.append(Term(word.startswith("-"), "", word.lstrip("-").strip('"')))
            return False
        if match[2] != "created":
            self._terms.append(Term(match[1] == "-", match[2], match[4]))
            return False
        since, until = _span(match[4])
        self._since, self._until = max(self._since, since), min(self._until, until)
        return True

    def group(self) -> Group:
        return Group(self._since, self._until, tuple(self._terms))


def _span(text: str) -> tuple[int, int]:
    first, dots, last = text.partition("..")
    if dots:
        return (0 if first == "*" else _moment(first)[0]), (FOREVER if last == "*" else _moment(last)[1])
    operator, value = _COMPARISON.fullmatch(text).groups()  # type: ignore[union-attr]  # it matches any text
    start, end = _moment(value)
    return {">=": (start, FOREVER), ">": (end, FOREVER), "<": (0, start), "<=": (0, end), "": (start, end)}[
        operator
    ]


def _moment(text: str) -> tuple[int, int]:
    """The day or the second a time names: its first ms and the first one after it."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise PhraseError(f"created: {text!r} is no date and no time such as 2026-01-31T12:00:00+00:00")
    try:
        start = datetime.fromisoformat(f"{match[1]}T{match[2] or '00:00:00'}{match[3] or '+00:00'}")
    except ValueError as error:
        raise PhraseError(f"created: {text!r}: {error}") from error
    length = timedelta(seconds=1) if match[2] else timedelta(days=1)
    since = (start - _EPOCH) // timedelta(milliseconds=1)
    return since, since + length // timedelta(milliseconds=1)
