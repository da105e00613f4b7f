"""One exporter in trouble is nobody else's: others go on, memory stays flat, a full journal says so."""

import asyncio
import os
import signal
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from e2e_listening import PATIENCE, ended, listening

from shipper.simulator import Options, Simulator

EVERYTHING = {"normalize": {}}


@pytest.fixture
async def hanging():
    """A backend that takes connections and never answers."""
    stop = asyncio.Event()

    async def hang(_request):
        await stop.wait()
        return web.Response()

    app = web.Application(client_max_size=2**26)
    app.router.add_post("/v1/logs", hang)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    stop.set()
    await runner.cleanup()


def resident(pid: int) -> float:
    """MB of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def ready(admin: str) -> tuple[int, dict]:
    async with aiohttp.ClientSession() as session, session.get(f"{admin}/readyz") as answer:
        return answer.status, await answer.json()


async def ready_is(admin: str, status: int) -> dict:
    """What `/readyz` says once it has this status."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found, body = await ready(admin)
            if found == status:
                return body
            await asyncio.sleep(0.05)


async def full(admin: str, culprit: str) -> str:
    """What `/readyz` says of a full journal, once it names the culprit."""
    async with asyncio.timeout(PATIENCE):
        while True:
            body = await ready_is(admin, 503)
            for reason in body["reasons"]:
                if reason["component"] == "storage" and culprit in reason["error"]:
                    return reason["error"]
            await asyncio.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
async def test_an_exporter_that_hangs_holds_nobody_and_nothing_in_memory(program, hanging, http_backend):
    """The backlog of the one that hangs is in storage; what the process holds does not grow with it."""
    async with Simulator(Options.quiet(backlog=6000, backlog_period=3600.0)) as github:
        exporters = {"otlphttp": {"endpoint": http_backend.endpoint}, "otlphttp/hangs": {"endpoint": hanging}}
        config = program.configure(github, exporters, processors=EVERYTHING)
        process = await program.start("run", "--drain-timeout", "100ms", "-c", str(config))
        await http_backend.received(1000)
        early = resident(process.pid)
        await http_backend.received(6000)
        late = resident(process.pid)
        process.terminate()
        await ended(process)
    assert process.returncode == 75
    assert late - early < 15, f"{early:.0f} MB with 1000 records behind, {late:.0f} MB with 6000"


async def test_a_full_journal_makes_polls_wait_and_readyz_says_who_holds_it_up(program, hanging, http_backend):
    async with Simulator(Options.quiet(backlog=3000, backlog_period=3600.0)) as github:
        exporters = {
            "otlphttp/slow": {"endpoint": hanging, "timeout": "500ms"},
            "otlphttp": {"endpoint": http_backend.endpoint},
        }
        storage = {"storage": {"path": str(program.folder / "shipper.db"), "max_size": "64KiB"}}
        config = program.configure(github, exporters, processors=EVERYTHING, extensions=storage)
        process = await program.start("run", "-c", str(config))
        admin, _ = await listening(process, "admin")
        await http_backend.received(100)
        reason = await full(admin, "otlphttp/slow is furthest behind")
        assert "is full (max_size 65536 bytes): receivers wait, nothing is lost" in reason
        polled = len(github.requests)
        await asyncio.sleep(1)
        assert len(github.requests) <= polled + 1, "polls wait"
        taken = len(http_backend.records)
        assert 0 < taken < 3000
        mended = {name: {"endpoint": http_backend.endpoint, "timeout": "60s"} for name in exporters}
        program.configure(github, mended, processors=EVERYTHING, extensions=storage)
        process.send_signal(signal.SIGHUP)
        await http_backend.received(6000)
        await ready_is(admin, 200)
        process.terminate()
        await ended(process)
    assert process.returncode == 0
    assert len(http_backend.records) == 6000, "each exporter sent each record once"
