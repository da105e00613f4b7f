"""A pipeline left of the journal: a batch goes through the processors and comes out as journal entries."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from shipper.core.batch import Batch, Commit, unpacked
from shipper.core.clock import Clock
from shipper.core.component import Processor
from shipper.core.journal import DeadLetter, Entry, Journal, dead_letter_log
from shipper.core.record import Record
from shipper.core.telemetry import Meter
from shipper.wire import otlp

#: The stage in front of every processor.
RECEIVED: Final = "received"

#: Told of every batch after each stage, for `shipper tap`: pipeline, stage, records.
Tap = Callable[[str, str, Sequence[Record]], None]


@dataclass
class Pipeline:
    """The processors of one pipeline, in order."""

    id: str
    processors: Sequence[tuple[str, Processor]]
    dead_letter: bool
    """Whether exporters wait for what is refused (it is kept in the journal either way)."""
    clock: Clock
    taps: list[Tap] = field(default_factory=list)
    taken: int = 0
    """Records it has put into the journal since it was built."""

    def process(self, batch: Batch) -> tuple[list[Entry], list[DeadLetter], set[str]]:
        """What the journal must take for `batch`, and the ids of what was not dropped.

        The batch's records are changed: give each pipeline its own.
        """
        records = list(batch.records)
        self._tap(RECEIVED, records)
        dead: list[DeadLetter] = []
        for name, processor in self.processors:
            records = processor(records)
            refused = [record for record in records if record.refusal]
            if refused:
                records = [record for record in records if not record.refusal]
                dead += [self._dead_letter(name, record, batch) for record in refused]
            self._tap(name, records)
        entries = []
        if records:
            entries.append(Entry(self.id, self._encode(records, batch), len(records)))
        if dead and self.dead_letter:
            log = dead_letter_log(self.id)
            entries.append(Entry(log, b"".join(letter.payload for letter in dead), len(dead)))
        return entries, dead, {record.uid for record in records} | {letter.uid for letter in dead}

    def _encode(self, records: Sequence[Record], batch: Batch) -> bytes:
        return otlp.encode(records, batch.resource, batch.scope, batch.body)

    def _dead_letter(self, processor: str, record: Record, batch: Batch) -> DeadLetter:
        return DeadLetter(
            pipeline=self.id,
            component=processor,
            uid=record.uid,
            reason=record.refusal,
            answer="",
            attempts=1,
            time=self.clock.now(),
            payload=self._encode([record], batch),
        )

    def _tap(self, stage: str, records: Sequence[Record]) -> None:
        for tap in self.taps:
            tap(self.id, stage, records)


class Intake:
    """One receiver's way into the journal, through every pipeline that names it, in one transaction."""

    def __init__(self, receiver: str, pipelines: Sequence[Pipeline], journal: Journal, meter: Meter) -> None:
        self._receiver = receiver
        self._pipelines = pipelines
        self._journal = journal
        self._meter = meter
        for name in ("otelcol_receiver_accepted_log_records", "otelcol_receiver_refused_log_records"):
            meter.count(name, 0, receiver=receiver)
        for pipeline in pipelines:
            for name, _ in pipeline.processors:
                meter.count("shipper_dead_letter_log_records", 0, pipeline=pipeline.id, component=name)

    async def emit(self, batch: Batch) -> None:
        """Store the batch for every pipeline, with its state, or raise and store nothing of it."""
        entries: list[Entry] = []
        dead: list[DeadLetter] = []
        kept: set[str] = set()
        for pipeline, own in zip(self._pipelines, self._one_each(batch), strict=True):
            more, refused, uids = pipeline.process(own)
            entries += more
            dead += refused
            kept |= uids
        try:
            await self._journal.append(entries, _dropping(batch, kept), dead, durable=batch.durable)
        except Exception:
            self._count("otelcol_receiver_refused_log_records", len(batch.records))
            raise
        self._count("otelcol_receiver_accepted_log_records", len(batch.records))
        for pipeline in self._pipelines:
            pipeline.taken += sum(entry.count for entry in entries if entry.log == pipeline.id)
        for letter in dead:
            self._meter.count(
                "shipper_dead_letter_log_records", pipeline=letter.pipeline, component=letter.component
            )

    async def checkpoint(self, source: str) -> bytes | None:
        """What the last commit of `source` left."""
        return await self._journal.checkpoint(source)

    async def seen(self, source: str, since: int) -> bytes:
        """Digests of the ids of `source` committed with times of at least `since` (ms), packed."""
        return await self._journal.seen(source, since)

    def _one_each(self, batch: Batch) -> Iterator[Batch]:
        """A batch for every pipeline; the last one takes the original, so a single pipeline copies nothing."""
        for _ in self._pipelines[1:]:
            yield replace(batch, records=[record.copy() for record in batch.records])
        yield batch

    def _count(self, name: str, n: int) -> None:
        self._meter.count(name, n, receiver=self._receiver)


def _dropping(batch: Batch, kept: set[str]) -> Commit | None:
    """The batch's commit, which notes what every pipeline dropped."""
    commit = batch.commit
    if commit is None or commit.seen is None or all(record.uid in kept for record in batch.records):
        return commit
    ids = list(zip(unpacked(commit.seen.digests), batch.records, strict=True))
    digests = b"".join(key for key, record in ids if record.uid in kept)
    dropped = b"".join(key for key, record in ids if record.uid not in kept)
    return replace(commit, seen=replace(commit.seen, digests=digests, dropped=dropped))
