"""Loading for commands that connect to nothing: secrets and addresses need not be set."""

import logging
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from shipper.cli.options import BAD_CONFIGURATION, tell
from shipper.config import Diagnostic, Invalid, Loaded
from shipper.config import load as load_file
from shipper.service import registry

#: What stands for a variable that is not set.
PLACEHOLDER: Final = "unset"

_NAME: Final = re.compile(r"the variable (\w+) is not set")
_ELSEWHERE: Final = ("receivers.", "exporters.", "extensions.", "service.")


def load_offline(path: Path, env: Mapping[str, str] | None = None) -> tuple[Loaded, list[str]]:
    """The configuration, and the variables for which a placeholder stands, sorted.

    Placeholders stand only where they say whom to connect to: what processors and tests read must be set.

    Raises:
        Invalid: it is wrong in other ways too; what is said is of the file as it is.
    """
    env = os.environ if env is None else env
    try:
        return load_file(path, registry.find, env, names=registry.names), []
    except Invalid as invalid:
        unset = {name for each in invalid.diagnostics if (name := _unset(each))}
        errors = [each for each in invalid.diagnostics if each.severity == "error"]
        if not unset or not all(_unset(each) for each in errors):
            raise
        stand_in = {**env, **dict.fromkeys(unset, PLACEHOLDER)}
        try:
            return load_file(path, registry.find, stand_in, names=registry.names), sorted(unset)
        except Invalid:
            raise invalid from None


def load_offline_or_exit(path: Path, *, quiet: bool = False) -> Loaded:
    """The same; variables that are not set are told, and where the file is wrong, every fault and exit code 78."""
    try:
        loaded, unset = load_offline(path)
    except Invalid as invalid:
        tell(invalid.diagnostics)
        sys.exit(BAD_CONFIGURATION)
    logging.getLogger("shipper").addHandler(logging.NullHandler())  # what parts would log is shown as a result
    if unset and not quiet:
        verb = "is" if len(unset) == 1 else "are"
        click.echo(
            f"note: {', '.join(unset)} {verb} not set; nothing is connected to, so that is fine here", err=True
        )
    return loaded


def _unset(diagnostic: Diagnostic) -> str | None:
    """The variable that a diagnostic misses, where it only matters for connections."""
    match = _NAME.search(diagnostic.message) if diagnostic.code == "unset-variable" else None
    return match[1] if match and diagnostic.path.startswith(_ELSEWHERE) else None
