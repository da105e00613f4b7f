"""What every connection of ours tells, and how it ends."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Parting(enum.Enum):
    """How a connection ended that we ended."""

    IN_ORDER = "the peer ended it too, so it has read everything"
    SILENT = "the peer's system has everything, and the peer itself let us wait"
    BROKEN = "the peer broke it off, or is gone; it may not have read everything"


class TooLong(Exception):
    """A datagram is more than the socket takes."""

    def __init__(self, index: int) -> None:
        super().__init__(f"datagram {index} is too long")
        self.index = index


@dataclass(frozen=True, slots=True)
class Broken:
    """How and when a connection ended."""

    fault: Exception
    time: float
    """The event loop's time."""


class Link(Protocol):
    """A connection to one peer."""

    @property
    def name(self) -> str:
        """What was connected, for people: `TCP with TLSv1.3`."""

    def broken(self) -> Broken | None:
        """How the connection ended, if it did by this moment."""

    async def deliver(self, data: Sequence[bytes]) -> None:
        """Send and return when the peer's system has all of it; raises what broke the connection."""

    async def close(self, patience: float) -> Parting:
        """Say goodbye, wait so many seconds for the peer's, and let go."""

    async def abort(self) -> None:
        """Let go without a word."""
