"""The connection test of a whole configuration: sources, backends and storage, each asked once."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shipper.config import Loaded
from shipper.core.component import Exporter
from shipper.core.errors import ConfigError, Rejected, Unavailable
from shipper.core.files import try_writing
from shipper.core.past import Finding, Probing
from shipper.journal import inspection
from shipper.journal.lock import in_use
from shipper.service.storage import storage_path
from shipper.service.visits.visit import Visit

#: What to do about a backend whose own words are all that is known.
_BACKEND: Final = "see that the endpoint is right and the backend up; its log may say more"


@dataclass(frozen=True, slots=True)
class Row:
    """A finding, and which component it is about."""

    component: str
    finding: Finding


async def check(loaded: Loaded, visit: Visit) -> list[Row]:
    """Ask everything at once; rows in the order of the data."""
    generation = visit.generation
    receivers = [
        _receiver(receiver) for receiver in generation.receivers.values() if isinstance(receiver, Probing)
    ]
    names = [name for name, receiver in generation.receivers.items() if isinstance(receiver, Probing)]
    exporters = [
        _exporter(exporter, loaded.exporters[name].config.timeout)
        for name, exporter in generation.exporters.items()
    ]
    found = await asyncio.gather(*receivers, *exporters)
    everybody = [*names, *generation.exporters]
    rows = [Row(name, finding) for name, several in zip(everybody, found, strict=True) for finding in several]
    storage = [Row("storage", _storage(storage_path(loaded)))]
    split = sum(len(several) for several in found[: len(names)])
    return [*rows[:split], *storage, *rows[split:]]


async def _receiver(receiver: Probing) -> Sequence[Finding]:
    try:
        return await receiver.probe()
    except (Unavailable, ConfigError) as error:
        return [_failed("", str(error))]
    except Exception as fault:  # noqa: BLE001 - told as a finding; the other parts are asked all the same
        return [_failed("", f"fault of the receiver ({type(fault).__name__}); please report it")]


async def _exporter(exporter: Exporter, timeout: float) -> Sequence[Finding]:
    try:
        async with exporter, asyncio.timeout(timeout):
            return [Finding("", "ok", await exporter.check())]
    except TimeoutError:
        return [_failed("", f"no answer within {timeout:g} s; is the endpoint right and the backend up?")]
    except Unavailable as error:
        return [_failed("", error.reason, _BACKEND)]
    except Rejected as error:
        return [_failed("", f"{error.reason}{f' ({error.answer})' if error.answer else ''}", _BACKEND)]
    except Exception as fault:  # noqa: BLE001 - as above
        return [_failed("", f"fault of the exporter ({type(fault).__name__}); please report it")]


def _storage(path: Path | None) -> Finding:
    if path is None:
        cure = "set extensions.storage.type: sqlite for anything but trials"
        return Finding("", "warning", "in memory: it loses its place on restart", cure)
    return _old_storage(path) if path.exists() else _new_storage(path)


def _old_storage(path: Path) -> Finding:
    try:
        found = inspection.snapshot(path)
    except Unavailable as error:
        return _failed("", error.reason)
    seen = f"{path}: {found.usage.records} records, {found.usage.bytes / 2**20:.1f} MiB"
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        return _failed("", f"{path} cannot be written to; make it and its directory writable for this user")
    seen += ", in use by a shipper that runs" if in_use(path) else ""
    letters = found.usage.dead_letters
    if letters:
        return Finding("", "warning", f"{seen}, {letters} dead letters", "see shipper state dead-letter list")
    return Finding("", "ok", seen)


def _new_storage(path: Path) -> Finding:
    try:
        try_writing(path)
    except OSError as fault:
        cure = "make its directory writable for this user, or choose another path"
        return _failed("", f"{path} cannot be made ({fault.strerror}); {cure}")
    return Finding("", "ok", f"{path} will be made")


def _failed(name: str, reason: str, remedy: str = "") -> Finding:
    """Behind the first semicolon of a reason stands what to do."""
    seen, _, own = reason.partition("; ")
    return Finding(name, "failed", seen, own or remedy)
