"""The proof that nothing is missing: a period is listed again and compared with what storage remembers.

An event counts by the first of these that holds: it is a dead letter; it waits for an exporter; storage took it,
and every exporter is past it, so it was delivered; storage took it, and every pipeline dropped it then; its id may
have been forgotten since it is older than `retention`, so nothing can be proven; it is missing.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

from shipper.core.batch import unpacked
from shipper.core.errors import Unavailable
from shipper.core.past import Past
from shipper.journal import inspection
from shipper.service.visits.backfill import Backfill, Progress
from shipper.service.visits.visit import Visit
from shipper.wire import otlp

State: TypeAlias = Literal["delivered", "waiting", "dead_letter", "dropped", "unknown", "missing"]

STATES: Final[tuple[State, ...]] = get_args(State)

#: What may stand in a report that is complete.
_ACCOUNTED: Final = ("delivered", "dead_letter", "dropped")

#: Kinds of pages that have the same id: the last one tells what became of it.
_TELLING: Final = ("shared", "dropped", "taken")

_HOUR: Final = 3_600_000


class Period(NamedTuple):
    """From when until when, both included, in ms."""

    since: int
    until: int


@dataclass(frozen=True, slots=True)
class Event:
    """An event as it was listed. `time` is ms."""

    uid: str
    digest: bytes
    time: int


@dataclass
class Stream:
    """One source, as it was listed and as it was found in storage."""

    receiver: str
    past: Past
    events: dict[bytes, Event] = field(default_factory=dict)
    states: dict[bytes, State] = field(default_factory=dict)
    failure: str = ""
    """Why it could not be listed to its end."""
    repaired: int = 0

    @property
    def counts(self) -> dict[State, int]:
        """Events by state; every state is there."""
        counted = Counter(self.states.values())
        return {state: counted[state] for state in STATES}

    @property
    def complete(self) -> bool:
        """Whether every event is accounted for."""
        return not self.failure and not any(n for state, n in self.counts.items() if state not in _ACCOUNTED)

    def uids(self, state: State | None = None) -> list[str]:
        """Ids, sorted, of one state or of all."""
        return sorted(event.uid for key, event in self.events.items() if state in (None, self.states[key]))

    def hours(self) -> dict[int, dict[State, int]]:
        """Events by the hour (ms) in which they happened, and by state."""
        hours: dict[int, Counter[State]] = {}
        for key, event in self.events.items():
            hours.setdefault(event.time // _HOUR * _HOUR, Counter())[self.states[key]] += 1
        return {hour: {s: counted[s] for s in STATES if counted[s]} for hour, counted in sorted(hours.items())}

    def fingerprint(self) -> str:
        """SHA-256 over the sorted ids, each followed by a line feed."""
        return hashlib.sha256(
            "".join(f"{uid}\n" for uid in self.uids()).encode("utf-8", "backslashreplace")
        ).hexdigest()


Tell = Callable[[str, int], None]
"""Told of the source and how many of its events were listed so far."""


async def list_streams(visit: Visit, period: Period, tell: Tell) -> list[Stream]:
    """List every source; one that can't be listed says so and holds no other back.

    Raises:
        Unavailable: no receiver has a past.
    """
    streams = [Stream(receiver, past) for receiver, past in await visit.pasts()]
    for stream in streams:
        try:
            async for excerpt in stream.past.pages(*period):
                for record, digest, time in zip(
                    excerpt.batch.records, excerpt.digests, excerpt.times, strict=True
                ):
                    stream.events[digest] = Event(record.uid, digest, time)
                tell(stream.past.name, len(stream.events))
                await asyncio.sleep(0)
        except Unavailable as failure:
            stream.failure = failure.reason
    return streams


def compare(streams: Sequence[Stream], path: Path) -> None:
    """Find every event's state in storage, as it is now; raises Unavailable."""
    if not path.exists():  # nothing was ever taken
        for stream in streams:
            stream.states = dict.fromkeys(stream.events, "missing")
        return
    with inspection.view(path) as view:
        waiting = {each.record.uid for chunk in view.waiting() for each in otlp.decode(_part(chunk))}
        dead = view.dead()
        for stream in streams:
            sources = (stream.past.source, *stream.past.kin)
            known: dict[bytes, State] = {}
            pages = [page for source in sources for page in view.remembered(source)]
            for page in sorted(pages, key=lambda page: _TELLING.index(page.kind)):
                known |= dict.fromkeys(
                    unpacked(page.digests), "dropped" if page.kind == "dropped" else "delivered"
                )
            forgotten = max((t for source in sources if (t := view.forgotten(source)) is not None), default=None)
            stream.states = {
                key: _state(event, known, waiting, dead, forgotten) for key, event in stream.events.items()
            }


async def repair(visit: Visit, streams: Sequence[Stream], period: Period, patience: float) -> None:
    """Ship what is missing, and give what waits to the exporters.

    Raises:
        Unavailable: it can't be listed or stored.
    """
    for stream in streams:
        missing = {key for key, state in stream.states.items() if state == "missing"}
        if missing:
            intake = visit.generation.intake(stream.receiver)
            services = visit.services
            backfill = Backfill(stream.past, intake, services.journal, services.clock, missing)
            stream.repaired = (await backfill.run(*period, _nobody)).shipped
    await visit.drain(patience)


def _nobody(_progress: Progress) -> None:
    """Nobody is told."""


def _part(chunk: Any) -> bytes:
    return chunk.payload if chunk.whole else otlp.cut(chunk.payload, chunk.start, chunk.stop)


def _state(
    event: Event, known: Mapping[bytes, State], waiting: set[str], dead: set[str], forgotten: int | None
) -> State:
    if event.uid in dead:
        return "dead_letter"
    if event.uid in waiting:
        return "waiting"
    if event.digest in known:
        return known[event.digest]
    return "unknown" if forgotten is not None and event.time <= forgotten else "missing"
