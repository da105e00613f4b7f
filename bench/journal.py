"""Microseconds of CPU that the journal takes for an event, and how that compares to reading the event's JSON.

Entries are those of pages of 100 events. `append` is one transaction with checkpoint and ids; `deliver` is one
exporter that reads windows of 512 and moves its cursor, deleting what was read. `loop` is both through the event
loop and the writer's thread, as the product does it. Rounds run interleaved, on a temporary directory.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.pipeline import page
from shipper.core.batch import Commit, Scope, Seen
from shipper.core.clock import SystemClock
from shipper.core.journal import Cursor, Entry, Limits
from shipper.core.record import Record
from shipper.core.telemetry import Health, Meter
from shipper.journal import open_journal, schema
from shipper.journal.store import Store
from shipper.wire import otlp

_READER = Cursor("logs", "otlp")


def _entry(events: list[Any]) -> Entry:
    records = [Record(event["_document_id"], "audit_log", "github.audit_log", 1, 2, event) for event in events]
    return Entry("logs", otlp.encode(records, {"service.name": "github"}, Scope("bench", "1")), len(records))


def _commit(number: int, digests: bytes = bytes(1600)) -> Commit:
    return Commit("source", b'{"newest":1760000000000}', Seen(digests, number, number), number - 10)


def _append(store: Store, entries: list[Entry], *, durable: bool) -> None:
    for number, entry in enumerate(entries):
        store.append([entry], _commit(number), (), durable=durable)


def _deliver(store: Store) -> None:
    while chunks := store.read(_READER, 512, 4 << 20, None):
        store.advance(_READER, chunks[-1].next, (), ())


async def _loop(directory: Path, entries: list[Entry]) -> None:
    clock = SystemClock()
    journal = await open_journal(directory / "loop.db", clock, Meter(), Health(clock), Limits())
    await journal.open(_READER)

    async def deliver() -> None:
        left = sum(entry.count for entry in entries)
        while left:
            await journal.wait(_READER)
            chunks = await journal.read(_READER, 512, 4 << 20)
            await journal.advance(_READER, chunks[-1].next)
            left -= sum(chunk.stop - chunk.start for chunk in chunks)

    reading = asyncio.create_task(deliver())
    for number, entry in enumerate(entries):
        await journal.append([entry], _commit(number))
    await reading
    await journal.close()


def _round(bodies: list[bytes], entries: list[Entry], directory: Path) -> dict[str, float]:
    db = schema.connect(directory / "store.db")
    schema.create(db)
    store = Store(db, SystemClock())
    store.open(_READER)
    steps: dict[str, Callable[[], Any]] = {
        "json.loads alone": lambda: [json.loads(body) for body in bodies],
        "append": lambda: _append(store, entries, durable=False),
        "deliver": lambda: _deliver(store),
        "append, durable": lambda: _append(store, entries, durable=True),
        "append and deliver, loop": lambda: asyncio.run(_loop(directory, entries)),
    }
    found = {}
    for name, step in steps.items():
        started = time.process_time()
        step()
        found[name] = (time.process_time() - started) / sum(entry.count for entry in entries) * 1e6
    db.close()
    return found


def main(arguments: list[str]) -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="bench journal", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--pages", type=int, default=200)
    options = parser.parse_args(arguments)
    bodies = [page(seed) for seed in range(options.pages)]
    entries = [_entry(json.loads(body)) for body in bodies]
    rounds = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as directory:
            rounds.append(_round(bodies, entries, Path(directory)))
    reference = min(each["json.loads alone"] for each in rounds)
    print(f"{'':28}{'us/event least':>15}{'median':>9}{'x json.loads':>14}")
    for name in rounds[0]:
        times = [each[name] for each in rounds]
        print(f"{name:28}{min(times):15.2f}{statistics.median(times):9.2f}{min(times) / reference:14.2f}")
    return 0
