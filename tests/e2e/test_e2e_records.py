"""The main job: events of a page arrive over OTLP and syslog, field by field as the contract says."""

import json
from pathlib import Path

import pytest

from shipper import __version__
from shipper.simulator import Options, Simulator

REAL_PAGE = Path(__file__).parents[3] / "shared/data/github/gitHubResponse24LogsOrganization.json"

MADE_PUBLIC = {
    "@timestamp": 1_760_000_000_123,
    "_document_id": "uBlic0Event",
    "action": "repo.access",
    "actor": "ada-example",
    "actor_ip": "203.0.113.7",
    "created_at": 1_750_000_000_000,
    "org": "acme-corp",
    "repo": "acme-corp/payments",
    "visibility": "public",
    "previous_visibility": "private",
}
ROUTINE = {"@timestamp": 1_760_000_000_124, "_document_id": "r0utine", "action": "repo.access", "org": "acme-corp"}


def attributes(pairs):
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


def plain(value):
    """An AnyValue as JSON would have it."""
    kind = value.WhichOneof("value")
    if kind == "kvlist_value":
        return {pair.key: plain(pair.value) for pair in value.kvlist_value.values}
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    return getattr(value, kind) if kind else None


async def ship(program, events, exporters, **options):
    """Ship these events once with these exporters."""
    kept = {"retention": None, "git_retention": None, "any_period": True}
    async with Simulator(Options.quiet(events=tuple(events), **kept, **options)) as github:
        config = program.configure(github, exporters)
        code, out, err = await program.run("run", "--once", "-c", str(config))
    assert code == 0, err
    return out, err


async def test_a_record_over_grpc_is_what_the_contract_says(program, grpc_backend):
    exporter = {"otlp": {"endpoint": grpc_backend.endpoint, "tls": {"insecure": True}}}
    await ship(program, [MADE_PUBLIC, ROUTINE], exporter)
    [(resource, scope, record)] = grpc_backend.records
    assert record.time_unix_nano == 1_760_000_000_123_000_000
    assert record.observed_time_unix_nano > record.time_unix_nano
    assert (record.severity_number, record.severity_text) == (17, "high")
    assert record.event_name == "github.audit_log.repo.access"
    assert plain(record.body) == MADE_PUBLIC
    assert attributes(record.attributes) == {
        "log.record.uid": "uBlic0Event",
        "source": "github",
        "category": "vcs",
        "stream": "audit_log",
        "vcs.owner.name": "acme-corp",
        "vcs.repository.name": "payments",
        "user.name": "ada-example",
        "client.address": "203.0.113.7",
        "shipper.rule": "repository-made-public",
        "severity": "high",
    }
    assert attributes(resource.attributes) == {
        "service.name": "github",
        "vcs.provider.name": "github",
        "server.address": "127.0.0.1",
    }
    assert (scope.name, scope.version) == ("shipper.receiver.github", __version__)


async def test_the_same_record_over_http_has_the_same_bytes_but_for_when_it_was_seen(program, http_backend):
    await ship(program, [MADE_PUBLIC], {"otlphttp": {"endpoint": http_backend.endpoint}})
    [(_, _, record)] = http_backend.records
    assert record.event_name == "github.audit_log.repo.access"
    assert plain(record.body) == MADE_PUBLIC


async def test_a_syslog_line_carries_the_event_and_its_identity(program, syslog_backend):
    exporter = {"syslog": {"endpoint": "127.0.0.1", "port": syslog_backend.port, "network": "tcp"}}
    await ship(program, [MADE_PUBLIC], exporter)
    [message] = syslog_backend.messages
    head, _, rest = message.decode().partition(" [")
    assert head == "<107>1 2025-10-09T08:53:20.123000Z 127.0.0.1 github - repo.access"
    assert rest.startswith('github@32473 uid="uBlic0Event" action="repo.access" severity="high"')
    assert '[meta sequenceId="1"]' in rest
    body = rest[rest.index("{") :]
    assert json.loads(body) == MADE_PUBLIC


async def test_the_events_of_a_real_page_arrive_everywhere(program, grpc_backend, http_backend, syslog_backend):
    if not REAL_PAGE.exists():
        pytest.skip("the recorded page is not here")
    events = json.loads(REAL_PAGE.read_text())
    exporters = {
        "otlp": {"endpoint": grpc_backend.endpoint, "tls": {"insecure": True}},
        "otlphttp": {"endpoint": http_backend.endpoint},
        "syslog": {"endpoint": "127.0.0.1", "port": syslog_backend.port, "network": "tcp"},
    }
    await ship(program, events, exporters)
    wanted = {event["_document_id"]: event for event in events}
    assert len(wanted) == 24
    for backend in (grpc_backend, http_backend):
        found = {
            attributes(record.attributes)["log.record.uid"]: plain(record.body) for _, _, record in backend.records
        }
        assert found == wanted
        assert len(backend.records) == 24
    assert len(syslog_backend.messages) == 24
    lines = {uid: next(m for m in syslog_backend.messages if f'uid="{uid}"'.encode() in m) for uid in wanted}
    assert {uid: json.loads(line[line.index(b"] {") + 2 :]) for uid, line in lines.items()} == wanted


async def test_a_second_run_ships_nothing_again(program, http_backend):
    await ship(program, [MADE_PUBLIC], {"otlphttp": {"endpoint": http_backend.endpoint}})
    await ship(program, [MADE_PUBLIC], {"otlphttp": {"endpoint": http_backend.endpoint}})
    assert len(http_backend.records) == 1
