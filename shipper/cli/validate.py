"""`shipper validate`: everything that is wrong with a configuration, without network."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import click

from shipper.cli.options import config_option, load, tell
from shipper.config import Diagnostic, Invalid, reports
from shipper.service.observe import graph

_REPORTS: Final[dict[str, Callable[[Sequence[Diagnostic]], str]]] = {
    "json": reports.as_json,
    "github": reports.as_github,
    "sarif": reports.as_sarif,
}


@click.command(epilog="Example: shipper validate -c pipelines.yaml --output github")
@config_option
@click.option(
    "--output",
    type=click.Choice(["text", *_REPORTS]),
    default="text",
    show_default=True,
    help="text on stderr; json, GitHub annotations or SARIF on stdout.",
)
def validate(config: Path, output: str) -> None:
    """Tell everything that is wrong with a configuration.

    Nothing is connected to. Exit code: 0 it can be run (warnings do not count), 78 it cannot.
    """
    try:
        loaded = load(config)
    except Invalid as invalid:
        _report(invalid.diagnostics, output)
        sys.exit(os.EX_CONFIG)
    _report(loaded.warnings, output)
    if output == "text":
        click.echo(graph.text(loaded), nl=False)
        click.echo(f"{config}: valid")


def _report(diagnostics: Sequence[Diagnostic], output: str) -> None:
    if output == "text":
        tell(diagnostics)
    else:
        click.echo(_REPORTS[output](diagnostics), nl=False)
