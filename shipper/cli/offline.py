"""Loading for commands that connect to nothing: secrets and addresses need not be set."""

import logging
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from shipper.cli.options import tell
from shipper.config import Diagnostic, Invalid, Loaded
from shipper.config import load as load_file
from shipper.service import registry

#: What stands for a variable that is not set: the first of these that its place takes.
PLACEHOLDERS: Final = ("unset", "http://unset.invalid:443", "1")

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
        wrong = invalid
    places: dict[str, set[str]] = {}
    for each in wrong.diagnostics:
        if name := _unset(each):
            places.setdefault(each.path, set()).add(name)
    if not places or any(each.severity == "error" and each.path not in places for each in wrong.diagnostics):
        raise wrong
    choice = dict.fromkeys(sorted(set().union(*places.values())), 0)
    while max(choice.values()) < len(PLACEHOLDERS):
        stand_in = {**env, **{name: PLACEHOLDERS[number] for name, number in choice.items()}}
        try:
            return load_file(path, registry.find, stand_in, names=registry.names), sorted(choice)
        except Invalid as invalid:
            refused = {name for each in invalid.diagnostics for name in places.get(each.path, ())}
        if not refused:
            break
        choice |= {name: choice[name] + 1 for name in refused}
    raise wrong


def load_offline_or_exit(path: Path, *, quiet: bool = False) -> Loaded:
    """The same; variables that are not set are told, and where the file is wrong, every fault and exit code 78."""
    try:
        loaded, unset = load_offline(path)
    except Invalid as invalid:
        tell(invalid.diagnostics)
        sys.exit(os.EX_CONFIG)
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
