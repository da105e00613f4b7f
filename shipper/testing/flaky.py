"""A journal that fails at random, as a disk does."""

import random
from collections.abc import Sequence
from typing import Any

from shipper.core.batch import Commit
from shipper.core.errors import Unavailable
from shipper.core.journal import Cursor, DeadLetter, Entry, Journal


class FlakyJournal:
    """Any journal, with appends and advances that fail now and then; what fails is not done.

    Args:
        journal: does the rest.
        seed: of the failures.
        rate: share of calls that fail.
    """

    def __init__(self, journal: Journal, *, seed: int = 0, rate: float = 0.3) -> None:
        self._journal = journal
        self._rng = random.Random(seed)  # noqa: S311 - made to be repeated
        self.rate = rate
        self.failures = 0

    async def append(
        self,
        entries: Sequence[Entry],
        commit: Commit | None = None,
        dead: Sequence[DeadLetter] = (),
        *,
        durable: bool = False,
    ) -> None:
        """Append, or fail and do nothing."""
        self._maybe_fail()
        await self._journal.append(entries, commit, dead, durable=durable)

    async def advance(
        self, cursor: Cursor, place: int, dead: Sequence[DeadLetter] = (), entries: Sequence[Entry] = ()
    ) -> None:
        """Advance, or fail and do nothing."""
        self._maybe_fail()
        await self._journal.advance(cursor, place, dead, entries)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    def _maybe_fail(self) -> None:
        if self._rng.random() < self.rate:
            self.failures += 1
            raise Unavailable("the journal fails for the sake of the test")
