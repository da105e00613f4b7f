"""A week of one organization in virtual time, with everything that goes wrong in a week, and the proof at its end.

`python -m bench week` ships 100,000 events over 7 simulated days through outages of GitHub and of the backend,
restarts in the middle of polls, late events and a quota that others use up too, then has `reconcile` prove every
event. `--events` and `--days` scale it; the tests make a small one.
"""

import argparse
import asyncio
import json
import logging
import random
import sys
import tempfile
import time
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.sinks import OtlpSink
from shipper.config import load
from shipper.core.journal import Journal
from shipper.core.telemetry import Health, Meter
from shipper.service import registry
from shipper.service.generation import Generation, Services
from shipper.service.storage import open_storage, storage_path
from shipper.service.visits.reconcile import Period, compare, list_streams
from shipper.service.visits.visit import look
from shipper.simulator import Options, Simulator

_START: Final = 1_700_000_000_000
_HOUR: Final = 3_600_000
_POLL: Final = 300
#: How late events may be listed (s), within the receiver's overlap of 10 minutes.
_LATE: Final = 540
_POLLING: ContextVar[bool] = ContextVar("polling", default=False)


class DrivenClock:
    """Time that passes when the run says so; it knows when everybody who polls is asleep."""

    def __init__(self) -> None:
        self._ms = _START
        self._sleepers: list[tuple[int, bool, asyncio.Future[None]]] = []
        self._changed = asyncio.Event()

    def now(self) -> int:
        """Virtual time in ns since the epoch."""
        return self._ms * 1_000_000

    def monotonic(self) -> float:
        """Virtual seconds."""
        return self._ms / 1000

    async def sleep(self, seconds: float) -> None:
        """Return once the time was moved so far."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._ms + max(int(seconds * 1000), 1), _POLLING.get(), future))
        self._changed.set()
        await future

    def advance(self, to: int) -> None:
        """Move the time, and wake who slept until then."""
        self._ms = max(self._ms, to)
        due = [future for wake, _, future in self._sleepers if wake <= self._ms]
        self._sleepers = [each for each in self._sleepers if each[0] > self._ms and not each[2].done()]
        for future in due:
            if not future.done():
                future.set_result(None)

    async def polls_asleep(self) -> int:
        """When the next poll is due (ms), once nobody polls any more."""
        while True:
            times = [wake for wake, polls, future in self._sleepers if polls and not future.done()]
            if times:
                return min(times)
            self._changed.clear()
            await self._changed.wait()


@dataclass
class Report:
    """What the run and the proof found."""

    events: int
    proven: int
    counts: dict[str, int]
    at_backend: int
    """Events that the backend has, by its own count."""
    repeated: int
    refused: int
    """Answers of GitHub that were 403, 429 or 5xx."""
    restarts: int
    requests: int
    seconds: float

    @property
    def good(self) -> bool:
        """Whether every event is proven, and is really there."""
        return self.proven == self.events == self.at_backend


class Week:
    """One run."""

    def __init__(self, seed: int, events: int, days: float, folder: Path) -> None:
        self._dice = random.Random(seed)
        self._events = events
        self._span = int(days * 24 * _HOUR)
        self._folder = folder
        self.clock = DrivenClock()
        self._restarts = 0
        self._happened = 0

    async def run(self) -> Report:
        """Let the time pass, then prove."""
        began = time.monotonic()
        options = Options.quiet(audit_log_limit=100, others=40.0, keep_requests=10**6)
        async with (
            Simulator(options, clock=self.clock) as github,
            OtlpSink(seed=1, trouble=0.1) as sink,
        ):
            self._plan_outages(github)
            config = self._folder / "pipelines.json"
            config.write_text(json.dumps(_configuration(self._folder, github.url, sink.endpoint)))
            loaded = load(config, registry.find, {}, names=registry.names)
            await self._pass_time(loaded, github, sink)
            return await self._prove(loaded, github, sink, began)

    def _plan_outages(self, github: Simulator) -> None:
        """An hour of errors a day of each kind, and a share of faults all the time."""
        kinds = ("503", "502-html", "reset", "403-secondary", "truncated", "429-retry-after")
        for number in range(max(int(self._span / (8 * _HOUR)), 2)):
            since = _START + self._dice.randrange(self._span)
            github.faults.add(f"audit_log:{kinds[number % len(kinds)]}", since=since, until=since + _HOUR)
        github.faults.add("audit_log:503%2")

    async def _pass_time(self, loaded: Any, github: Simulator, sink: OtlpSink) -> None:
        end = _START + self._span + 30 * 60_000
        moments = [self._dice.randrange(self._span) for _ in range(6)]
        restarts = sorted(_START + each for each in moments)
        down = [_START + self._dice.randrange(self._span) for _ in range(3)]
        while self.clock.now() // 1_000_000 < end:
            until = restarts.pop(0) if restarts else end
            meter, health = Meter(), Health(self.clock)
            journal = await open_storage(loaded, self.clock, meter, health)
            generation = Generation(loaded, Services(journal, meter, health, self.clock))
            await generation.start()
            _POLLING.set(True)
            generation.receive()
            _POLLING.set(False)
            while self.clock.now() // 1_000_000 < until or (until == end and self._behind(journal)):
                due = await self.clock.polls_asleep()
                now = max(due, self.clock.now() // 1_000_000 + 1)
                sink.trouble = 2.0 if any(each <= now < each + 2 * _HOUR for each in down) else 0.1
                self._happen(github, now)
                self.clock.advance(now)
            for _ in range(self._dice.randrange(40)):  # so that some restarts hit a poll midway
                await asyncio.sleep(0)
            if until == end:
                sink.trouble = 0.1
                await self._drain(generation)
            self._restarts += until != end
            await generation.close()
            await journal.close()

    def _behind(self, journal: Journal) -> bool:
        """Whether the polls still catch up, as after an outage near the end; they are given a day for that."""
        taken = sum(log.end for log in journal.logs() if log.name == "logs")
        return taken < self._events and self.clock.now() // 1_000_000 < _START + self._span + 24 * _HOUR

    async def _drain(self, generation: Generation) -> None:
        await generation.stop_receiving()
        while generation.waiting():
            self.clock.advance(self.clock.now() // 1_000_000 + 1000)
            await asyncio.sleep(0.005)

    def _happen(self, github: Simulator, until: int) -> None:
        """Let the events of the time until `until` (ms) happen: the oracle's own schedule."""
        wanted = min(self._events, self._events * (until - _START) // self._span)
        before = self.clock.now() // 1_000_000
        times = sorted(
            self._dice.randrange(before, max(min(until, _START + self._span), before + 1))
            for _ in range(wanted - self._happened)
        )
        for at in times:
            tie = self._dice.random() < 0.05
            late = self._dice.uniform(0, _LATE) if self._dice.random() < 0.03 else 0.0
            github.happen("team.add_member", at=at // 1000 * 1000 if tie else at, late=late)
        self._happened += len(times)

    async def _prove(self, loaded: Any, github: Simulator, sink: OtlpSink, began: float) -> Report:
        path = storage_path(loaded)
        assert path is not None
        seen = list(github.requests)
        github.faults.clear()
        period = Period(_START - 60_000, self.clock.now() // 1_000_000)
        async with look(loaded, _Hasty(self.clock)) as visited:
            streams = await list_streams(visited, period, lambda _name, _n: None)
        compare(streams, path)
        counts = {state: sum(stream.counts[state] for stream in streams) for state in streams[0].counts}
        truth = {event.body["_document_id"] for event in github.events()}
        return Report(
            events=self._events,
            proven=counts["delivered"],
            counts=dict(counts),
            at_backend=len(truth & sink.taken.keys()),
            repeated=sink.taken.total() - len(sink.taken),
            refused=sum(1 for each in seen if each.status in (403, 429) or each.status >= 500),
            restarts=self._restarts,
            requests=len(seen),
            seconds=time.monotonic() - began,
        )


class _Hasty:
    """The same time, moved on by whoever sleeps: for the proof, when nothing else runs any more."""

    def __init__(self, clock: DrivenClock) -> None:
        self._clock = clock
        self.now = clock.now
        self.monotonic = clock.monotonic

    async def sleep(self, seconds: float) -> None:
        """Move the time."""
        self._clock.advance(self._clock.now() // 1_000_000 + int(seconds * 1000) + 1)
        await asyncio.sleep(0)


def _configuration(folder: Path, github: str, backend: str) -> dict[str, object]:
    receiver = {
        "organizations": ["acme-corp"],
        "base_url": github,
        "auth": {"token": "t"},
        "poll_interval": f"{_POLL}s",
        "rate_limit": {"min_remaining": 20},
        "streams": {"audit_log": {"initial_lookback": "5m"}, "code_scanning": False},
    }
    exporter = {
        "endpoint": backend,
        "batch": {"flush_interval": 0},
        "retry_on_failure": {"initial_interval": "10s", "max_interval": "300s"},
    }
    return {
        "receivers": {"github": receiver},
        "processors": {"normalize": {}},
        "exporters": {"otlphttp": exporter},
        "extensions": {"storage": {"path": str(folder / "shipper.db"), "retention": "8d"}},
        "service": {
            "pipelines": {
                "logs": {"receivers": ["github"], "processors": ["normalize"], "exporters": ["otlphttp"]}
            },
            "telemetry": {"metrics": False},
            "admin": False,
        },
    }


def main(arguments: list[str]) -> int:
    """Run, print the report, exit 0 when every event was proven."""
    parser = argparse.ArgumentParser(prog="bench week", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--days", type=float, default=7)
    options = parser.parse_args(arguments)
    logging.disable(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        report = asyncio.run(Week(options.seed, options.events, options.days, Path(folder)).run())
    print(
        f"{options.days:g} days: reconcile proves {report.proven} of {report.events}; the backend has "
        f"{report.at_backend}, {report.repeated} of them again"
    )
    print(
        f"{report.requests} requests, {report.refused} refused; {report.restarts} restarts; {report.seconds:.0f} s"
        f" of real time; {report.counts}"
    )
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
