"""Microseconds of one core that the processors take for an event, and how that compares to reading the event.

Ways run interleaved, so that the ratios hold on a noisy machine. `12 rules, by action` is what the default rules
do to a usual page; `12 rules, by field` has rules that no action decides; `40 more` adds github-recommended.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.pipeline import page
from shipper.core.clock import SystemClock
from shipper.core.component import Component, Context, Paths
from shipper.core.record import Record
from shipper.core.telemetry import Health, Meter
from shipper.processors import normalize, redact, rules, schema

_OWN = {"name": "own", "match": {"action": "org.rename"}, "severity": "low"}
_BY_FIELD = [
    {"name": f"field-{n}", "match": {"actor|contains": f"nobody-{n}", "org": "acme-corp"}, "severity": "low"}
    for n in range(12)
]
_REDACT = [
    {"path": ["actor_ip", "hashed_token", "token_id"], "action": "mask"},
    {"pattern": ["email", "ip"], "action": "mask"},
]


def _build(component: Component[Any, Any], body: dict[str, Any]) -> Callable[[list[Record]], list[Record]]:
    clock = SystemClock()
    paths = Paths(Path.cwd(), Path.cwd())
    context = Context("bench", Meter(), Health(clock), clock, paths)
    built: Callable[[list[Record]], list[Record]] = component.build(component.config.model_validate(body), context)
    return built


def _ways() -> dict[str, Callable[[list[Record]], list[Record]]]:
    both = ["github-default", "github-recommended"]
    return {
        "12 rules, by action": _build(rules.component, {"rules": [_OWN], "use": ["github-default"]}),
        "12 rules, by field": _build(rules.component, {"rules": _BY_FIELD}),
        "12 rules and 40 more": _build(rules.component, {"rules": [_OWN], "use": both}),
        "normalize": _build(normalize.component, {}),
        "schema": _build(schema.component, {}),
        "redact, by path and pattern": _build(redact.component, {"rules": _REDACT}),
    }


def _records(events: list[Any]) -> list[Record]:
    return [Record("uid", "audit_log", "github.audit_log", 1, 2, event) for event in events]


def measure(rounds: int, pages: int) -> dict[str, list[float]]:
    """CPU microseconds an event of each way, a round each."""
    bodies = [page(seed) for seed in range(pages)]
    batches = [json.loads(body) for body in bodies]
    ways = _ways()
    found: dict[str, list[float]] = {"json.loads alone": [], **{name: [] for name in ways}}
    count = sum(map(len, batches))
    for _ in range(rounds):
        started = time.process_time()
        for body in bodies:
            json.loads(body)
        found["json.loads alone"].append((time.process_time() - started) / count * 1e6)
        for name in random.sample(list(ways), len(ways)):
            records = [_records(batch) for batch in batches]
            started = time.process_time()
            for batch in records:
                ways[name](batch)
            found[name].append((time.process_time() - started) / count * 1e6)
    return found


def main(arguments: list[str]) -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="bench rules", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--pages", type=int, default=40)
    options = parser.parse_args(arguments)
    found = measure(options.rounds, options.pages)
    reference = min(found["json.loads alone"])
    print(f"{'':28}{'us/event least':>15}{'median':>9}{'x json.loads':>14}")
    for name, times in found.items():
        least = min(times)
        print(f"{name:28}{least:15.2f}{statistics.median(times):9.2f}{least / reference:14.2f}")
    return 0
