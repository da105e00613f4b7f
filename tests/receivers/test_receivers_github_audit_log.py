"""The audit-log algorithm, one reason at a time."""

import pytest
from github_model import START, Crash, FakeIntake, ModelGitHub, Row, VirtualClock, audit_log, context

from shipper.receivers.github.config import AuditLogConfig

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
