"""The loop to the right of the journal: read, send, move the cursor; nothing is lost on the way.

A cursor moves only behind records that the exporter took or that are kept as dead letters, in that order, so a
crash repeats at most what was under way.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

from shipper.core.component import Context, Exporter, Unanswered
from shipper.core.delivery import DeliveryConfig
from shipper.core.errors import Unavailable
from shipper.core.journal import Cursor, DeadLetter, Entry, Journal, pipeline_of
from shipper.core.waiting import first
from shipper.delivery.attempt import Attempts, Refusal
from shipper.delivery.doubt import Doubt
from shipper.delivery.window import Window

log = logging.getLogger(__name__)

#: Seconds until a journal that does not work is tried again.
_JOURNAL_RETRY: Final = 1.0

#: Bytes that a record is taken to be while the journal is empty, to tell how many would fit.
_USUAL_SIZE: Final = 512


class Delivery:
    """Brings one log to one exporter.

    Args:
        cursor: the log, and the exporter's id.
        exporter: makes the attempts.
        config: limits, timeout and retry.
        journal: where the records wait.
        context: the exporter's.
        dead_letter_log: gets a copy of each record that is refused for good, for dead-letter exporters;
            None where there are none, or where the log is itself one of dead letters.
        turns: shared by all deliveries of one exporter instance; by default this is the only one.
    """

    def __init__(  # noqa: PLR0913 - everything a delivery joins
        self,
        cursor: Cursor,
        exporter: Exporter,
        config: DeliveryConfig,
        journal: Journal,
        context: Context,
        *,
        dead_letter_log: str | None = None,
        turns: asyncio.Semaphore | None = None,
    ) -> None:
        self.cursor = cursor
        self._config = config
        self._journal = journal
        self._context = context
        self._dead_letter_log = dead_letter_log
        self._most = config.batch.max_records
        self._doubt: Doubt | None = None
        if isinstance(exporter, Unanswered):
            self._doubt = Doubt(exporter, self._most, self._advance, context.clock)
        ready = self._doubt.make_room if self._doubt else None
        turns = turns or asyncio.Semaphore(config.concurrency)
        self._attempts = Attempts(exporter, config, context, turns, ready)
        self._draining = asyncio.Event()
        self._moved = asyncio.Event()

    def __str__(self) -> str:
        return f"{self.cursor.log} => {self.cursor.reader}"

    async def open(self) -> None:
        """Hold the cursor's place in the log; raises Unavailable."""
        context, journal = self._context, self._journal
        context.health.starting(context.id)
        for name in ("otelcol_exporter_sent_log_records", "otelcol_exporter_send_failed_log_records"):
            context.meter.count(name, 0, exporter=context.id)
        pipeline = pipeline_of(self.cursor.log)
        context.meter.count("shipper_dead_letter_log_records", 0, pipeline=pipeline, component=context.id)
        context.meter.watch(
            "otelcol_exporter_queue_size", lambda: _waiting(journal, context.id), exporter=context.id
        )
        context.meter.watch("otelcol_exporter_queue_capacity", lambda: _capacity(journal), exporter=context.id)
        await journal.open(self.cursor)

    async def run(self) -> None:
        """Deliver until cancelled, whatever happens."""
        while True:
            try:
                async with asyncio.TaskGroup() as group:
                    await self._deliver_all(group)
            except* Unavailable:
                pass  # the storage has said so; it is tried again
            except* Exception:
                log.exception("delivery failed by a fault of its own; it starts again", extra=self._extra())
            await self._context.clock.sleep(_JOURNAL_RETRY)

    async def drained(self) -> None:
        """Return when nothing waits any more; from now on nothing is held back to fill a window."""
        self._draining.set()
        self._attempts.hurry.set()
        while waiting := self._journal.waiting(self.cursor):
            if self._doubt and self._doubt.place == self._place() + waiting:
                await self._attempts.persist(self._doubt.resolve)
            else:
                self._moved.clear()
                await self._moved.wait()

    async def finish(self) -> None:
        """Begin nothing more, and return when the outcome of what is under way is known and noted.

        Whoever ends a delivery without this may make the next one send a window again.
        """
        await self._attempts.cease()
        if self._doubt:
            with suppress(Unavailable):
                await self._doubt.resolve()

    async def _deliver_all(self, group: asyncio.TaskGroup) -> None:
        """Read and send, up to `concurrency` windows at once; their cursor moves in the order of the log."""
        start = await self._journal.open(self.cursor)
        free = asyncio.Semaphore(self._config.concurrency)
        former = asyncio.Event()
        former.set()
        if self._doubt:
            start = max(start, self._doubt.place or 0)
            group.create_task(self._doubt.watch(self._attempts.persist))
        while True:
            await free.acquire()
            window = await self._read(start)
            done = asyncio.Event()
            group.create_task(self._deliver(window, former, done)).add_done_callback(lambda _: free.release())
            former, start = done, window.next
            del window  # it may be large, and the next one may be hours away

    async def _read(self, start: int) -> Window:
        """The next window from `start` on, once it is full or has waited long enough."""
        batch = self._config.batch
        while True:
            await self._journal.wait(self.cursor, 1, start)
            await self._fill(start)
            try:
                chunks = await self._journal.read(self.cursor, self._most, batch.max_bytes, start)
            except Unavailable:
                chunks = []
            if chunks:
                return Window.of(chunks)
            self._moved.set()
            start = max(start, self._place())
            if self._journal.waiting(self.cursor):
                await self._context.clock.sleep(_JOURNAL_RETRY)

    async def _fill(self, start: int) -> None:
        """Wait for a full window from `start` on as long as the configuration allows."""
        interval = self._config.batch.flush_interval
        if self._draining.is_set() or not interval or self._journal.waiting(self.cursor, start) >= self._most:
            return
        await first(self._journal.wait(self.cursor, self._most, start), self._draining.wait(), timeout=interval)

    async def _deliver(self, window: Window, former: asyncio.Event, done: asyncio.Event) -> None:
        """Bring every record of a window to the exporter or to the dead letters, halving where it is refused."""
        parts = [window]
        dead: list[tuple[int, DeadLetter]] = []
        while parts:
            part = parts.pop()
            if part.count > 1 and len(part.otlp) > self._config.batch.max_bytes:
                parts += reversed(part.split())
                continue
            refusal = await self._attempts.send(part, partial(self._settle, part.next, dead, former, part.count))
            if refusal is not None:
                guilty, rest = refusal.apportion(part)
                dead += [(each.next, self._dead_letter(each, refusal)) for each in guilty]
                parts += reversed(rest)
        await self._settle(window.next, dead, former, 0)
        done.set()

    def _dead_letter(self, record: Window, refusal: Refusal) -> DeadLetter:
        return DeadLetter(
            pipeline=pipeline_of(self.cursor.log),
            component=self._context.id,
            uid=_uid(record),
            reason=refusal.reason,
            answer=refusal.answer,
            attempts=refusal.attempts,
            time=self._context.clock.now(),
            payload=record.otlp,
            exporter=True,
        )

    async def _settle(
        self, place: int, dead: list[tuple[int, DeadLetter]], former: asyncio.Event, sent: int
    ) -> None:
        """Records up to `place` are sent, or dead: keep that, behind the windows before. Empties `dead` so far."""
        await former.wait()
        passed = [letter for behind, letter in dead if behind <= place]
        dead[:] = [(behind, letter) for behind, letter in dead if behind > place]
        if self._doubt:
            await self._doubt.add(place, passed, sent=sent)
            self._moved.set()
        else:
            await self._advance(place, passed)

    async def _advance(self, place: int, passed: Sequence[DeadLetter]) -> None:
        """Move the cursor to `place`, with the dead letters before it.

        As often as it takes: what was sent must not be sent again because the storage does not work now.
        """
        entries = []
        if passed and self._dead_letter_log:
            payload = b"".join(letter.payload for letter in passed)
            entries.append(Entry(self._dead_letter_log, payload, len(passed)))
        while True:
            try:
                await self._journal.advance(self.cursor, place, passed, entries)
            except Unavailable:
                await self._context.clock.sleep(_JOURNAL_RETRY)
            else:
                break
        self._moved.set()
        if passed:
            self._buried(passed)

    def _buried(self, dead: Sequence[DeadLetter]) -> None:
        labels = {"pipeline": dead[0].pipeline, "component": dead[0].component}
        self._context.meter.count("shipper_dead_letter_log_records", len(dead), **labels)
        log.warning(
            "records were refused for good and are kept as dead letters: %s",
            dead[0].reason,
            extra=self._extra() | {"records": len(dead)},
        )

    def _extra(self) -> dict[str, Any]:
        return {"component": self._context.id, "log": self.cursor.log}

    def _place(self) -> int:
        return next(each.place for each in self._journal.cursors() if each.cursor == self.cursor)


def _uid(record: Window) -> str:
    try:
        return record.records[0].record.uid
    except ValueError:
        return ""


def _waiting(journal: Journal, exporter: str) -> int:
    """Records that wait for an exporter, in all logs it reads."""
    return sum(
        each.end - each.place for each in journal.cursors() if each.active and each.cursor.reader == exporter
    )


def _capacity(journal: Journal) -> float:
    """Records that fit the journal at their present mean size."""
    usage = journal.usage()
    return usage.capacity // max(1, usage.bytes // usage.records if usage.records else _USUAL_SIZE)
