"""No secret of a configuration is found in anything that the program writes, whatever goes wrong."""

import asyncio
import json
import os
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from e2e_listening import PATIENCE, ended, listening, said

from shipper.simulator import Options, Simulator

MARKS = {
    "token": "mark1-github-token-0123456789",
    "header": "mark2-otlp-header-0123456789",
    "header2": "mark3-http-header-0123456789",
    "redact": "mark4-redact-key-0123456789",
    "proxy": "mark5-proxy-password-0123456789",
    "endpoint": "mark6-endpoint-password-0123456789",
    "push": "mark7-metrics-header-0123456789",
    "environment": "mark8-proxy-in-environment-0123456789",
}


class Loud:
    """A backend that answers by 401, 400, 503, 302, over and over, and repeats the request's headers each time."""

    def __init__(self) -> None:
        self.address = ""
        self._asked: Counter[str] = Counter()
        self._progress = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        status = (401, 400, 503, 302)[self._asked[request.path] % 4]
        self._asked[request.path] += 1
        self._progress.set()
        text = str(dict(request.headers))
        return web.Response(status=status, text=text, headers={"Location": f"http://127.0.0.1:1/?{text[:200]}"})

    async def asked(self, path: str, count: int) -> None:
        """Return when requests for paths that end like this have come that often."""
        while sum(number for each, number in self._asked.items() if each.endswith(path)) < count:
            self._progress.clear()
            await asyncio.wait_for(self._progress.wait(), PATIENCE)


@pytest.fixture
async def loud():
    backend = Loud()
    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{path:.*}", backend.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    backend.address = f"127.0.0.1:{runner.addresses[0][1]}"
    yield backend
    await runner.cleanup()


def troubled(program, github, loud: Loud) -> Path:
    """A configuration with a secret in every place that takes one, and backends that refuse everything."""
    retry = {"initial_interval": "20ms", "max_interval": "50ms"}
    exporters = {
        "otlp": {"endpoint": loud.address, "tls": {"insecure": True}, "headers": {"x-key": MARKS["header"]}},
        "otlphttp": {"endpoint": f"http://{loud.address}", "headers": {"authorization": MARKS["header2"]}},
        "file": {"path": "out/events.jsonl"},
    }
    for exporter in list(exporters.values())[:2]:
        exporter["retry_on_failure"] = retry
    path = program.configure(
        github,
        exporters,
        receiver={"auth": {"token": "${env:MARKED}"}, "poll_interval": "100ms"},
        processors={
            "normalize": {},
            "redact": {"key": MARKS["redact"], "rules": [{"path": "actor", "action": "hash"}]},
        },
    )
    config = json.loads(path.read_text())
    config["receivers"]["github/proxied"] = config["receivers"]["github"] | {
        "base_url": "http://github.test",
        "proxy_url": f"http://user:{MARKS['proxy']}@{loud.address}",
    }
    config["service"]["pipelines"]["logs/github"]["receivers"].append("github/proxied")
    config["service"]["telemetry"]["logs"]["level"] = "debug"
    push = {"endpoint": f"http://{loud.address}", "headers": {"x-key": MARKS["push"]}, "interval": "1s"}
    config["service"]["telemetry"]["metrics"]["otlp"] = push
    path.write_text(json.dumps(config))
    return path


async def read(url: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return str(answer.headers) + await answer.text()


async def tapped(tap, github) -> None:
    """Let events happen until the tap shows one."""
    async with asyncio.timeout(PATIENCE):
        shown = asyncio.create_task(tap.stdout.readline())
        while not shown.done():
            github.happen("git.clone")
            await asyncio.wait([shown], timeout=0.1)


def marks_in(text: str) -> list[str]:
    return [name for name, mark in MARKS.items() if mark in text]


async def test_no_secret_is_written_anywhere(program, loud, tmp_path):
    """Logs at debug level, errors, metrics, status, the tap, the journal and every file that is made."""
    async with Simulator(
        Options.quiet(backlog=30), faults=("audit_log:401%40", "audit_log:502-html%20")
    ) as github:
        path = troubled(program, github, loud)
        proxy = f"http://user:{MARKS['environment']}@127.0.0.1:1"
        process = await program.start(
            "run", "--drain-timeout", "200ms", "-c", str(path), MARKED=MARKS["token"], HTTPS_PROXY=proxy
        )
        admin, lines = await listening(process, "admin")
        metrics, more = await listening(process, "metrics")
        reading = asyncio.create_task(said(process, "the new configuration is refused"))
        tap = await program.start("tap", "--url", admin)
        await loud.asked("/v1/logs", 8)
        await loud.asked("/v1/metrics", 1)
        await loud.asked("/audit-log", 1)
        await tapped(tap, github)
        shown = [await read(f"{admin}/{page}") for page in ("status", "readyz?verbose", "readyz", "livez")]
        shown.append(await read(f"{metrics}/metrics"))
        good = path.read_text()
        path.write_text(good.replace('"poll_interval"', '"poll_intervall"'))
        process.send_signal(signal.SIGHUP)
        _, most = await reading
        path.write_text(good)
        process.terminate()
        shown += [*await ended(process), *await ended(tap)]
    text = "".join([*lines, *more, *most, *shown])
    assert "backend" in text
    assert marks_in(text) == []
    made = [each for each in tmp_path.rglob("*") if each.is_file() and each != path]
    assert {"shipper.db", "events.jsonl"} <= {each.name for each in made}
    for each in made:
        assert marks_in(each.read_bytes().decode("latin-1")) == [], each
        assert each.stat().st_mode & 0o077 == 0, each
    with closing(sqlite3.connect(tmp_path / "shipper.db")) as db:
        assert marks_in("\n".join(db.iterdump())) == []


@pytest.mark.parametrize("command", [["validate"], ["config"], ["graph"], ["check"]])
async def test_no_command_shows_a_secret(program, loud, command):
    async with Simulator(Options.quiet(backlog=3)) as github:
        path = troubled(program, github, loud)
        _, out, err = await program.run(*command, "-c", str(path), MARKED=MARKS["token"])
        assert marks_in(out + err) == []
        wrong = json.loads(path.read_text())
        wrong["exporters"]["otlphttp"]["endpoint"] = f"http://user:{MARKS['endpoint']}@{loud.address}"
        path.write_text(json.dumps(wrong))
        path.write_text(path.read_text().replace('"poll_interval": "100ms"', '"poll_interval": "often"'))
        _, out, err = await program.run(*command, "-c", str(path), MARKED=MARKS["token"])
        assert marks_in(out + err) == []
        assert os.linesep in err
