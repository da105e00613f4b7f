"""The journal for trials and tests: the same one, without a file. It loses its place on restart."""

from shipper.core.clock import Clock, SystemClock
from shipper.core.journal import Limits
from shipper.core.telemetry import Health, Meter
from shipper.journal.sqlite import SqliteJournal, open_journal


async def memory_journal(clock: Clock | None = None, limits: Limits | None = None) -> SqliteJournal:
    """A journal in memory with a meter and health of its own."""
    clock = clock or SystemClock()
    return await open_journal(None, clock, Meter(), Health(clock), limits)
