"""Pages as GitHub cuts them: opaque cursors or page numbers, told by the `Link` header.

Pure. Cursors name a place (`time|number`), not a count, so that rows which arrive meanwhile move nothing; page
numbers count, so that they do. Source: "Using pagination in the REST API", docs.github.com.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar
from urllib.parse import quote, urlencode

MAX_PER_PAGE: Final = 100
DEFAULT_PER_PAGE: Final = 30

T = TypeVar("T")
Key = tuple[int, int]


class PagingError(ValueError):
    """A cursor or number that GitHub did not hand out."""


@dataclass(frozen=True, slots=True)
class Where:
    """Which page is asked for: by cursor (`after`, `before`), by number, or the first."""

    size: int
    after: Key | None = None
    before: Key | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page, and what its neighbours are called in the query."""

    items: Sequence[T]
    links: Mapping[str, Mapping[str, str]]
    """By relation: the parameters that replace those of the request."""


def encode_cursor(key: Key) -> str:
    """An opaque name for a place."""
    return base64.b64encode(f"{key[0]}|{key[1]}".encode()).decode()


def decode_cursor(text: str) -> Key:
    """The place a cursor names. Raises `PagingError`."""
    try:
        time, number = base64.b64decode(text, validate=True).decode().split("|")
        return int(time), int(number)
    except (ValueError, binascii.Error) as error:
        raise PagingError("Invalid cursor") from error


def where(query: Mapping[str, str], *, cursors: bool, numbers: bool) -> Where:
    """What page a query asks for. Sizes beyond the limits are clamped, as GitHub does."""
    size = min(max(_integer(query.get("per_page"), DEFAULT_PER_PAGE), 1), MAX_PER_PAGE)
    if numbers and (not cursors or query.get("page")):
        return Where(size, number=max(_integer(query.get("page"), 1), 1))
    after, before = (query.get(name) if cursors else None for name in ("after", "before"))
    return Where(size, decode_cursor(after) if after else None, decode_cursor(before) if before else None)


def _integer(text: str | None, default: int) -> int:
    return int(text) if text and re.fullmatch(r"[0-9]{1,9}", text) else default


def cursor_links(
    first: Key | None, last: Key | None, *, more_before: bool, more_after: bool
) -> dict[str, dict[str, str]]:
    """The neighbours of a page between two places."""
    links = {}
    if more_after and last is not None:
        links["next"] = {"after": encode_cursor(last), "before": ""}
    if more_before and first is not None:
        links["prev"] = {"after": "", "before": encode_cursor(first)}
    if links:
        links["first"] = {"after": "", "before": ""}
    return links


def number_links(number: int, size: int, total: int) -> dict[str, dict[str, str]]:
    """The neighbours of a numbered page."""
    last = max(-(-total // size), 1)
    links = {}
    if number > 1:
        links["prev"] = {"page": str(min(number - 1, last))}
    if number < last:
        links["next"] = {"page": str(number + 1)}
        links["last"] = {"page": str(last)}
    if number > 1:
        links["first"] = {"page": "1"}
    return links


def cut(rows: Sequence[T], keys: Sequence[Key], place: Where, *, descending: bool) -> Page[T]:
    """The page of rows that are sorted by `keys` (falling where `descending`)."""
    if place.number is not None:
        start = (place.number - 1) * place.size
        return Page(rows[start : start + place.size], number_links(place.number, place.size, len(rows)))
    sign = -1 if descending else 1
    ranks = [(sign * time, sign * number) for time, number in keys]
    low, high = 0, len(rows)
    if place.after is not None:
        low = sum(rank <= (sign * place.after[0], sign * place.after[1]) for rank in ranks)
    if place.before is not None:
        high = sum(rank < (sign * place.before[0], sign * place.before[1]) for rank in ranks)
        low = max(low, high - place.size)
    high = max(low, min(high, low + place.size))
    ends = (keys[low], keys[high - 1]) if high > low else (None, None)
    return Page(rows[low:high], cursor_links(*ends, more_before=low > 0, more_after=high < len(rows)))


def link_header(url: str, query: Mapping[str, str], links: Mapping[str, Mapping[str, str]]) -> str:
    """The `Link` header of a page that was asked for by `url` and `query`."""
    parts = []
    for relation, changes in links.items():
        parts.append(f'<{link_target(url, {**query, **changes})}>; rel="{relation}"')
    return ", ".join(parts)


def link_target(url: str, query: Mapping[str, str]) -> str:
    """An address with its query, encoded once."""
    return f"{url}?{urlencode(query, quote_via=quote)}" if query else url
