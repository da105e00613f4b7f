"""The receiver as it runs: days of it, in virtual time."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from github_days import JumpingClock, Shortcut, Shortened
from github_model import FakeIntake, context

from shipper.core.errors import Unavailable
from shipper.receivers.github import Config
from shipper.simulator import Options, Simulator
from shipper.wire.github import audit_uid

START = 1_790_000_000_000
HOUR = 3600


class Day:
    """A receiver that runs before a simulated GitHub."""

    def __init__(self, options: Options, **settings) -> None:
        self.clock = JumpingClock(START)
        self.sim = Simulator(options, clock=self.clock)
        self.session = Shortcut(self.sim, "https://api.github.com")
        self.intake = FakeIntake()
        self.context = context(self.clock)
        config = {"auth": {"token": "ghp_x"}, "organizations": list(options.organizations)} | settings
        self.receiver = Shortened(Config.model_validate(config), self.context, self.session)

    @asynccontextmanager
    async def running(self):
        task = asyncio.create_task(self.receiver.run(self.intake))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()

    def requests(self, path: str) -> int:
        return sum(n for (last, _), n in self.session.statuses.items() if last == path)

    @property
    def states(self) -> dict[str, str]:
        return {state.part: state.status for state in self.context.health.states()}

    def missing(self, ago: float = HOUR) -> set[str]:
        """What could be listed that many seconds ago and was not taken."""
        taken = set(self.intake.uids)
        return {audit_uid(e.body) for e in self.sim.events() if e.visible <= self.clock.ms - ago * 1000} - taken


async def test_the_first_poll_comes_at_once_and_the_next_after_the_interval():
    day = Day(Options.quiet(organizations=("acme",)), streams={"code_scanning": False}, poll_interval="100s")
    async with day.running():
        await day.clock.pass_(0)
        assert day.requests("audit-log") == 1
        await day.clock.pass_(94)
        assert day.requests("audit-log") == 1
        await day.clock.pass_(12)
        assert day.requests("audit-log") == 2
        await day.clock.pass_(1000)
        assert 11 <= day.requests("audit-log") <= 13


async def test_each_stream_tells_its_state_and_how_far_it_is():
    options = Options.quiet(organizations=("acme", "tidewatch"))
    day = Day(options)
    day.sim.faults.add("audit_log@acme:401")
    day.sim.faults.add("code_scanning@tidewatch:503")
    async with day.running():
        await day.clock.pass_(600)
        assert day.states == {
            "acme audit_log": "blocked",
            "acme code_scanning": "ok",
            "tidewatch audit_log": "ok",
            "tidewatch code_scanning": "failing",
        }
        lag = day.context.meter.series("shipper_checkpoint_lag_seconds")
        assert lag["github", "tidewatch", "audit_log"] < 330
        assert ("github", "acme", "audit_log") not in lag
        day.sim.faults.faults.clear()
        await day.clock.pass_(600)
        assert set(day.states.values()) == {"ok"}


async def test_a_stream_whose_next_page_is_elsewhere_is_not_ready_though_its_page_is_taken(caplog):
    """It stays blocked from poll to poll, said once, until GitHub names its pages by the configured host."""
    day = Day(Options.quiet(organizations=("acme",)), streams={"code_scanning": False}, poll_interval="100s")
    for number in range(150):
        day.sim.happen("repo.create", at=START - 200_000 + number * 1000)
    day.sim.faults.add("audit_log:link-other-host")
    told = []
    day.context.health.ok = lambda *_, **__: told.append("ok")
    async with day.running():
        await day.clock.pass_(450)
        (state,) = day.context.health.states()
    assert (state.status, told) == ("blocked", [])
    assert state.error.endswith(
        "on another host, which is not asked (elsewhere.example); set base_url to the host that GitHub calls "
        "itself, or look for a proxy that changes its answers"
    )
    assert len(day.intake.uids) == 100
    assert sum("another host" in record.message for record in caplog.records) == 1


async def test_a_slow_organization_delays_the_others_by_one_request_at_most():
    """Its token is shared, so requests take turns; a backlog of hundreds of pages must not be one turn."""
    options = Options.quiet(organizations=("busy", "quick"))
    day = Day(options, streams={"code_scanning": False})
    for number in range(3000):
        day.sim.happen("repo.create", organization="busy", at=START - 80_000_000 + number * 1000)
    day.sim.happen("repo.create", organization="quick", at=START - 1000)
    day.session.latency = 10
    async with day.running():
        await day.clock.pass_(21)
        assert [r.organization for r in day.intake.records].count("quick") == 1
        assert [r.organization for r in day.intake.records].count("busy") == 100


async def test_once_polls_each_stream_once_and_names_what_failed():
    day = Day(Options.quiet(organizations=("acme", "tidewatch")))
    day.sim.happen("repo.create", organization="tidewatch")
    day.sim.faults.add("audit_log@acme:404")
    day.sim.faults.add("code_scanning@acme:403-quota=3000")
    once = asyncio.create_task(day.receiver.run(day.intake, once=True))
    await day.clock.pass_(30)
    with pytest.raises(Unavailable, match=r"404 for audit_log of organization acme.*; all 5000 calls") as caught:
        await once
    assert caught.value.blocked
    assert len(day.intake.uids) == 1


async def test_once_retries_what_passes_quickly():
    day = Day(Options.quiet(organizations=("acme",)))
    day.sim.faults.add("audit_log:503#1-2")
    day.sim.faults.add("code_scanning:429-retry-after=3#1")
    once = asyncio.create_task(day.receiver.run(day.intake, once=True))
    await day.clock.pass_(30)
    await once


async def test_a_fault_of_ours_in_one_stream_stops_no_other(caplog):
    day = Day(Options.quiet(organizations=("acme",)))

    async def broken(source):
        if source.endswith("audit_log"):
            raise ZeroDivisionError

    day.intake.checkpoint = broken
    async with day.running():
        await day.clock.pass_(10)
        assert day.states == {"acme audit_log": "failing", "acme code_scanning": "ok"}


async def test_a_journal_that_fails_is_tried_again_with_nothing_lost_or_doubled():
    day = Day(Options(organizations=("acme",), rate=0.2, late=0.1), streams={"code_scanning": False})
    count = 0

    def trouble(moment):
        nonlocal count
        count += 1
        if moment == "before commit" and count % 3 == 0:
            raise Unavailable("storage: disk full")

    day.intake.trouble = trouble
    async with day.running():
        await day.clock.pass_(4 * HOUR)
    assert len(day.intake.uids) == len(set(day.intake.uids))
    assert day.missing() == set()


async def test_a_day_of_twenty_organizations_meets_no_limit():
    """While others use the same token, too: not one 403 or 429, and every late event is taken."""
    names = tuple(f"org-{n}" for n in range(20))
    traffic = {"rate": 0.01, "backlog": 0, "late": 0.1, "late_bound": 580.0, "alerts": 4, "alert_interval": 3600.0}
    day = Day(
        Options(organizations=names, others=400.0, **traffic), streams={"code_scanning": {"states": ["open"]}}
    )
    async with day.running():
        await day.clock.pass_(24 * HOUR)
    refused = {key: n for key, n in day.session.statuses.items() if key[1] not in (200, 304)}
    assert refused == {}
    assert day.missing() == set()
    assert len(day.intake.uids) == len(set(day.intake.uids))
    assert set(day.states.values()) == {"ok"}
    taken = sum(record.stream == "audit_log" for record in day.intake.records)
    assert taken > 15_000
    assert day.requests("audit-log") / 20 / 24 < 13


async def test_a_busy_organization_with_short_polls_keeps_to_its_quota():
    """Polls read what is new, sweeps of the overlap get half of what is left."""
    options = Options(organizations=("acme",), rate=4.0, backlog=0, late=0.05, late_bound=580.0, alerts=0)
    day = Day(options, poll_interval="10s", streams={"code_scanning": False})
    async with day.running():
        await day.clock.pass_(1 * HOUR)
    assert {status for _, status in day.session.statuses} == {200}
    assert len(day.intake.uids) == len(set(day.intake.uids))
    assert day.missing(ago=0.25 * HOUR) == set()
    assert len(day.intake.uids) > 10_000
    assert len(day.intake.uids) == len(set(day.intake.uids))
    assert day.requests("audit-log") <= 1650


async def test_an_outage_of_hours_is_made_good_in_pages():
    day = Day(Options(organizations=("acme",), rate=0.3, late=0.05), streams={"code_scanning": False})
    async with day.running():
        await day.clock.pass_(HOUR)
    await day.clock.pass_(10 * HOUR)
    async with day.running():
        await day.clock.pass_(2 * HOUR)
    assert day.missing() == set()
    assert len(day.intake.uids) == len(set(day.intake.uids))
    assert max(len(batch.records) for batch in day.intake.batches) <= 100


async def _lateness(rate: float, *, interval: str, late_bound: float, hours: float = 0.5) -> list[float]:
    """Seconds from when each late event could first be listed until it was taken, or to the end."""
    shape = {"rate": rate, "backlog": 0, "late": 0.05, "late_bound": late_bound, "alerts": 0, "alert_interval": 0}
    options = Options(organizations=("acme",), **shape)
    day = Day(options, poll_interval=interval, streams={"code_scanning": False})
    async with day.running():
        await day.clock.pass_(hours * HOUR)
    assert {status for _, status in day.session.statuses} == {200}
    assert len(day.intake.uids) == len(set(day.intake.uids))
    taken = {record.uid: record.observed // 1_000_000 for record in day.intake.records}
    now = day.clock.ms
    late = [each for each in day.sim.events() if each.timestamp + 1000 < each.visible < now]
    return sorted((taken.get(audit_uid(each.body), now) - each.visible) / 1000 for each in late)


@pytest.mark.parametrize(
    ("rate", "interval", "hours", "most"),
    [(0.1, "2s", 0.5, 20.0), (1.0, "2s", 1.2, 300.0), (4.0, "10s", 0.5, 300.0)],
    ids=["one page", "seven pages", "24 pages"],
)
async def test_late_events_are_taken_soon_however_short_the_interval(rate, interval, hours, most):
    """The overlap is swept whole as often as its share of the quota allows: twice in an overlap at the least."""
    waits = await _lateness(rate, interval=interval, late_bound=300.0, hours=hours)
    assert waits[-1] <= most
    assert waits[len(waits) // 2] <= most / 5


async def test_late_events_of_a_very_busy_organization_are_taken_within_the_documented_bound():
    """96 pages can't be swept twice in an overlap: each part is read once, when nothing late can come any more."""
    waits = await _lateness(16.0, interval="30s", late_bound=300.0)
    assert len(waits) > 500
    assert waits[-1] <= 1.5 * 600 + 60
