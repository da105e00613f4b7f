"""Security alerts: every change of state once.

Each state is a listing of its own, the last changed first, read until it is older than what the last complete
reading had, less an overlap. An alert that changes while it is read moves to the front, where the next reading
finds it. Numbered pages shift when alerts leave the listing, so such listings are read again until they have
nothing new.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from shipper.core.record import Record
from shipper.receivers.github.answers import Page
from shipper.receivers.github.conversation import Conversation
from shipper.receivers.github.ledger import Checkpoint, Fresh, Ledger
from shipper.receivers.github.listing import Listing, address, numbered
from shipper.receivers.github.sweep import Pass, Sheet, Stream
from shipper.wire.github import AlertStream, alert_record, alert_time, alert_uid

#: How late a change may turn up behind its own time, in ms.
OVERLAP: Final = 600_000


class Alert:
    """What alerts of a stream are, for the ledger."""

    time = staticmethod(alert_time)

    def __init__(self, stream: AlertStream, organization: str) -> None:
        self.stream: AlertStream = stream
        self._organization = organization

    def uid(self, alert: Any) -> str:
        """Its identity, which a change of state changes."""
        return alert_uid(alert, self.stream)

    def record(self, alert: Any, observed: int, uid: str) -> Record:
        """The alert's record."""
        return alert_record(alert, self.stream, observed, self._organization, uid)


@dataclass(slots=True, kw_only=True)
class FallingPass(Pass):
    """A reading of a listing that is asked to fall; it may stop at what is older than `until` (ms)."""

    until: int | None
    sorted: bool = True
    """Whether the listing before was in order."""

    def take(self, fresh: Fresh, next_page: str | None) -> None:
        """Go on by one page."""
        Pass.take(self, fresh, next_page)
        old = self.until is not None and self.last is not None and self.last < self.until
        self.ended |= old and self.sorted and not self.rising


class AlertState(Stream):
    """Polls the alerts of one stream in one state."""

    def __init__(self, conversation: Conversation, ledger: Ledger, state: str) -> None:
        super().__init__(conversation, ledger)
        self.state = state
        self._etag: str | None = None
        self._unsorted = False
        """Whether the last complete reading was not in the order that was asked for: it can't be cut short."""
        self.listed: int | None = None
        """How many alerts the last complete reading saw; None: there was none yet."""

    @property
    def complete_until(self) -> int | None:
        """The time (ms) up to which everything that was listed is in the journal."""
        return self.swept

    @property
    def reads_from(self) -> int | None:
        """The time (ms) down to which the next reading goes; None: to the end, as nothing was read whole yet."""
        if self.swept is None:
            return None
        return min(self.swept, self.swept if self.newest is None else self.newest) - OVERLAP

    def recall(self, checkpoint: Checkpoint) -> None:
        """Take the state of the journal; empty at the first start."""
        self.newest, self.swept = checkpoint.get("newest"), checkpoint.get("swept")
        self._unsorted = bool(checkpoint.get("unsorted"))
        self._etag = None

    async def read(self) -> None:
        """Read what changed."""
        await self.sweep()

    async def read_once(self, began: int | None, missed_before: int | None) -> FallingPass:
        """One pass from the last changed to what is known."""
        etag, self._etag = self._etag, None
        listing = Listing(self.conversation, self._address(), etag if began is None else None, name=self.state)
        reading: FallingPass | None = None
        listed = 0
        while asked := await listing.page():
            reading = reading or self._begin(asked.at if began is None else began, missed_before)
            page = asked.page if isinstance(asked.page, Page) else Page([], None, None, etag)
            async with self.ledger.taking(page.events, reading.until or 0) as fresh:
                reading.take(fresh, page.next)
                await self._store(fresh, reading)
            listed += len(page.events)
            if reading.ended:
                break
        assert reading is not None  # noqa: S101 - a listing has a first page, or raises
        if reading.complete:
            self.listed = max(listed, self.listed or 0)
            # A page further down may change while the first one stays as it is.
            self._etag = page.etag if reading.pages == 1 else None
        return reading

    async def period(self, since: int, until: int) -> AsyncIterator[Sheet]:
        """The records of alerts last changed in a past period (ms), page by page; nothing is remembered.

        Raises:
            Unavailable: a page can't be had.
        """
        listing = Listing(self.conversation, self._address(), name=self.state)
        reading = FallingPass(began=since, until=since)
        while not reading.ended and (asked := await listing.page()):
            page = asked.page
            if isinstance(page, Page):
                times = [self.ledger.shape.time(alert) for alert in page.events]
                reading.take(Fresh([], [], [], times), page.next)
                alerts = zip(page.events, times, strict=True)
                mine = [each for each, time in alerts if time is None or since <= time <= until]
                yield Sheet(self.ledger.records(mine), numbered(page.next) and not reading.ended)

    def _begin(self, began: int, missed_before: int | None) -> FallingPass:
        return FallingPass(
            began=began,
            missed_before=missed_before,
            newest=self.newest,
            until=self.reads_from,
            sorted=not self._unsorted,
        )

    def _address(self) -> str:
        query = {"state": self.state, "sort": "updated", "direction": "desc", "per_page": str(self.per_page)}
        subject = self.conversation.subject
        if subject.stream == "secret_scanning":
            query["hide_secret"] = "true"  # noqa: S105 - a switch, no secret
        return address(self.conversation.lane.api.base_url, subject, query)

    async def _store(self, fresh: Fresh, reading: FallingPass) -> None:
        """Commit a page. The place moves only when all was read: what is old comes last."""
        newest, swept, unsorted, forget = self.newest, self.swept, self._unsorted, None
        if reading.complete:
            unsorted = reading.rising
            newest, swept = reading.newest, max(reading.began, swept or 0)
            forget = min(swept, swept if newest is None else newest) - OVERLAP
        checkpoint: Checkpoint = {"newest": newest, "swept": swept, "unsorted": int(unsorted) or None}
        await self.ledger.commit(fresh, checkpoint, reading.began, forget)
        self.newest, self.swept, self._unsorted = newest, swept, unsorted
        self.ledger.count(fresh, reading.until)
