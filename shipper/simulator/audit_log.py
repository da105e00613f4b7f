"""The index of an audit log: what can be listed when, in which order; 26 bytes an event, bodies elsewhere.

Pure: the time is an argument. Rows are ordered by their time, rows of one time in the order of insertion.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from shipper.simulator.paging import Page, Where, cursor_links, number_links
from shipper.simulator.phrase import Phrase
from shipper.simulator.templates import TEMPLATES

Include = Literal["web", "git", "all"]

GIVEN: Final = -1
"""Kind of an event whose body was given, not made up."""
GIVEN_GIT: Final = -2

_HIDDEN: Final = (1 << 62) + 1


class Row(NamedTuple):
    """One event: its time and when it can be listed (ms), its number, its kind (a place in `TEMPLATES`)."""

    time: int
    visible: int
    number: int
    kind: int

    @property
    def git(self) -> bool:
        """Whether it is a git event."""
        return TEMPLATES[self.kind].git if self.kind >= 0 else self.kind == GIVEN_GIT


Bodies = Callable[[Row], Any]


@dataclass(frozen=True, slots=True)
class Search:
    """What to list: times in ms; `git_since` is the retention of git events."""

    now: int
    phrase: Phrase
    include: Include
    descending: bool
    since: int = 0
    git_since: int = 0

    def finds(self, row: Row, bodies: Bodies) -> bool:
        """Whether the row is listed."""
        if row.visible > self.now:
            return False
        if row.git:
            if self.include == "web" or row.time < self.git_since:
                return False
        elif self.include == "git":
            return False
        return self.phrase.holds(row.time, lambda: bodies(row))


class AuditLog:
    """Rows sorted by time. `followers` get every row too: the enterprise's log follows its organizations'."""

    def __init__(self) -> None:
        self._times = array("q")
        self._visibles = array("q")
        self._numbers = array("q")
        self._kinds = array("h")
        self.followers: list[AuditLog] = []

    def __len__(self) -> int:
        return len(self._times)

    def __iter__(self) -> Iterator[Row]:
        return map(Row, self._times, self._visibles, self._numbers, self._kinds)

    def insert(self, row: Row) -> None:
        """Add a row behind those of its time."""
        place = bisect_right(self._times, row.time)
        self._times.insert(place, row.time)
        self._visibles.insert(place, row.visible)
        self._numbers.insert(place, row.number)
        self._kinds.insert(place, row.kind)
        for follower in self.followers:
            follower.insert(row)

    def hide(self, time: int, number: int) -> None:
        """Remove a row from all listings; cursors that name it stay good."""
        self._visibles[self._place((time, number))] = _HIDDEN
        for follower in self.followers:
            follower.hide(time, number)

    def page(self, search: Search, where: Where, bodies: Bodies) -> Page[Row]:
        """The page of a search."""
        low = bisect_left(self._times, max(search.phrase.since, search.since))
        high = bisect_left(self._times, search.phrase.until)
        if where.number is not None:
            return self._numbered(search, where, bodies, range(low, high))
        return self._by_cursor(search, where, bodies, range(low, high))

    def _numbered(self, search: Search, where: Where, bodies: Bodies, span: range) -> Page[Row]:
        number = where.number or 1
        found = list(self._walk(search, bodies, reversed(span) if search.descending else span))
        start = (number - 1) * where.size
        rows = [self._row(place) for place in found[start : start + where.size]]
        return Page(rows, number_links(number, where.size, len(found)))

    def _by_cursor(self, search: Search, where: Where, bodies: Bodies, span: range) -> Page[Row]:
        order = -1 if search.descending else 1
        walk = span[::order]
        if where.before is not None:
            places = self._take(search, bodies, self._beyond(span, where.before, -order), where.size + 1)
            more_before, more_after = len(places) > where.size, True
            places = places[: where.size][::-1]
        else:
            if where.after is not None:
                walk = self._beyond(span, where.after, order)
            places = self._take(search, bodies, walk, where.size + 1)
            more_before, more_after = where.after is not None, len(places) > where.size
            places = places[: where.size]
        rows = [self._row(place) for place in places]
        first, last = ((rows[0].time, rows[0].number), (rows[-1].time, rows[-1].number)) if rows else (None, None)
        return Page(rows, cursor_links(first, last, more_before=more_before, more_after=more_after))

    def _beyond(self, span: range, key: tuple[int, int], order: int) -> range:
        """The places on the far side of a cursor, in walking order."""
        place = self._place(key)
        if order > 0:
            return range(max(place + 1, span.start), span.stop)
        return range(min(place, span.stop) - 1, span.start - 1, -1)

    def _take(self, search: Search, bodies: Bodies, walk: range, count: int) -> list[int]:
        found = self._walk(search, bodies, walk)
        return [place for place, _ in zip(found, range(count), strict=False)]

    def _walk(self, search: Search, bodies: Bodies, walk: Any) -> Iterator[int]:
        return (place for place in walk if search.finds(self._row(place), bodies))

    def _row(self, place: int) -> Row:
        return Row(self._times[place], self._visibles[place], self._numbers[place], self._kinds[place])

    def _place(self, key: tuple[int, int]) -> int:
        """Where a row is; for a row there never was, the end of its time."""
        time, number = key
        place = bisect_left(self._times, time)
        while place < len(self._times) and self._times[place] == time:
            if self._numbers[place] == number:
                return place
            place += 1
        return place
