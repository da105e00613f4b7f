"""Notices when a file of the configuration changes."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from shipper.core.clock import Clock

#: Seconds between two looks at watched files.
_INTERVAL: Final = 1.0


async def watch(files: Callable[[], set[Path]], changed: Callable[[], None], clock: Clock) -> None:
    """Call `changed` whenever one of the files did, until cancelled."""
    before = _fingerprint(files())
    while True:
        await clock.sleep(_INTERVAL)
        now = _fingerprint(files())
        if now != before:
            before = now
            changed()


def _fingerprint(files: set[Path]) -> dict[Path, tuple[int, int, int] | None]:
    """What tells a changed file; stat follows symlinks, so a ConfigMap's swap changes the inode."""
    prints: dict[Path, tuple[int, int, int] | None] = {}
    for file in files:
        try:
            found = file.stat()
        except OSError:
            prints[file] = None
        else:
            prints[file] = found.st_ino, found.st_mtime_ns, found.st_size
    return prints
