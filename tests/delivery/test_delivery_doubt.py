"""Exporters whose backend never answers: what is in doubt stays in storage; and endings that double nothing."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from shipper.core.component import Context, Paths, Window
from shipper.core.delivery import BatchConfig, DeliveryConfig
from shipper.core.errors import Unavailable
from shipper.core.journal import Cursor, Entry, Journal
from shipper.core.telemetry import Health, Meter
from shipper.delivery import Delivery
from shipper.journal import memory_journal
from shipper.testing import ManualClock, RecordingExporter
from shipper.testing.samples import encode

CURSOR = Cursor("logs", "syslog")


class Unanswered(RecordingExporter):
    """Sends without answers; a test says when a window is beyond doubt."""

    def __init__(self, *script: BaseException | None, poison: tuple[str, ...] = ()) -> None:
        super().__init__(script, poison=poison)
        self.beyond_doubt = asyncio.Event()
        self.asked = 0
        self.broken_off = 0

    async def settled(self, *, at_once: bool) -> None:
        if not at_once:
            await self.beyond_doubt.wait()
        elif self.broken_off:
            self.broken_off -= 1
            raise Unavailable("the server broke off")
        else:
            self.asked += 1


class Gate(RecordingExporter):
    """Takes records, and answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = asyncio.Event()

    async def export(self, window: Window) -> None:
        await super().export(window)
        await self.answer.wait()


@pytest.fixture
async def journal() -> AsyncIterator[Journal]:
    clock = ManualClock(automatic=True)
    made = await memory_journal(clock)
    yield made
    await made.close()


async def deliver(journal: Journal, exporter: RecordingExporter, *uids: str, **batch: object):
    """A delivery that runs, with these records before it."""
    clock = ManualClock(automatic=True)
    settings = DeliveryConfig(batch=BatchConfig.model_validate({"flush_interval": "0s"} | batch))
    context = Context("syslog", Meter(), Health(clock), clock, Paths(None, None))
    delivery = Delivery(CURSOR, exporter, settings, journal, context)
    await delivery.open()
    await journal.append([Entry("logs", encode([uid]), 1) for uid in uids])
    return delivery, asyncio.create_task(delivery.run())


async def end(running: asyncio.Task[None]) -> None:
    running.cancel()
    await asyncio.wait([running])


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - whatever it is that others do
            await asyncio.sleep(0.001)


async def test_a_crash_sends_again_what_was_in_doubt(journal: Journal):
    """Without it, a server and a shipper that end at the same moment would lose the window between them."""
    exporter = Unanswered()
    _, running = await deliver(journal, exporter, "1", "2", max_records=2)
    await exporter.attempted(2)
    await until(lambda: journal.waiting(CURSOR) == 1)  # the first is settled by the second, which is in doubt
    await end(running)
    assert exporter.taken == ["1", "2"]
    assert journal.waiting(CURSOR) == 1
    again = Unanswered()
    delivery, running = await deliver(journal, again)
    await delivery.drained()
    await end(running)
    assert again.taken == ["2"]


async def test_a_crash_repeats_at_most_one_batch(journal: Journal):
    """The window in doubt and the one under way are half a batch each."""
    exporter = Unanswered()
    _, running = await deliver(journal, exporter, *map(str, range(40)), max_records=8)
    await exporter.attempted(5)
    await end(running)
    again = Unanswered()
    delivery, running = await deliver(journal, again)
    await delivery.drained()
    await end(running)
    both = exporter.taken + again.taken
    assert sorted(set(both), key=int) == list(map(str, range(40)))
    assert len(both) - 40 <= 8


async def test_what_is_beyond_doubt_is_settled_without_a_following_window(journal: Journal):
    exporter = Unanswered()
    _, running = await deliver(journal, exporter, "1")
    await exporter.attempted(1)
    assert journal.waiting(CURSOR) == 1
    exporter.beyond_doubt.set()
    await until(lambda: journal.waiting(CURSOR) == 0)
    await end(running)
    assert exporter.taken == ["1"]


async def test_draining_asks_the_server_as_often_as_it_takes(journal: Journal):
    exporter = Unanswered()
    exporter.broken_off = 2
    delivery, running = await deliver(journal, exporter, "1", "2", "3", max_records=2)
    await delivery.drained()
    await end(running)
    assert exporter.taken == ["1", "2", "3"]
    assert exporter.asked == 1, "once, when nothing else is to be sent"
    assert journal.waiting(CURSOR) == 0


async def test_refused_records_wait_for_what_is_in_doubt_before_them(journal: Journal):
    exporter = Unanswered(poison=("2",))
    _, running = await deliver(journal, exporter, "1", "2", max_records=2)
    await exporter.attempted(2)
    await asyncio.sleep(0.01)
    assert journal.waiting(CURSOR) == 2
    exporter.beyond_doubt.set()
    await until(lambda: journal.waiting(CURSOR) == 0)
    await end(running)
    assert [letter.uid async for letter in journal.dead_letters()] == ["2"]


async def test_finishing_waits_for_the_answer_under_way_and_begins_nothing_more(journal: Journal):
    """So that a reload doubles nothing."""
    exporter = Gate()
    delivery, running = await deliver(journal, exporter, "1", "2", max_records=1)
    await exporter.attempted(1)
    finishing = asyncio.create_task(delivery.finish())
    await asyncio.sleep(0.01)
    assert not finishing.done()
    exporter.answer.set()
    await finishing
    await end(running)
    assert exporter.taken == ["1"]
    assert journal.waiting(CURSOR) == 1


async def test_finishing_does_not_wait_for_a_backend_that_is_down(journal: Journal):
    exporter = RecordingExporter([Unavailable("down")] * 10**5)
    delivery, running = await deliver(journal, exporter, "1")
    await exporter.attempted(1)
    await delivery.finish()
    await end(running)
    assert journal.waiting(CURSOR) == 1
