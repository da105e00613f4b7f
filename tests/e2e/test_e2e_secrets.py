"""No secret of a configuration is found in anything that the program writes, whatever goes wrong."""

import asyncio
import json
import os
import signal
import sqlite3
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from e2e_listening import listening

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


@pytest.fixture
async def loud():
    """A backend that answers everything with 401, 400 or 503 and repeats the request's headers in its answer."""
    statuses = [401, 400, 503, 302]

    async def answer(request):
        statuses.append(statuses.pop(0))
        said = str(dict(request.headers))
        return web.Response(
            status=statuses[0], text=said, headers={"Location": f"http://127.0.0.1:1/?{said[:200]}"}
        )

    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def troubled(program, github, loud: str) -> Path:
    """A configuration with a secret in every place that takes one, and backends that refuse everything."""
    retry = {"initial_interval": "20ms", "max_interval": "50ms"}
    exporters = {
        "otlp": {"endpoint": loud, "tls": {"insecure": True}, "headers": {"x-key": MARKS["header"]}},
        "otlphttp": {"endpoint": f"http://{loud}", "headers": {"authorization": MARKS["header2"]}},
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
        "proxy_url": f"http://user:{MARKS['proxy']}@{loud}",
    }
    config["service"]["pipelines"]["logs/github"]["receivers"].append("github/proxied")
    config["service"]["telemetry"]["logs"]["level"] = "debug"
    push = {"endpoint": f"http://{loud}", "headers": {"x-key": MARKS["push"]}, "interval": "1s"}
    config["service"]["telemetry"]["metrics"]["otlp"] = push
    path.write_text(json.dumps(config))
    return path


async def read(url: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return str(answer.headers) + await answer.text()


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
        tap = await program.start("tap", "--url", admin)
        await asyncio.sleep(2)
        shown = [await read(f"{admin}/{page}") for page in ("status", "readyz?verbose", "readyz", "livez")]
        shown.append(await read(f"{metrics}/metrics"))
        good = path.read_text()
        path.write_text(good.replace('"poll_interval"', '"poll_intervall"'))
        process.send_signal(signal.SIGHUP)
        await asyncio.sleep(0.5)
        path.write_text(good)
        process.terminate()
        out, err = await asyncio.wait_for(process.communicate(), 60)
        shown += [text.decode() for text in await asyncio.wait_for(tap.communicate(), 60)]
    text = "".join([*lines, *more, *shown, out.decode(), err.decode()])
    assert "refused" in text
    assert "backend" in text
    assert marks_in(text) == []
    made = [each for each in tmp_path.rglob("*") if each.is_file() and each != path]
    assert {"shipper.db", "events.jsonl"} <= {each.name for each in made}
    for each in made:
        assert marks_in(each.read_bytes().decode("latin-1")) == [], each
        assert each.stat().st_mode & 0o077 == 0, each
    assert marks_in("\n".join(sqlite3.connect(tmp_path / "shipper.db").iterdump())) == []


@pytest.mark.parametrize("command", [["validate"], ["config"], ["graph"], ["check"]])
async def test_no_command_shows_a_secret(program, loud, command):
    async with Simulator(Options.quiet(backlog=3)) as github:
        path = troubled(program, github, loud)
        _, out, err = await program.run(*command, "-c", str(path), MARKED=MARKS["token"])
        assert marks_in(out + err) == []
        wrong = json.loads(path.read_text())
        wrong["exporters"]["otlphttp"]["endpoint"] = f"http://user:{MARKS['endpoint']}@{loud}"
        path.write_text(json.dumps(wrong))
        path.write_text(path.read_text().replace('"poll_interval": "100ms"', '"poll_interval": "often"'))
        _, out, err = await program.run(*command, "-c", str(path), MARKED=MARKS["token"])
        assert marks_in(out + err) == []
        assert os.linesep in err
