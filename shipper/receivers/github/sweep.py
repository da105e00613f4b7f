"""Reading a listing to its end, so that nothing listed when it began is missed: what all streams share."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from shipper.core.record import Record
from shipper.receivers.github.conversation import Conversation, Interrupted, Refusal
from shipper.receivers.github.ledger import Checkpoint, Fresh, Ledger
from shipper.receivers.github.listing import MAX_PER_PAGE, numbered

log = logging.getLogger(__name__)

#: Times a listing is begun again in one poll, and passes over pages with numbers.
_ATTEMPTS: Final = 5
_PASSES: Final = 4


@dataclass(slots=True, kw_only=True)
class Pass:
    """One reading of a listing, page by page. Pure.

    Rows that come or go while a listing is read shift the pages that have numbers, and one may slip through. So a
    pass over several of them is followed by another, until one finds nothing new: nothing new at all in the first,
    nothing from before `missed_before`, the newest time of the pass before, in the others.
    """

    began: int
    """The server's time (ms) when the first pass was begun."""
    missed_before: int | None = None
    newest: int | None = None
    """The newest time taken so far, by this pass or ever before."""
    pages: int = 0
    found: int = 0
    """New rows that show that something was missed or may have been."""
    ended: bool = False
    numbered: bool = False
    last: int | None = None
    rising: bool = False
    """Whether the listing was seen to rise."""
    falling: bool = False
    """Whether it was seen to fall."""

    def take(self, fresh: Fresh, next_page: str | None) -> None:
        """Go on by one page."""
        for time in fresh.listed:
            if time is not None:
                if self.last is not None:
                    self.rising |= time > self.last
                    self.falling |= time < self.last
                self.last = time
        missed = self.missed_before
        self.found += sum(1 for time in fresh.times if missed is None or time is None or time <= missed)
        self.newest = latest(self.newest, fresh.newest)
        self.pages += 1
        self.numbered |= numbered(next_page)
        self.ended = next_page is None

    @property
    def complete(self) -> bool:
        """Whether nothing can have been missed."""
        return self.ended and (not self.numbered or self.pages == 1 or not self.found)


def latest(*times: int | None) -> int | None:
    """The latest of those that are known."""
    known: Iterable[int] = (time for time in times if time is not None)
    return max(known, default=None)


class Sheet(NamedTuple):
    """A page of the past."""

    records: list[Record]
    shifts: bool
    """Whether rows that come or go now move what is on the next page."""


class Stream(ABC):
    """Polls one listing and keeps its place in the journal."""

    def __init__(self, conversation: Conversation, ledger: Ledger) -> None:
        self.conversation = conversation
        self.ledger = ledger
        self.newest: int | None = None
        """The newest time (ms) taken."""
        self.swept: int | None = None
        """The server's time (ms) when the last complete sweep was begun."""
        self.per_page = MAX_PER_PAGE
        self._widest = MAX_PER_PAGE
        self._grew = False

    async def poll(self) -> None:
        """Take what is new.

        Raises:
            Unavailable: not all could be asked for; what came is in the journal.
        """
        checkpoint = await self.ledger.open()
        if checkpoint is not None:
            self.recall(checkpoint)
        for attempt in range(_ATTEMPTS):
            try:
                await self.read()
            except Interrupted as interrupted:
                if attempt == _ATTEMPTS - 1 or (interrupted.shrink and self.per_page == 1):
                    raise
                if interrupted.shrink:
                    self.shrink()
            except Refusal as refusal:
                if not self.adapt(refusal):
                    raise
            else:
                self.per_page = min(self.per_page * 2, MAX_PER_PAGE)
                self._widest, self._grew = MAX_PER_PAGE, False
                return

    def shrink(self) -> None:
        """Ask for smaller pages; where larger ones were just tried again, not for those again in this poll."""
        self.per_page = max(self.per_page // 4, 1)
        if self._grew:
            self._widest = self.per_page

    def grow(self) -> bool:
        """Ask for larger pages again, after small ones came; whether there are larger ones."""
        if self.per_page >= self._widest:
            return False
        self.per_page, self._grew = min(self.per_page * 4, self._widest), True
        return True

    async def sweep(self) -> None:
        """Read the listing to its end, as often as it takes."""
        first: Pass | None = None
        missed_before: int | None = None
        for _ in range(_PASSES):
            reading = await self.read_once(first.began if first else None, missed_before)
            if reading.complete:
                return
            first, missed_before = first or reading, reading.newest
        log.info("%s changes while it is read; the next poll goes on", self.conversation.subject)

    @property
    @abstractmethod
    def complete_until(self) -> int | None:
        """The time (ms) up to which everything that was listed is in the journal."""

    @abstractmethod
    def recall(self, checkpoint: Checkpoint) -> None:
        """Take the state of the journal; empty at the first start."""

    @abstractmethod
    async def read(self) -> None:
        """Read what this poll should read."""

    @abstractmethod
    async def read_once(self, began: int | None, missed_before: int | None) -> Pass:
        """One pass of a sweep. `began` and `missed_before`: see `Pass`; None in the first."""

    def adapt(self, refusal: Refusal) -> bool:  # noqa: ARG002 - for those that can
        """Whether to ask in another way after a refusal."""
        return False
