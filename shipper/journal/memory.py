"""The journal for trials and tests: the same one, without a file. It loses its place on restart."""

from shipper.core.clock import Clock, SystemClock
from shipper.core.journal import Limits
from shipper.core.telemetry import Health, Meter
from shipper.journal.sqlite import SqliteJournal


async def memory_journal(clock: Clock | None = None, limits: Limits | None = None) -> SqliteJournal:
    """A journal in memory with a meter and health of its own."""
    clock = clock or SystemClock()
    journal = SqliteJournal(None, limits or Limits(), clock, Meter(), Health(clock))
    await journal.start()
    return journal
