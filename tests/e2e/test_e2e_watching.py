"""`shipper tap` and `shipper top` beside a running shipper."""

import asyncio
import json
import signal

import pytest
from e2e_listening import PATIENCE, ended, listening

from shipper.simulator import Options, Simulator


@pytest.fixture
async def running(program):
    """A shipper that polls twice a second, and its admin address; the organization makes five events a second."""
    async with Simulator(Options(rate=5)) as github:
        exporters = {"file": {"path": "out.jsonl"}}
        config = program.configure(github, exporters, receiver={"poll_interval": "500ms"})
        process = await program.start("run", "-c", str(config))
        address, _ = await listening(process, "admin")
        reading = asyncio.create_task(process.stderr.read())
        yield program, process, address
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), PATIENCE)
        await reading


async def test_tap_shows_what_each_rule_changed(running):
    program, _, address = running
    code, out, err = await program.run("tap", "--url", address, "--stage", "rules", "--limit", "5")
    assert code == 0, err
    assert len(out.splitlines()) == 5
    assert all("  logs/github  rules  " in line for line in out.splitlines())
    assert "+severity=" in out or "dropped by rule" in out


async def test_tap_as_json_is_a_record_a_line(running):
    program, _, address = running
    code, out, err = await program.run("tap", "--url", address, "--limit", "3", "--output", "json")
    assert code == 0, err
    assert all({"stage", "changes", "attributes", "body"} <= json.loads(line).keys() for line in out.splitlines())


async def test_a_watcher_does_not_keep_the_shipper_from_stopping(running):
    program, process, address = running
    watching = await program.start("tap", "--url", address)
    await asyncio.wait_for(watching.stdout.readline(), PATIENCE)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
    await ended(watching)


async def test_top_shows_what_was_taken_and_sent(running):
    program, _, address = running
    await program.run("tap", "--url", address, "--limit", "1")
    code, out, err = await program.run("top", "--url", address, "--once")
    assert code == 0, err
    assert "receiver  accepted  a second  refused" in out
    assert "logs/github: github(audit_log, code_scanning) > normalize > rules > schema =>" in out
    code, out, err = await program.run("top", "--url", address, "--output", "json")
    assert json.loads(out)["receivers"]["github"]["accepted"] > 0


@pytest.mark.parametrize("command", ["tap", "top"])
async def test_a_shipper_that_does_not_answer_is_69(program, command):
    code, _, err = await program.run(command, "--url", "http://127.0.0.1:1")
    assert code == 69
    assert "does not answer" in err


async def test_the_address_is_told_by_the_configuration(program):
    config = program.folder / "pipelines.yaml"
    config.write_text(
        "receivers: {github: {organizations: [a], auth: {token: t}}}\nexporters: {debug: {}}\n"
        "service:\n  pipelines: {logs: {receivers: [github], exporters: [debug]}}\n"
        "  admin: {endpoint: '0.0.0.0:1'}\n"
    )
    code, _, err = await program.run("top")
    assert code == 69
    assert "http://127.0.0.1:1/status does not answer" in err
