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
from shipper.delivery.doubt import Doubt
from shipper.journal import memory_journal
from shipper.testing import ManualClock, RecordingExporter
from shipper.testing.samples import encode

CURSOR = Cursor("logs", "syslog")


class Unanswered(RecordingExporter):
    """Sends without answers; a test says when it can be found out what became of that."""

    def __init__(self, *script: BaseException | None, poison: tuple[str, ...] = ()) -> None:
        super().__init__(script, poison=poison)
        self.doubtful = 0
        self.most = 0
        self.asked = 0
        self.certain = False
        self.broken_off = 0
        self.answering = asyncio.Event()
        self.answering.set()

    async def export(self, window: Window) -> None:
        await super().export(window)
        self.doubtful += 0 if self.certain else window.count
        self.most = max(self.most, self.doubtful)

    async def settled(self) -> None:
        await self.answering.wait()
        if self.broken_off:
            self.broken_off -= 1
            raise Unavailable("the server broke off")
        self.asked += 1
        self.doubtful = 0


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
    clock = ManualClock(automatic=batch.pop("hasty", False))
    concurrency = batch.pop("concurrency", 1)
    settings = DeliveryConfig(
        concurrency=concurrency, batch=BatchConfig.model_validate({"flush_interval": "0s"} | batch)
    )
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
    """Without it, a server and a shipper that end at the same moment would lose the windows between them."""
    exporter = Unanswered()
    _, running = await deliver(journal, exporter, "1", "2", max_records=2)
    await exporter.attempted(1)
    await end(running)
    assert (exporter.taken, exporter.asked) == (["1", "2"], 0)
    assert journal.waiting(CURSOR) == 2
    again = Unanswered()
    delivery, running = await deliver(journal, again)
    await delivery.drained()
    await end(running)
    assert again.taken == ["1", "2"]


async def test_a_crash_repeats_at_most_one_batch(journal: Journal):
    """Before more than a batch would be in doubt, the server is asked."""
    exporter = Unanswered()
    _, running = await deliver(journal, exporter, *map(str, range(40)), max_records=8)
    await exporter.attempted(3)
    await end(running)
    again = Unanswered()
    delivery, running = await deliver(journal, again, max_records=8)
    await delivery.drained()
    await end(running)
    both = exporter.taken + again.taken
    assert sorted(set(both), key=int) == list(map(str, range(40)))
    assert len(both) - 40 <= 8
    assert max(exporter.most, again.most) == 8


async def test_what_another_log_settled_counts_as_held_here_until_it_is_noted(journal: Journal):
    """Else one exporter of two pipelines would repeat more than a batch of one of them."""
    exporter = Unanswered()
    _, running = await deliver(journal, exporter, *map(str, range(8)), max_records=8)
    await exporter.attempted(1)
    exporter.doubtful = 1  # another log has asked, and sent one more
    await journal.append([Entry("logs", encode(["8"]), 1)])
    await until(lambda: journal.waiting(CURSOR) == 1)
    await end(running)
    assert exporter.asked == 1


async def test_what_is_not_in_doubt_is_not_held(journal: Journal):
    exporter = Unanswered()
    exporter.certain = True
    _, running = await deliver(journal, exporter, "1", max_records=8)
    await until(lambda: journal.waiting(CURSOR) == 0)
    await end(running)
    assert (exporter.taken, exporter.asked) == (["1"], 0)


async def test_a_trickle_is_settled_within_two_minutes():
    """Windows that follow each other sooner than the quiet must not wait in storage until a batch is full."""
    exporter, clock = Unanswered(), ManualClock()
    places: list[int] = []

    async def settle(place: int, _letters: object) -> None:
        places.append(place)

    doubt = Doubt(exporter, 500, settle, clock)
    watching = asyncio.create_task(doubt.watch(lambda step: step()))
    for place in range(1, 31):
        exporter.doubtful += 1
        await doubt.add(place, [], sent=1)
        await until(lambda: clock.sleeping == 1)
        clock.advance(4.0)
        await asyncio.sleep(0.001)
    await end(watching)
    assert len(places) == 1


async def test_a_server_that_broke_off_is_asked_again_before_more_is_sent(journal: Journal):
    exporter = Unanswered()
    exporter.broken_off = 3
    delivery, running = await deliver(journal, exporter, *map(str, range(6)), max_records=2, hasty=True)
    await delivery.drained()
    await end(running)
    assert exporter.taken == list(map(str, range(6)))
    assert exporter.most <= 2
    assert exporter.broken_off == 0
    assert journal.waiting(CURSOR) == 0


async def test_what_nothing_follows_is_settled_after_a_while(journal: Journal):
    exporter = Unanswered()
    exporter.answering.clear()
    _, running = await deliver(journal, exporter, "1", hasty=True)
    await exporter.attempted(1)
    assert journal.waiting(CURSOR) == 1
    exporter.answering.set()
    await until(lambda: journal.waiting(CURSOR) == 0)
    await end(running)
    assert exporter.taken == ["1"]


async def test_draining_asks_the_server_as_often_as_it_takes(journal: Journal):
    exporter = Unanswered()
    exporter.broken_off = 2
    delivery, running = await deliver(journal, exporter, "1", "2", "3", max_records=8, hasty=True)
    await delivery.drained()
    await end(running)
    assert exporter.taken == ["1", "2", "3"]
    assert exporter.broken_off == 0
    assert journal.waiting(CURSOR) == 0


async def test_refused_records_wait_for_what_is_in_doubt_before_them(journal: Journal):
    exporter = Unanswered(poison=("2",))
    exporter.answering.clear()
    _, running = await deliver(journal, exporter, "1", "2", max_records=4, hasty=True)
    await exporter.attempted(2)
    await asyncio.sleep(0.01)
    assert journal.waiting(CURSOR) == 2
    exporter.answering.set()
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


async def test_finishing_goes_on_with_what_a_sent_window_waits_for(journal: Journal):
    """With several at once a window can be sent before the one in front of it: it would be sent again."""
    exporter = RecordingExporter([Unavailable("down")])
    delivery, running = await deliver(journal, exporter, "1", "2", "3", max_records=1, concurrency=2)
    await exporter.attempted(2)
    await delivery.finish()
    await end(running)
    assert exporter.attempts == [["1"], ["2"], ["1"]]
    assert journal.waiting(CURSOR) == 1
