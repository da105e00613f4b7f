"""Listings of GitHub: their addresses, and their pages one after the other."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from shipper.core.errors import Unavailable
from shipper.receivers.github.addresses import place_path
from shipper.receivers.github.answers import Page
from shipper.receivers.github.conversation import Asked, Conversation, Interrupted
from shipper.receivers.github.remedies import Subject
from shipper.wire.github_page import printable

MAX_PER_PAGE: Final = 100


def address(base_url: str, subject: Subject, query: Mapping[str, str]) -> str:
    """Where a stream's listing is, its query encoded once."""
    path = "audit-log" if subject.stream == "audit_log" else f"{subject.stream.replace('_', '-')}/alerts"
    encoded = urlencode(query, quote_via=quote, safe=":")
    return f"{base_url}{place_path(subject.kind, subject.slug)}/{path}?{encoded}"


def moment(ms: int) -> str:
    """A time as search phrases want it: whole seconds, rounded down, with its offset."""
    return datetime.fromtimestamp(ms // 1000, UTC).isoformat()


def numbered(url: str | None) -> bool:
    """Whether a page is named by its number: what shifts when rows come and go before it."""
    query = parse_qs((url or "").partition("#")[0].partition("?")[2])
    return "page" in query and not ("after" in query or "before" in query)


def elsewhere(subject: Subject, url: str) -> str:
    """Why a next page is not asked for, and what to do."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    return (
        f"GitHub names the next page of {subject} on another host, which is not asked"
        f"{f' ({printable(host, 100)})' if host else ''}; set base_url to the host that GitHub calls itself, or "
        "look for a proxy that changes its answers"
    )


class Listing:
    """The pages of a listing, following `rel=next` verbatim on the same origin.

    Its `name` tells it from others of the same conversation.
    """

    def __init__(self, conversation: Conversation, url: str, etag: str | None = None, *, name: str = "") -> None:
        self._conversation = conversation
        self._name = name
        self._url: str | None = url
        self._etag = etag
        self._mark = url
        self._steps = 0
        self._until = 1

    async def page(self) -> Asked | None:
        """The next page; None after the last.

        Raises:
            Unavailable: it can't be had, or it is on another origin: then nothing was sent there, and somebody
                has to act.
            Interrupted: the listing leads in a circle, or its next page is not known any more.
        """
        if self._url is None:
            return None
        try:
            self._check(self._url)
            if self._steps:  # whoever asks for more has stored the page before
                self._conversation.reached(self._name, self._steps - 1)
            asked = await self._conversation.page(self._url, etag=self._etag, first=self._steps == 0)
        except Unavailable:
            self._conversation.broke(self._name, self._steps)
            raise
        self._follow(asked.page.next if isinstance(asked.page, Page) else None)
        return asked

    def _check(self, url: str) -> None:
        if self._steps and url == self._mark:
            raise Interrupted(f"the pages of {self._conversation.subject} lead in a circle", shrink=False)
        if not self._conversation.lane.api.owns(url):
            raise Unavailable(elsewhere(self._conversation.subject, url), blocked=True)

    def _follow(self, url: str | None) -> None:
        self._steps += 1
        if self._steps == self._until and self._url is not None:  # Brent's way to find circles of any length
            self._mark = self._url
            self._until *= 2
        self._url, self._etag = url, None
