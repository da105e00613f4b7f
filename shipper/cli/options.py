"""What several commands share: `-c`, and how a configuration is loaded and its faults are told."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from shipper.config import Diagnostic, Invalid, Loaded
from shipper.config import load as load_file
from shipper.core.files import try_writing
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


class Report(click.Path):
    """A file to be written at the end of a command: told at its beginning if it can't be."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path; click's usage error if it is no place for a file."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not path.parent.is_dir():
            self.fail(f"there is no directory {click.format_filename(path.parent)}", param, ctx)
        try:
            try_writing(path)
        except OSError as error:
            self.fail(f"{click.format_filename(path)} can't be written: {error.strerror}", param, ctx)
        return path


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
