"""Running, stopping and reloading, seen from outside: exit codes, probes, last words."""

import asyncio
import json
import os
import re
import signal
from contextlib import suppress
from pathlib import Path

import aiohttp
import grpc
import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer
from e2e_listening import ended, listening, until

from shipper.simulator import Options, Simulator, Token
from shipper.testing.syslog import split_octets

DEAD = {"endpoint": "http://127.0.0.1:1"}

#: A `sitecustomize` module: names are answered late, and leave a mark.
SLOW_NAMES = """
import pathlib, socket, sys, time
asked = socket.getaddrinfo

def getaddrinfo(host, *args, **kwargs):
    if host == "slow.example.com":
        print("asking for", host, file=sys.stderr, flush=True)
        time.sleep(5)
        pathlib.Path("answered").touch()
        raise socket.gaierror("late")
    return asked(host, *args, **kwargs)

socket.getaddrinfo = getaddrinfo
"""


@pytest.fixture
async def github():
    async with Simulator(Options.quiet(organizations=("acme-corp", "other-corp"))) as simulator:
        for number in range(10):
            simulator.happen("git.clone", actor=f"dev-{number}")
        yield simulator


def last_words(err: str) -> dict:
    return json.loads(err.splitlines()[-1])


async def get(url):
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.json()


async def test_once_ships_everything_and_ends_with_0(program, github, http_backend):
    config = program.configure(github, {"otlphttp": {"endpoint": http_backend.endpoint}})
    code, _, err = await program.run("run", "--once", "-c", str(config))
    assert code == 0
    assert last_words(err)["message"] == "stopped: 10 records drained, 0 wait in storage"
    assert len(http_backend.records) == 10


async def test_with_a_dead_backend_it_ends_with_75_and_the_next_start_sends_what_waited(
    program, github, http_backend
):
    config = program.configure(github, {"otlphttp": DEAD})
    code, _, err = await program.run("run", "--once", "--drain-timeout", "300ms", "-c", str(config))
    assert code == 75
    assert last_words(err)["message"] == "stopped: 0 records drained, 10 wait in storage"
    config = program.configure(github, {"otlphttp": {"endpoint": http_backend.endpoint}})
    code, _, err = await program.run("run", "--once", "-c", str(config))
    assert code == 0
    assert last_words(err)["message"] == "stopped: 10 records drained, 0 wait in storage"
    assert len(http_backend.records) == 10


async def test_a_syslog_server_that_never_answers_our_end_gets_everything_once(program, github):
    """It has taken all there is, and silence is no evidence of a loss: exit 0, and nothing twice."""
    received, over = b"", asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        while data := await reader.read(65536):
            received += data
        await over.wait()
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        config = program.configure(github, {"syslog": {"endpoint": "127.0.0.1", "port": port}})
        code, _, err = await program.run("run", "--once", "-c", str(config))
        over.set()
    assert code == 0
    assert last_words(err)["message"] == "stopped: 10 records drained, 0 wait in storage"
    assert len(split_octets(received)) == 10


async def test_draining_waits_for_dead_letters_that_appear_meanwhile(program, github):
    """Their exporter had nothing to do when the drain began."""

    async def refuse(_request: web.Request) -> web.Response:
        await asyncio.sleep(0.05)
        return web.Response(status=400, text="not to our taste")

    app = web.Application()
    app.router.add_post("/v1/logs", refuse)
    async with TestServer(app) as backend:
        exporters = {"otlphttp": {"endpoint": str(backend.make_url("/"))}, "file": {"path": "dead.jsonl"}}
        pipeline = {"exporters": ["otlphttp"], "dead_letter": ["file"]}
        config = program.configure(github, exporters, pipeline=pipeline)
        code, _, err = await program.run("run", "--once", "-c", str(config))
    assert last_words(err)["message"] == "stopped: 10 records drained, 0 wait in storage"
    assert code == 0
    assert (program.folder / "dead.jsonl").read_text().count('"log.record.uid"') == 10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_and_says_what_it_did(program, github, http_backend, number):
    exporters = {"otlphttp": {"endpoint": http_backend.endpoint}, "otlphttp/dead": DEAD}
    config = program.configure(github, exporters)
    process = await program.start("run", "--drain-timeout", "500ms", "-c", str(config))
    await until(process, "nothing listens")
    process.send_signal(number)
    _, err = await ended(process)
    assert process.returncode == 75
    assert last_words(err)["waiting"] == 10
    assert len(http_backend.records) == 10


async def test_a_server_that_is_not_trusted_is_told_once_and_nothing_writes_past_the_log(program, github):
    """The gRPC library has a log of its own on stderr, a line for each handshake that fails."""
    leaf = trustme.CA().issue_cert("127.0.0.1")
    key, chain = leaf.private_key_pem.bytes(), leaf.cert_chain_pems[0].bytes()
    server = grpc.aio.server()
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, chain)]))
    await server.start()
    retry = {"initial_interval": "10ms", "max_interval": "10ms"}
    config = program.configure(github, {"otlp": {"endpoint": f"127.0.0.1:{port}", "retry_on_failure": retry}})
    code, _, err = await program.run("run", "--once", "--drain-timeout", "500ms", "-c", str(config))
    await server.stop(None)
    assert code == 75
    messages = [json.loads(line)["message"] for line in err.splitlines()]
    assert sum("is not trusted" in message for message in messages) == 1


async def test_a_wrong_configuration_ends_with_78_and_says_where(program, github):
    config = program.configure(github, {"otlphttp": DEAD}, receiver={"poll_intervall": "5s"})
    code, out, err = await program.run("run", "--once", "-c", str(config))
    assert code == 78
    assert out == ""
    assert "error[unknown-key]: receivers.github.poll_intervall: unknown key (did you mean poll_interval?)" in err


async def test_a_refused_token_is_told_while_the_other_organization_goes_on(program, github, http_backend):
    github.tokens["t"] = Token(owner="t", value="t", organizations=frozenset({"acme-corp"}))
    config = program.configure(
        github,
        {"otlphttp": {"endpoint": http_backend.endpoint}},
        receiver={"organizations": ["other-corp", "acme-corp"], "poll_interval": "1s"},
    )
    process = await program.start("run", "-c", str(config))
    admin, _ = await listening(process, "admin")
    await until(process, "other-corp")
    await http_backend.received(10)
    status, body = await get(f"{admin}/readyz?verbose")
    assert status == 503
    assert all("other-corp" in reason["part"] for reason in body["reasons"])
    assert any(part["part"].startswith("acme-corp") and part["status"] == "ok" for part in body["components"])
    process.terminate()
    await ended(process)
    assert process.returncode == 0


async def test_sighup_swaps_the_pipeline_and_a_bad_file_changes_nothing(program, github, http_backend):
    config = program.configure(github, {"otlphttp": DEAD}, receiver={"poll_interval": "1s"})
    process = await program.start("run", "-c", str(config))
    await until(process, "nothing listens")
    good = json.loads(config.read_text())
    config.write_text("receivers: [")
    process.send_signal(signal.SIGHUP)
    refused = await until(process, "refused")
    assert "error[yaml-syntax]" in refused
    good["exporters"]["otlphttp"]["endpoint"] = http_backend.endpoint
    config.write_text(json.dumps(good))
    process.send_signal(signal.SIGHUP)
    await until(process, "reloaded")
    process.terminate()
    _, err = await ended(process)
    assert process.returncode == 0, err
    assert len(http_backend.records) == 10


async def test_watching_sees_a_changed_file(program, github, http_backend):
    config = program.configure(github, {"otlphttp": DEAD})
    process = await program.start("run", "--watch", "-c", str(config))
    await until(process, "nothing listens")
    changed = json.loads(config.read_text())
    changed["exporters"]["otlphttp"]["endpoint"] = http_backend.endpoint
    config.write_text(json.dumps(changed))
    await until(process, "reloaded")
    process.terminate()
    await ended(process)
    assert len(http_backend.records) == 10


async def test_metrics_and_status_count_what_was_shipped(program, github, http_backend):
    config = program.configure(github, {"otlphttp": {"endpoint": http_backend.endpoint}})
    process = await program.start("run", "-c", str(config))
    admin, _ = await listening(process, "admin")
    metrics, _ = await listening(process, "metrics")
    await http_backend.received(10)
    async with aiohttp.ClientSession() as session, session.get(f"{metrics}/metrics") as answer:
        text = await answer.text()
    assert 'otelcol_receiver_accepted_log_records_total{receiver="github"} 10.0' in text
    assert 'shipper_github_rate_limit_remaining{receiver="github",resource="audit_log"}' in text
    _, status = await get(f"{admin}/status")
    assert status["receivers"]["github"]["accepted"] == 10
    assert status["pipelines"]["logs/github"].startswith("github(audit_log, code_scanning) > normalize > ")
    process.terminate()
    await ended(process)


def catches(pid: int, number: signal.Signals) -> bool:
    """Return when the process catches a signal; false where the system does not tell."""
    status = Path(f"/proc/{pid}/status")
    while status.exists():
        if int(re.search(r"SigCgt:\s*(\w+)", status.read_text())[1], 16) & 1 << number - 1:
            return True
    return False


@pytest.fixture
async def loading(program, github, http_backend):
    """Starts `shipper run`, and returns as soon as it catches a signal."""

    async def start(number: signal.Signals) -> asyncio.subprocess.Process:
        config = program.configure(github, {"otlphttp": {"endpoint": http_backend.endpoint}})
        process = await program.start("run", "-c", str(config))
        if not await asyncio.to_thread(catches, process.pid, number):
            pytest.skip("this system does not tell which signals a process catches")
        return process

    return start


async def test_a_stop_while_the_program_loads_ends_as_any_other(loading):
    process = await loading(signal.SIGTERM)
    process.terminate()
    _, err = await ended(process)
    assert process.returncode == 0
    assert last_words(err)["waiting"] == 0


async def test_signals_that_come_while_the_program_ends_do_not_decide_its_exit_code(program, github):
    process = await program.start("run", "-c", str(program.configure(github, {"otlphttp": DEAD})))
    await until(process, "nothing listens")
    process.terminate()
    process.terminate()
    words = asyncio.create_task(ended(process))
    while process.returncode is None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)  # `send_signal` would take its end from asyncio
        await asyncio.sleep(0.001)
    assert last_words((await words)[1])["waiting"] == 10
    assert process.returncode == 75


async def test_a_name_server_that_never_answers_does_not_hold_up_the_end(program, github):
    """Such a question can't be cut short, and takes as long as the system is configured to ask."""
    slow = program.folder / "sitecustomize.py"
    slow.write_text(SLOW_NAMES)
    config = program.configure(github, {"otlphttp": {"endpoint": "http://slow.example.com:4318"}})
    process = await program.start(
        "run", "--drain-timeout", "100ms", "-c", str(config), PYTHONPATH=str(slow.parent)
    )
    await until(process, "asking for slow.example.com")
    process.terminate()
    await ended(process)
    assert process.returncode == 75
    assert not (program.folder / "answered").exists()


async def test_a_reload_while_the_program_loads_is_done_when_it_has_loaded(loading):
    process = await loading(signal.SIGHUP)
    process.send_signal(signal.SIGHUP)
    await until(process, "reloaded the configuration")
    process.terminate()
    await ended(process)
    assert process.returncode == 0
