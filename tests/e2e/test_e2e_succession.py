"""Exporters and pipelines that are renamed while records wait for them."""

import asyncio
import json
import signal
from collections import Counter

import pytest
from e2e_listening import PATIENCE, ended, until

from shipper.simulator import Options, Simulator

EVERYTHING = {"normalize": {}}
"""No rule that drops."""

DOWN = {"endpoint": "http://127.0.0.1:1"}


@pytest.fixture
async def github():
    async with Simulator(Options.quiet(seed=5, backlog=150, backlog_period=3600.0)) as simulator:
        yield simulator


def uids(backend):
    values = (pair for _, _, record in backend.records for pair in record.attributes)
    return Counter(pair.value.string_value for pair in values if pair.key == "log.record.uid")


async def once(program):
    return await program.run("run", "--once", "--drain-timeout", "500ms", "-c", "pipelines.json")


async def test_a_new_exporter_takes_over_what_waits_for_one_that_left(program, github, http_backend):
    """The backend is down, and somebody names another one under another name."""
    program.configure(github, {"otlphttp": DOWN}, processors=EVERYTHING)
    code, _, err = await once(program)
    assert (code, json.loads(err.splitlines()[-1])["waiting"]) == (75, 150)
    github.happen("git.clone")
    program.configure(github, {"otlphttp/new": {"endpoint": http_backend.endpoint}}, processors=EVERYTHING)
    code, _, err = await once(program)
    assert code == 0, err
    assert "the 150 records that wait for it go to otlphttp/new" in err
    assert set(uids(http_backend).values()) == {1}
    assert len(uids(http_backend)) == 151
    code, out, _ = await program.run("reconcile", "--since", "2h", "-c", "pipelines.json")
    assert (code, "151 of 151 events are accounted for, 0 are missing" in out) == (0, True), out


async def test_an_exporter_that_comes_without_another_leaving_starts_with_the_next_record(
    program, github, http_backend, tmp_path
):
    file = {"path": str(tmp_path / "out.jsonl")}
    program.configure(github, {"file": file}, processors=EVERYTHING)
    await once(program)
    github.happen("git.clone")
    exporters = {"file": file, "otlphttp": {"endpoint": http_backend.endpoint}}
    program.configure(github, exporters, processors=EVERYTHING)
    code, _, err = await once(program)
    assert code == 0, err
    assert len(uids(http_backend)) == 1


async def test_what_waits_for_an_exporter_that_nobody_follows_is_told(program, github, tmp_path):
    file = {"path": str(tmp_path / "out.jsonl")}
    program.configure(github, {"file": file, "otlphttp": DOWN}, processors=EVERYTHING)
    assert (await once(program))[0] == 75
    program.configure(github, {"file": file}, processors=EVERYTHING)
    code, _, err = await once(program)
    assert code == 0, err
    assert "otlphttp left pipeline logs/github: the 150 records that wait for it are let go" in err


async def test_renaming_exporters_under_load_loses_and_doubles_nothing(program, github, http_backend):
    """The new one goes on where the former one stopped, which went on while the new one was made ready."""
    config = program.configure(github, {}, receiver={"poll_interval": "100ms"}, processors=EVERYTHING)
    text = json.loads(config.read_text())

    def name(exporter):
        text["exporters"] = {
            exporter: {
                "endpoint": http_backend.endpoint,
                "batch": {"max_records": 3, "flush_interval": "10ms"},
            }
        }
        text["service"]["pipelines"]["logs/github"]["exporters"] = [exporter]
        config.write_text(json.dumps(text))

    name("otlphttp")
    process = await program.start("run", "-c", str(config))
    await until(process, "journal(sqlite)")
    for number in range(6):
        for each in range(25):
            github.happen("git.clone", actor=f"dev-{number}-{each}")
        await http_backend.received(len(http_backend.records) + 1)
        name(f"otlphttp/{number % 2}")
        process.send_signal(signal.SIGHUP)
        await until(process, "reloaded")
    await asyncio.wait_for(http_backend.received(300), PATIENCE)
    process.terminate()
    _, err = await ended(process)
    assert process.returncode == 0, err
    assert set(uids(http_backend).values()) == {1}
    assert len(uids(http_backend)) == 300


async def test_what_waits_for_a_pipeline_that_was_renamed_stays_and_is_told(program, github, http_backend):
    program.configure(github, {"otlphttp": DOWN}, processors=EVERYTHING)
    await once(program)
    config = program.configure(github, {"otlphttp": {"endpoint": http_backend.endpoint}}, processors=EVERYTHING)
    text = config.read_text()
    config.write_text(text.replace("logs/github", "logs/audit"))
    code, _, err = await once(program)
    assert (code, json.loads(err.splitlines()[-1])["waiting"]) == (75, 150)
    assert "150 records wait for pipeline logs/github, which the configuration no longer has" in err
    config.write_text(text.replace('"otlphttp"', '"otlphttp/other"'))
    code, _, err = await once(program)
    assert code == 0, err
    assert len(uids(http_backend)) == 150


async def test_a_receiver_that_was_renamed_says_that_it_starts_anew(program, github, http_backend):
    """Its checkpoints are another server's for all anybody knows, so they are not taken over."""
    exporters = {"otlphttp": {"endpoint": http_backend.endpoint}}
    config = program.configure(github, exporters, processors=EVERYTHING)
    assert "starts anew" not in (await once(program))[2]
    text = config.read_text()
    config.write_text(text.replace('{"github": {', '{"github/main": {').replace('["github"]', '["github/main"]'))
    _, _, err = await once(program)
    assert "receiver github/main starts anew, at its initial lookback" in err
    assert "no longer has: github/acme-corp/audit_log" in err
    assert "starts anew" not in (await once(program))[2]
