"""Checks where records are kept, as far as that can be told without opening it."""

from collections.abc import Iterator

from shipper.config.models import StorageConfig
from shipper.core.component import Paths
from shipper.core.errors import Problem
from shipper.core.files import no_file


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
