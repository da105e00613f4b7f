"""A batch: records of one resource, and the state that must be committed with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from shipper.core.record import Record

DIGEST_SIZE = 16
"""Bytes of one remembered id: wide enough that nobody finds two events with the same one."""

BodyKind: TypeAlias = Literal["map", "json"]


class Scope(NamedTuple):
    """The OTLP instrumentation scope: which part of which version made the records."""

    name: str
    version: str


def unpacked(digests: bytes) -> list[bytes]:
    """Digests of ids, one by one."""
    return [digests[start : start + DIGEST_SIZE] for start in range(0, len(digests), DIGEST_SIZE)]


@dataclass(frozen=True, slots=True)
class Seen:
    """The ids of one page, packed: `DIGEST_SIZE` bytes each, with the span of their times in ms."""

    digests: bytes
    """Those of the batch's records, in their order; in the journal, of records that some pipeline kept."""
    oldest: int
    newest: int
    shared: bytes = b""
    """Those of which the record came with another commit, which then has to be there, too."""
    dropped: bytes = b""
    """Those of which nothing is stored, since every pipeline dropped them; receivers leave it to these."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What a receiver must find again after a crash; stored in the transaction that stores its records.

    `source` names whose state it is, such as `github/acme-corp/audit_log`. `checkpoint` is the receiver's
    own encoding (None: unchanged). Ids seen before `forget_before` (ms) may be forgotten.
    """

    source: str
    checkpoint: bytes | None = None
    seen: Seen | None = None
    forget_before: int | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Records with one resource and scope. An empty one still commits its state."""

    records: Sequence[Record]
    resource: Mapping[str, str]
    scope: Scope
    commit: Commit | None = None
    body: BodyKind = "map"
    """How bodies are encoded: as an OTLP map, or as one JSON string (cheaper)."""
    durable: bool = False
    """Whether the source will never send this again (a push): the commit then survives a power cut."""
