"""What is sent to real servers: events as GitHub writes them, and events that an attacker wrote."""

import json
from pathlib import Path
from typing import Any

from shipper.core.batch import Scope
from shipper.core.clock import SystemClock
from shipper.core.component import Context, Exporter, Paths
from shipper.core.journal import Chunk
from shipper.core.record import SEVERITY_NUMBERS, Record
from shipper.core.telemetry import Health, Meter
from shipper.delivery.window import Window
from shipper.wire import otlp

SAMPLES = Path(__file__).parents[3] / "shared/data/github/gitHubResponse24LogsOrganization.json"
RESOURCE = {"service.name": "github", "vcs.provider.name": "github", "server.address": "api.github.com"}
SCOPE = Scope("shipper.receiver.github", "1.2.3")
TIME = 1767225600_123456000
FORGED = "<34>1 2026-01-01T00:00:00Z evil evil - - - forged"

EVENTS: list[dict[str, Any]] = [
    {"action": "repo.access", "visibility": "public", "actor": "octocat", "org": "acme", "repo": "acme/widgets"},
    {"action": "org.add_member", "permission": "admin", "nested": {"list": [1, -2.5, True, None, {"a": []}]}},
    {"action": "team.add", "actor": f"line\nbreak\r\n{FORGED}\n", "text": f"\n{FORGED}\n"},
    {"action": "hook.create", "actor": '"] [meta sequenceId="9"][evil@1 a="b"] forged', "text": "]\\\"'"},
    {"action": f"x\n{FORGED}", "actor": "\0\t\x1b[31m\x7f\x85\u2028\u2029", "text": "\0\x01\x7f\x85\u2028"},
    {"action": "é" * 50, "actor": "Zoë 東京 𝄞", "text": "Zoë 東京 𝄞 \u202e"},
    {"action": 'a b=c]"\\', "actor": "back\\slash \\n \\", "text": "\\n \\u0000 \\"},
    {"action": "git.clone", "actor": "12 <34>1 - - - - - - x", "text": "99999 <34>1"},
    {"action": "big.event", "actor": "x" * 300, "text": "y" * 6000},
    {
        "action": "integer",
        "actor": "%n%s$(id)${HOST}",
        "big": 2**63 - 1,
        "small": -(2**63),
        "template": "${MSG}%msg%",
    },
]


def records() -> list[Record]:
    """A record for each event, with every severity."""
    samples = json.loads(SAMPLES.read_text()) if SAMPLES.exists() else []
    words = list(SEVERITY_NUMBERS)
    return [
        record(f"uid-{number}", event, words[number % len(words)])
        for number, event in enumerate([*EVENTS, *samples])
    ]


def record(uid: str, event: dict[str, Any], severity: str = "info") -> Record:
    """One record, as the processors leave it."""
    actor = event.get("actor")
    attributes = {"source": "github", "category": "vcs", "stream": "audit_log", "severity": severity}
    attributes |= {"shipper.rule": "some-rule", "vcs.owner.name": "acme", "vcs.repository.name": "widgets"}
    attributes |= {"user.name": actor} if isinstance(actor, str) else {}
    name = f"github.audit_log.{event['action']}"
    number = int(uid.rpartition("-")[2])
    time = TIME + number * 1_001_000
    return Record(uid, "audit_log", name, time, time + 1, event, attributes, SEVERITY_NUMBERS[severity], severity)


def window(sent: list[Record]) -> Window:
    """The records as the delivery loop hands them over."""
    return Window.of([Chunk(0, otlp.encode(sent, RESOURCE, SCOPE), 0, len(sent), whole=True)])


def build(component: Any, directory: Path, **config: Any) -> Exporter:
    """An exporter of ours, as the service builds it."""
    clock = SystemClock()
    context = Context("exporter", Meter(), Health(clock), clock, Paths(directory, directory))
    settings = component.config.model_validate(config)
    assert list(component.check(settings, context.paths)) == []
    exporter: Exporter = component.build(settings, context)
    return exporter
