"""The audit log: every event once, however late, however many, whatever breaks.

The state is three times (ms). `from`: the next listing begins there; nothing before it is still to come.
`newest`: the newest `@timestamp` taken. `swept`: the server's time when the last complete sweep began.

Why nothing is missed: an event is listed at most `overlap` after its own time. A sweep that began at S and read
to the end has read all that was listed by S; what was listed since is younger than S - overlap. So the next one
begins there (or `overlap` before the newest event, if that is earlier: clocks differ). How long sweeps take, and
how long it is until the next, does not matter. In a listing that rises, a page that ends at R leaves only what is
younger than min(R, S - overlap): that is `from` after each page, and where a crash goes on.

Rows that vanish shift the pages that have numbers, so such listings are read again until they have nothing new.

Where the overlap is more than a poll's share of the quota, polls read from the newest event only, and the whole
overlap is swept as often as the share allows: an event that turned up late is taken that much later. Where that
would be less often than twice an overlap, the overlap is read behind the polls, each part once, when it is old
enough that nothing late can come: twice the events in all, however short the interval.
"""

import logging
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final, cast

from shipper.core.record import Record
from shipper.receivers.github.addresses import is_server
from shipper.receivers.github.answers import Page
from shipper.receivers.github.config import AuditLogConfig
from shipper.receivers.github.conversation import Conversation, Interrupted, Refusal
from shipper.receivers.github.ledger import Checkpoint, Fresh, Ledger
from shipper.receivers.github.listing import Listing, address, moment, numbered
from shipper.receivers.github.quota import SWEEP_SHARE
from shipper.receivers.github.sweep import Pass, Sheet, Stream, latest
from shipper.wire.github import AUDIT_LOG, audit_record, audit_time, audit_uid

log = logging.getLogger(__name__)

#: How long GitHub's cloud keeps events: older ones can't be listed any more.
RETENTION: Final = 180 * 86_400_000
GIT_RETENTION: Final = 7 * 86_400_000
#: Pages that are read again in one go, whatever the quota, where each part is read only once.
_SLICE: Final = 2


class AuditEvent:
    """What audit events are, for the ledger."""

    stream = AUDIT_LOG
    uid = staticmethod(audit_uid)
    time = staticmethod(audit_time)

    def __init__(self, organization: str) -> None:
        self._organization = organization

    def record(self, event: Any, observed: int, uid: str) -> Record:
        """The event's record."""
        return audit_record(event, observed, self._organization, uid)


@dataclass(slots=True, kw_only=True)
class RisingPass(Pass):
    """A reading of a listing that is asked to rise, from `since` (ms) on."""

    since: int

    def reached(self, overlap: int) -> int:
        """From where on events are still to come, as far as this pass tells."""
        if self.last is None or not self.rising or self.falling or self.numbered:
            return self.since
        return max(self.since, min(self.last, self.began - overlap))


class AuditLog(Stream):
    """Polls the audit log of one organization or enterprise."""

    def __init__(
        self, conversation: Conversation, ledger: Ledger, config: AuditLogConfig, interval: float
    ) -> None:
        super().__init__(conversation, ledger)
        self._config = config
        self._interval = interval
        self._overlap = int(config.overlap * 1000)
        self._from: int | None = None
        self._swept_at = -math.inf
        """When the last sweep was begun by this process, by its monotonic clock."""
        self._settled_at = -math.inf
        """When the overlap was last read behind the polls."""
        self._include = self._knows_include = True

    @property
    def complete_until(self) -> int | None:
        """The time (ms) up to which everything that was listed is in the journal."""
        return latest(self.swept, self._from)

    @property
    def reads_from(self) -> int:
        """The time (ms) from which on events may still come: where a sweep begins."""
        if self._from is not None:
            return self._from
        now, led_until = self._server_time(), self.conversation.led_until
        start = now - int(self._config.initial_lookback * 1000)
        if led_until is not None:  # nobody asked since, which may be longer ago
            start = min(start, max(led_until - self._overlap, now - RETENTION))
        return max(start, 0)

    def recall(self, checkpoint: Checkpoint) -> None:
        """Take the state of the journal; empty at the first start."""
        self._from, self.newest, self.swept = (checkpoint.get(key) for key in ("from", "newest", "swept"))
        kind, kept = ("such", RETENTION) if self._config.include == "web" else ("git", GIT_RETENTION)
        if self.complete_until is not None and self._server_time() - self.complete_until > kept:
            log.warning(
                "%s was last read more than %d days ago, which is how long GitHub keeps %s events: older ones "
                "are lost",
                self.conversation.subject,
                kept // 86_400_000,
                kind,
            )

    async def read(self) -> None:
        """Read the overlap and what is new; where that costs too much, what is new first."""
        if self._from is None or self.newest is None or self._due(self._now()):
            self._swept_at = self._now()
            await self.sweep()
        else:
            await self._tail(min(self.newest, self._server_time()))
            await self._settle(self._from)
        self._tell_include()

    async def read_once(self, began: int | None, missed_before: int | None) -> RisingPass:
        """One pass from `from` to the end."""
        behind, since = self.newest, self.reads_from
        listing = self._listing(f">={moment(since)}")
        reading: RisingPass | None = None
        while asked := await listing.page():
            page = cast("Page", asked.page)
            if reading is None:
                self._check_clock(since, asked.at)
                reading = self._begin(since, asked.at if began is None else began, missed_before)
            async with self.ledger.taking(page.events, since) as fresh:
                reading.take(fresh, page.next)
                await self._store(fresh, reading, behind)
            listing = self._wider(reading) or listing
        return cast("RisingPass", reading)

    def _wider(self, reading: RisingPass) -> Listing | None:
        """The rest of a listing in larger pages: an outage must not leave a backlog to be read one by one."""
        trusted = reading.rising and not reading.falling and not reading.numbered
        if reading.ended or reading.last is None or not trusted or not self.grow():
            return None
        since, reading.last = reading.last, None
        return self._listing(f">={moment(since)}")

    async def period(self, since: int, until: int) -> AsyncIterator[Sheet]:
        """The records of a past period (ms), page by page; nothing is remembered.

        A listing with numbered pages is begun again with the last second of each page, so that its first page is
        the only one that is read: nothing can move from one page to another. Only where a second fills a page, or
        the server lists what it was not asked for, its numbers are followed.

        Raises:
            Unavailable: a page can't be had.
        """
        listing = self._listing(f"{moment(since)}..{moment(until)}")
        trusted = True
        while asked := await listing.page():
            page = cast("Page", asked.page)
            times = [time for event in page.events if (time := audit_time(event)) is not None]
            trusted &= times == sorted(times) and (not times or times[0] // 1000 >= since // 1000)
            shifts = numbered(page.next)
            rises = trusted and bool(times) and times[0] < times[-1]
            if shifts and rises and times[-1] // 1000 > since // 1000:
                since, shifts = times[-1], False
                listing = self._listing(f"{moment(since)}..{moment(until)}")
            yield Sheet(self.ledger.records(page.events), shifts)

    def adapt(self, refusal: Refusal) -> bool:
        """Old Enterprise Servers answer 404 to `include`: ask without it, once."""
        server = is_server(self.conversation.lane.api.base_url)
        again = self._include and server and refusal.status in (404, 422)
        self._include = not again and self._knows_include
        return again

    async def _tail(self, newest: int) -> None:
        """Take what came behind the newest event; what is late is left to `_settle`."""
        listing = self._listing(f">={moment(newest)}")
        order: RisingPass | None = None
        while asked := await listing.page():
            page = cast("Page", asked.page)
            async with self.ledger.taking(page.events, newest) as fresh:
                await self._store(fresh, self._begin(self._from or 0, asked.at), newest)
            order = order or self._begin(newest, asked.at)
            order.take(fresh, page.next)
            listing = self._wider(order) or listing

    async def _settle(self, since: int) -> None:
        """Read what is old enough by now that nothing late can come, as far as the quota allows."""
        if self._server_time() - self._overlap - since < self._overlap // 2:
            return
        affordable = max(_SLICE, self._share(min(self._now() - self._settled_at, self._overlap / 1000)))
        self._settled_at = self._now()
        behind = self.newest
        listing = self._listing(f">={moment(since)}")
        reading: RisingPass | None = None
        while asked := await listing.page():
            page = cast("Page", asked.page)
            reading = reading or self._begin(since, asked.at)
            async with self.ledger.taking(page.events, since) as fresh:
                reading.take(fresh, page.next)
                await self._store(fresh, reading, behind)
            reached = reading.reached(self._overlap)
            spent = reading.pages >= affordable and reached > since
            if spent or reached == reading.began - self._overlap:
                return
            listing = self._wider(reading) or listing

    def _due(self, now: float) -> bool:
        """Whether to sweep: at each poll where its share suffices, else as often as the share allows."""
        again = self.ledger.remembered.since(self._from or 0) / self.per_page
        if again <= max(1.0, self._share(self._interval)):
            return True
        seldom = self._share(self._overlap / 2000) < again
        return not seldom and self._share(now - self._swept_at) >= again

    def _share(self, seconds: float) -> float:
        """Pages that may be read again in so many seconds."""
        return self.conversation.allowance(seconds) * SWEEP_SHARE if seconds > 0 else 0.0

    def _now(self) -> float:
        return self.conversation.monotonic()

    def _begin(self, since: int, began: int, missed_before: int | None = None) -> RisingPass:
        return RisingPass(since=since, began=began, missed_before=missed_before, newest=self.newest)

    def _listing(self, created: str) -> Listing:
        query = {"phrase": f"created:{created}"}
        if self._include:
            query["include"] = self._config.include
        query |= {"order": "asc", "per_page": str(self.per_page)}
        conversation = self.conversation
        return Listing(conversation, address(conversation.lane.api.base_url, conversation.subject, query))

    def _server_time(self) -> int:
        return int(self.conversation.lane.api.server_time() * 1000)

    def _check_clock(self, since: int, asked: int) -> None:
        """At the first start, begin again if our clock turns out to be ahead of the server's."""
        earlier = max(asked - int(self._config.initial_lookback * 1000), 0)
        if self._from is None and earlier < since - 60_000:
            self._from = earlier
            raise Interrupted("this machine's clock is ahead of GitHub's", shrink=False)

    async def _store(self, fresh: Fresh, reading: RisingPass, behind: int | None) -> None:
        """Commit a page with what holds then."""
        newest, swept, start = latest(self.newest, fresh.newest), self.swept, self._from
        if reading.complete:
            swept = max(reading.began, swept or 0)
            start = max(min(swept, swept if newest is None else newest) - self._overlap, 0)
        else:
            start = max(start or 0, reading.reached(self._overlap))
        checkpoint: Checkpoint = {"from": start, "newest": newest, "swept": swept}
        # The next sweep may begin earlier than this page leaves off: an overlap before the newest event.
        forget = start if newest is None else min(start, newest - self._overlap)
        await self.ledger.commit(fresh, checkpoint, reading.began, forget)
        self._from, self.newest, self.swept = start, newest, swept
        self.ledger.count(fresh, behind)

    def _tell_include(self) -> None:
        if not self._include and self._knows_include:
            self._knows_include = False
            log.warning(
                "%s is read without `include`, which this Enterprise Server does not know: git events are "
                "missing; upgrade it, or set streams.audit_log.include: web",
                self.conversation.subject,
            )
