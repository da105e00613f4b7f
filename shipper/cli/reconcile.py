"""`shipper reconcile`: proves that every event of a period was delivered."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from shipper.cli.options import Report, config_option
from shipper.cli.progress import Bar
from shipper.cli.quiet import finish, prepare, quit_with
from shipper.cli.terminal import safe, safe_json
from shipper.cli.times import duration, moment
from shipper.config import Loaded
from shipper.service.storage import storage_path
from shipper.service.visits.evidence import evidence, totals
from shipper.service.visits.reconcile import Period, State, Stream, compare, list_streams, repair
from shipper.service.visits.visit import look, visit

_WORDS: Final[dict[State, str]] = {
    "delivered": "delivered",
    "dropped": "dropped by a rule or a schema",
    "dead_letter": "dead letters",
    "waiting": "waiting for an exporter",
    "unknown": "older than what storage remembers",
    "missing": "missing",
}

_UNPROVEN: Final[tuple[State, ...]] = ("missing", "waiting", "unknown")


@click.command(epilog="Example: shipper reconcile --since 24h --until 5m --report proof.json")
@config_option
@click.option("--since", type=moment, required=True, help="RFC 3339, or how long ago: 24h, 7d.")
@click.option("--until", type=moment, help="The same; now where it is left out.")
@click.option("--repair", "mend", is_flag=True, help="Ship what is missing, then prove again.")
@click.option(
    "--drain-timeout", type=duration, default="20s", show_default=True, help="With --repair: as of shipper run."
)
@click.option("--report", type=Report(), metavar="FILE", help="Write the evidence to this file.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def reconcile(  # noqa: PLR0913 - its options
    config: Path,
    since: int,
    until: int | None,
    *,
    mend: bool,
    drain_timeout: float,
    report: Path | None,
    output: str,
) -> None:
    """List a period again and prove that each of its events was delivered.

    Works while a shipper runs; with --repair it must be stopped. Dead letters and what rules drop are accounted
    for; what waits for an exporter, or is older than storage's `retention`, is not proven.

    Exit code: 0 complete, 65 events are missing or not proven (their number and ids are printed), 69 GitHub could
    not be listed, 78 the configuration is wrong, 1 anything else.
    """
    period = Period(since, int(time.time() * 1000) if until is None else until)
    if period.since > period.until:
        raise click.BadParameter("lies behind --until", param_hint="--since")
    loaded, mask = prepare(config)
    path = storage_path(loaded)
    if path is None:
        quit_with(os.EX_CONFIG, "extensions.storage keeps everything in memory, so nothing can be proven")
    work = _repair(loaded, path, period, drain_timeout) if mend else _prove(loaded, path, period)
    streams = finish(work, mask)
    shown = evidence(loaded, streams, period, time.time_ns(), repair=mend)
    if report:
        _write(report, mask(safe_json(shown)))
    if output == "json":
        click.echo(mask(safe_json(shown)))
    else:
        _tell(streams)
    sys.exit(_code(streams))


async def _prove(loaded: Loaded, path: Path, period: Period) -> list[Stream]:
    async with look(loaded) as visited:
        with Bar() as bar:
            streams = await list_streams(visited, period, lambda name, n: bar.show(name, f"{n} listed", None))
    compare(streams, path)
    return streams


async def _repair(loaded: Loaded, path: Path, period: Period, patience: float) -> list[Stream]:
    async with visit(loaded) as visited:
        with Bar() as bar:
            streams = await list_streams(visited, period, lambda name, n: bar.show(name, f"{n} listed", None))
        compare(streams, path)
        await repair(visited, streams, period, patience)
        compare(streams, path)
    return streams


def _code(streams: Sequence[Stream]) -> int:
    if any(stream.failure for stream in streams):
        return os.EX_UNAVAILABLE
    return 0 if all(stream.complete for stream in streams) else os.EX_DATAERR


def _write(path: Path, text: str) -> None:
    with open(path, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(f"{text}\n")


def _tell(streams: Sequence[Stream]) -> None:
    for stream in streams:
        counts = stream.counts
        parts = [f"{counts[state]} {words}" for state, words in _WORDS.items() if counts[state]]
        repaired = f" ({stream.repaired} of them just now)" if stream.repaired else ""
        click.echo(
            f"{safe(stream.past.name)}: {len(stream.events)} listed: {', '.join(parts) or 'none'}{repaired}"
        )
        if stream.failure:
            click.echo(f"  could not be listed to the end: {safe(stream.failure)}")
    for state in _UNPROVEN:
        for stream in streams:
            for uid in stream.uids(state):
                click.echo(f"{state} {safe(stream.past.source)} {safe(uid)}")
    total = totals(streams)
    if total["unknown"]:
        click.echo(
            "events older than what storage remembers (extensions.storage.retention) can't be proven: "
            "shipper backfill ships them again"
        )
    proven = total["delivered"] + total["dropped"] + total["dead_letter"]
    click.echo(f"{proven} of {total['listed']} events are accounted for, {total['missing']} are missing")
    if total["dead_letter"]:
        click.echo(f"{total['dead_letter']} are dead letters: see shipper state dead-letter list")
