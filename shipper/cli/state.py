"""`shipper state`: what storage holds: checkpoints, queues, dead letters, and its integrity."""

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

import click

from shipper.cli.dead_letter import dead_letter
from shipper.cli.offline import load_offline_or_exit
from shipper.cli.options import config_option
from shipper.cli.quiet import quit_with
from shipper.cli.terminal import safe, safe_json
from shipper.cli.times import moment
from shipper.config import Loaded
from shipper.core.errors import ShipperError
from shipper.core.journal import is_retry
from shipper.core.units import format_duration
from shipper.journal import inspection
from shipper.service.storage import storage_path
from shipper.service.visits.evidence import moment as written
from shipper.service.visits.standing import Choice, NothingFits, Rewound, standing
from shipper.service.visits.standing import rewind as move

output_option = click.option(
    "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How it is printed."
)


@click.group()
def state() -> None:
    """Look into storage, also while a shipper runs; move checkpoints; deal with dead letters."""


def storage_of(config: Path) -> tuple[Loaded, Path]:
    """The configuration and its storage file; ends the program where there is none."""
    loaded = load_offline_or_exit(config)
    path = storage_path(loaded)
    if path is None:
        quit_with(os.EX_CONFIG, "extensions.storage keeps everything in memory, so there is nothing to look at")
    return loaded, path


@state.command(epilog="Example: shipper state show --output json")
@config_option
@output_option
def show(config: Path, output: str) -> None:
    """Show checkpoints with their lag, what waits for each exporter, and how full storage is.

    Exit code: 0; 1 there is no storage yet, or it can't be read.
    """
    loaded, path = storage_of(config)
    try:
        found = asyncio.run(standing(loaded, path, time.time_ns() // 1_000_000)).plain()
    except ShipperError as error:
        quit_with(1, str(error))
    if output == "json":
        click.echo(safe_json(found))
    else:
        _tell(found)


def _tell(found: dict[str, Any]) -> None:
    storage = found["storage"]
    use = "in use by a shipper that runs" if storage["in_use"] else "not in use"
    click.echo(f"storage {safe(storage['path'])}, {use}")
    click.echo(
        f"  {storage['records']} records, {storage['dead_letters']} dead letters, "
        f"{storage['bytes'] / 2**20:.1f} of {storage['capacity_bytes'] / 2**20:.0f} MiB"
    )
    click.echo("checkpoints")
    for each in found["checkpoints"]:
        lag = each["lag_seconds"]
        behind = (
            "" if lag is None else f", complete until {each['complete_until']} ({format_duration(round(lag))} ago)"
        )
        click.echo(f"  {safe(each['source'])}: committed {each['committed']}{behind}")
    click.echo("queues")
    for each in found["queues"]:
        if is_retry(each["log"]) and not each["waiting"]:
            continue
        idle = "" if each["active"] else " (not configured any more)"
        click.echo(f"  {safe(each['log'])} => {safe(each['exporter'])}: {each['waiting']} waiting{idle}")


@state.command(epilog="Example: shipper state rewind --receiver github --stream audit_log --to 24h")
@config_option
@click.option("--receiver", required=True, help="Its id, such as github.")
@click.option("--organization", help="Only this organization or enterprise.")
@click.option("--stream", help="Only this stream, such as audit_log.")
@click.option("--to", "target", type=moment, required=True, help="RFC 3339, or how long ago: 24h, 7d.")
@click.option("--again", is_flag=True, help="Ship what is known, too: every event since then once more.")
@output_option
def rewind(  # noqa: PLR0913 - its options
    config: Path,
    *,
    receiver: str,
    organization: str | None,
    stream: str | None,
    target: int,
    again: bool,
    output: str,
) -> None:
    """Have the next run read again from a time on.

    What storage remembers is not shipped again, unless with --again. A source that would begin earlier anyway
    keeps its place: nothing is skipped. The shipper must be stopped.

    Exit code: 0, also where there was nothing to rewind; 1 storage can't be used, as while a shipper runs; 2 the
    configuration has no such source, or the time lies ahead.
    """
    if target > time.time_ns() // 1_000_000:
        raise click.BadParameter(
            f"{written(target)} lies ahead; a rewind goes back, such as --to 24h", param_hint="--to"
        )
    loaded, _ = storage_of(config)
    if receiver not in loaded.receivers:
        names = ", ".join(loaded.receivers)
        raise click.BadParameter(f"the configuration has {names}", param_hint="--receiver")
    try:
        done = asyncio.run(move(loaded, Choice(receiver, organization, stream), target, again=again))
    except NothingFits as error:
        raise click.BadParameter(str(error), param_hint="--organization and --stream") from None
    except ShipperError as error:
        quit_with(1, str(error))
    if output == "json":
        click.echo(safe_json([each.plain() for each in done]))
    else:
        for each in done:
            click.echo(f"{safe(each.source)}: {_rewound(each, target)}")


def _rewound(done: Rewound, target: int) -> str:
    since = "its beginning" if done.reads_from is None else written(done.reads_from)
    if done.moved:
        return f"reads again from {since}"
    known = f"ships again what it took since {written(target)}" if done.again else "nothing to rewind"
    return f"already reads from {since}, {known}"


@state.command(epilog="Example: shipper state fsck && shipper run")
@config_option
@click.option("--repair", is_flag=True, help="Mend it now, as the next start would; the shipper must be stopped.")
@output_option
def fsck(config: Path, output: str, *, repair: bool) -> None:
    """Check every row of storage.

    Damage is mended by the next start, or by --repair: what can be believed is carried over, and GitHub is asked
    again for the rest. Exit code: 0 sound (now), 65 damaged, 1 there is no storage, or it can't be read.
    """
    _, path = storage_of(config)
    try:
        verdict = inspection.check(path)
        if repair and not verdict.sound:
            click.echo(f"damaged: {safe(verdict.problem)}", err=True)
            click.echo(f"mended: {safe(inspection.repair(path))}", err=True)
            verdict = inspection.check(path)
    except ShipperError as error:
        quit_with(1, str(error))
    if output == "json":
        aside = [str(each) for each in verdict.set_aside]
        click.echo(safe_json({"sound": verdict.sound, "problem": verdict.problem, "set_aside": aside}))
    else:
        _judge(path, verdict)
    sys.exit(0 if verdict.sound else os.EX_DATAERR)


def _judge(path: Path, verdict: inspection.Verdict) -> None:
    if verdict.sound:
        click.echo(f"{safe(str(path))}: sound")
    else:
        click.echo(f"{safe(str(path))}: damaged: {safe(verdict.problem)}")
        click.echo(
            "the next start of the shipper sets it aside and carries over what can be believed (or --repair)"
        )
    for each in verdict.set_aside:
        click.echo(f"set aside earlier, may be deleted: {safe(str(each))}")


state.add_command(dead_letter)
