"""Listings that may list the same events: an organization's beside its enterprise's, or two organizations'.

What one of them took, none of the others takes. Each keeps its own place and its own ids in the journal; a page
that has an event somebody else took remembers its id, too, so that each listing can be proven complete by itself.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

#: How long (ms) a listing's ids are kept for others that have not come so far. One that lags by more, since it
#: could not be read, takes again what is older.
KEPT: Final = 7 * 86_400_000

_SECOND: Final = 1000
"""Listings are asked for by whole seconds."""


class Member(Protocol):
    """A listing's state, as the others see it."""

    floor: int | None
    """The time (ms) from which on it may still list events that it does not know; None: nobody knows yet."""

    async def knows(self, digests: Sequence[bytes], times: Sequence[int | None]) -> set[bytes]:
        """Those of these ids that it took, or knows to be taken. `times`: of their events, in ms."""

    def doubt(self) -> None:
        """Look into the journal before the next answer."""


class Kin:
    """All listings of one stream of a receiver."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        """Held from looking whether an event was taken until it is: two listings never do so at once."""
        self._members: list[Member] = []

    def join(self, member: Member) -> None:
        """One more listing."""
        self._members.append(member)

    async def knows(self, asking: Member, digests: Sequence[bytes], times: Sequence[int | None]) -> set[bytes]:
        """Those of these ids that another listing took.

        Raises:
            Unavailable: the journal does not work now.
        """
        known: set[bytes] = set()
        for other in self._others(asking):
            known |= await other.knows(digests, times)
        return known

    def doubt(self, asking: Member) -> None:
        """One had to read its state anew, so what the others have in memory may be wrong, too."""
        for other in self._others(asking):
            other.doubt()

    def needed(self, asking: Member, now: int) -> int | None:
        """The time (ms) from which on others may ask for ids; None: there are no others."""
        floors = (max(other.floor or 0, now - KEPT) for other in self._others(asking))
        return min((floor - _SECOND for floor in floors), default=None)

    def _others(self, asking: Member) -> Iterator[Member]:
        return (member for member in self._members if member is not asking)
