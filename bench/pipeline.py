"""Events per CPU second from page bytes to journalled OTLP bytes: parse, default rules, schema, encode, journal.

Both body kinds and two references run interleaved, so that the ratios hold on a noisy machine: `json.loads` and
nothing else, and `json.loads` with a log record of the OpenTelemetry SDK for each event and its encoder, without
rules, schema or journal. The least and the median of the rounds are shown; many short rounds find the quiet
moments of a machine in use, and leave out what comes only now and then, such as SQLite's checkpoints.
"""

import argparse
import asyncio
import base64
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import orjson

from shipper.core.batch import Batch, BodyKind, Commit, Scope, Seen
from shipper.core.clock import SystemClock
from shipper.core.component import Context, Paths, Processor
from shipper.core.telemetry import Health, Meter
from shipper.journal import open_journal
from shipper.service.pipeline import Intake, Pipeline
from shipper.service.registry import find
from shipper.wire.github import audit_record, audit_uid
from shipper.wire.github_page import parse_page

_RESOURCE = {"service.name": "github", "vcs.provider.name": "github", "server.address": "api.github.com"}
_JSON, _SDK = "json.loads alone", "json.loads, SDK"
_ACTIONS = (
    "git.clone",
    "git.push",
    "repo.access",
    "org.add_member",
    "workflows.completed_workflow_run",
    "hook.create",
)


def page(seed: int, events: int = 100) -> bytes:
    """A page like GitHub's, about 0.9 KB an event; ids differ from page to page."""
    dice = random.Random(seed)
    return orjson.dumps([_event(dice) for _ in range(events)])


def _event(dice: random.Random) -> dict[str, object]:
    repository = f"acme-corp/service-{dice.randrange(400)}"
    return {
        "@timestamp": 1_760_000_000_000 + dice.randrange(10**9),
        "_document_id": base64.urlsafe_b64encode(dice.randbytes(16)).decode()[:22],
        "action": dice.choice(_ACTIONS),
        "actor": f"dev-{dice.randrange(900)}",
        "actor_id": dice.randrange(10**8),
        "actor_is_bot": dice.random() < 0.2,
        "actor_location": {"country_code": "DE"},
        "business": "acme",
        "business_id": 217999,
        "created_at": 1_760_000_000_000 + dice.randrange(10**9),
        "hashed_token": base64.b64encode(dice.randbytes(32)).decode(),
        "operation_type": dice.choice(("create", "modify", "remove")),
        "org": "acme-corp",
        "org_id": 179841732,
        "programmatic_access_type": "GitHub App server-to-server token",
        "public_repo": False,
        "repo": repository,
        "repo_id": dice.randrange(10**9),
        "request_id": ":".join(f"{dice.getrandbits(16):04X}" for _ in range(6)),
        "token_id": dice.randrange(10**9),
        "token_scopes": "gist,repo:read,read:org",
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0",
        "visibility": "private",
        "previous_visibility": "internal",
        "config": {"content_type": "json", "insecure_ssl": "0", "url": "https://ci.example.com/hook"},
        "events": ["push", "pull_request"],
    }


def _processors(context: Callable[[str], Context]) -> list[tuple[str, Processor]]:
    built = []
    for name in ("normalize", "rules", "schema"):
        component = find("processor", name)
        assert component is not None
        built.append((name, component.build(component.config(), context(name))))
    return built


class Way:
    """The whole way of a page into the journal."""

    def __init__(self, folder: Path, body: BodyKind) -> None:
        self._folder, self._body = folder, body

    async def open(self) -> None:
        clock = SystemClock()
        meter, health = Meter(), Health(clock)
        paths = Paths(Path.cwd(), Path.cwd())
        pipeline = Pipeline(
            "logs", _processors(lambda name: Context(name, meter, health, clock, paths)), False, clock
        )
        self._journal = await open_journal(self._folder / f"{self._body}.db", clock, meter, health)
        self._intake = Intake("github", [pipeline], self._journal, meter)

    async def take(self, body: bytes) -> None:
        """What the receiver does with a page, less the socket."""
        observed = time.time_ns()
        records = []
        digests = []
        for event in parse_page(body):
            uid = audit_uid(event)
            records.append(audit_record(event, observed, "acme-corp", uid))
            digests.append(uid.encode()[:16])
        seen = Seen(b"".join(digests), records[0].timestamp, records[-1].timestamp)
        commit = Commit("github/acme-corp/audit_log", b"{}", seen)
        scope = Scope("shipper.receiver.github", "0")
        await self._intake.emit(Batch(records, _RESOURCE, scope, commit, self._body))

    async def close(self) -> None:
        await self._journal.close()


def _sdk_way() -> Callable[[bytes], object]:
    """What most would write: the standard parser, and a log record of the SDK for each event."""
    from bench import otlp_encoding  # noqa: PLC0415 - which takes its pages from here

    def way(body: bytes) -> bytes:
        return otlp_encoding.sdk(
            [otlp_encoding.described(event) for event in json.loads(body)], lambda event: event
        )

    return way


async def measure(rounds: int, pages: int) -> dict[str, list[float]]:
    """CPU microseconds an event of each way, a round each."""
    bodies = [page(seed) for seed in range(pages)]
    references: dict[str, Callable[[bytes], object]] = {_JSON: json.loads, _SDK: _sdk_way()}
    found: dict[str, list[float]] = {name: [] for name in (*references, "body: json", "body: map")}
    with tempfile.TemporaryDirectory() as folder:
        ways = {f"body: {kind}": Way(Path(folder), kind) for kind in ("json", "map")}
        for way in ways.values():
            await way.open()
        for _ in range(rounds):
            for name, reference in references.items():
                reference(bodies[0])  # not measured: what ran before left its own data in the processor's caches
                started = time.process_time()
                for body in bodies:
                    reference(body)
                found[name].append(time.process_time() - started)
            for name, way in ways.items():
                await way.take(bodies[0])
                started = time.process_time()
                for body in bodies:
                    await way.take(body)
                found[name].append(time.process_time() - started)
        for way in ways.values():
            await way.close()
    return {name: [took / pages / 100 * 1e6 for took in times] for name, times in found.items()}


def main(arguments: list[str]) -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="bench pipeline", description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--pages", type=int, default=2)
    options = parser.parse_args(arguments)
    found = asyncio.run(measure(options.rounds, options.pages))
    least = {name: min(times) for name, times in found.items()}
    print(f"{'':18}{'us/event least':>15}{'median':>9}{'events/CPU s':>14}{'x json.loads':>14}{'SDK x':>8}")
    for name, times in found.items():
        took = least[name]
        ratios = f"{took / least[_JSON]:14.1f}{least[_SDK] / took:8.1f}"
        print(f"{name:18}{took:15.1f}{statistics.median(times):9.1f}{1e6 / took:14,.0f}{ratios}")
    return 0
