"""The durable hand-over between receiving and exporting; nobody outside knows what it stands on."""

from pathlib import Path

from shipper.core.clock import Clock
from shipper.core.journal import Journal, Limits
from shipper.core.telemetry import Health, Meter
from shipper.journal.memory import memory_journal
from shipper.journal.sqlite import SqliteJournal

__all__ = ["memory_journal", "open_journal"]


async def open_journal(
    path: Path | None, clock: Clock, meter: Meter, health: Health, limits: Limits | None = None
) -> Journal:
    """Open the journal at `path`, or one in memory for None; damage is mended on the way.

    Its state, whether it is out of order or full, is reported as the component `storage`.

    Raises:
        Unavailable: the storage can't be used, with the reason and the cure; `blocked` if another process has it.
    """
    journal = SqliteJournal(path, limits or Limits(), clock, meter, health)
    await journal.start()
    return journal
