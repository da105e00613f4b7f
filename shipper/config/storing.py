"""Checks where records are kept, as far as that can be told without opening it."""

import os
from collections.abc import Iterable, Iterator
from typing import Final

from shipper.config.loaded import Part
from shipper.config.models import StorageConfig
from shipper.core.component import Paths
from shipper.core.errors import Problem
from shipper.core.files import no_file

#: What stands beside the storage's file has its name and one of these.
_BESIDE: Final = ("", "-wal", "-shm", "-checkpoints", ".lock")


def check(storage: StorageConfig, paths: Paths) -> Iterator[Problem]:
    """What stands at the path and is no file. A warning, as this may not be the machine that it is meant for."""
    if storage.type != "sqlite":
        return
    try:
        found = no_file(paths.output(storage.path))
    except OSError:
        return
    if found:
        said = f"{storage.path} is {found}, and the shipper will not start; name a file of its own"
        yield Problem(("extensions", "storage", "path"), "not-a-file", said, severity="warning")


def check_writers(storage: StorageConfig, parts: Iterable[Part], paths: Paths) -> Iterator[Problem]:
    """Exporters that would write into the storage."""
    if storage.type != "sqlite":
        return
    taken = {os.path.realpath(f"{paths.output(storage.path)}{suffix}") for suffix in _BESIDE}
    for part in parts:
        for key, file in part.component.writes(part.config).items():
            if os.path.realpath(paths.output(file)) in taken:
                said = f"{file} is the storage's (extensions.storage.path); name a file of its own"
                yield Problem(("exporters", part.id, key), "same-file", said)
