"""Backfilling and reconciling with a scripted past: resuming, forgetting, and every state an event can be in."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from shipper.core.batch import Batch, Commit, Scope, Seen
from shipper.core.clock import SystemClock
from shipper.core.errors import Unavailable
from shipper.core.journal import Cursor, DeadLetter, Entry, Limits
from shipper.core.past import Budget, Excerpt
from shipper.core.record import Record
from shipper.core.telemetry import Health, Meter
from shipper.journal import memory_journal, open_journal
from shipper.service.pipeline import Intake, Pipeline
from shipper.service.visits.backfill import Backfill, Progress, duration
from shipper.service.visits.reconcile import Event, Stream, compare
from shipper.testing import ManualClock
from shipper.wire import otlp

MINUTE = 60_000


def digest(uid: str) -> bytes:
    return uid.encode().rjust(16, b"-")


def record(uid: str, ms: int) -> Record:
    return Record(uid, "audit_log", "github.audit_log.x", ms * 1_000_000, 0, {"id": uid})


class ScriptedPast:
    """Events at the minutes of their names, two a page; breaks off before page `breaks`."""

    source = "github/acme/audit_log"
    name = "audit_log of organization acme"
    stream = "audit_log"
    organization = "acme"
    kin: Sequence[str] = ()

    def __init__(self, count: int) -> None:
        self.events = [record(f"e{minute}", minute * MINUTE) for minute in range(count)]
        self.breaks: int | None = None
        self.asked: list[tuple[int, int]] = []

    async def pages(self, since, until):
        self.asked.append((since, until))
        mine = [each for each in self.events if since <= each.timestamp // 1_000_000 <= until]
        for page in range(0, len(mine), 2):
            if self.breaks == page // 2:
                raise Unavailable("GitHub answered 503")
            records = mine[page : page + 2]
            times = [each.timestamp // 1_000_000 for each in records]
            batch = Batch(records, {"service.name": "github"}, Scope("s", "1"))
            yield Excerpt(batch, [digest(each.uid) for each in records], times, times[-1])

    def budget(self):
        return None


async def taken(journal) -> list[str]:
    await journal.open(Cursor("logs", "all"))
    chunks = await journal.read(Cursor("logs", "all"), 1000, 2**20, 0)
    return [each.record.uid for chunk in chunks for each in otlp.decode(chunk.payload)]


def backfill(past, journal, clock, only=None) -> Backfill:
    intake = Intake("github", [Pipeline("logs", [], False, clock)], journal, Meter())
    return Backfill(past, intake, journal, clock, only)


async def test_an_interrupted_backfill_goes_on_where_it_was_and_a_finished_one_begins_anew():
    clock = ManualClock()
    journal = await memory_journal(clock)
    past = ScriptedPast(10)
    past.breaks = 3
    with pytest.raises(Unavailable):
        await backfill(past, journal, clock).run(0, 9 * MINUTE, lambda _: None)
    past.breaks = None
    progress = await backfill(past, journal, clock).run(30_000, 9 * MINUTE, lambda _: None)
    assert past.asked == [(0, 9 * MINUTE), (5 * MINUTE, 9 * MINUTE)]
    assert (progress.resumed, progress.shipped, progress.known) == (True, 4, 1)
    assert await taken(journal) == [f"e{minute}" for minute in range(10)]
    again = await backfill(past, journal, clock).run(0, 9 * MINUTE, lambda _: None)
    assert (again.resumed, again.shipped, again.known) == (False, 0, 10)
    await journal.close()


async def test_only_what_is_missing_is_shipped_when_that_is_asked_for():
    clock = ManualClock()
    journal = await memory_journal(clock)
    past = ScriptedPast(6)
    await backfill(past, journal, clock, {digest("e1"), digest("e4")}).run(0, 9 * MINUTE, lambda _: None)
    assert await taken(journal) == ["e1", "e4"]
    await journal.close()


async def test_what_another_listing_of_the_same_events_took_is_not_shipped_again():
    """The enterprise took it live; a backfill of the organization knows it by that."""
    clock = ManualClock()
    journal = await memory_journal(clock)
    await journal.append([], Commit("github/big/audit_log", None, Seen(digest("e1"), 0, MINUTE)))
    past = ScriptedPast(3)
    past.kin = ["github/big/audit_log"]
    progress = await backfill(past, journal, clock).run(0, 9 * MINUTE, lambda _: None)
    assert (progress.shipped, progress.known) == (2, 1)
    assert await taken(journal) == ["e0", "e2"]
    await journal.close()


@pytest.mark.parametrize(
    ("pages", "budget", "seconds"),
    [
        (10, None, 20),
        (10, Budget(requests=10, seconds=600, window=1650), 20),
        (110, Budget(requests=10, seconds=600, window=1650), 800),
        (1760, Budget(requests=10, seconds=600, window=1650), 4400),
    ],
    ids=["no limit", "within the window", "in the next window", "in the window after that"],
)
def test_the_time_left_counts_windows_of_quota(pages, budget, seconds):
    assert duration(pages, 2.0, budget) == seconds


def test_nothing_is_said_of_the_time_left_before_the_first_page():
    assert Progress(ScriptedPast(1), 0, 10, 0).seconds_left() is None


@pytest.fixture
async def storage(tmp_path):
    clock = ManualClock()
    journal = await open_journal(tmp_path / "j.db", clock, Meter(), Health(clock), Limits(retention=3600))
    yield tmp_path / "j.db", journal, clock
    await journal.close()


def entry(*uids: str) -> Entry:
    records = [record(uid, 0) for uid in uids]
    return Entry("logs", otlp.encode(records, {}, Scope("s", "1")), len(uids))


def page(*uids: str, at: int) -> Commit:
    packed = b"".join(map(digest, uids))
    return Commit("github/acme/audit_log", None, Seen(packed, at, at))


async def test_every_state_an_event_can_be_in(storage):
    path, journal, clock = storage
    cursor = Cursor("logs", "otlp")
    await journal.open(cursor)
    await journal.append([entry("old")], replace(page("old", at=1000), forget_before=5000))
    commit = page("sent", "sent-too", "waits", at=9000)
    dropped = replace(commit, seen=replace(commit.seen, dropped=digest("drop")))
    await journal.append([entry("sent", "sent-too", "waits")], dropped)
    letter = DeadLetter("logs", "otlp", "dead", "no", "", 1, 0, entry("dead").payload)
    await journal.append([], page("dead", at=9000), [letter])
    await journal.advance(cursor, 3)
    clock.advance(4000)
    await journal.append([entry("x")], page("x", at=10_000))
    await _upkept(journal, "old")
    stream = Stream("github", ScriptedPast(0))
    times = {"old": 1000, "sent": 9000, "sent-too": 9000, "waits": 9000, "drop": 9000, "dead": 9000, "gone": 9000}
    for uid, ms in times.items():
        stream.events[digest(uid)] = Event(uid, digest(uid), ms)
    compare([stream], path)
    assert {stream.events[key].uid: state for key, state in stream.states.items()} == {
        "old": "unknown",
        "sent": "delivered",
        "sent-too": "delivered",
        "waits": "waiting",
        "drop": "dropped",
        "dead": "dead_letter",
        "gone": "missing",
    }
    assert not stream.complete
    assert stream.hours() == {
        0: {
            "delivered": 2, "waiting": 1, "dead_letter": 1, "dropped": 1, "unknown": 1, "missing": 1,
        }
    }  # fmt: skip


async def _upkept(journal, uid: str) -> None:
    """Return when upkeep has forgotten an id."""
    while digest(uid) in await journal.seen("github/acme/audit_log", 0):
        await SystemClock().sleep(0.05)


async def test_without_a_journal_everything_is_missing(tmp_path):
    stream = Stream("github", ScriptedPast(0))
    stream.events[digest("a")] = Event("a", digest("a"), 0)
    compare([stream], tmp_path / "none.db")
    assert stream.counts["missing"] == 1


async def test_a_letter_given_again_waits_until_it_is_delivered(storage):
    path, journal, _ = storage
    cursor, again = Cursor("logs", "otlp"), Cursor("logs/retry/otlp", "otlp")
    await journal.open(cursor)
    await journal.open(again)
    await journal.append([entry("a")], page("a", at=9000))
    letter = DeadLetter("logs", "otlp", "a", "no", "", 1, 0, entry("a").payload, exporter=True)
    await journal.advance(cursor, 1, [letter])
    stream = Stream("github", ScriptedPast(0))
    stream.events[digest("a")] = Event("a", digest("a"), 9000)
    states = []
    for step in (lambda: journal.retry([1]), lambda: journal.advance(again, 1), None):
        compare([stream], path)
        states.append(stream.states[digest("a")])
        if step:
            await step()
    assert states == ["dead_letter", "waiting", "delivered"]
