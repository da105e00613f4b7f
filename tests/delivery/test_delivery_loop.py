"""The delivery loop: nothing lost, nobody waits for another, refusals found and kept."""

import asyncio
import logging
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shipper.core.component import Context, Paths, Window
from shipper.core.delivery import BatchConfig, DeliveryConfig, RetryConfig
from shipper.core.errors import Rejected, Unavailable
from shipper.core.journal import Cursor, Entry, Journal, dead_letter_log, retry_log
from shipper.core.telemetry import Health, Meter
from shipper.delivery import Delivery
from shipper.journal import memory_journal
from shipper.testing import FlakyJournal, ManualClock, RecordingExporter
from shipper.testing.samples import encode

PIPELINE = "logs/github"
DEAD = dead_letter_log(PIPELINE)
DOWN = Unavailable("connection refused; is the collector running?")


def config(**batch: Any) -> DeliveryConfig:
    return DeliveryConfig(batch=BatchConfig(**{"flush_interval": "0"} | batch))


class Scene:
    """A journal with deliveries on it, and what they say of themselves."""

    def __init__(self, journal: Journal, clock: ManualClock) -> None:
        self.journal = journal
        self.clock = clock
        self.meter = Meter()
        self.health = Health(clock)
        self.tasks: list[asyncio.Task[None]] = []

    async def deliver(
        self,
        exporter: Any,
        settings: DeliveryConfig | None = None,
        *,
        log: str = PIPELINE,
        name: str = "otlp",
        dead_letters: str | None = None,
        journal: Any = None,
    ) -> Delivery:
        context = Context(name, self.meter, self.health, self.clock, Paths(None, None))
        delivery = Delivery(
            Cursor(log, name),
            exporter,
            settings or config(),
            journal or self.journal,
            context,
            dead_letter_log=dead_letters,
        )
        await delivery.open()
        self.tasks.append(asyncio.create_task(delivery.run()))
        return delivery

    async def put(self, *uids: str, log: str = PIPELINE) -> None:
        await self.journal.append([Entry(log, encode(uids), len(uids))])

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.tasks.clear()

    async def letters(self) -> list[tuple[str, str, str, str, int]]:
        return [
            (each.component, each.uid, each.reason, each.answer, each.attempts)
            async for each in self.journal.dead_letters()
        ]

    def sent(self, name: str = "otlp") -> float:
        return self.meter.value("otelcol_exporter_sent_log_records", exporter=name)

    def failed(self, name: str = "otlp") -> float:
        return self.meter.value("otelcol_exporter_send_failed_log_records", exporter=name)


@asynccontextmanager
async def scene(clock: ManualClock) -> AsyncIterator[Scene]:
    journal = await memory_journal(clock)
    found = Scene(journal, clock)
    try:
        yield found
    finally:
        await found.stop()
        await journal.close()


@pytest.fixture
async def auto() -> AsyncIterator[Scene]:
    """A scene in which waits take no time."""
    async with scene(ManualClock(automatic=True)) as found:
        yield found


@pytest.fixture
async def still() -> AsyncIterator[Scene]:
    """A scene in which time stands still."""
    async with scene(ManualClock()) as found:
        yield found


async def test_records_are_sent_in_the_order_of_storage_within_the_limits(auto: Scene):
    exporter = RecordingExporter()
    await auto.journal.open(Cursor(PIPELINE, "otlp"))
    for number in range(5):
        await auto.put(*(f"{number}-{index}" for index in range(3)))
    delivery = await auto.deliver(exporter, config(max_records=4))
    await delivery.drained()
    assert [len(each) for each in exporter.attempts] == [4, 4, 4, 3]
    assert exporter.taken == [f"{number}-{index}" for number in range(5) for index in range(3)]
    assert (auto.sent(), auto.failed()) == (15, 0)


class _Forgetful:
    """Takes everything and keeps nothing; `gone` tells when nobody else has the last window any more."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    async def export(self, window: Window) -> None:
        self._last = weakref.ref(window, lambda _: self.gone.set())


async def test_nothing_of_what_was_sent_stays_in_memory_while_nothing_waits(auto: Scene):
    exporter = _Forgetful()
    delivery = await auto.deliver(exporter)
    await auto.put("a")
    await delivery.drained()
    async with asyncio.timeout(10):
        await exporter.gone.wait()


async def test_a_backlog_of_257_events_costs_three_requests_or_fewer(auto: Scene):
    exporter = RecordingExporter()
    await auto.journal.open(Cursor(PIPELINE, "otlp"))
    for size in (100, 100, 57):
        await auto.put(*(f"{size}-{index}" for index in range(size)))
    delivery = await auto.deliver(exporter)
    await delivery.drained()
    assert len(exporter.attempts) <= 3
    assert len(exporter.taken) == 257


async def test_no_request_is_larger_than_max_bytes_unless_one_record_is(auto: Scene):
    exporter = RecordingExporter()
    sizes: list[tuple[int, int]] = []

    async def export(window: Window) -> None:
        sizes.append((window.count, len(window.otlp)))

    exporter.export = export
    delivery = await auto.deliver(exporter, config(max_bytes=1000))
    await auto.put("x" * 5000, *(f"{index}" for index in range(20)), "y" * 3000)
    await delivery.drained()
    assert sum(count for count, _ in sizes) == 22
    assert all(size <= 1000 for count, size in sizes if count > 1)


async def test_records_wait_for_more_at_most_flush_interval(still: Scene):
    exporter = RecordingExporter()
    await still.deliver(exporter, config(flush_interval="1h", max_records=3))
    await still.put("1")
    await still.put("2")
    await still.put("3")
    await exporter.attempted(1)
    assert exporter.attempts == [["1", "2", "3"]]


async def test_draining_does_not_wait_to_fill_a_window(still: Scene):
    exporter = RecordingExporter()
    delivery = await still.deliver(exporter, config(flush_interval="1h"))
    await still.put("1")
    await delivery.drained()
    assert exporter.taken == ["1"]


async def test_an_outage_is_waited_out_with_the_same_records(still: Scene, caplog: pytest.LogCaptureFixture):
    exporter = RecordingExporter([DOWN, DOWN])
    delivery = await still.deliver(exporter)
    await still.put("1", "2")
    for attempt in (1, 2):
        await exporter.attempted(attempt)
        await until(lambda: still.clock.sleeping == 1)
        [state] = still.health.states()
        assert (state.status, state.error) == ("failing", DOWN.reason)
        assert state.next_try is not None
        assert state.next_try > still.clock.now()
        still.clock.advance(60)
    await delivery.drained()
    assert exporter.attempts == [["1", "2"]] * 3
    assert (still.sent(), still.failed()) == (2, 4)
    assert [state.status for state in still.health.states()] == ["ok"]
    assert [record.levelname for record in caplog.records if "exporter can't" in record.message] == ["WARNING"]


@pytest.mark.parametrize(("answer", "status"), [("status 400", "ok"), ("", "failing")])
async def test_a_refusal_ends_an_outage_if_it_is_the_backend_that_answers(auto: Scene, answer: str, status: str):
    """What an exporter refuses by itself, such as a message that is too long, shows nothing."""
    exporter = RecordingExporter([DOWN, Rejected("no", answer=answer), Rejected("no", answer=answer)])
    delivery = await auto.deliver(exporter)
    await auto.put("1")
    await delivery.drained()
    assert [state.status for state in auto.health.states()] == [status]


async def test_the_waits_grow_and_retry_after_is_obeyed(auto: Scene):
    exporter = RecordingExporter([DOWN] * 4 + [Unavailable("429", retry_after=77)])
    delivery = await auto.deliver(exporter, None)
    await auto.put("1")
    await delivery.drained()
    waits = [each for each in auto.clock.slept if each >= 0.25]
    assert 77 <= waits[-1] <= 85
    assert waits[3] > waits[0] * 0.9


async def test_401_makes_it_not_ready_at_once_and_is_waited_out(still: Scene):
    exporter = RecordingExporter([Unavailable("401: the token was refused; renew it", blocked=True)])
    delivery = await still.deliver(exporter)
    await still.put("1")
    await until(lambda: still.clock.sleeping == 1)
    assert [state.error for state in still.health.unready()] == ["401: the token was refused; renew it"]
    still.clock.advance(60)
    await delivery.drained()
    assert still.health.unready() == []
    assert exporter.taken == ["1"]


async def test_one_exporter_that_is_down_holds_nobody_else(still: Scene):
    down, up = RecordingExporter([DOWN] * 1000), RecordingExporter()
    await still.deliver(down, name="down")
    delivery = await still.deliver(up, name="up")
    for number in range(100):
        await still.put(str(number))
    await delivery.drained()
    assert up.taken == [str(number) for number in range(100)]
    assert still.meter.value("otelcol_exporter_queue_size", exporter="down") == 100
    assert still.meter.value("otelcol_exporter_queue_size", exporter="up") == 0


@pytest.mark.parametrize("named", [True, False])
async def test_refused_records_are_found_and_their_neighbours_arrive(auto: Scene, named: bool):
    poison = {"3", "7", "8", "19"}
    exporter = RecordingExporter(poison=poison, named=named)
    dead = RecordingExporter()
    delivery = await auto.deliver(exporter, dead_letters=DEAD)
    burial = await auto.deliver(dead, log=DEAD, name="file")
    await auto.put(*(str(number) for number in range(20)))
    await delivery.drained()
    await burial.drained()
    assert exporter.taken == [str(number) for number in range(20) if str(number) not in poison]
    assert dead.taken == ["3", "7", "8", "19"]
    assert [letter[:4] for letter in await auto.letters()] == [
        ("otlp", uid, "poison", "400 poison") for uid in ("3", "7", "8", "19")
    ]
    labels = {"pipeline": PIPELINE, "component": "otlp"}
    assert auto.meter.value("shipper_dead_letter_log_records", **labels) == 4
    assert auto.sent() == 16


async def test_finding_one_refused_record_among_512_takes_few_requests(auto: Scene):
    exporter = RecordingExporter(poison=["100"])
    delivery = await auto.deliver(exporter)
    await auto.put(*(str(number) for number in range(512)))
    await delivery.drained()
    assert len(exporter.taken) == 511
    assert len(exporter.attempts) <= 1 + 2 * 9


@pytest.mark.parametrize("indexes", [[], [99], [-1]])
async def test_a_refusal_that_names_nobody_is_found_by_halving(auto: Scene, indexes: list[int]):
    exporter = RecordingExporter([Rejected("no", indexes=indexes)], poison=["1"])
    delivery = await auto.deliver(exporter)
    await auto.put("0", "1", "2")
    await delivery.drained()
    assert exporter.taken == ["0", "2"]
    assert [letter[1] for letter in await auto.letters()] == ["1"]


async def test_a_dead_letter_exporter_that_refuses_does_not_make_more_of_them(auto: Scene):
    exporter = RecordingExporter(poison=["1"])
    dead = RecordingExporter(poison=["1"])
    delivery = await auto.deliver(exporter, dead_letters=DEAD)
    burial = await auto.deliver(dead, log=DEAD, name="file")
    await auto.put("1")
    await delivery.drained()
    await burial.drained()
    assert [letter[:2] for letter in await auto.letters()] == [("otlp", "1"), ("file", "1")]
    assert auto.journal.waiting(Cursor(DEAD, "file")) == 0


async def test_a_dead_letter_given_again_reaches_only_who_refused_it(auto: Scene):
    exporter, other = RecordingExporter(poison=["1"]), RecordingExporter()
    deliveries = [
        await auto.deliver(exporter),
        await auto.deliver(exporter, log=retry_log(PIPELINE, "otlp")),
        await auto.deliver(other, name="other"),
    ]
    await auto.put("0", "1")
    for delivery in deliveries:
        await delivery.drained()
    exporter._poison = frozenset()
    assert await auto.journal.retry([1]) == 1
    await deliveries[1].drained()
    assert exporter.taken == ["0", "1"]
    assert other.taken == ["0", "1"]
    assert await auto.letters() == []


@pytest.mark.parametrize(
    ("retry", "reason"),
    [
        (RetryConfig(enabled=False), "given up after 0 s: connection refused"),
        (RetryConfig(max_elapsed_time="20s", max_interval="5s"), "given up after 2"),
    ],
)
async def test_giving_up_is_kept_as_dead_letters(auto: Scene, retry: RetryConfig, reason: str):
    exporter = RecordingExporter([DOWN] * 1000)
    delivery = await auto.deliver(
        exporter, DeliveryConfig(retry_on_failure=retry, batch=BatchConfig(flush_interval="0"))
    )
    await auto.put("1", "2")
    await delivery.drained()
    letters = await auto.letters()
    assert [letter[1] for letter in letters] == ["1", "2"]
    assert all(letter[2].startswith(reason) for letter in letters)
    assert letters[0][4] == len(exporter.attempts)


async def test_a_fault_of_the_exporter_loses_nothing_and_is_logged_once(
    auto: Scene, caplog: pytest.LogCaptureFixture
):
    exporter = RecordingExporter([KeyError("x"), KeyError("x"), asyncio.CancelledError()])
    delivery = await auto.deliver(exporter)
    await auto.put("1")
    await delivery.drained()
    assert exporter.taken == ["1"]
    assert len([record for record in caplog.records if record.exc_info]) == 2


async def test_an_attempt_that_hangs_is_ended_by_the_timeout(auto: Scene):
    exporter = RecordingExporter()
    took = exporter.export

    async def export(window: Window) -> None:
        exporter.export = took
        await asyncio.Event().wait()

    exporter.export = export
    delivery = await auto.deliver(exporter, DeliveryConfig(timeout="10ms"))
    await auto.put("1")
    await delivery.drained()
    assert exporter.taken == ["1"]
    assert auto.failed() == 1


async def test_a_storage_that_fails_after_the_export_does_not_send_twice(auto: Scene):
    exporter = RecordingExporter()
    flaky = FlakyJournal(auto.journal, rate=0.7)
    delivery = await auto.deliver(exporter, config(max_records=1), journal=flaky)
    await auto.put(*(str(number) for number in range(30)))
    await delivery.drained()
    assert exporter.taken == [str(number) for number in range(30)]
    assert flaky.failures > 10


async def test_stopped_in_the_middle_it_goes_on_where_it_was(auto: Scene):
    exporter = RecordingExporter()
    await auto.deliver(exporter, config(max_records=1))
    await auto.put(*(str(number) for number in range(50)))
    await exporter.attempted(10)
    await auto.stop()
    delivery = await auto.deliver(exporter, config(max_records=1))
    await delivery.drained()
    assert sorted(set(exporter.taken), key=int) == [str(number) for number in range(50)]
    assert len(exporter.taken) <= 51, "at most one batch is sent twice"


async def test_several_requests_at_once_move_the_cursor_in_order(still: Scene):
    under_way: dict[str, asyncio.Event] = {}

    class Slow(RecordingExporter):
        async def export(self, window: Window) -> None:
            gate = under_way[window.records[0].record.uid] = asyncio.Event()
            await gate.wait()
            await super().export(window)

    settings = DeliveryConfig(concurrency=3, batch=BatchConfig(max_records=1, flush_interval="0"))
    cursor = Cursor(PIPELINE, "otlp")
    delivery = await still.deliver(Slow(), settings)
    await still.put("0", "1", "2", "3")
    await until(lambda: set(under_way) == {"0", "1", "2"})
    under_way["1"].set()
    await until(lambda: still.sent() == 1)
    assert still.journal.waiting(cursor) == 4, "nothing before it was sent yet"
    under_way["0"].set()
    await until(lambda: still.journal.waiting(cursor) == 2)
    under_way["2"].set()
    await until(lambda: "3" in under_way)
    under_way["3"].set()
    await delivery.drained()


async def test_what_comes_after_a_slow_answer_is_sent_at_once(still: Scene):
    """The cursor moves while the next window is waited for, which must not make it wait for more."""
    answer = asyncio.Event()

    class Slow(RecordingExporter):
        async def export(self, window: Window) -> None:
            await super().export(window)
            await answer.wait()

    exporter = Slow()
    settings = DeliveryConfig(concurrency=2, batch=BatchConfig(flush_interval="0"))
    await still.deliver(exporter, settings)
    await still.put("1", "2", "3")
    await exporter.attempted(1)
    answer.set()
    await until(lambda: still.journal.waiting(Cursor(PIPELINE, "otlp")) == 0)
    await still.put("4")
    await exporter.attempted(2)
    assert exporter.taken == ["1", "2", "3", "4"]


async def test_draining_tries_once_more_at_once(still: Scene):
    exporter = RecordingExporter([DOWN])
    delivery = await still.deliver(exporter)
    await still.put("1")
    await until(lambda: still.clock.sleeping == 1)
    await delivery.drained()
    assert exporter.taken == ["1"]


async def test_capacity_is_told_in_records(auto: Scene):
    await auto.deliver(RecordingExporter([DOWN] * 10**6))
    assert auto.meter.value("otelcol_exporter_queue_capacity", exporter="otlp") == 2**30 // 512
    await auto.put(*(str(number) for number in range(100)))
    capacity = auto.meter.value("otelcol_exporter_queue_capacity", exporter="otlp")
    assert capacity == 2**30 // (auto.journal.usage().bytes // 100)


async def test_secrets_of_records_are_not_logged(auto: Scene, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    exporter = RecordingExporter(poison=["secret-uid"])
    delivery = await auto.deliver(exporter)
    await auto.put("secret-uid")
    await delivery.drained()
    assert "secret-uid" not in caplog.text


async def until(condition: Any) -> None:
    """Let others run until something holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - whatever it is that others do
            await asyncio.sleep(0)
