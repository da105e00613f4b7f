"""A process to be killed: a source with numbered pages, the journal, and two deliveries that write files.

Usage: crash_child.py DIRECTORY PAGES SIZE. Prints `ready`, then `done` when every page was delivered by both.
"""

import asyncio
import sys
from pathlib import Path

from shipper.core.batch import Commit, Seen
from shipper.core.clock import SystemClock
from shipper.core.component import Context, Paths, Window
from shipper.core.delivery import BatchConfig, DeliveryConfig
from shipper.core.journal import Cursor, Entry, Journal, Limits
from shipper.core.telemetry import Health, Meter
from shipper.delivery import Delivery
from shipper.journal import open_journal
from shipper.testing.samples import encode

LOG = "logs/crash"
BATCH = 64


class FileExporter:
    """Writes a line for each record, in one write: what it wrote, a backend has."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1 << 20)

    async def export(self, window: Window) -> None:
        self._file.write("".join(f"{each.record.uid}\n" for each in window.records))
        self._file.flush()
        await asyncio.sleep(0)


async def receive(journal: Journal, pages: int, size: int) -> None:
    """Ask for every page behind the checkpoint, and for the one before again, as an overlap does."""
    stored = await journal.checkpoint("source")
    last = int(stored) if stored else -1
    seen = await journal.seen("source", last - 1)
    for number in range(max(0, last - 1), pages):
        uids = [f"{number}-{index}" for index in range(size)]
        fresh = [uid for uid in uids if uid.encode().ljust(16, b".") not in seen]
        digests = b"".join(uid.encode().ljust(16, b".") for uid in fresh)
        entries = [Entry(LOG, encode(fresh), len(fresh))] if fresh else []
        commit = Commit("source", str(max(number, last)).encode(), Seen(digests, number, number), number - 5)
        await journal.append(entries, commit)


async def main(directory: Path, pages: int, size: int) -> None:
    clock = SystemClock()
    meter, health = Meter(), Health(clock)
    journal = await open_journal(directory / "shipper.db", clock, meter, health, Limits(max_size=20_000))
    deliveries = []
    for name in ("a", "b"):
        context = Context(name, meter, health, clock, Paths(directory, directory))
        config = DeliveryConfig(batch=BatchConfig(max_records=BATCH, flush_interval="0"))
        exporter = FileExporter(directory / name)
        deliveries.append(Delivery(Cursor(LOG, name), exporter, config, journal, context))
    for delivery in deliveries:
        await delivery.open()
    print("ready", flush=True)  # noqa: T201 - the test reads it
    tasks = [asyncio.create_task(delivery.run()) for delivery in deliveries]
    await receive(journal, pages, size)
    for delivery in deliveries:
        await delivery.drained()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    print("done", journal.logs()[0].end, meter.value("shipper_journal_damaged"), flush=True)  # noqa: T201 - the test reads it
    await journal.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
