"""What an answer of GitHub means and what to do next. Pure: status, headers, body and time in, a verdict out.

Sources: docs.github.com "Rate limits for the REST API", "Best practices for using the REST API",
"Troubleshooting the REST API".
"""

import json
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeAlias
from urllib.parse import urljoin

from shipper.net.http import Answer
from shipper.receivers.github.remedies import Subject, not_the_api, remedy
from shipper.wire.github import links
from shipper.wire.github_page import BadPage, parse_page, printable

#: Longest wait for a window that we believe a header for: windows are an hour.
_MAX_WAIT: Final = 24 * 3600.0
#: Seconds to wait for a window that has ended already.
_PAST: Final = 1.0
_SECONDARY: Final = 60.0
_MAX_SECONDARY: Final = 3600.0
_WHOLE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a listing."""

    events: list[Any]
    next: str | None
    """Where the next page is, whole; None: this is the last one."""
    date: int | None
    """The server's time in ms, whole seconds."""
    etag: str | None


@dataclass(frozen=True, slots=True)
class Unchanged:
    """304: the page is as it was; costs no quota."""

    date: int | None


@dataclass(frozen=True, slots=True)
class Moved:
    """A redirect, to be followed once and only on the same origin."""

    address: str


@dataclass(frozen=True, slots=True)
class Limited:
    """A limit was met: wait so many seconds; `everything`: no request of this token before."""

    seconds: float
    reason: str
    everything: bool


@dataclass(frozen=True, slots=True)
class Later:
    """A fault that passes: try again, after `seconds` if the server named them."""

    reason: str
    seconds: float | None = None
    smaller: bool = False
    """Whether a smaller page may help."""


@dataclass(frozen=True, slots=True)
class Refused:
    """No use in repeating until somebody acts; `reason` says what to do."""

    status: int
    reason: str


Verdict: TypeAlias = Page | Unchanged | Moved | Limited | Later | Refused


def judge(answer: Answer, subject: Subject, now: int, limits_met: int = 0, *, url: str = "") -> Verdict:
    """The verdict on an answer to a request for a page.

    Args:
        answer: the answer.
        subject: what was asked, for messages.
        now: our time in ns.
        url: where it was asked, for links that are relative to it.
        limits_met: how often in a row a limit without a time was met: each doubles the wait.
    """
    status, headers = answer.status, answer.headers
    if 200 <= status < 300:
        return _page(answer, url)
    if status == 304:
        return Unchanged(date_of(headers))
    if status in (301, 302, 303, 307, 308) and "location" in headers:
        return Moved(headers["location"])
    message = message_of(answer.body)
    if status in (403, 429) and (limit := _limit(answer, message, now, limits_met)):
        return limit
    if status >= 500 or status in (408, 425):
        reason = f"GitHub answered {status} to {subject}"
        return Later(reason, retry_after(headers, now), smaller=status in (502, 504))
    web_page = answer.body.lstrip()[:1] == b"<"
    why = not_the_api(subject, status) if web_page else remedy(subject, status, message, headers)
    return Refused(status, why)


def _page(answer: Answer, url: str) -> Verdict:
    try:
        events = parse_page(answer.body)
    except BadPage as fault:
        return Later(f"GitHub answered {answer.status} with {fault}")
    headers = answer.headers
    following = resolve(url, links(headers.get("link", "")).get("next"))
    return Page(events, following, date_of(headers), headers.get("etag"))


def resolve(url: str, link: str | None) -> str | None:
    """A link of an answer to `url` as a whole address (RFC 8288, 3.2); what is whole stays as it is written."""
    if link is None or _WHOLE.match(link):
        return link
    try:
        return urljoin(url, link)
    except ValueError:  # no address at all: it is on no host of ours
        return link


def _limit(answer: Answer, message: str, now: int, limits_met: int) -> Limited | None:
    """The limit that a 403 or 429 speaks of; None: a 403 of another kind."""
    headers = answer.headers
    after = retry_after(headers, now)
    used_up = headers.get("x-ratelimit-remaining", "").strip() == "0"
    if after is not None:
        return Limited(after, _exhausted(headers) if used_up else _SECONDARY_REASON, everything=not used_up)
    wait = until_reset(headers, now) if used_up else None
    if wait is not None and (wait > _PAST or not limits_met):  # a reset in the past is believed once
        return Limited(wait, _exhausted(headers), everything=False)
    words = message.lower()
    if answer.status == 429 or used_up or "rate limit" in words or "abuse detection" in words:
        seconds = min(_SECONDARY * 2**limits_met, _MAX_SECONDARY)
        return Limited(seconds, _SECONDARY_REASON, everything=True)
    return None


_SECONDARY_REASON: Final = (
    "GitHub asks to slow down (secondary rate limit); every use of this token counts, so look for other "
    "programs that use it"
)


def _exhausted(headers: Any) -> str:
    limit = integer(headers.get("x-ratelimit-limit"))
    size = f"all {limit} calls of this window" if limit else "all calls of this window"
    resource = headers.get("x-ratelimit-resource", "")
    return (
        f"{size}{f' ({printable(resource, 40)})' if resource else ''} are used; the limit is shared by every "
        "use of the token, a GitHub App has its own"
    )


def until_reset(headers: Any, now: int) -> float | None:
    """Seconds until `X-RateLimit-Reset`, by the server's own clock where it tells it."""
    reset = integer(headers.get("x-ratelimit-reset"))
    if reset is None:
        return None
    date = date_of(headers)
    present = now / 1e9 if date is None else date / 1000
    return min(max(reset - present, 0.0) + _PAST, _MAX_WAIT)


def retry_after(headers: Any, now: int) -> float | None:
    """Seconds of `Retry-After`, written as seconds or as a date (RFC 9110)."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    seconds: float | None = integer(text)
    if seconds is None:
        moment = _date(text)
        if moment is None:
            return None
        date = date_of(headers)
        seconds = (moment - (now // 1_000_000 if date is None else date)) / 1000
    return min(max(seconds, 1.0), _MAX_WAIT)


def date_of(headers: Any) -> int | None:
    """The server's time in ms by its `Date` header."""
    return _date(headers.get("date", ""))


def _date(text: str) -> int | None:
    try:
        return int(parsedate_to_datetime(text).timestamp() * 1000) if text else None
    except (ValueError, OverflowError):
        return None


def integer(text: str | None) -> int | None:
    """A header's number; None where it is none."""
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def message_of(body: bytes) -> str:
    """GitHub's own words of an error, fit for a message of ours."""
    try:
        value = json.loads(body[:65536])
    except (ValueError, RecursionError):
        return ""
    message = value.get("message") if isinstance(value, dict) else None
    return printable(message) if isinstance(message, str) else ""
