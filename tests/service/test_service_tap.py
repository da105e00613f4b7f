"""Watching records: what is shown at each stage, and that nobody ever waits for whoever watches."""

import asyncio
import json

import pytest
from aiohttp.test_utils import TestClient, TestServer

from shipper.core.batch import Batch, Scope
from shipper.core.clock import SystemClock
from shipper.core.component import Context, Paths
from shipper.core.record import Record
from shipper.core.telemetry import Health, Meter
from shipper.processors import normalize, redact, rules, schema
from shipper.service.observe import tap as tapping
from shipper.service.observe.admin import admin_app
from shipper.service.observe.tap import MOST_LINES, MOST_WATCHERS, Taps, TooManyWatchersError
from shipper.service.pipeline import Pipeline

MASK = {"rules": [{"path": "actor", "action": "mask"}]}


@pytest.fixture
def pipeline(tmp_path):
    clock = SystemClock()
    parts = [("normalize", normalize, {}), ("rules", rules, {}), ("schema", schema, {"on_invalid": "dead_letter"})]
    parts.append(("redact", redact, MASK))
    built = []
    for name, module, body in parts:
        context = Context(name, Meter(), Health(clock), clock, Paths(tmp_path, tmp_path))
        built.append((name, module.component.build(module.component.config.model_validate(body), context)))
    return Pipeline("logs/github", built, False, clock)


@pytest.fixture
def taps(pipeline):
    taps = Taps(SystemClock())
    taps.attach([pipeline])
    return taps


def batch(*events):
    records = [Record(f"u{n}", "audit_log", "github.audit_log.x", 1, 2, event) for n, event in enumerate(events)]
    return Batch(records, {}, Scope("s", "1"))


def shown(watcher):
    return [json.loads(line) for line in watcher.take()]


PUBLIC = {"action": "repo.access", "visibility": "public", "actor": "ann"}


def test_each_stage_shows_what_it_changed(pipeline, taps):
    with taps.watch() as watcher:
        pipeline.process(batch(PUBLIC))
        lines = shown(watcher)
    attributes = {"source": "github", "category": "vcs", "stream": "audit_log", "user.name": "ann"}
    assert [(line["stage"], line["result"], line["changes"]) for line in lines] == [
        ("received", "passed", {}),
        ("normalize", "passed", {"set": attributes}),
        (
            "rules",
            "passed",
            {"set": {"shipper.rule": "repository-made-public", "severity": "high"}, "severity": "high"},
        ),
        ("schema", "passed", {}),
        ("redact", "passed", {"set": {"user.name": "[redacted]"}, "body": True}),
    ]
    assert lines[0]["body"] == PUBLIC
    assert lines[4]["body"] == PUBLIC | {"actor": "[redacted]"}
    assert (lines[0]["pipeline"], lines[0]["log.record.uid"]) == ("logs/github", "u0")


def test_what_does_not_come_out_of_a_stage_is_shown_with_why(pipeline, taps):
    with taps.watch() as watcher:
        pipeline.process(batch({"action": "repo.access"}, {"action": 5}))
        ends = [line for line in shown(watcher) if line["result"] != "passed"]
    assert [(line["stage"], line["result"], line["log.record.uid"]) for line in ends] == [
        ("rules", "dropped", "u0"),
        ("schema", "dead_letter", "u1"),
    ]
    assert ends[0]["rule"] == "routine-access"
    assert "/action" in ends[1]["reason"]


def test_a_watcher_sees_the_pipeline_and_stage_it_asked_for(pipeline, taps):
    taps.attach([pipeline, Pipeline("logs/other", [], False, SystemClock())])
    pipeline.taps.pop()
    with taps.watch("logs/github", "rules") as mine, taps.watch("logs/other") as other:
        pipeline.process(batch(PUBLIC))
        assert [line["stage"] for line in shown(mine)] == ["rules"]
        assert shown(other) == []


def test_what_is_shown_is_what_was_there_then(pipeline, taps):
    """Later stages change the records; the lines of earlier ones are written by then."""
    with taps.watch(stage="received") as watcher:
        pipeline.process(batch(PUBLIC))
        [line] = shown(watcher)
    assert line["attributes"] == {}


def test_a_full_queue_is_counted_and_keeps_nobody(pipeline, taps):
    with taps.watch(stage="rules") as watcher:
        for _ in range(3):
            pipeline.process(batch(*[PUBLIC] * MOST_LINES))
        lines = shown(watcher)
        assert len(lines) <= MOST_LINES + 1
        assert lines[-1]["missed"] >= 1
        pipeline.process(batch(PUBLIC))
        assert [line["log.record.uid"] for line in shown(watcher)] == ["u0"]


def test_huge_events_are_shown_without_their_body(pipeline, taps):
    with taps.watch(stage="received") as watcher:
        pipeline.process(batch({"action": "x", "big": "a" * tapping.LONGEST_LINE}))
        [line] = shown(watcher)
    assert "body" not in line
    assert line["body_bytes"] > tapping.LONGEST_LINE


def test_nothing_is_kept_while_nobody_watches(pipeline, taps):
    pipeline.process(batch(PUBLIC))
    assert taps._before == {}


def test_hostile_events_are_shown_as_json(pipeline, taps):
    with taps.watch() as watcher:
        pipeline.process(batch({"action": "\ud800\x00", "n": 10**400, "deep": [[[]]]}))
        assert shown(watcher)[0]["body"]["action"] == "\\ud800\x00"


def test_only_so_many_may_watch(taps):
    watching = [taps.watch() for _ in range(MOST_WATCHERS)]
    for each in watching:
        each.__enter__()
    with pytest.raises(TooManyWatchersError), taps.watch():
        pass
    watching[0].__exit__(None, None, None)
    with taps.watch():
        pass


# /tap


@pytest.fixture
async def client(taps):
    async with TestClient(TestServer(admin_app(Health(SystemClock()), dict, taps))) as client:
        yield client


async def test_the_endpoint_streams_lines_until_the_limit(client, pipeline):
    async with client.get("/tap?stage=rules&limit=2") as answer:
        assert (answer.status, answer.content_type) == (200, "application/x-ndjson")
        pipeline.process(batch(PUBLIC, PUBLIC | {"actor": "bob"}, PUBLIC))
        lines = [json.loads(line) async for line in answer.content]
    assert [line["log.record.uid"] for line in lines] == ["u0", "u1"]


async def test_the_endpoint_ends_after_the_duration(client):
    async with client.get("/tap?duration=50ms") as answer:
        assert await answer.read() == b""


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=-1", "duration=5", "stge=rules"])
async def test_a_query_that_is_wrong_is_400(client, query):
    assert (await client.get(f"/tap?{query}")).status == 400


@pytest.mark.parametrize("query", ["pipeline=nope", "stage=nope", "pipeline=logs/github&stage=nope"])
async def test_what_there_is_not_to_watch_is_400_and_says_what_there_is(client, query, pipeline):
    answer = await client.get(f"/tap?{query}")
    assert answer.status == 400
    assert ("received, " if "stage" in query else pipeline.id) in await answer.text()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "203.0.113.7", "localhost.evil.example", ""])
async def test_a_web_page_of_others_sees_nothing(client, host):
    """DNS rebinding: the name that was asked for must be of this machine, too."""
    assert (await client.get("/tap?duration=10ms", headers={"Host": host})).status in (400, 403)


@pytest.mark.parametrize("host", ["localhost", "localhost:13133", "127.0.0.1:13133", "[::1]:13133", "[::1]"])
async def test_local_names_are_taken(client, host):
    assert (await client.get("/tap?duration=10ms", headers={"Host": host})).status == 200


async def test_more_watchers_than_allowed_are_sent_away(client, taps):
    watching = [taps.watch() for _ in range(MOST_WATCHERS)]
    for each in watching:
        each.__enter__()
    assert (await client.get("/tap?duration=10ms")).status == 503


async def test_who_hangs_up_no_longer_watches(client, taps, monkeypatch):
    monkeypatch.setattr("shipper.service.observe.tapping._LOOK", 0.01)
    answer = await client.get("/tap")
    assert len(taps._watchers) == 1
    answer.close()
    async with asyncio.timeout(10):
        while taps._watchers:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)


async def test_shutting_down_ends_the_watching(taps):
    """Nobody who watches keeps the shipper from stopping."""
    async with asyncio.timeout(10):
        async with TestClient(TestServer(admin_app(Health(SystemClock()), dict, taps))) as client:
            answer = await client.get("/tap")
            await client.server.close()
            assert await answer.read() == b""


async def test_who_does_not_read_is_cut_off_from_nothing_but_records(client, pipeline, taps):
    """The pipeline goes on at once however slow the watcher is; it is told what it missed."""
    big = {"action": "x", "big": "a" * 100_000}
    async with client.get("/tap?stage=received") as answer:
        for _ in range(200):
            pipeline.process(batch(big, big))
        lines = []
        while "missed" not in (lines[-1:] or [{}])[0]:
            lines.append(json.loads(await answer.content.readuntil(b"\n")))
    assert len(lines) - 1 + lines[-1]["missed"] == 400
    assert len(lines) < 50
