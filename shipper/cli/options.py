"""What several commands share: `-c`, and how a configuration is loaded and its faults are told."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from shipper.config import Diagnostic, Invalid, Loaded
from shipper.config import load as load_file
from shipper.service import registry

config_option: Callable[[Any], Any] = click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    default="pipelines.yaml",
    show_default=True,
    metavar="FILE",
    help="The configuration.",
)


def load(path: Path) -> Loaded:
    """The configuration with this machine's environment and every component there is; raises `Invalid`."""
    return load_file(path, registry.find, os.environ, names=registry.names)


def load_or_exit(path: Path) -> Loaded:
    """The configuration; where it is wrong, every fault on stderr and exit code 78."""
    try:
        return load(path)
    except Invalid as invalid:
        tell(invalid.diagnostics)
        sys.exit(os.EX_CONFIG)


def tell(diagnostics: Sequence[Diagnostic]) -> None:
    """Each on a line of stderr, in colours where somebody looks."""
    color = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    for diagnostic in diagnostics:
        click.echo(diagnostic.format(color=color), err=True)
