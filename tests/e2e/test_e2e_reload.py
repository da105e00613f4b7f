"""Reloading, rolling back and draining while records flow: nothing is lost, and nothing is doubled."""

import asyncio
import json
import os
import signal
from collections import Counter

import pytest
from aiohttp import web
from e2e_listening import PATIENCE, ended, listening, until
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from shipper.simulator import Options, Simulator

EVERYTHING = {"normalize": {}}
"""No rule that drops."""

BATCH = {"max_records": 8, "flush_interval": "10ms"}


class Slow:
    """An OTLP backend that needs its time for each request, and counts the records."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.taken: Counter[str] = Counter()
        self.asked = asyncio.Event()
        self.answers = asyncio.Event()
        """Cleared: every request is held until it is set."""
        self.answers.set()
        self._progress = asyncio.Event()

    async def __aenter__(self):
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/logs", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.endpoint = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *exc):
        await self._runner.cleanup()

    async def received(self, count):
        """Return when that many records have arrived."""
        while len(self.taken) < count:
            self._progress.clear()
            await asyncio.wait_for(self._progress.wait(), PATIENCE)

    async def _take(self, request):
        message = ExportLogsServiceRequest.FromString(await request.read())
        records = [r for each in message.resource_logs for scope in each.scope_logs for r in scope.log_records]
        self.taken.update(pair.value.string_value for r in records for pair in r.attributes if pair.key == UID)
        self.asked.set()
        self._progress.set()
        await asyncio.sleep(self.seconds)
        await self.answers.wait()
        return web.Response(body=b"", content_type="application/x-protobuf")


UID = "log.record.uid"


def last_words(err):
    return json.loads(err.splitlines()[-1])


async def end(process):
    process.terminate()
    _, err = await ended(process)
    return process.returncode, err


@pytest.fixture
async def github():
    async with Simulator(Options.quiet(seed=5, backlog=150, backlog_period=3600.0)) as simulator:
        yield simulator


async def test_reloads_under_load_lose_and_double_nothing(program, github, syslog_backend, tmp_path):
    """Each comes while requests are under way: their answers are waited for, and their records not sent again."""
    async with Slow(0.05) as backend:
        exporters = {
            "otlphttp": {"endpoint": backend.endpoint, "batch": BATCH},
            "syslog": {
                "endpoint": "127.0.0.1",
                "port": syslog_backend.port,
                "network": "tcp",
                "batch": BATCH,
            },
            "file": {"path": str(tmp_path / "out.jsonl"), "format": "json", "batch": BATCH},
        }
        config = program.configure(github, exporters, receiver={"poll_interval": "200ms"}, processors=EVERYTHING)
        text = json.loads(config.read_text())
        process = await program.start("run", "-c", str(config))
        await until(process, "journal(sqlite)")
        for number in range(4):
            for each in range(25):
                github.happen("git.clone", actor=f"dev-{number}-{each}")
            text["exporters"]["otlphttp"]["batch"] = BATCH | {"max_records": 4 + number}
            await backend.received(len(backend.taken) + 1)
            config.write_text(json.dumps(text))
            process.send_signal(signal.SIGHUP)
            await until(process, "reloaded")
        await backend.received(250)
        code, err = await end(process)
    assert code == 0, err
    assert len(list(github.events())) == 250
    lines = [json.loads(line)["attributes"][UID] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(set(lines)) == len(lines) == len(syslog_backend.messages) == 250
    assert backend.taken == Counter(lines)


async def test_watching_sees_the_symlink_swap_of_a_configmap(program, github, http_backend, tmp_path):
    """Kubernetes never writes to the file: it moves the link that the file's own link goes through."""
    written = program.configure(
        github, {"otlphttp": {"endpoint": "http://127.0.0.1:1"}}, processors=EVERYTHING
    ).read_text()
    volume = tmp_path / "config"
    for name, text in (("..1", written), ("..2", written.replace("http://127.0.0.1:1", http_backend.endpoint))):
        (volume / name).mkdir(parents=True)
        (volume / name / "pipelines.json").write_text(text)
    (volume / "..data").symlink_to("..1")
    (volume / "pipelines.json").symlink_to("..data/pipelines.json")
    process = await program.start("run", "--watch", "-c", str(volume / "pipelines.json"))
    await until(process, "nothing listens")
    (volume / "..tmp").symlink_to("..2")
    os.replace(volume / "..tmp", volume / "..data")  # noqa: PTH105 - the call that Kubernetes makes
    await until(process, "reloaded")
    code, err = await end(process)
    assert code == 0, err
    assert len(http_backend.records) == 150


async def test_watching_sees_sigma_rules_change_and_new_ones_come(program, github, http_backend, tmp_path):
    folder = tmp_path / "sigma"
    folder.mkdir()
    rule = "title: Clone\nlogsource: {product: github, service: audit}\nlevel: low\n"
    rule += "detection: {selection: {action: git.clone}, condition: selection}\n"
    (folder / "one.yml").write_text(rule)
    processors = {"normalize": {}, "rules": {"sigma": ["sigma/*.yml"]}}
    exporters = {"otlphttp": {"endpoint": http_backend.endpoint}}
    config = program.configure(github, exporters, processors=processors)
    process = await program.start("run", "--watch", "-c", str(config))
    await until(process, "journal")
    (folder / "one.yml").write_text(rule.replace("low", "high"))
    await until(process, "reloaded")
    (folder / "two.yml").write_text(rule.replace("Clone", "Another"))
    await until(process, "reloaded")
    code, err = await end(process)
    assert code == 0, err


PLUGIN = '''
"""Never starts."""
from shipper.core.component import Component
from shipper.core.delivery import DeliveryConfig


class Config(DeliveryConfig):
    """Nothing."""


class Never:
    def __init__(self, config, context):
        pass

    async def __aenter__(self):
        raise OSError("no such device")

    async def __aexit__(self, *exc):
        pass

    async def export(self, window):
        pass

    async def check(self):
        return ""


component = Component(kind="exporter", config=Config, build=Never)
'''


async def test_a_pipeline_that_does_not_start_is_rolled_back(program, github, tmp_path):
    """The former one is only stopped when the new one is ready."""
    site = tmp_path / "site"
    (site / "never-1.dist-info").mkdir(parents=True)
    (site / "never_starts.py").write_text(PLUGIN)
    (site / "never-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: never\nVersion: 1\n")
    points = "[shipper.exporters]\nnever = never_starts:component\n"
    (site / "never-1.dist-info" / "entry_points.txt").write_text(points)
    async with Slow(0.02) as backend:
        exporters = {"otlphttp": {"endpoint": backend.endpoint, "batch": BATCH}}
        config = program.configure(github, exporters, processors=EVERYTHING)
        process = await program.start("run", "-c", str(config), PYTHONPATH=str(site))
        await until(process, "journal(sqlite)")
        text = json.loads(config.read_text())
        text["exporters"]["never"] = {}
        text["service"]["pipelines"]["logs/github"]["exporters"].append("never")
        config.write_text(json.dumps(text))
        process.send_signal(signal.SIGHUP)
        refused = json.loads(await until(process, "the new configuration is refused"))
        await backend.received(150)
        code, err = await end(process)
        assert refused["reasons"] == ["exporter never can't be started: OSError"]
        assert code == 0, err
        assert len(backend.taken) == backend.taken.total() == 150


async def test_sigterm_under_load_drains_what_was_taken(program, github):
    async with Slow(0.1) as backend:
        config = program.configure(
            github, {"otlphttp": {"endpoint": backend.endpoint, "batch": BATCH}}, processors=EVERYTHING
        )
        process = await program.start("run", "-c", str(config))
        await until(process, "journal(sqlite)")
        await backend.asked.wait()
        code, err = await end(process)
        assert code == 0, err
        assert last_words(err)["waiting"] == 0
        assert last_words(err)["drained"] > 0
        assert backend.taken.total() == len(backend.taken)


@pytest.mark.parametrize(
    ("pipelines", "code", "waiting"),
    [
        pytest.param({}, 0, 0, id="nothing-waits"),
        pytest.param(
            {"logs/left": {"receivers": ["github"], "exporters": ["otlphttp/down"]}},
            75,
            20,
            id="twenty-wait-for-a-pipeline-that-the-reload-takes-away",
        ),
    ],
)
async def test_sigterm_during_a_reload_counts_what_the_reload_sent(program, pipelines, code, waiting):
    """All that was sent since the signal, by whichever configuration; not what the reload let go of."""
    async with Simulator(Options.quiet(seed=5, backlog=20, backlog_period=3600.0)) as github, Slow(0) as backend:
        backend.answers.clear()
        exporters = {"otlphttp": {"endpoint": backend.endpoint, "batch": BATCH}}
        config = program.configure(github, exporters, processors=EVERYTHING)
        after = json.loads(config.read_text())
        after["service"]["admin"]["endpoint"] = "127.0.0.2:0"
        before = json.loads(config.read_text())
        before["exporters"]["otlphttp/down"] = {"endpoint": "http://127.0.0.1:1"}
        before["service"]["pipelines"].update(pipelines)
        config.write_text(json.dumps(before))
        process = await program.start("run", "-c", str(config))
        await backend.asked.wait()
        await listening(process, "admin")
        config.write_text(json.dumps(after))
        process.send_signal(signal.SIGHUP)
        await listening(process, "admin")
        process.terminate()
        backend.answers.set()
        _, err = await ended(process)
        assert process.returncode == code, err
        assert (last_words(err)["drained"], last_words(err)["waiting"]) == (20, waiting)
        assert backend.taken.total() == len(backend.taken) == 20


async def test_sigterm_under_load_ends_in_time_and_the_next_start_sends_what_waits(program, github):
    async with Slow(0.3) as backend:
        exporters = {"otlphttp": {"endpoint": backend.endpoint, "batch": BATCH}}
        config = program.configure(github, exporters, processors=EVERYTHING)
        process = await program.start("run", "--drain-timeout", "400ms", "-c", str(config))
        await until(process, "journal(sqlite)")
        await backend.asked.wait()
        code, err = await end(process)
        assert code == 75, err
        waiting = last_words(err)["waiting"]
        assert 0 < waiting <= 150
        backend.seconds = 0
        code, _, err = await program.run("run", "--once", "-c", str(config))
        assert code == 0, err
        assert len(backend.taken) == 150
        assert backend.taken.total() <= 150 + 8, "at most the batch whose answer was not waited for"
