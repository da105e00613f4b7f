"""The past of a listing: pages of a period, compared by others with what was taken.

A listing that breaks off is begun again where it was, a page that is too large with smaller pages. Half of a
window's quota is used as fast as GitHub answers, the rest is spread over what is left of the window, so that
polls with the same token go on.
"""

import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Final

import orjson

from shipper.core.batch import Batch
from shipper.core.clock import Clock
from shipper.core.component import Intake
from shipper.core.past import Budget, Excerpt
from shipper.core.record import Record
from shipper.receivers.github.alerts import AlertState
from shipper.receivers.github.audit_log import AuditLog
from shipper.receivers.github.conversation import Interrupted, Patience, Refusal
from shipper.receivers.github.ledger import decoded
from shipper.receivers.github.remembered import digest
from shipper.receivers.github.sweep import Stream

log = logging.getLogger(__name__)

#: Somebody waits for the end, so faults are given up sooner than by polls; a window of quota is sat out.
PATIENCE: Final = Patience(attempts=5, wait=2 * 3600.0)

#: Times a listing is begun again.
_ATTEMPTS: Final = 8

#: Times a listing with pages that shift is read.
_PASSES: Final = 5

_SECOND: Final = 1000


class History:
    """The past of one audit log, or of the alerts of one state."""

    def __init__(self, listing: AuditLog | AlertState, clock: Clock, kin: Sequence[str] = ()) -> None:
        self.kin = kin
        """Sources of the enterprise for an organization, and the other way round."""
        self._listing = listing
        self._clock = clock
        self._conversation = listing.conversation
        self.source = listing.ledger.source
        self.stream = self._conversation.subject.stream
        self.organization = self._conversation.subject.slug
        state = f" ({listing.state})" if isinstance(listing, AlertState) else ""
        self.name = f"{self._conversation.subject}{state}"

    async def pages(self, since: int, until: int) -> AsyncIterator[Excerpt]:
        """List a period (ms, both ends included).

        Raises:
            Unavailable: it can't be listed.
        """
        place = _Place(since, until, rises=isinstance(self._listing, AuditLog))
        attempts = 0
        while True:
            try:
                # A phrase counts in seconds, so the last one is asked for whole.
                async for records, shifts in self._listing.period(place.reached or since, until + _SECOND):
                    begun = place.reached
                    place.shifts |= shifts
                    yield self._excerpt(records, place)
                    await self._pace()
                    if place.reached is not None and place.reached != begun and self._listing.grow():
                        break
                else:
                    if place.done():
                        return
            except Interrupted as interrupted:
                attempts += 1
                if attempts == _ATTEMPTS or (interrupted.shrink and self._listing.per_page == 1):
                    raise
                if interrupted.shrink:
                    self._listing.shrink()
            except Refusal as refusal:
                if not self._listing.adapt(refusal):
                    raise

    def budget(self) -> Budget | None:
        """What GitHub still grants."""
        conversation = self._conversation
        return conversation.lane.quota.budget(conversation.resource, self._clock.monotonic())

    def complete_until(self, checkpoint: bytes) -> int | None:
        """The time (ms) up to which, by this checkpoint, everything was taken."""
        self._listing.recall(decoded(checkpoint, self.source))
        return self._listing.complete_until

    def reads_from(self, checkpoint: bytes | None) -> int | None:
        """The time (ms) from which on the next run lists, by this checkpoint; None: all there is."""
        self._listing.recall(decoded(checkpoint, self.source))
        return self._listing.reads_from

    def rewound(self, checkpoint: bytes | None, to: int) -> bytes:
        """The checkpoint from which everything since `to` (ms) is read again."""
        former = decoded(checkpoint, self.source)
        kept = {key: former[key] for key in ("forgotten", "unsorted") if former.get(key) is not None}
        if isinstance(self._listing, AuditLog):
            return orjson.dumps({"from": to, **kept})
        return orjson.dumps({"newest": to, "swept": to, **kept})

    def _excerpt(self, records: list[Record], place: "_Place") -> Excerpt:
        shape, now = self._listing.ledger.shape, self._clock.now() // 1_000_000
        listed = [(record, shape.time(record.body)) for record in records]
        place.move([time for _, time in listed])
        mine = [(r, time) for r, time in listed if time is None or place.since <= time <= place.until]
        digests = [digest(record.uid) for record, _ in mine]
        place.note(digests)
        return Excerpt(
            self._listing.ledger.batch([record for record, _ in mine]),
            digests,
            [now if time is None else time for _, time in mine],
            place.reached,
        )

    async def _pace(self) -> None:
        pause = self._conversation.spacing(0.0)
        if pause > 0:
            await self._clock.sleep(pause)


class _Place:
    """How far the listing of a period has come, as far as its order can be trusted."""

    def __init__(self, since: int, until: int, *, rises: bool) -> None:
        self.since = since
        self.until = until
        self.reached: int | None = None
        self.shifts = False
        """Whether pages were read from which rows may have moved away."""
        self._rises = rises
        self._last = since
        self._listed: set[bytes] = set()
        self._new = self._passes = 0

    def note(self, digests: list[bytes]) -> None:
        """Take note of what a page had."""
        before = len(self._listed)
        self._listed.update(digests)
        self._new += len(self._listed) - before

    def done(self) -> bool:
        """Whether the listing that has ended was whole; where pages shift, one more has to find nothing new."""
        self._passes += 1
        whole = not self.shifts or not self._new
        if not whole and self._passes == _PASSES:
            log.warning("a listing changed each time it was read; do it again when there is less going on")
        self._new = 0
        return whole or self._passes == _PASSES

    def move(self, times: list[int | None]) -> None:
        """Go on by one page."""
        self._rises &= not self.shifts
        for time in times:
            if time is not None:  # a listing that was begun again begins with its whole second
                self._rises &= self._last // _SECOND <= time // _SECOND <= self.until // _SECOND + 1
                self._last = max(time, self._last)
        self.reached = min(self._last, self.until) if self._rises else None


class Unused(Intake):
    """Takes nothing: listing the past stores nothing by itself."""

    async def emit(self, batch: Batch) -> None:  # noqa: ARG002 - it must not be asked
        """Never asked."""
        raise AssertionError("what is only listed is not stored")

    async def checkpoint(self, source: str) -> bytes | None:  # noqa: ARG002 - nothing is known
        """Nothing."""
        return None

    async def seen(self, source: str, since: int) -> bytes:  # noqa: ARG002 - nothing is known
        """Nothing."""
        return b""


def histories(listings: Iterable[Stream], clock: Clock) -> Iterator[History]:
    """The past of those listings that have one."""
    known = [each for each in listings if isinstance(each, (AuditLog, AlertState))]
    for one in known:
        yield History(one, clock, [each.ledger.source for each in known if _akin(one, each)])


def _akin(one: Stream, other: Stream) -> bool:
    """Whether an organization's listing and an enterprise's have the same events."""
    mine, others = one.conversation.subject, other.conversation.subject
    same = mine.stream == others.stream and getattr(one, "state", "") == getattr(other, "state", "")
    return same and mine.kind != others.kind
