"""Where a journal stands: checkpoints with their lag, queues, dead letters; and moving a checkpoint back."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shipper.config import Loaded
from shipper.core.clock import SystemClock
from shipper.core.errors import ShipperError
from shipper.core.journal import Checkpoint, CursorState, Journal, LogState
from shipper.core.past import Past
from shipper.core.telemetry import Health, Meter
from shipper.journal import inspection
from shipper.journal.lock import in_use
from shipper.service.storage import open_storage
from shipper.service.visits.evidence import moment
from shipper.service.visits.visit import look


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything `state show` tells."""

    path: Path
    in_use: bool
    capacity: int
    snapshot: inspection.Snapshot
    complete_until: dict[str, int]
    """By source: the time (ms) up to which everything was taken, where the configuration has the source."""
    now: int
    """ms."""

    def plain(self) -> dict[str, Any]:
        """The same as plain data."""
        found = self.snapshot
        return {
            "storage": {
                "path": str(self.path),
                "in_use": self.in_use,
                "records": found.usage.records,
                "bytes": found.usage.bytes,
                "capacity_bytes": self.capacity,
                "dead_letters": found.usage.dead_letters,
            },
            "checkpoints": [self._checkpoint(each) for each in found.checkpoints],
            "queues": [_queue(each) for each in found.cursors],
            "logs": [_log(each) for each in found.logs],
        }

    def _checkpoint(self, checkpoint: Checkpoint) -> dict[str, Any]:
        until = self.complete_until.get(checkpoint.source)
        return {
            "source": checkpoint.source,
            "committed": moment(checkpoint.time // 1_000_000),
            "complete_until": None if until is None else moment(until),
            "lag_seconds": None if until is None else max(self.now - until, 0) / 1000,
        }


def _queue(state: CursorState) -> dict[str, Any]:
    return {
        "log": state.cursor.log,
        "exporter": state.cursor.reader,
        "waiting": state.end - state.place,
        "place": state.place,
        "active": state.active,
    }


def _log(state: LogState) -> dict[str, Any]:
    return {"log": state.name, "records": state.end - state.start, "end": state.end, "bytes": state.bytes}


async def standing(loaded: Loaded, path: Path, now: int) -> Standing:
    """Look at the journal, also while a shipper runs. `now`: ms; raises Unavailable."""
    found = inspection.snapshot(path)
    values = {each.source: each.value for each in found.checkpoints}
    async with look(loaded) as visited:
        pasts = [past for _, past in await visited.pasts()] if values else []
    known = {past.source: past.complete_until(values[past.source]) for past in pasts if past.source in values}
    complete = {source: until for source, until in known.items() if until is not None}
    return Standing(path, in_use(path), loaded.storage.max_size, found, complete, now)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which sources are meant; None: all."""

    receiver: str
    organization: str | None = None
    stream: str | None = None

    def takes(self, receiver: str, past: Past) -> bool:
        """Whether a source is meant."""
        organization = self.organization
        return (
            receiver == self.receiver
            and (organization is None or past.organization.lower() == organization.lower())
            and (self.stream is None or past.stream == self.stream)
        )


class NothingFits(ShipperError):
    """The configuration has no source such as was chosen; says which there are."""


@dataclass(frozen=True, slots=True)
class Rewound:
    """What a rewind did to one source."""

    source: str
    reads_from: int | None
    """The time (ms) from which on the next run lists; None: all there is."""
    moved: bool
    """Whether it began later before."""
    again: bool
    """Whether what was known was forgotten, so that it is shipped again."""

    def plain(self) -> dict[str, Any]:
        """The same as plain data."""
        reads_from = None if self.reads_from is None else moment(self.reads_from)
        return {"source": self.source, "reads_from": reads_from, "rewound": self.moved, "again": self.again}


async def rewind(loaded: Loaded, choice: Choice, to: int, *, again: bool) -> list[Rewound]:
    """Have sources read again from `to` (ms) on; a source that begins earlier anyway keeps its place.

    Ids that are known stay known, so that only what is missing is shipped; with `again`, those from `to` on are
    forgotten, and everything is shipped again.

    Raises:
        NothingFits: nothing was chosen.
        Unavailable: the storage can't be used, as while a shipper has it open.
    """
    async with look(loaded) as visited, AsyncExitStack() as stack:
        pasts = await visited.pasts()
        chosen = [past for receiver, past in pasts if choice.takes(receiver, past)]
        if not chosen:
            there = sorted({past.name for receiver, past in pasts if receiver == choice.receiver})
            raise NothingFits(f"{choice.receiver} has {', '.join(there) or 'nothing that can be listed again'}")
        clock = SystemClock()
        journal = await open_storage(loaded, clock, Meter(), Health(clock))
        stack.push_async_callback(journal.close)
        return [await _rewind(journal, past, to, again=again) for past in chosen]


async def _rewind(journal: Journal, past: Past, to: int, *, again: bool) -> Rewound:
    """Never forward: what lies between would be skipped."""
    former = await journal.checkpoint(past.source)
    begins = past.reads_from(former)
    moved = begins is not None and begins > to
    value = former if begins is None else past.rewound(former, min(begins, to))
    if moved or again:
        await journal.rewind(past.source, value, to if again else None)
    return Rewound(past.source, to if moved else begins, moved, again)
