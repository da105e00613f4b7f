"""Every event exactly once in the journal, whatever happens in whatever order."""

import asyncio
from random import Random

import pytest
from github_model import START, Crash, FakeIntake, ModelGitHub, Row, VirtualClock, audit_log, context
from hypothesis import given
from hypothesis import strategies as st

from shipper.receivers.github import remembered
from shipper.receivers.github.config import AuditLogConfig

#: Everything happens on a coarse grid, so that what must not coincide does.
UNIT = 50_000
OVERLAP = 4 * UNIT
CONFIG = AuditLogConfig(overlap="200s", initial_lookback="24h")


class World:
    """The model, with a script of what happens between requests."""

    def __init__(self, chance: Random, *, thrifty: bool, **modes) -> None:
        self.chance = chance
        self.thrifty = thrifty
        self.haste = chance.choice([0, 0.2, 0.7, 1])
        self.lives = chance.choice([0, 3, 30])
        self.sweeps = chance.choice([True, False])
        self.clock = VirtualClock()
        self.github = ModelGitHub(self.clock, rows_of(chance))
        vars(self.github).update(modes)
        self.intake = FakeIntake(lambda _moment: self.happen(deletes=False))
        self.github.step = self.happen
        self.deletions = chance.choice([0, 1]) if self.github.numbered else chance.choice([0, 5])

    def happen(self, *, deletes: bool = True) -> None:
        chance = self.chance
        if chance.random() < self.haste:
            self.clock.ms += chance.choice([UNIT // 2, UNIT, UNIT, 2 * UNIT, 5 * UNIT])
        if deletes and self.deletions and chance.random() < 0.05:
            self.deletions -= 1
            listed = [row for row in self.github.rows if not row.deleted and row.visible <= self.clock.ms]
            if listed:
                chance.choice(sorted(listed, key=lambda row: row.time)[:3]).deleted = True
        if self.lives and chance.random() < 0.1:
            self.lives -= 1
            raise Crash

    async def run(self, polls: int, interval: int) -> None:
        """Poll; a process that dies is started anew."""
        done = 0
        stream = self.start(interval)
        while done < polls:
            try:
                await stream.poll()
                done += 1
                self.clock.ms += interval
            except Crash:
                stream = self.start(interval)

    def start(self, interval: int):
        stream = audit_log(self.github, self.intake, context(self.clock), CONFIG, interval=interval / 1000)
        if self.thrifty:
            stream._share = lambda _seconds: 0.0
            stream._due = lambda _now: self.sweeps and self.chance.random() < 0.2
        return stream


def rows_of(chance: Random) -> list[Row]:
    """Events before and after the start, many of them late, many with the same time."""
    rows = []
    for number in range(chance.choice([1, 10, 40, 40])):
        time = START + chance.randint(-10, 40) * UNIT
        visible = time + chance.choice([0, 0, 0, 1, 2, 3, 4, 4]) * UNIT
        rows.append(Row(f"e{chance.randint(0, 999)}-{number}", time, max(visible, chance.choice([0, START]))))
    return rows


@given(
    seed=st.integers(0, 2**32),
    numbered=st.booleans(),
    falling=st.booleans(),
    deaf=st.booleans(),
    date=st.booleans(),
    thrifty=st.booleans(),
    interval=st.sampled_from([1, 2, 12]),
    size=st.sampled_from([1, 1, 2, 4]),
    keep=st.sampled_from([0, 8192]),
)
def test_every_event_is_taken_exactly_once(seed, numbered, falling, deaf, date, thrifty, interval, size, keep):
    """Any arrival within the overlap, ties, rows that come and go between pages, deaths between any two steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remembered, "KEEP", keep if not deaf else 8192)
        check(seed, numbered, falling, deaf, date, thrifty, interval, size)


def check(seed, numbered, falling, deaf, date, thrifty, interval, size):
    """Poll through a script of mishaps, then in peace, and count."""
    world = World(
        Random(seed), numbered=numbered, falling=falling, deaf=deaf, date=date, size=size, thrifty=thrifty
    )
    asyncio.run(world.run(45 // interval, interval * UNIT))
    world.clock.ms = max(world.clock.ms, START + 50 * UNIT)
    world.haste = world.lives = world.deletions = 0
    asyncio.run(world.run(50 if thrifty else 2, 3 * UNIT))
    uids = world.intake.uids
    assert len(uids) == len(set(uids))
    assert {row.id for row in world.github.rows if not row.deleted} <= set(uids)
