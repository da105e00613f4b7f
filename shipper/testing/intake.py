"""The receiver's way into a journal, without a pipeline between."""

from collections.abc import Callable
from typing import Any

from shipper.core.batch import Batch, unpacked
from shipper.core.journal import Entry
from shipper.wire import otlp


class JournalIntake:
    """`core.component.Intake` straight into one log of a journal.

    Args:
        journal: a `Journal`, or a `FlakyJournal` around one.
        log: which log.
        before: called before each batch is stored; may raise.
    """

    def __init__(self, journal: Any, log: str = "logs", before: Callable[[Batch], None] | None = None) -> None:
        self._journal = journal
        self._log = log
        self._before = before

    async def emit(self, batch: Batch) -> None:
        """Store a batch with its state.

        Raises:
            AssertionError: the ids of its commit are not those of its records, one for each.
        """
        if self._before:
            self._before(batch)
        seen = batch.commit.seen if batch.commit else None
        if seen is not None and len(unpacked(seen.digests)) != len(batch.records):
            raise AssertionError(f"{len(unpacked(seen.digests))} ids for {len(batch.records)} records")
        entries = []
        if batch.records:
            payload = otlp.encode(batch.records, batch.resource, batch.scope, batch.body)
            entries.append(Entry(self._log, payload, len(batch.records)))
        await self._journal.append(entries, batch.commit, durable=batch.durable)

    async def checkpoint(self, source: str) -> bytes | None:
        """What the last commit of `source` left."""
        checkpoint: bytes | None = await self._journal.checkpoint(source)
        return checkpoint

    async def seen(self, source: str, since: int) -> bytes:
        """Digests of the ids `source` committed."""
        digests: bytes = await self._journal.seen(source, since)
        return digests
