"""Alerts: what is listed for long enough is taken once, however the listing shifts."""

import asyncio
from datetime import UTC, datetime
from random import Random

import pytest
from github_model import BASE, START, Crash, FakeIntake, ModelGitHub, VirtualClock, context
from hypothesis import given
from hypothesis import strategies as st

from shipper.receivers.github.alerts import Alert, AlertState
from shipper.receivers.github.auth import Token
from shipper.receivers.github.client import Api, Lane
from shipper.receivers.github.conversation import RUNNING, Conversation
from shipper.receivers.github.ledger import Ledger
from shipper.receivers.github.remedies import Subject

SUBJECT = Subject("acme", "code_scanning")


def alert(number: int, updated: int, state: str = "open") -> dict:
    """An alert, last changed so many seconds after the start."""
    return {"number": number, "state": state, "updated_at": iso(START + updated * 1000), "repository": {"id": 1}}


def iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat().replace("+00:00", "Z")


class Alerts(ModelGitHub):
    """A listing of alerts in one state, the last changed first."""

    def __init__(self, clock: VirtualClock, alerts: list[dict], size: int = 2) -> None:
        super().__init__(clock, [], size)
        self.alerts = alerts
        self.shuffled = False

    def serve(self, url: str):
        open_ones = [each for each in self.alerts if each["state"] == "open"]
        key = (lambda each: each["number"] * 7 % 5) if self.shuffled else (lambda each: each["updated_at"])
        listed = sorted(open_ones, key=lambda each: (key(each), each["number"]), reverse=True)
        name = "page" if self.numbered else "after"
        place = int(url.partition(f"&{name}=")[2] or 0)
        if self.numbered:
            start = max(place - 1, 0) * self.size
            following = max(place, 1) + 1
        else:
            ids = [each["number"] for each in listed]
            start = ids.index(place) + 1 if place in ids else 0
            following = ids[start + self.size - 1] if start + self.size <= len(ids) else 0
        more = len(listed) > start + self.size
        next_url = f"{url.partition(f'&{name}=')[0]}&{name}={following}" if more else None
        return self.answer(listed[start : start + self.size], next_url)


def polling(github: Alerts, intake: FakeIntake) -> AlertState:
    """The listing of a process that has just started."""
    clock = github.clock
    made = context(clock)
    lane = Lane(Api(github, BASE, "2022-11-28", clock), Token("t"), 100, clock)
    conversation = Conversation(lane, SUBJECT, made, RUNNING)
    ledger = Ledger("github/acme/code_scanning/open", Alert("code_scanning", "acme"), intake, made, {}, body="map")
    return AlertState(conversation, ledger, "open")


@pytest.fixture
def clock():
    return VirtualClock()


async def test_the_first_request_is_the_documented_one(clock):
    github = Alerts(clock, [])
    await polling(github, FakeIntake()).poll()
    assert github.asked == [
        f"{BASE}/orgs/acme/code-scanning/alerts?state=open&sort=updated&direction=desc&per_page=100"
    ]


async def test_the_first_poll_takes_all_and_the_next_stops_where_it_is_known(clock):
    github = Alerts(clock, [alert(n, -86_400 * n) for n in range(1, 10)])
    intake = FakeIntake()
    stream = polling(github, intake)
    await stream.poll()
    assert (len(intake.uids), len(github.asked)) == (9, 5)
    github.alerts.append(alert(10, 5))
    clock.ms += 10_000
    await stream.poll()
    assert (len(intake.uids), len(github.asked)) == (10, 7)


async def test_a_crash_in_the_first_poll_doubles_nothing(clock):
    github = Alerts(clock, [alert(n, -86_400 * n) for n in range(1, 10)])
    intake = FakeIntake()

    def die(moment: str) -> None:
        if moment == "after commit" and len(intake.batches) == 3:
            raise Crash

    intake.trouble = die
    with pytest.raises(Crash):
        await polling(github, intake).poll()
    assert intake.checkpoints["github/acme/code_scanning/open"] == b"{}"
    await polling(github, intake).poll()
    assert len(intake.uids) == len(set(intake.uids)) == 9


async def test_an_alert_that_slips_through_shifting_pages_is_found(clock):
    """One is fixed after the first page was read: the second page then begins one further."""
    github = Alerts(clock, [alert(n, -86_400 * n) for n in range(1, 7)])
    github.numbered = True

    def step() -> None:
        if len(github.asked) == 1:
            github.alerts[0]["state"] = "fixed"

    github.step = step
    intake = FakeIntake()
    await polling(github, intake).poll()
    assert {record.body["number"] for record in intake.records} == {1, 2, 3, 4, 5, 6}


@pytest.mark.parametrize("restart", [False, True])
async def test_a_server_that_sorts_in_its_own_way_is_read_to_the_end(clock, restart):
    github = Alerts(clock, [alert(n, -86_400 * n) for n in range(1, 10)])
    github.shuffled = True
    intake = FakeIntake()
    stream = polling(github, intake)
    await stream.poll()
    clock.ms += 300_000
    github.alerts[4]["updated_at"] = iso(clock.ms)
    if restart:
        stream = polling(github, intake)
    await stream.poll()
    assert (len(intake.uids), intake.records[-1].body["number"]) == (10, 5)


@given(seed=st.integers(0, 2**32), numbered=st.booleans(), size=st.sampled_from([1, 2, 5]))
def test_every_alert_that_stays_as_it_is_is_taken_exactly_once(seed, numbered, size):
    """Alerts change between requests, at most once a poll; the process dies between any two steps."""
    chance = Random(seed)
    clock = VirtualClock()
    github = Alerts(
        clock, [alert(n + 1, -chance.randint(0, 10**6)) for n in range(chance.choice([0, 3, 12]))], size
    )
    github.numbered = numbered
    lives = [chance.choice([0, 5])]
    changes = [0]

    def happen(_moment: str = "") -> None:
        clock.ms += chance.choice([0, 0, 1000])
        if changes[0] and chance.random() < 0.3:
            changes[0] -= 1
            one = chance.choice(github.alerts) if github.alerts and chance.random() < 0.7 else alert(0, 0)
            if one not in github.alerts:
                one["number"] = len(github.alerts) + 100
                github.alerts.append(one)
            one["state"] = chance.choice(["open", "fixed"])
            one["updated_at"] = iso(clock.ms)
        if lives[0] and chance.random() < 0.1:
            lives[0] -= 1
            raise Crash

    intake = FakeIntake(happen)
    github.step = happen

    async def run(polls: int) -> None:
        stream = polling(github, intake)
        while polls:
            try:
                await stream.poll()
            except Crash:
                stream = polling(github, intake)
            else:
                polls -= 1
                clock.ms += 300_000
                changes[0] = 1

    asyncio.run(run(12))
    github.step, intake.trouble = (lambda: None), (lambda _moment: None)
    asyncio.run(run(2))
    assert len(intake.uids) == len(set(intake.uids))
    taken = {(record.body["number"], record.body["updated_at"]) for record in intake.records}
    assert {(each["number"], each["updated_at"]) for each in github.alerts if each["state"] == "open"} <= taken
