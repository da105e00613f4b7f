from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from shipper.core.batch import Commit, Seen
from shipper.core.journal import Cursor, Entry, Limits
from shipper.core.telemetry import Health, Meter
from shipper.journal.sqlite import SqliteJournal
from shipper.testing import ManualClock
from shipper.testing.samples import encode
from shipper.wire import otlp

OTLP = Cursor("logs", "otlp")


class Bench:
    """A journal file and what is around it, opened and closed by tests."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = ManualClock()
        self.meter = Meter()
        self.health = Health(self.clock)
        self.stack = AsyncExitStack()

    async def open(self, limits: Limits | None = None) -> SqliteJournal:
        journal = SqliteJournal(self.path, limits or Limits(), self.clock, self.meter, self.health)
        self.stack.push_async_callback(journal.close)
        await journal.start()
        return journal

    def aside(self) -> list[str]:
        """Names of files set aside, without the rests of write-ahead logs."""
        found = self.path.parent.glob("*.damaged-*")
        return sorted(each.name for each in found if not each.name.endswith(("-wal", "-shm")))

    def damaged(self) -> float:
        return self.meter.value("shipper_journal_damaged")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path / "data" / "shipper.db")
    async with bench.stack:
        yield bench


def entry(*uids: str, log: str = "logs") -> Entry:
    return Entry(log, encode(uids), len(uids))


def page(number: int, size: int = 10) -> tuple[list[Entry], Commit]:
    """The entries and commit of a made-up page."""
    uids = [f"{number}-{index}" for index in range(size)]
    seen = Seen(b"".join(uid.encode().ljust(16, b".") for uid in uids), number, number)
    return [entry(*uids)], Commit("source", str(number).encode(), seen)


async def fill(journal: SqliteJournal, pages: range, size: int = 10) -> None:
    for number in pages:
        entries, commit = page(number, size)
        await journal.append(entries, commit)


async def drain(
    journal: SqliteJournal, cursor: Cursor = OTLP, records: int = 10**6, found: set[str] | None = None
) -> list[str]:
    """Read and advance until nothing is left, or so many records were read; their uids (added to `found` too)."""
    uids: list[str] = []
    found = set() if found is None else found
    while len(uids) < records and (chunks := await journal.read(cursor, min(1000, records - len(uids)), 2**24)):
        for chunk in chunks:
            payload = otlp.cut(chunk.payload, chunk.start, chunk.stop)
            uids += [each.record.uid for each in otlp.decode(payload)]
        found.update(uids)
        await journal.advance(cursor, chunks[-1].next)
    return uids


Opener = Callable[..., Awaitable[SqliteJournal]]
