"""Where a journal stands: checkpoints with their lag, queues, dead letters; and moving a checkpoint back."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shipper.config import Loaded
from shipper.core.clock import SystemClock
from shipper.core.errors import Unavailable
from shipper.core.journal import Checkpoint, CursorState, LogState
from shipper.core.past import Past
from shipper.core.telemetry import Health, Meter
from shipper.journal import inspection
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
    return Standing(path, inspection.in_use(path), loaded.storage.max_size, found, complete, now)


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


async def rewind(loaded: Loaded, choice: Choice, to: int, *, again: bool) -> list[str]:
    """Have sources read again from `to` (ms) on; those that were moved.

    Ids that are known stay known, so that only what is missing is shipped; with `again`, those from `to` on are
    forgotten, and everything is shipped again.

    Raises:
        Unavailable: the storage can't be used, as while a shipper has it open.
    """
    async with look(loaded) as visited, AsyncExitStack() as stack:
        chosen = [past for receiver, past in await visited.pasts() if choice.takes(receiver, past)]
        if not chosen:
            raise Unavailable("no source of the configuration fits; see shipper state show")
        clock = SystemClock()
        journal = await open_storage(loaded, clock, Meter(), Health(clock))
        stack.push_async_callback(journal.close)
        for past in chosen:
            former = await journal.checkpoint(past.source)
            await journal.rewind(past.source, past.rewound(former, to), to if again else None)
    return [past.source for past in chosen]
