"""kill -9 at random moments, exporters that fail at random, and an oracle that counts every event.

`python -m bench crash --events 20000 --kills 100` is the long run; the tests make a short one with a fixed seed.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from bench.sinks import OtlpSink, SyslogSink
from shipper.core.clock import SystemClock
from shipper.core.telemetry import Health, Meter
from shipper.journal import open_journal
from shipper.simulator import Options, Simulator
from shipper.wire.github import audit_uid

#: Records in one request, and so the most that one crash may repeat.
BATCH = 64


@dataclass
class Report:
    """What the oracle found."""

    events: int
    kills: int
    lost: dict[str, int] = field(default_factory=dict)
    forged: dict[str, int] = field(default_factory=dict)
    repeated: dict[str, int] = field(default_factory=dict)
    allowed: dict[str, int] = field(default_factory=dict)
    journalled: int = 0
    """Records the journal ever took; more than `events` would be doubles."""

    @property
    def good(self) -> bool:
        """Whether the promise of CONTRACT section 4 was kept."""
        return (
            not any(self.lost.values())
            and not any(self.forged.values())
            and all(self.repeated[name] <= self.allowed[name] for name in self.repeated)
            and self.journalled == self.events
        )


def configuration(folder: Path, github: str, otlp: str, syslog: int) -> dict[str, object]:
    """One receiver, three exporters that are all in trouble, nothing dropped."""
    retry = {"initial_interval": "5ms", "max_interval": "50ms"}
    delivery = {"retry_on_failure": retry, "batch": {"max_records": BATCH, "flush_interval": "5ms"}}
    streams = {"audit_log": {"initial_lookback": "48h"}, "code_scanning": False}
    receiver = {
        "organizations": ["acme-corp"],
        "base_url": github,
        "auth": {"token": "t"},
        "poll_interval": "100ms",
    }
    return {
        "receivers": {"github": receiver | {"streams": streams}},
        "processors": {"normalize": {}},
        "exporters": {
            "otlphttp": {"endpoint": otlp} | delivery,
            "syslog": {"endpoint": "127.0.0.1", "port": syslog, "network": "tcp"} | delivery,
            "file": {"path": str(folder / "out.jsonl")} | delivery,
        },
        "extensions": {"storage": {"path": str(folder / "shipper.db")}},
        "service": {
            "pipelines": {
                "logs": {
                    "receivers": ["github"],
                    "processors": ["normalize"],
                    "exporters": ["otlphttp", "syslog", "file"],
                }
            },
            "telemetry": {"metrics": False},
            "admin": False,
        },
    }


async def crash_run(seed: int, events: int, kills: int, folder: Path) -> Report:
    """Ship `events` past events through a program that is killed `kills` times."""
    dice = random.Random(seed)
    options = Options.quiet(seed=seed, backlog=events, backlog_period=86400.0, rate_limits=False)
    async with Simulator(options) as github, OtlpSink(seed) as otlp, SyslogSink(seed) as syslog:
        config = folder / "pipelines.json"
        config.write_text(json.dumps(configuration(folder, github.url, otlp.endpoint, syslog.port)))
        for _ in range(kills):
            await _start_and_kill(config, dice.uniform(0.4, 2.0))
        otlp.trouble = syslog.trouble = 0
        await _finish(config)
        wanted = {audit_uid(event.body) for event in github.events()}
        report = Report(events=len(wanted), kills=kills)
        _judge(report, "otlphttp", wanted, otlp.taken, BATCH * (kills + otlp.unanswered))
        _judge(report, "syslog", wanted, syslog.taken, BATCH * (kills + syslog.hung_up))
        _judge(report, "file", wanted, _read_file(folder / "out.jsonl"), BATCH * kills)
        report.journalled = await _journalled(folder / "shipper.db")
        return report


async def _start_and_kill(config: Path, after: float) -> None:
    program = await _start(config)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(program.wait(), after)
        raise RuntimeError(f"the shipper ended by itself: {program.returncode}")
    with contextlib.suppress(ProcessLookupError):
        os.kill(program.pid, signal.SIGKILL)
    await program.wait()


async def _finish(config: Path) -> None:
    program = await _start(config, "--once", "--drain-timeout", "60s")
    code = await program.wait()
    if code:
        raise RuntimeError(f"the last run ended with {code}; see {config.parent / 'log'}")


async def _start(config: Path, *arguments: str) -> asyncio.subprocess.Process:
    with (config.parent / "log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "shipper", "run", "-c", str(config), *arguments, stdout=log, stderr=log
        )


def _judge(report: Report, name: str, wanted: set[str], taken: Counter[str], allowed: int) -> None:
    report.lost[name] = len(wanted - taken.keys())
    report.forged[name] = len(taken.keys() - wanted)
    report.repeated[name] = taken.total() - len(taken)
    report.allowed[name] = allowed


def _read_file(path: Path) -> Counter[str]:
    taken: Counter[str] = Counter()
    for line in path.read_text().splitlines():
        for resource in json.loads(line)["resourceLogs"]:
            for scope in resource["scopeLogs"]:
                for record in scope["logRecords"]:
                    taken.update(
                        each["value"]["stringValue"]
                        for each in record["attributes"]
                        if each["key"] == "log.record.uid"
                    )
    return taken


async def _journalled(path: Path) -> int:
    """The journal numbers the records of a log from 0: its end is how many it ever took."""
    clock = SystemClock()
    journal = await open_journal(path, clock, Meter(), Health(clock))
    try:
        return next(log.end for log in journal.logs() if log.name == "logs")
    finally:
        await journal.close()


def main(arguments: list[str]) -> int:
    """Run, print the report, exit 0 when the promise was kept."""
    parser = argparse.ArgumentParser(prog="bench crash", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=100)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        report = asyncio.run(crash_run(options.seed, options.events, options.kills, Path(folder)))
    print(
        f"{report.events} events, {report.kills} kills, seed {options.seed}; the journal took {report.journalled}"
    )
    for name in report.lost:
        print(
            f"{name:9} lost {report.lost[name]}, forged {report.forged[name]}, "
            f"repeated {report.repeated[name]} (at most {report.allowed[name]} allowed)"
        )
    return 0 if report.good else 1
