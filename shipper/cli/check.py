"""`shipper check`: connects to everything a configuration names, and says what is wrong and how to mend it."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from shipper.cli.options import config_option
from shipper.cli.quiet import finish, prepare
from shipper.cli.terminal import safe, safe_json
from shipper.config import Loaded
from shipper.service.observe.logs import Mask
from shipper.service.visits.check import Row
from shipper.service.visits.check import check as ask
from shipper.service.visits.visit import look

_COLORS: Final = {"ok": "green", "warning": "yellow", "failed": "red"}


@click.command(epilog="Example: shipper check -c pipelines.yaml")
@config_option
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def check(config: Path, output: str) -> None:
    """Connect to GitHub, every exporter's endpoint and the storage, and tell what works.

    Nothing is taken and nothing is sent. Exit code: 0 everything works (warnings do not count), 69 something does
    not, 78 the configuration is wrong.
    """
    loaded, mask = prepare(config)
    rows = finish(_ask(loaded), mask)
    if output == "json":
        click.echo(mask(safe_json({"ok": _well(rows), "checks": [_plain(row) for row in rows]})))
    elif sys.stdout.isatty():
        _draw(rows, mask)
    else:
        for row in rows:
            _write(row, mask)
    sys.exit(0 if _well(rows) else os.EX_UNAVAILABLE)


async def _ask(loaded: Loaded) -> list[Row]:
    async with look(loaded) as visit:
        return await ask(loaded, visit)


def _well(rows: Sequence[Row]) -> bool:
    return all(row.finding.verdict != "failed" for row in rows)


def _plain(row: Row) -> dict[str, str]:
    finding = row.finding
    return {
        "component": row.component,
        "check": finding.name,
        "status": finding.verdict,
        "seen": finding.seen,
        "remedy": finding.remedy,
    }


def _write(row: Row, mask: Mask) -> None:
    """A line each, and one for the remedy."""
    finding = row.finding
    what = f"{row.component} {finding.name}".strip()
    click.echo(mask(f"{finding.verdict:8}{safe(what)}: {safe(finding.seen)}"))
    if finding.remedy:
        click.echo(mask(f"{'':8}remedy: {safe(finding.remedy)}"))


def _draw(rows: Sequence[Row], mask: Mask) -> None:
    from rich.console import Console  # noqa: PLC0415 - only where somebody looks
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table("", "component", "check", "seen", "remedy")
    for row in rows:
        finding = row.finding
        texts = (row.component, finding.name, finding.seen, finding.remedy)
        verdict = Text(finding.verdict, style=_COLORS[finding.verdict])
        table.add_row(verdict, *(Text(mask(safe(text))) for text in texts))
    Console().print(table)
