"""The fault run: everything breaks, at random moments by seed, and every event is counted afterwards.

A simulated GitHub that fails, OTLP backends (gRPC, HTTP) and a syslog server that fail, a disk that fills, a
journal that is too small; and the shipper is killed, stopped and reloaded meanwhile, with good and with bad files.

    python -m bench faults                            the long run: docs/faults.md has its figures
    python -m bench faults --seed 3 --lives 400       longer
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.fault_sinks import GrpcSink, HttpSink, Sink, SyslogSink, canonical, poison
from bench.memory import resident
from shipper.core.clock import SystemClock
from shipper.core.telemetry import Health, Meter
from shipper.journal import open_journal
from shipper.simulator import Options, Simulator
from shipper.wire.github import audit_uid

#: Records in one request, and so the most that one crash may repeat.
BATCH = 64

_DISK = "96m"
_GITHUB = (
    "audit_log:503%3", "audit_log:reset%3", "audit_log:truncated%3", "audit_log:502-html%2",
    "audit_log:200-html%2", "audit_log:200-empty%2", "audit_log:429-retry-after=1%2", "audit_log:slow=1%1",
)  # fmt: skip


@dataclass
class Report:
    """What was done, and what the count found."""

    events: int = 0
    journalled: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    lost: dict[str, int] = field(default_factory=dict)
    forged: dict[str, int] = field(default_factory=dict)
    repeated: dict[str, int] = field(default_factory=dict)
    allowed: dict[str, int] = field(default_factory=dict)
    poison: int = 0
    dead: dict[str, int] = field(default_factory=dict)
    """Dead letters by exporter: as many as there are poison records, and those."""
    wrong_dead: int = 0
    thrown: dict[str, int] = field(default_factory=dict)
    """What a backend said that it threw away, in a partial success: it must not be sent again, nor counted."""
    memory: float = 0.0
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Whether everything was kept."""
        return (
            not any(self.lost.values())
            and not any(self.forged.values())
            and all(self.repeated[name] <= self.allowed[name] for name in self.repeated)
            and self.journalled == self.events
            and not self.wrong_dead
            and all(count == self.poison for count in self.dead.values())
        )


class Disk:
    """A small file system where root may mount one, else a folder; it fills, and is emptied again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK},mode=700", "tmpfs", str(folder)]
        self.mounted = not subprocess.run(mount, capture_output=True, check=False).returncode

    def fill(self, pid: int) -> None:
        """Leave no room for what this process writes."""
        if self.mounted:
            left = os.statvfs(self.folder)
            with contextlib.suppress(OSError), (self.folder / "filler").open("wb") as filler:
                os.posix_fallocate(filler.fileno(), 0, left.f_bavail * left.f_bsize)
        else:
            self._limit(pid, 0)

    def free(self, pid: int) -> None:
        """Make room again."""
        (self.folder / "filler").unlink(missing_ok=True)
        if not self.mounted:
            self._limit(pid, resource.RLIM_INFINITY)

    def close(self) -> None:
        """Give it up."""
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.folder)], check=True)

    def _limit(self, pid: int, size: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


class Run:
    """One shipper's many lives."""

    def __init__(self, seed: int, folder: Path, disk: Disk, github: Simulator, syslog: SyslogSink) -> None:
        self.faults: Counter[str] = Counter()
        self.memory = 0.0
        self.interrupted = 0
        """Ends in which an answer may have been under way: kills, and drains that ran out of time."""
        self._dice = random.Random(f"{seed}/lives")
        self._folder, self._disk, self._github, self._syslog = folder, disk, github, syslog
        self._config = folder / "pipelines.json"
        self._text: dict[str, Any] = {}

    def configure(self, config: dict[str, Any]) -> None:
        """The configuration to live with."""
        self._text = config
        self._config.write_text(json.dumps(config))

    async def live(self) -> None:
        """Start, meet some trouble, end: killed, or told to stop."""
        program = await self._start()
        if self._dice.random() < 0.15:
            await self._end(program, self._dice.uniform(0.0, 1.0))
            return
        await self._up(program)
        for trouble in self._dice.choices(self._troubles(), k=self._dice.randint(2, 6)):
            await asyncio.sleep(self._dice.uniform(0.05, 0.4))
            if program.returncode is not None:
                raise RuntimeError(f"the shipper ended by itself: {program.returncode}; see {self._folder}/log")
            await trouble(program)
        self.memory = max(self.memory, resident(program.pid))
        await self._end(program, self._dice.uniform(0.0, 0.3))

    async def finish(self) -> None:
        """Ship what is left."""
        program = await self._start("--once", "--drain-timeout", "60s")
        if await program.wait():
            said = self._log().decode()[-4000:]
            raise RuntimeError(f"the last run ended with {program.returncode}; see {self._folder}/log: {said}")

    def _troubles(self) -> list[Any]:
        return [self._reload, self._bad_file, self._full_disk, self._no_syslog, self._more_events]

    async def _start(self, *arguments: str) -> asyncio.subprocess.Process:
        (self._folder / "log").open("ab").close()
        self._seen = (self._folder / "log").stat().st_size
        with (self._folder / "log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable, "-m", "shipper", "run", "-c", str(self._config),
                *(arguments or ("--drain-timeout", "700ms")), stdout=log, stderr=log, cwd=self._folder,
            )  # fmt: skip

    async def _up(self, program: asyncio.subprocess.Process) -> None:
        """Return when it delivers: from then on signals are for the service."""
        while b"journal(sqlite)" not in self._log():
            if program.returncode is not None:
                raise RuntimeError(f"the shipper did not start: {self._log().decode()}")
            await asyncio.sleep(0.05)

    def _log(self) -> bytes:
        with (self._folder / "log").open("rb") as log:
            log.seek(self._seen)
            return log.read()

    async def _end(self, program: asyncio.subprocess.Process, after: float) -> None:
        await asyncio.sleep(after)
        number = signal.SIGTERM if self._dice.random() < 0.35 else signal.SIGKILL
        with contextlib.suppress(ProcessLookupError):
            program.send_signal(number)
        code = await program.wait()
        self.faults["kill -9" if number == signal.SIGKILL else "SIGTERM"] += 1
        self.interrupted += code != 0
        if code not in {0, 75, -signal.SIGKILL, -signal.SIGTERM}:  # the last: before it has set up its handler
            raise RuntimeError(f"it ended with {code}; see {self._folder}/log")

    async def _reload(self, program: asyncio.subprocess.Process) -> None:
        self.faults["SIGHUP"] += 1
        for exporter in self._text["exporters"].values():
            exporter["batch"]["max_records"] = self._dice.choice([BATCH, BATCH // 2])
        self._config.write_text(json.dumps(self._text))
        program.send_signal(signal.SIGHUP)

    async def _bad_file(self, program: asyncio.subprocess.Process) -> None:
        self.faults["SIGHUP with a bad file"] += 1
        self._config.write_text(self._dice.choice(["receivers: [", "{}", "exporters: {otlp: {endpoin: x}}"]))
        program.send_signal(signal.SIGHUP)
        await asyncio.sleep(0.2)
        self._config.write_text(json.dumps(self._text))

    async def _full_disk(self, program: asyncio.subprocess.Process) -> None:
        self.faults["full disk"] += 1
        self._disk.fill(program.pid)
        await asyncio.sleep(self._dice.uniform(0.1, 0.5))
        self._disk.free(program.pid)

    async def _no_syslog(self, _program: asyncio.subprocess.Process) -> None:
        await self._syslog.absent(self._dice.uniform(0.05, 0.3))

    async def _more_events(self, _program: asyncio.subprocess.Process) -> None:
        for number in range(100):
            self._github.happen("git.clone", actor=f"dev-{number}", late=self._dice.uniform(0, 2))


def configuration(disk: Path, github: str, http: str, grpc: str, syslog: int) -> dict[str, Any]:
    """One receiver, four exporters that are all in trouble, dead letters to a file, too small a journal."""

    def exporter(**own: Any) -> dict[str, Any]:
        retry = {"initial_interval": "5ms", "max_interval": "50ms"}
        return own | {
            "timeout": "1s",
            "retry_on_failure": retry,
            "batch": {"max_records": BATCH, "flush_interval": "5ms"},
        }

    streams = {"audit_log": {"initial_lookback": "48h"}, "code_scanning": False}
    receiver = {"organizations": ["acme-corp"], "base_url": github, "auth": {"token": "t"}, "streams": streams}
    exporters = {
        "otlp": exporter(endpoint=grpc, tls={"insecure": True}),
        "otlphttp": exporter(endpoint=http),
        "syslog": exporter(endpoint="127.0.0.1", port=syslog, network="tcp"),
        "file": exporter(path=str(disk / "out.jsonl")),
        "file/dead": exporter(path=str(disk / "dead.jsonl")),
    }
    pipeline = {
        "receivers": ["github"],
        "processors": ["normalize"],
        "exporters": list(exporters)[:4],
        "dead_letter": ["file/dead"],
    }
    return {
        "receivers": {"github": receiver | {"poll_interval": "200ms"}},
        "processors": {"normalize": {}},
        "exporters": exporters,
        "extensions": {"storage": {"path": str(disk / "shipper.db"), "max_size": "256KiB"}},
        "service": {"pipelines": {"logs": pipeline}, "telemetry": {"metrics": False}, "admin": False},
    }


@contextlib.asynccontextmanager
async def _backends(seed: int) -> AsyncIterator[tuple[GrpcSink, HttpSink, SyslogSink]]:
    async with GrpcSink(seed) as grpc, HttpSink(seed) as http, SyslogSink(seed) as syslog:
        yield grpc, http, syslog


async def fault_run(seed: int, events: int, lives: int, folder: Path) -> Report:
    """Ship `events` past events, and more that happen meanwhile, through a program that lives `lives` times."""
    started = time.monotonic()
    options = Options.quiet(seed=seed, backlog=events, backlog_period=86400.0, rate_limits=False)
    disk = Disk(folder / "disk")
    try:
        async with Simulator(options, faults=_GITHUB) as github, _backends(seed) as (grpc, http, syslog):
            run = Run(seed, folder, disk, github, syslog)
            run.configure(configuration(disk.folder, github.url, http.endpoint, grpc.endpoint, syslog.port))
            for _ in range(lives):
                await run.live()
            hits = Counter({f"GitHub: {each.kind}": each.hits for each in github.faults.faults})
            github.faults.clear()
            grpc.calm = http.calm = syslog.calm = True
            await asyncio.sleep(2)
            await run.finish()
            sinks: dict[str, Sink] = {"otlp": grpc, "otlphttp": http, "syslog": syslog}
            wanted = {audit_uid(event.body): canonical(event.body) for event in github.events()}
            report = await _judged(run, sinks, wanted, disk.folder)
            report.faults += hits
            report.seconds = time.monotonic() - started
            return report
    finally:
        disk.close()


async def _judged(run: Run, sinks: dict[str, Sink], wanted: dict[str, str], disk: Path) -> Report:
    """Count everything."""
    report = Report(events=len(wanted), faults=Counter(run.faults), memory=run.memory)
    refused = {uid for uid in wanted if poison(uid)}
    report.poison = len(refused)
    file, dead = _read(disk / "out.jsonl", Sink("", {})), _read(disk / "dead.jsonl", Sink("", {}))
    for name, sink in (sinks | {"file": file, "file/dead": dead}).items():
        kept = refused if name == "file/dead" else set(wanted) - (refused if name.startswith("otlp") else set())
        report.lost[name] = len(kept - sink.taken.keys() - sink.declined)
        report.forged[name] = sum(bodies != {wanted.get(uid)} for uid, bodies in sink.bodies.items())
        report.repeated[name] = sink.taken.total() - len(sink.taken)
        report.allowed[name] = BATCH * (run.interrupted + sink.unanswered)
        report.thrown[name] = len(sink.declined - sink.taken.keys())
        report.faults += Counter({f"{name}: {kind}": count for kind, count in sink.faults.items()})
    report.journalled, letters = await _journal(disk / "shipper.db")
    report.dead = {name: letters[name].total() for name in ("otlp", "otlphttp")}
    report.wrong_dead = sum(len(set(found) ^ refused) for found in letters.values())
    return report


def _read(path: Path, into: Sink) -> Sink:
    """The records of a file of OTLP's JSON."""
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        for resource_logs in json.loads(line)["resourceLogs"]:
            for scope in resource_logs["scopeLogs"]:
                for record in scope["logRecords"]:
                    attributes = {each["key"]: each["value"] for each in record["attributes"]}
                    into.take(attributes["log.record.uid"]["stringValue"], canonical(_value(record["body"])))
    return into


def _value(value: dict[str, Any]) -> Any:
    """OTLP's JSON as plain JSON."""
    [(kind, held)] = value.items() or [("null", None)]
    if kind == "kvlistValue":
        return {pair["key"]: _value(pair["value"]) for pair in held.get("values", ())}
    if kind == "arrayValue":
        return [_value(each) for each in held.get("values", ())]
    return int(held) if kind == "intValue" else held


async def _journal(path: Path) -> tuple[int, dict[str, Counter[str]]]:
    """How many records the journal ever took (it numbers them from 0), and the dead letters by exporter."""
    clock = SystemClock()
    journal = await open_journal(path, clock, Meter(), Health(clock))
    try:
        letters: dict[str, Counter[str]] = {"otlp": Counter(), "otlphttp": Counter()}
        async for letter in journal.dead_letters():
            letters.setdefault(letter.component, Counter())[letter.uid] += 1
        return next(log.end for log in journal.logs() if log.name == "logs"), letters
    finally:
        await journal.close()


def table(report: Report) -> Iterable[str]:
    """The report as Markdown."""
    refusals = sum(count for kind, count in report.faults.items() if kind.endswith("(poison)"))
    yield f"{report.events} events, {report.faults.total() - refusals} faults and {refusals} refusals for good"
    yield f"in {report.seconds:.0f} s; the journal took"
    yield f"{report.journalled} records; at most {report.memory:.0f} MB of memory; {report.poison} records are"
    yield f"refused for good, {report.dead} became dead letters, {report.wrong_dead} wrong ones."
    yield ""
    yield "| exporter | lost | forged | repeated | promise: at most | thrown away by the backend |"
    yield "|---|---|---|---|---|---|"
    for name in report.lost:
        found = [getattr(report, each)[name] for each in ("lost", "forged", "repeated", "allowed", "thrown")]
        yield f"| {name} | {' | '.join(map(str, found))} |"
    yield ""
    yield "| fault | times |"
    yield "|---|---|"
    for kind, count in sorted(report.faults.items()):
        yield f"| {kind} | {count} |"


def main(arguments: list[str]) -> int:
    """Run, print the report, exit 0 when the promise was kept."""
    parser = argparse.ArgumentParser(prog="bench faults", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--lives", type=int, default=80, help="how often the shipper is started")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the shipper's log")
    options = parser.parse_args(arguments)
    os.nice(5)
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    report = asyncio.run(fault_run(options.seed, options.events, options.lives, folder))
    print("\n".join(table(report)))
    if options.keep:
        print(folder)
    else:
        shutil.rmtree(folder)
    return 0 if report.good else 1
