"""The past of a listing, while rows come and go: nothing that stays is missed, however pages are named."""

import asyncio
from random import Random

import orjson
import pytest
from github_model import START, FakeIntake, ModelGitHub, Row, VirtualClock, audit_log, context
from hypothesis import given, settings
from hypothesis import strategies as st
from test_receivers_github_alerts import Alerts, alert, polling

from shipper.receivers.github.history import History

SINCE = START - 1_000_000


def rows(count: int, step: int = 1000) -> list[Row]:
    return [Row(f"r{number}", SINCE + number * step, SINCE) for number in range(count)]


async def listed(history: History, since: int = SINCE, until: int = START) -> tuple[list[str], list[int | None]]:
    """The ids of a period, and how far each page says that everything was listed."""
    uids, reached = [], []
    async for excerpt in history.pages(since, until):
        uids += [record.uid for record in excerpt.batch.records]
        reached.append(excerpt.reached)
    return uids, reached


async def test_rows_that_vanish_between_numbered_pages_hide_no_other():
    """An Enterprise Server's pages shift; each is asked for as the first of what is left."""
    clock = VirtualClock()
    github = ModelGitHub(clock, rows(40), size=10)
    github.numbered = True

    def step() -> None:
        if len(github.asked) == 2:
            for row in github.rows[:10]:
                row.deleted = True

    github.step = step
    uids, reached = await listed(History(audit_log(github, FakeIntake(), context(clock)), clock))
    assert set(uids) == {f"r{number}" for number in range(40)}
    assert not any("&page=" in url for url in github.asked)
    assert reached[-1] == SINCE + 39_000


@pytest.mark.parametrize("deaf", [False, True])
async def test_where_numbers_must_be_followed_a_listing_is_read_until_it_is_stable(deaf):
    """A second that fills a page, or a server that does not heed what it is asked for."""
    clock = VirtualClock()
    github = ModelGitHub(clock, rows(40, step=1), size=10)
    github.numbered, github.deaf = True, deaf

    def step() -> None:
        if len(github.asked) == 2:
            for row in github.rows[:10]:
                row.deleted = True

    github.step = step
    uids, reached = await listed(History(audit_log(github, FakeIntake(), context(clock)), clock))
    assert set(uids) == {f"r{number}" for number in range(40)}
    assert set(reached) == {None}, "nothing may be skipped by a backfill that goes on here"


async def test_an_alert_that_slips_through_shifting_pages_is_listed():
    clock = VirtualClock()
    github = Alerts(clock, [alert(n, -10 * n) for n in range(1, 13)])
    github.numbered = True

    def step() -> None:
        if len(github.asked) == 1:
            github.alerts[0]["state"] = github.alerts[1]["state"] = "fixed"

    github.step = step
    history = History(polling(github, FakeIntake()), clock)
    uids, _ = await listed(history)
    assert len(set(uids)) == 12


async def test_pages_with_cursors_are_read_once():
    clock = VirtualClock()
    github = ModelGitHub(clock, rows(40), size=10)
    uids, _ = await listed(History(audit_log(github, FakeIntake(), context(clock)), clock))
    assert uids == [f"r{number}" for number in range(40)]
    assert len(github.asked) == 4


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    numbered=st.booleans(),
    deaf=st.booleans(),
    falling=st.booleans(),
    size=st.sampled_from([1, 2, 5]),
)
def test_what_stays_is_listed_whatever_comes_and_goes(seed, numbered, deaf, falling, size):
    """Rows come late and vanish between any two pages, many in the same second."""
    chance = Random(seed)
    clock = VirtualClock()
    made = [
        Row(f"r{n}", SINCE + chance.randint(0, 20) * chance.choice([100, 1000]), SINCE)
        for n in range(chance.choice([1, 8, 30]))
    ]
    github = ModelGitHub(clock, made, size=size)
    github.numbered, github.deaf, github.falling = numbered, deaf, falling
    changes = [chance.choice([0, 4])]

    def step() -> None:
        if changes[0] and len(github.asked) and chance.random() < 0.3:
            changes[0] -= 1
            if chance.random() < 0.5:
                chance.choice(github.rows).deleted = True
            else:
                time = SINCE + chance.randint(0, 20_000)
                github.rows.append(Row(f"late{changes[0]}", time, SINCE))

    github.step = step
    uids, _ = asyncio.run(listed(History(audit_log(github, FakeIntake(), context(clock)), clock)))
    stayed = {row.id for row in made if not row.deleted and not row.id.startswith("late")}
    assert stayed <= set(uids)


MINUTE = 60_000


@pytest.mark.parametrize(
    ("checkpoint", "audit", "alerts"),
    [
        (None, START - 24 * 60 * MINUTE, None),
        (b"no JSON", START - 24 * 60 * MINUTE, None),
        (b'{"from": 7000000, "newest": 9000000, "swept": 8000000}', 7_000_000, 7_400_000),
        (b'{"from": 7000000, "newest": 7600000, "swept": 8000000, "unsorted": 1}', 7_000_000, 7_000_000),
        (b'{"from": 7000000, "newest": 7600000}', 7_000_000, None),
    ],
)
async def test_a_checkpoint_tells_where_the_next_run_begins(checkpoint, audit, alerts):
    """What a rewind is held against; alerts that were never read to the end are read from their beginning."""
    clock = VirtualClock()
    log = History(audit_log(ModelGitHub(clock, []), FakeIntake(), context(clock)), clock)
    states = History(polling(Alerts(clock, []), FakeIntake()), clock)
    assert (log.reads_from(checkpoint), states.reads_from(checkpoint)) == (audit, alerts)
    assert log.reads_from(log.rewound(checkpoint, 6_000_000)) == 6_000_000
    assert states.reads_from(states.rewound(checkpoint, 6_000_000)) == 5_400_000


async def test_a_listing_known_to_be_out_of_order_stays_so_when_it_is_rewound():
    """It can't be cut short at the first old alert."""
    history = History(polling(Alerts(VirtualClock(), []), FakeIntake()), VirtualClock())
    rewound = history.rewound(b'{"newest": 9, "swept": 9, "unsorted": 1, "forgotten": 2}', 5)
    assert orjson.loads(rewound) == {"newest": 5, "swept": 5, "unsorted": 1, "forgotten": 2}
