"""`shipper backfill`: ships a past period once."""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import click

from shipper.cli.options import config_option
from shipper.cli.progress import Bar
from shipper.cli.quiet import finish, prepare
from shipper.cli.terminal import safe, safe_json
from shipper.cli.times import duration, moment
from shipper.config import Loaded
from shipper.core.errors import Unavailable
from shipper.core.units import format_duration
from shipper.service.visits.backfill import Backfill, Progress
from shipper.service.visits.evidence import moment as written
from shipper.service.visits.reconcile import Period
from shipper.service.visits.visit import visit


@dataclass
class _Outcome:
    """What became of every source, and how many records wait."""

    progress: dict[str, Progress]
    failures: dict[str, str]
    waiting: int = 0


@click.command(epilog="Example: shipper backfill --since 30d --until 2026-01-31T00:00:00Z")
@config_option
@click.option("--since", type=moment, required=True, help="RFC 3339, or how long ago: 24h, 7d.")
@click.option("--until", type=moment, help="The same; now where it is left out.")
@click.option(
    "--drain-timeout",
    type=duration,
    default="20s",
    show_default=True,
    help="How long to wait for exporters that take nothing.",
)
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def backfill(config: Path, since: int, until: int | None, *, drain_timeout: float, output: str) -> None:
    """Ship a past period once, through the configured pipelines.

    What storage knows is not shipped again, whoever shipped it. Interrupted, the same command goes on where it
    was. The storage must not be in use: stop the shipper first.

    Exit code: 0 all is delivered, 69 GitHub could not be listed to the end, 75 some records wait in storage or
    it was interrupted, 78 the configuration is wrong, 1 anything else.
    """
    period = Period(since, int(time.time() * 1000) if until is None else until)
    if period.since > period.until:
        raise click.BadParameter("lies behind --until", param_hint="--since")
    loaded, mask = prepare(config)
    again = "interrupted; the same command goes on where this one was"
    outcome = finish(_ship(loaded, period, drain_timeout), mask, interrupted=again)
    if output == "json":
        click.echo(mask(safe_json(_plain(outcome, period))))
    else:
        _tell(outcome)
    sys.exit(os.EX_UNAVAILABLE if outcome.failures else os.EX_TEMPFAIL if outcome.waiting else 0)


async def _ship(loaded: Loaded, period: Period, drain_timeout: float) -> _Outcome:
    outcome = _Outcome({}, {})
    async with visit(loaded) as visited:
        services = visited.services
        with Bar() as bar:
            for receiver, past in await visited.pasts():
                source = past.source

                def tell(progress: Progress) -> None:
                    outcome.progress[progress.past.source] = progress
                    bar.show(progress.past.name, _note(progress), progress.fraction)

                work = Backfill(past, visited.generation.intake(receiver), services.journal, services.clock)
                try:
                    await work.run(*period, tell)
                except Unavailable as failure:
                    outcome.failures[source] = failure.reason
        outcome.waiting = await visited.drain(drain_timeout)
    return outcome


def _note(progress: Progress) -> str:
    note = f"{progress.shipped} shipped, {progress.known} known"
    left = progress.seconds_left()
    return note if left is None else f"{note}, {format_duration(round(left))} left"


def _plain(outcome: _Outcome, period: Period) -> dict[str, object]:
    return {
        "since": written(period.since),
        "until": written(period.until),
        "shipped": sum(each.shipped for each in outcome.progress.values()),
        "waiting": outcome.waiting,
        "sources": {
            source: {"shipped": each.shipped, "known": each.known, "resumed": each.resumed, "complete": each.done}
            for source, each in outcome.progress.items()
        },
        "failures": outcome.failures,
    }


def _tell(outcome: _Outcome) -> None:
    for each in outcome.progress.values():
        resumed = f", resumed at {written(each.since)}" if each.resumed else ""
        click.echo(f"{safe(each.past.name)}: {each.shipped} shipped, {each.known} known before{resumed}")
    for source, why in outcome.failures.items():
        click.echo(f"error: {safe(source)}: {safe(why)}", err=True)
    shipped = sum(each.shipped for each in outcome.progress.values())
    click.echo(f"{shipped} records shipped, {outcome.waiting} wait in storage")
