"""What receivers may offer beside receiving: a look at how they would fare, and their source's past.

A receiver that has `probe` is shown by `shipper check`. One that has `past` can be backfilled, reconciled and
rewound: its streams are listed again, and what is listed is compared with the ids that storage remembers.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from shipper.core.batch import Batch

Verdict: TypeAlias = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one probe found. Never holds a secret."""

    name: str
    """What was probed, such as `acme-corp audit_log`."""
    verdict: Verdict
    seen: str
    """What answered, or what went wrong."""
    remedy: str = ""
    """What to do about it."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a source still grants: requests in this window, seconds to its end, and requests of a whole window."""

    requests: int
    seconds: float
    window: int


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A page of the past, as it is listed now; whether its events were taken before is not looked at."""

    batch: Batch
    """The records, without a commit."""
    digests: Sequence[bytes]
    """What is remembered of each record's id."""
    times: Sequence[int]
    """When each happened (ms)."""
    reached: int | None
    """Everything of the period before this time (ms) has been listed by now; None where that can't be told."""


class Past(Protocol):
    """The past of one source: what `Commit.source` names."""

    @property
    def source(self) -> str:
        """Whose ids and checkpoint these are in the journal."""

    @property
    def kin(self) -> Sequence[str]:
        """Other sources that may list the same events: what one of them took, was taken."""

    @property
    def name(self) -> str:
        """For people, such as `audit_log of organization acme-corp`."""

    @property
    def stream(self) -> str:
        """Which kind of events."""

    @property
    def organization(self) -> str:
        """Who was asked."""

    def pages(self, since: int, until: int) -> AsyncIterator[Excerpt]:
        """List a period (ms, both ends included), at the pace that the source's limits allow.

        Raises:
            Unavailable: it can't be listed, with the reason and the cure.
        """

    def budget(self) -> Budget | None:
        """What the source still grants; None where nothing is known of limits."""

    def complete_until(self, checkpoint: bytes) -> int | None:
        """The time (ms) up to which, by this checkpoint, everything was taken."""

    def reads_from(self, checkpoint: bytes | None) -> int | None:
        """The time (ms) from which on the next run lists, by this checkpoint; None: all there is."""

    def rewound(self, checkpoint: bytes | None, to: int) -> bytes:
        """The checkpoint from which everything since `to` (ms) is read again."""


@runtime_checkable
class HasPast(Protocol):
    """A receiver whose source can be listed again."""

    async def past(self, stack: AsyncExitStack) -> Sequence[Past]:
        """Its sources; connections are closed with the stack."""


@runtime_checkable
class Probing(Protocol):
    """A receiver that can tell how it would fare."""

    async def probe(self) -> Sequence[Finding]:
        """Connect, and say what was found; takes nothing."""
