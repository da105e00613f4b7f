"""Checking, backfilling, reconciling and looking into storage, from outside."""

import json
import re
import stat
from collections import Counter
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from e2e_listening import ended, listening
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs

from shipper.simulator import Options, Simulator, Token

HOUR = 3_600_000
DEAD = {"endpoint": "http://127.0.0.1:1", "retry_on_failure": {"initial_interval": "50ms"}}
SHORT = {"audit_log": {"initial_lookback": "30m"}, "code_scanning": False}
PLAIN = {"normalize": {}}


@pytest.fixture
async def github():
    """Two events an hour ago, beyond the first poll's reach, and three just now."""
    async with Simulator(Options.quiet(organizations=("acme-corp", "other-corp"))) as simulator:
        now = simulator.now()
        for number in range(2):
            simulator.happen("team.create", at=now - HOUR, _document_id=f"old-{number}")
        for number in range(3):
            simulator.happen("team.create", at=now - 1000, _document_id=f"new-{number}")
        yield simulator


def uids(backend):
    return Counter(
        attribute.value.string_value
        for _, _, record in backend.records
        for attribute in record.attributes
        if attribute.key == "log.record.uid"
    )


OLD = {"old-0": 1, "old-1": 1}
NEW = {"new-0": 1, "new-1": 1, "new-2": 1}


def configure(program, github, endpoint, **receiver):
    exporters = {"otlphttp": {"endpoint": endpoint} if isinstance(endpoint, str) else endpoint}
    return str(
        program.configure(
            github,
            exporters,
            processors=PLAIN,
            receiver={"streams": SHORT, "auth": {"token": "ghp_secret"}, **receiver},
        )
    )


async def test_check_says_what_answered_and_never_the_token(program, github, http_backend):
    github.tokens["ghp_secret"] = Token(owner="o", value="ghp_secret", expires=github.now() + 30 * 24 * HOUR)
    config = configure(program, github, http_backend.endpoint)
    code, out, err = await program.run("check", "-c", config, "--output", "json")
    assert code == 0, out + err
    checks = {(each["component"], each["check"]): each for each in json.loads(out)["checks"]}
    assert checks["github", "acme-corp"]["status"] == "ok"
    assert checks["github", "acme-corp audit_log"]["seen"] == "200, an event listed"
    assert "audit_log 1750 of 1750 left" in checks["github", "rate limit"]["seen"]
    assert "in 30 days" in checks["github", "token"]["seen"]
    assert checks["otlphttp", ""]["status"] == "ok"
    assert "ghp_secret" not in out + err
    assert http_backend.records == []


async def test_check_names_each_fault_with_its_remedy(program, github):
    github.tokens["ghp_secret"] = Token(owner="o", value="ghp_secret", organizations=frozenset({"acme-corp"}))
    config = configure(program, github, DEAD, organizations=["acme-corp", "other-corp", "no-corp"])
    code, out, _ = await program.run("check", "-c", config)
    assert code == 69
    assert "ok      github acme-corp audit_log: 200" in out
    assert "failed  github other-corp audit_log: " in out
    assert "failed  github no-corp: 404: there is no organization no-corp" in out
    assert "remedy: " in out
    assert "failed  otlphttp: " in out
    assert "127.0.0.1:1" in out


def break_backends(config):
    """Name backends and a storage that can't be reached or made, beside the one that works."""
    document = yaml.safe_load(Path(config).read_text())
    document["exporters"] |= {
        "otlp": {"endpoint": "127.0.0.1:1", "tls": {"insecure": True}},
        "syslog": {"endpoint": "nohost.invalid"},
        "file": {"path": "/proc/none/out.jsonl"},
    }
    (pipeline,) = document["service"]["pipelines"].values()
    pipeline["exporters"] += ["otlp", "syslog", "file"]
    document["extensions"]["storage"]["path"] = "/proc/none/shipper.db"
    Path(config).write_text(yaml.safe_dump(document))


async def test_check_has_a_remedy_for_each_fault_of_a_backend(program, github, http_backend):
    config = configure(program, github, http_backend.endpoint)
    break_backends(config)
    code, out, err = await program.run("check", "-c", config, "--output", "json")
    assert code == 69, out + err
    checks = {each["component"]: each for each in json.loads(out)["checks"]}
    failed = {name: each["remedy"] for name, each in checks.items() if each["status"] == "failed"}
    assert failed == {
        "otlp": "is the server running, and the port right?",
        "syslog": "check its spelling, and DNS",
        "file": "bring the folder or its volume back",
        "storage": "make its directory writable for this user, or choose another path",
    }


async def test_check_says_what_was_asked_where_the_token_is_refused(program, github, http_backend):
    github.tokens["ghp_secret"] = Token(owner="o", value="ghp_secret", expires=github.now() - HOUR)
    config = configure(program, github, http_backend.endpoint)
    code, out, err = await program.run("check", "-c", config, "--output", "json")
    assert code == 69, out + err
    checks = {each["check"]: each for each in json.loads(out)["checks"] if each["component"] == "github"}
    assert checks["token"]["status"] == "failed"
    assert checks["token"]["seen"] == "token, refused with 401"
    assert checks["rate limit"]["seen"].startswith("401 Bad credentials for the rate limit")
    assert checks["acme-corp"]["seen"].startswith("401 Bad credentials for organization acme-corp")
    assert checks["acme-corp audit_log"]["seen"].startswith(
        "401 Bad credentials for audit_log of organization acme-corp"
    )


async def test_check_without_github_and_with_a_bad_configuration(program, github, http_backend):
    config = configure(program, github, http_backend.endpoint, base_url="http://127.0.0.1:1")
    code, out, _ = await program.run("check", "-c", config)
    assert code == 69
    assert "cannot connect to 127.0.0.1" in out
    config = configure(program, github, http_backend.endpoint, poll_interval="never")
    code, _, err = await program.run("check", "-c", config)
    assert code == 78
    assert "error[" in err


async def test_a_backfill_ships_once_whatever_polls_and_backfills_follow(program, github, http_backend):
    config = configure(program, github, http_backend.endpoint)
    code, out, err = await program.run("backfill", "-c", config, "--since", "2h")
    assert code == 0, out + err
    assert "5 records shipped, 0 wait in storage" in out
    code, out, _ = await program.run("backfill", "-c", config, "--since", "2h", "--output", "json")
    assert code == 0
    assert json.loads(out)["shipped"] == 0
    assert (await program.run("run", "--once", "-c", config))[0] == 0
    assert uids(http_backend) == OLD | NEW


async def test_a_backfill_keeps_to_its_period_and_ships_nothing_that_was_polled(program, github, http_backend):
    config = configure(program, github, http_backend.endpoint)
    assert (await program.run("run", "--once", "-c", config))[0] == 0
    assert uids(http_backend) == NEW
    code, out, _ = await program.run("backfill", "-c", config, "--since", "3h", "--until", "2h")
    assert (code, out.splitlines()[-1]) == (0, "0 records shipped, 0 wait in storage")
    code, out, _ = await program.run("backfill", "-c", config, "--since", "3h")
    assert "2 shipped, 3 known before" in out
    assert uids(http_backend) == OLD | NEW


async def test_reconcile_names_what_is_missing_and_repair_ships_it_once(program, github, http_backend):
    config = configure(program, github, http_backend.endpoint)
    assert (await program.run("run", "--once", "-c", config))[0] == 0
    code, out, _ = await program.run("reconcile", "-c", config, "--since", "30m")
    assert code == 0
    assert "3 of 3 events are accounted for, 0 are missing" in out
    code, out, _ = await program.run("reconcile", "-c", config, "--since", "2h")
    assert code == 65
    assert "missing github/acme-corp/audit_log old-0\nmissing github/acme-corp/audit_log old-1\n" in out
    assert "3 of 5 events are accounted for, 2 are missing" in out
    report = program.folder / "proof.json"
    code, out, err = await program.run(
        "reconcile", "-c", config, "--since", "2h", "--repair", "--report", str(report)
    )
    assert code == 0, out + err
    assert uids(http_backend) == OLD | NEW
    proof = json.loads(report.read_text())
    assert proof["complete"] is True
    assert proof["counts"]["delivered"] == 5
    assert proof["counts"]["repaired"] == 2
    # sha256 of the sorted ids, a line each: new-0 new-1 new-2 old-0 old-1
    assert proof["streams"][0]["ids_sha256"] == (
        "c543da276f67c186f1d24b100a862124f327a0b353e6c749bf4059f9d62ae2d2"
    )
    assert sum(sum(hour.values()) for hour in proof["streams"][0]["hours"].values()) == 5
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert "ghp_secret" not in report.read_text()


def rename(config, name, other):
    path = Path(config)
    path.write_text(path.read_text().replace(name, other))


async def test_what_waits_is_not_proven(program, github):
    config = configure(program, github, DEAD)
    code, _, _ = await program.run("run", "--once", "--drain-timeout", "100ms", "-c", config)
    assert code == 75
    code, out, _ = await program.run("reconcile", "-c", config, "--since", "30m", "--output", "json")
    assert code == 65
    assert json.loads(out)["streams"][0]["waiting"] == ["new-0", "new-1", "new-2"]


async def test_what_rules_drop_is_accounted_for(program, github, http_backend):
    rules = {"rules": {"rules": [{"name": "noise", "match": {"action": "team.create"}, "drop": True}]}}
    exporters = {"otlphttp": {"endpoint": http_backend.endpoint}}
    config = str(program.configure(github, exporters, processors=rules, receiver={"streams": SHORT}))
    assert (await program.run("run", "--once", "-c", config))[0] == 0
    code, out, _ = await program.run("reconcile", "-c", config, "--since", "30m")
    assert code == 0
    assert "3 dropped by a rule or a schema" in out


async def test_what_was_dropped_stays_so_whatever_the_rules_are_later(program, github, http_backend):
    """Nobody was given it, so it was not delivered: not by the rules of now, and not by a schema's, either."""
    rules = {"rules": {"rules": [{"name": "noise", "match": {"action": "team.create"}, "drop": True}]}}
    exporters = {"otlphttp": {"endpoint": http_backend.endpoint}}
    config = str(program.configure(github, exporters, processors=rules, receiver={"streams": SHORT}))
    assert (await program.run("run", "--once", "-c", config))[0] == 0
    program.configure(github, exporters, processors={"normalize": {}}, receiver={"streams": SHORT})
    code, out, _ = await program.run("reconcile", "-c", config, "--since", "30m")
    assert (code, "3 dropped by a rule or a schema" in out) == (0, True), out


async def test_an_organization_is_the_same_in_any_case(program, github, http_backend):
    """GitHub takes its name in any; what was taken under one spelling is not taken again under another."""
    exporters = {"otlphttp": {"endpoint": http_backend.endpoint}}
    config = program.configure(github, exporters, receiver={"streams": SHORT})
    assert (await program.run("run", "--once", "-c", str(config)))[0] == 0
    before = len(http_backend.records)
    config.write_text(config.read_text().replace('["acme-corp"]', '["Acme-Corp"]'))
    code, _, err = await program.run("run", "--once", "-c", str(config))
    assert (code, len(http_backend.records)) == (0, before), err


async def test_a_github_that_cannot_be_listed_ends_with_69(program, github, http_backend):
    config = configure(program, github, http_backend.endpoint)
    github.faults.add("audit_log:404")
    code, out, _ = await program.run("reconcile", "-c", config, "--since", "1h")
    assert code == 69
    assert "could not be listed to the end: 404" in out
    code, _, err = await program.run("backfill", "-c", config, "--since", "1h")
    assert code == 69
    assert "404" in err


async def test_beside_a_running_shipper_looking_works_and_shipping_is_refused(program, github, http_backend):
    config = configure(program, github, http_backend.endpoint)
    process = await program.start("run", "-c", config)
    await listening(process, "admin")
    await http_backend.received(3)
    code, out, err = await program.run("reconcile", "-c", config, "--since", "30m")
    assert code in (0, 65), out + err  # the cursor may not have moved yet
    code, out, _ = await program.run("state", "show", "-c", config, "--output", "json")
    assert code == 0
    shown = json.loads(out)
    assert shown["storage"]["in_use"] is True
    assert shown["checkpoints"][0]["source"] == "github/acme-corp/audit_log"
    assert shown["checkpoints"][0]["lag_seconds"] < 60
    for command in (
        ("backfill", "--since", "1h"),
        ("reconcile", "--since", "1h", "--repair"),
        ("state", "rewind", "--receiver", "github", "--to", "1h"),
    ):
        code, _, err = await program.run(*command, "-c", config)
        assert code == 1
        assert "in use by another shipper" in err
        assert "stop that one" in err
    process.terminate()
    await ended(process)


async def test_rewinding_reads_again_and_ships_only_what_is_new_unless_told(program, github, http_backend):
    config = configure(program, github, http_backend.endpoint)
    assert (await program.run("run", "--once", "-c", config))[0] == 0
    rewind = ("state", "rewind", "-c", config, "--receiver", "github", "--stream", "audit_log", "--to", "2h")
    code, out, _ = await program.run(*rewind)
    assert code == 0
    assert "github/acme-corp/audit_log: reads again from" in out
    assert (await program.run("run", "--once", "-c", config))[0] == 0
    assert uids(http_backend) == OLD | NEW
    assert (await program.run(*rewind, "--again"))[0] == 0
    assert (await program.run("run", "--once", "-c", config))[0] == 0
    assert uids(http_backend) == dict.fromkeys(OLD | NEW, 2)


async def test_a_rewind_never_goes_beyond_what_was_read(program, github, http_backend):
    """What happened while the shipper was off is older than the time that is asked for, and must be shipped."""
    streams = {"audit_log": {"initial_lookback": "30m"}, "code_scanning": {"states": ["open", "fixed"]}}
    config = configure(program, github, http_backend.endpoint, streams=streams)
    rewind = ("state", "rewind", "-c", config, "--receiver", "github")
    code, out, _ = await program.run(*rewind, "--to", "1s")
    assert code == 0
    assert [line.partition(": ")[0] for line in out.splitlines()] == [
        "github/acme-corp/audit_log",
        "github/acme-corp/code_scanning/open",
        "github/acme-corp/code_scanning/fixed",
    ]
    assert re.fullmatch(
        r"\S+audit_log: already reads from 20\S+, nothing to rewind\n"
        r"(\S+: already reads from its beginning, nothing to rewind\n){2}",
        out,
    )
    assert (await program.run("run", "--once", "-c", config))[0] == 0
    github.happen("team.create", at=github.now() - 60_000, _document_id="while-off")
    before = json.loads((await program.run("state", "show", "-c", config, "--output", "json"))[1])["checkpoints"]
    code, out, _ = await program.run(*rewind, "--to", "1s", "--output", "json")
    assert code == 0
    assert [(each["rewound"], each["again"]) for each in json.loads(out)] == [(False, False)] * 3
    after = json.loads((await program.run("state", "show", "-c", config, "--output", "json"))[1])["checkpoints"]
    assert [each["complete_until"] for each in after] == [each["complete_until"] for each in before]
    assert (await program.run("run", "--once", "-c", config))[0] == 0
    assert uids(http_backend) == NEW | {"while-off": 1}
    code, out, _ = await program.run(*rewind, "--to", "90s", "--again", "--stream", "audit_log")
    assert code == 0
    assert re.fullmatch(r"\S+: already reads from 20\S+, ships again what it took since 20\S+\n", out)
    assert (await program.run("run", "--once", "-c", config))[0] == 0
    assert uids(http_backend) == dict.fromkeys([*NEW, "while-off"], 2)


async def test_what_a_backfill_took_before_any_run_is_shipped_again_when_told(program, github, http_backend):
    config = configure(program, github, http_backend.endpoint)
    assert (await program.run("backfill", "-c", config, "--since", "20m"))[0] == 0
    rewind = ("state", "rewind", "-c", config, "--receiver", "github", "--to", "20m", "--again")
    code, out, _ = await program.run(*rewind)
    assert code == 0
    assert ", ships again what it took since 20" in out
    assert (await program.run("state", "show", "-c", config))[0] == 0
    assert (await program.run("run", "--once", "-c", config))[0] == 0
    assert uids(http_backend) == dict.fromkeys(NEW, 2)


async def test_a_storage_path_that_is_anothers_stops_the_shipper_and_is_left_alone(program, github):
    config = configure(program, github, "http://127.0.0.1:1")
    there = program.folder / "shipper.db"
    there.mkdir()
    code, _, err = await program.run("validate", "-c", config)
    assert code == 0
    assert "warning[not-a-file]: extensions.storage.path: " in err
    for command in (("run", "--once"), ("state", "show"), ("backfill", "--since", "1h")):
        code, _, err = await program.run(*command, "-c", config)
        assert code == 1
        assert f"error: storage {there} is a directory, no file; set extensions.storage.path to a file" in err
    code, out, _ = await program.run("check", "-c", config)
    assert code == 69
    assert f"storage {there} is a directory, no file\n" in out
    there.rmdir()
    there.symlink_to("elsewhere.db")
    _, out, _ = await program.run("check", "-c", config)
    assert f"{program.folder / 'elsewhere.db'} will be made" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("github", "--to", "2130-01-01T00:00:00Z"), "2130-01-01T00:00:00.000+00:00 lies ahead"),
        (("gitlab", "--to", "2h"), "the configuration has github"),
        (("github", "--to", "2h", "--stream", "dependabot"), "github has audit_log of organization acme-corp"),
        (("github", "--to", "2h", "--organization", "x"), "github has audit_log of organization acme-corp"),
    ],
)
async def test_a_rewind_of_nothing_configured_or_into_the_future_is_refused(program, github, arguments, told):
    config = configure(program, github, "http://127.0.0.1:1")
    code, out, err = await program.run("state", "rewind", "-c", config, "--receiver", *arguments)
    assert (code, out) == (2, "")
    assert told in " ".join(err.split())


@pytest.fixture
async def picky():
    """A backend that refuses `old-1` for good while told to, and remembers what it took."""
    taken: list[str] = []
    app = web.Application()

    async def take(request):
        message = logs.ExportLogsServiceRequest.FromString(await request.read())
        found = [
            attribute.value.string_value
            for resource in message.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
            for attribute in record.attributes
            if attribute.key == "log.record.uid"
        ]
        if app["strict"] and "old-1" in found:
            return web.Response(status=400, text="no \x1b[31mold\x07 records")
        taken.extend(found)
        return web.Response(body=b"", content_type="application/x-protobuf")

    app["strict"] = True
    app.router.add_post("/v1/logs", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield app, f"http://127.0.0.1:{runner.addresses[0][1]}", taken
    await runner.cleanup()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
async def test_dead_letters_can_be_listed_shown_exported_and_given_again(program, github, picky):
    app, endpoint, taken = picky
    config = configure(program, github, endpoint)
    code, out, err = await program.run("backfill", "-c", config, "--since", "2h")
    assert code == 0, out + err
    assert sorted(taken) == ["new-0", "new-1", "new-2", "old-0"]
    letters = ("state", "dead-letter")
    code, out, _ = await program.run(*letters, "list", "-c", config)
    assert code == 0
    assert "  logs/github  otlphttp  old-1  " in out
    code, out, _ = await program.run(*letters, "list", "-c", config, "--output", "json")
    (letter,) = json.loads(out)
    assert (letter["uid"], letter["refused_by"], letter["attempts"]) == ("old-1", "exporter", 1)
    number = str(letter["id"])
    code, out, _ = await program.run(*letters, "show", number, "-c", config)
    assert code == 0
    assert '"_document_id": "old-1"' in out
    assert "answer: " in out
    assert "\x1b" not in out
    assert "\x07" not in out
    code, out, _ = await program.run(*letters, "export", "-c", config)
    (line,) = out.splitlines()
    assert json.loads(line)["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["eventName"] == (
        "github.audit_log.team.create"
    )
    code, out, _ = await program.run("reconcile", "-c", config, "--since", "2h")
    assert code == 0
    assert "1 dead letters" in out
    code, _, err = await program.run(*letters, "retry", "77", "-c", config)
    assert code == 1
    assert "there is no dead letter 77" in err
    rename(config, '"otlphttp"', '"otlphttp/new"')
    code, _, err = await program.run(*letters, "retry", "--all", "-c", config)
    assert code == 1
    assert "1 stay: the configuration no longer has otlphttp in logs/github" in err
    rename(config, '"otlphttp/new"', '"otlphttp"')
    app["strict"] = False
    code, out, _ = await program.run(*letters, "retry", number, "-c", config)
    assert code == 0
    assert "when it starts" in out
    assert (await program.run("run", "--once", "-c", config))[0] == 0
    assert sorted(taken) == ["new-0", "new-1", "new-2", "old-0", "old-1"]
    code, out, _ = await program.run(*letters, "list", "-c", config)
    assert out == ""


async def test_fsck_finds_damage_and_mends_it_when_told(program, github, http_backend):
    config = configure(program, github, DEAD)
    await program.run("run", "--once", "--drain-timeout", "100ms", "-c", config)
    code, out, _ = await program.run("state", "fsck", "-c", config)
    assert code == 0
    assert out.endswith("shipper.db: sound\n")
    storage = program.folder / "shipper.db"
    with storage.open("r+b") as file:
        file.seek(30)
        file.write(b"\xff" * 60)
    code, out, _ = await program.run("state", "fsck", "-c", config)
    assert code == 65
    assert "damaged" in out
    code, out, err = await program.run("state", "fsck", "--repair", "-c", config)
    assert code == 0, out + err
    assert "sound" in out
    assert "set aside earlier" in out


@pytest.mark.parametrize("command", ["backfill", "reconcile"])
@pytest.mark.parametrize("since", ["yesterday", "2026-01-31T12:00:00", "-5h"])
async def test_a_time_that_is_none_is_explained(program, github, command, since):
    code, _, err = await program.run(command, f"--since={since}")
    assert code == 2
    assert "2026-01-31T12:00:00Z" in err
