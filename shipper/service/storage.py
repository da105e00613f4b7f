"""The storage of a configuration: where it is, and opening it."""

import os
from pathlib import Path

from shipper.config import Loaded
from shipper.core.clock import Clock
from shipper.core.journal import Journal, Limits
from shipper.core.telemetry import Health, Meter
from shipper.journal import open_journal


def storage_path(loaded: Loaded) -> Path | None:
    """The file, or what a link stands for, as SQLite takes it; None where everything is kept in memory."""
    if loaded.storage.type != "sqlite":
        return None
    path = loaded.paths.output(loaded.storage.path)
    return Path(os.path.realpath(path)) if path.is_symlink() else path


async def open_storage(loaded: Loaded, clock: Clock, meter: Meter, health: Health) -> Journal:
    """The journal of a configuration.

    Raises:
        Unavailable: it can't be used, with the reason and the cure.
    """
    limits = Limits(loaded.storage.max_size, loaded.storage.retention)
    return await open_journal(storage_path(loaded), clock, meter, health, limits)
