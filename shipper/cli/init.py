"""`shipper init`: a commented configuration to start from."""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from shipper.cli.offline import load_offline
from shipper.cli.options import tell
from shipper.config import Invalid
from shipper.service.deploy.starting import BACKENDS, SOURCES, configuration

_LOGIN: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?")

_EPILOG = """\b
Examples:
  shipper init
  shipper init --backend splunk --org acme-corp -o splunk.yaml
"""


def _logins(_: click.Context, __: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    for login in value:
        if not _LOGIN.fullmatch(login):
            raise click.BadParameter("write the organization's login, as in github.com/LOGIN")
    return value


@click.command(epilog=_EPILOG)
@click.option("--source", type=click.Choice(SOURCES), default="github", show_default=True)
@click.option("--backend", type=click.Choice(BACKENDS), default="collector", show_default=True)
@click.option("--org", "organizations", multiple=True, callback=_logins, metavar="LOGIN", help="May be repeated.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    default="pipelines.yaml",
    show_default=True,
    metavar="FILE",
    help="- for stdout.",
)
@click.option("--force", is_flag=True, help="Replace a file that exists.")
def init(source: str, backend: str, organizations: Sequence[str], output: Path, *, force: bool) -> None:
    """Write a commented configuration for a source and a backend, which validates at once.

    Exit code: 0; 73 the file exists or can't be written.
    """
    text = configuration(source, backend, organizations)
    if str(output) == "-":
        click.echo(text, nl=False)
        return
    try:
        with output.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        _give_up(f"{output} exists; --force replaces it, -o names another file")
    except OSError as error:
        _give_up(f"{output} can't be written: {error.strerror}")
    _conclude(output)


def _conclude(output: Path) -> None:
    """Validate what was written, and say what is to be done now."""
    try:
        _, unset = load_offline(output)
    except Invalid as invalid:
        tell(invalid.diagnostics)
        sys.exit(os.EX_CONFIG)
    click.echo(f"wrote {output}: valid")
    if unset:
        click.echo(f"set {', '.join(unset)}")
    click.echo(f"then run: shipper run -c {output}")
    click.echo(f"or try it first: shipper simulate github --port 0 -- shipper run --once -c {output}")


def _give_up(message: str) -> None:
    click.echo(f"error: {message}", err=True)
    sys.exit(os.EX_CANTCREAT)
