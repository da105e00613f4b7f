"""The audit-log algorithm, one reason at a time."""

import json
from dataclasses import replace

import pytest
from github_model import START, Crash, FakeIntake, ModelGitHub, Row, VirtualClock, audit_log, context

from shipper.net.http import Answer, TooLarge
from shipper.receivers.github.config import AuditLogConfig
from shipper.receivers.github.remembered import KEEP

CONFIG = AuditLogConfig(overlap="200s", initial_lookback="24h")


def at(seconds: float, late: float = 0, name: str = "") -> Row:
    """An event so many seconds after the start, listed so many seconds late."""
    time = START + int(seconds * 1000)
    return Row(name or f"at {seconds}", time, time + int(late * 1000))


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def intake():
    return FakeIntake()


def passing(clock, *steps: float):
    """Let time go on by these seconds, a step before each request."""
    script = iter(steps)

    def step() -> None:
        clock.ms += int(next(script, 0) * 1000)

    return step


#: Read one a page with these steps of time, the event of second 5 turns up when second 100 was read already.
LONG = [at(-10), at(-9), at(100), at(120), at(5, late=200), at(300), at(301)]
STEPS = (0, 150, 1, 151, 0, 0)


async def test_what_turns_up_behind_a_long_sweep_is_taken_by_the_next(clock, intake):
    """Though the newest event moved on past it: the next sweep begins an overlap before this one began."""
    github = ModelGitHub(clock, LONG, size=1)
    github.step = passing(clock, *STEPS)
    stream = audit_log(github, intake, context(clock), CONFIG)
    await stream.poll()
    assert intake.uids == ["at -10", "at -9", "at 100", "at 120", "at 300", "at 301"]
    await stream.poll()
    assert intake.uids[6:] == ["at 5"]


async def test_a_crash_in_a_long_sweep_forgets_nothing_that_turned_up_behind_it(clock, intake):
    """What a crash resumes from is never later than an overlap before the sweep began."""
    github = ModelGitHub(clock, LONG, size=1)
    github.step = passing(clock, *STEPS)

    def die(moment: str) -> None:
        if moment == "after commit" and len(intake.batches) == 5:
            raise Crash

    intake.trouble = die
    with pytest.raises(Crash):
        await audit_log(github, intake, context(clock), CONFIG).poll()
    assert intake.uids[-1] == "at 300"
    await audit_log(github, intake, context(clock), CONFIG).poll()
    assert sorted(intake.uids[5:]) == ["at 301", "at 5"]


async def test_the_cursor_runs_on_the_events_own_time_alone(clock, intake):
    """`created_at` is often older, or absent; an event without `@timestamp` moves nothing."""
    old = START - 27 * 86_400_000
    github = ModelGitHub(clock, [at(-30, name="a"), at(-20, name="b")], size=10)
    github.rows[0].more = {"created_at": START - 30_000}
    github.rows[1].more = {"created_at": old}
    odd = [row.event for row in github.rows] + [{"action": "x", "created_at": START + 10**9}, {"action": "y"}, "z"]
    github.answers.append(github.answer(odd))
    await audit_log(github, intake, context(clock), CONFIG).poll()
    assert len(intake.uids) == 5
    assert intake.place == {"from": START - 220_000, "newest": START - 20_000, "swept": START}


async def test_the_next_listing_begins_an_overlap_before_the_newest_event(clock, intake):
    github = ModelGitHub(clock, [at(-30.5)], size=10)
    stream = audit_log(github, intake, context(clock), CONFIG)
    await stream.poll()
    await stream.poll()
    assert "phrase=created:%3E%3D2023-11-13T22:13:20%2B00:00&" in github.asked[0]
    assert "phrase=created:%3E%3D2023-11-14T22:09:29%2B00:00&" in github.asked[1]


@pytest.mark.parametrize(
    ("led", "since"),
    [
        (None, "2023-11-13T22:13:20"),
        (-60, "2023-11-13T22:13:20"),
        (-3 * 86_400, "2023-11-11T22:10:00"),
        (-400 * 86_400, "2023-05-18T22:13:20"),
        (+86_400, "2023-11-13T22:13:20"),
    ],
    ids=["no election", "a minute ago", "three days ago", "beyond retention", "a clock that is ahead"],
)
async def test_a_successor_without_a_place_begins_where_nothing_can_be_lost(clock, intake, led, since):
    """`initial_lookback` ago, for what the leader could not deliver; earlier where nobody led for longer."""
    github = ModelGitHub(clock, [], size=10)
    made = replace(context(clock), led_until=None if led is None else START + led * 1000)
    await audit_log(github, intake, made, CONFIG).poll()
    assert f"phrase=created:%3E%3D{since}%2B00:00&" in github.asked[0]


async def test_an_event_from_the_future_does_not_stop_the_others(clock, intake):
    github = ModelGitHub(clock, [Row("future", START + 10**12, START), at(-30)], size=10)
    stream = audit_log(github, intake, context(clock), CONFIG)
    await stream.poll()
    clock.ms += 60_000
    github.rows.append(at(30, late=20))
    await stream.poll()
    assert intake.uids == ["at -30", "future", "at 30"]


@pytest.mark.parametrize("restart", [False, True])
async def test_a_server_that_lists_the_same_old_page_for_ever_gives_each_event_once(clock, intake, restart):
    """It knows neither phrase nor order nor dates: old pages of real events do not come again and again."""
    github = ModelGitHub(clock, [at(-86_400.0 * 600 + 86_400 * n, name=f"e{n}") for n in range(24)], size=100)
    github.deaf = github.falling = True
    github.date = False
    stream = audit_log(github, intake, context(clock), CONFIG)
    for _ in range(5):
        if restart:
            stream = audit_log(github, intake, context(clock), CONFIG)
        await stream.poll()
        clock.ms += 300_000
    assert len(intake.uids) == len(set(intake.uids)) == 24


async def test_memory_stays_flat_in_a_long_backlog(clock, intake):
    """50,000 events in 500 pages: what is remembered is what can be listed again, and a fixed number more."""
    github = ModelGitHub(clock, [at(-80_000 + n) for n in range(50_000)], size=100)
    pages = iter(range(0, 50_000, 100))

    def serve(url: str):
        start = next(pages)
        following = f"{url.partition('&after=')[0]}&after={start}" if start < 49_900 else None
        return github.answer([row.event for row in github.rows[start : start + 100]], following)

    github.serve = serve
    stream = audit_log(github, intake, context(clock), CONFIG)
    await stream.poll()
    assert len(intake.uids) == 50_000
    assert len(stream.ledger.remembered) <= KEEP + 200
    (rows,) = intake.rows.values()
    assert sum(len(digests) for _, digests in rows) <= 16 * (KEEP + 200)


async def test_what_was_forgotten_does_not_come_back_unasked(clock, intake):
    """A server lists more than it is asked for, from a time of which ids were forgotten: it can't be new."""
    rows = [at(-80_000 + n, name=f"e{n}") for n in range(KEEP + 300)]
    github = ModelGitHub(clock, rows, size=5000)
    github.deaf = True
    github.answers = [github.answer([row.event for row in rows[n : n + 100]]) for n in range(0, len(rows), 100)]
    stream = audit_log(github, intake, context(clock), CONFIG)
    for _ in range(len(github.answers)):
        await stream.poll()
    assert len(intake.uids) == len(rows)
    github.answers = [github.answer([row.event for row in rows[:100]])] * 2
    await stream.poll()
    await audit_log(github, intake, context(clock), CONFIG).poll()
    assert len(intake.uids) == len(rows)


async def test_a_page_that_is_too_large_is_asked_for_in_smaller_ones(clock, intake):
    github = ModelGitHub(clock, [at(-30 + n) for n in range(20)], size=100)
    github.answers = [TooLarge("larger than 64 MiB"), TooLarge("larger than 64 MiB")]
    await audit_log(github, intake, context(clock), CONFIG).poll()
    assert len(intake.uids) == 20
    assert [url.rpartition("per_page=")[2] for url in github.asked[:3]] == ["100", "25", "6"]


async def test_a_server_that_takes_too_long_is_asked_for_smaller_pages(clock, intake):
    github = ModelGitHub(clock, [at(-30)], size=100)
    github.answers = [Answer(504, {}, b"")] * 3
    await audit_log(github, intake, context(clock), CONFIG).poll()
    assert github.asked[-1].endswith("per_page=25")
    assert intake.uids == ["at -30"]


async def test_a_cursor_that_expired_begins_the_listing_again(clock, intake):
    github = ModelGitHub(clock, [at(-30), at(-20), at(-10)], size=1)
    stream = audit_log(github, intake, context(clock), CONFIG)

    def step() -> None:
        if len(github.asked) == 2:
            github.answers = [Answer(422, {}, b'{"message": "Invalid cursor"}')]

    github.step = step
    await stream.poll()
    assert intake.uids == ["at -30", "at -20", "at -10"]


async def test_a_checkpoint_that_cannot_be_read_is_begun_anew(clock, intake):
    github = ModelGitHub(clock, [at(-30)], size=10)
    intake.checkpoints["github/acme/audit_log"] = b"\xff"
    await audit_log(github, intake, context(clock), CONFIG).poll()
    assert intake.uids == ["at -30"]


async def test_a_rewind_is_seen_without_a_restart(clock, intake):
    """`state rewind` writes the checkpoint and forgets the ids: what it asks for is shipped again."""
    github = ModelGitHub(clock, [at(-3000), at(-30)], size=10)
    stream = audit_log(github, intake, context(clock), CONFIG)
    await stream.poll()
    intake.checkpoints["github/acme/audit_log"] = json.dumps({"from": START - 4_000_000}).encode()
    intake.rows.clear()
    await stream.poll()
    assert intake.uids == ["at -3000", "at -30"] * 2


async def test_a_long_absence_is_warned_of(clock, intake, caplog):
    github = ModelGitHub(clock, [at(-30)], size=10)
    await audit_log(github, intake, context(clock), CONFIG).poll()
    clock.ms += 8 * 86_400_000
    await audit_log(github, intake, context(clock), CONFIG).poll()
    assert "more than 7 days ago, which is how long GitHub keeps git events" in caplog.text


async def test_late_and_listed_again_are_counted(clock, intake):
    github = ModelGitHub(clock, [at(-30), at(-20), at(-25, late=60)], size=10)
    made = context(clock)
    stream = audit_log(github, intake, made, CONFIG)
    await stream.poll()
    clock.ms += 60_000
    await stream.poll()
    labels = {"receiver": "github", "stream": "audit_log"}
    assert made.meter.value("shipper_late_events", **labels) == 1
    assert made.meter.value("shipper_duplicate_events", **labels) == 2
