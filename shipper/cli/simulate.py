"""`shipper simulate`: a GitHub organization, or a backend, on localhost, for trials and tests."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from shipper.cli.simulate_backend import backend, stop_asked
from shipper.cli.times import duration
from shipper.core.errors import ShipperError
from shipper.net.server import ListenError
from shipper.simulator import DEFAULT_ORGANIZATION, DEFAULT_PORT, Options, Simulator, trial
from shipper.simulator.clock import SimulatedClock
from shipper.simulator.faults import KINDS, FaultError, parse
from shipper.simulator.samples import SampleError, load, shifted

_EPILOG = """\b
Examples:
  shipper simulate github
  shipper simulate github --port 9180 --organizations acme-corp,tidewatch --rate 5
  shipper simulate github --backlog 50000 --backlog-period 30d --rate 0
  shipper simulate github --events page.json
  shipper simulate github --port 0 -- shipper run -c pipelines.yaml
  shipper simulate github --fault audit_log:403-permission --fault 'code_scanning:503#1-3'
"""


class _Moment(click.ParamType[int]):
    """Nanoseconds since the epoch, written in RFC 3339."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()) * 10**9


def _organizations(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...]:
    if value is None:
        return ()
    if value.isdigit():
        return (DEFAULT_ORGANIZATION, *(f"{DEFAULT_ORGANIZATION}-{n}" for n in range(2, int(value) + 1)))
    return tuple(filter(None, value.split(",")))


def _faults(_: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    try:
        for spec in value:
            parse(spec)
    except FaultError as error:
        raise click.BadParameter(str(error), param=param) from error
    return value


def _sample(_: click.Context, param: click.Parameter, value: Path | None) -> tuple[Any, ...] | None:
    try:
        return None if value is None else load(value)
    except (OSError, SampleError) as error:
        raise click.BadParameter(str(error), param=param) from error


def _text(_: click.Context, __: click.Parameter, value: Path | None) -> str | None:
    return value.read_text() if value else None


def _share(_: click.Context, __: click.Parameter, value: float) -> float:
    return value / 100


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_PERCENT = click.FloatRange(0, 100)
_DEMO = Options()


@click.group()
def simulate() -> None:
    """Simulate a source or a backend on localhost, for trials and tests."""


@simulate.command(epilog=_EPILOG)
@click.option(
    "--port", default=DEFAULT_PORT, show_default=True, type=click.IntRange(0, 65535), help="0: a free one."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--organizations", callback=_organizations, help="Logins, or how many. Default: any login is served."
)
@click.option("--enterprise", help="The enterprise's slug. Default: any slug is served.")
@click.option("--seed", default=0, show_default=True, help="The same seed makes the same events.")
@click.option(
    "--rate", default=_DEMO.rate, show_default=True, type=click.FloatRange(0), help="Live events a second."
)
@click.option(
    "--speed",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Simulated seconds in a real one.",
)
@click.option("--start", type=_Moment(), help="When simulated time starts (RFC 3339). Default: now.")
@click.option("--clock-skew", "skew", default="0", type=duration, help="How far GitHub's clock is ahead.")
@click.option("--backlog", default=_DEMO.backlog, show_default=True, type=click.IntRange(0), help="Past events.")
@click.option("--backlog-period", default="1h", show_default=True, type=duration, help="How far back they go.")
@click.option(
    "--late",
    default=100 * _DEMO.late,
    show_default=True,
    type=_PERCENT,
    callback=_share,
    help="Percentage of events that show up late.",
)
@click.option("--late-bound", default="2m", show_default=True, type=duration, help="How late they may be.")
@click.option(
    "--ties",
    default=100 * _DEMO.ties,
    show_default=True,
    type=_PERCENT,
    callback=_share,
    help="Percentage of events with the timestamp of the one before.",
)
@click.option(
    "--oddities",
    default=100 * _DEMO.oddities,
    show_default=True,
    type=_PERCENT,
    callback=_share,
    help="Percentage of events that break GitHub's own schema.",
)
@click.option(
    "--alerts", default=_DEMO.alerts, show_default=True, type=click.IntRange(0), help="Past changes of alerts."
)
@click.option(
    "--alert-interval",
    default="20s",
    show_default=True,
    type=duration,
    help="Between changes of alerts; 0: none.",
)
@click.option(
    "--events",
    type=_FILE,
    callback=_sample,
    help="Serve this page or NDJSON file as the audit log, exactly as it is and whatever period is asked for.",
)
@click.option("--alert-file", type=_FILE, callback=_sample, help="Serve these alerts, exactly as they are.")
@click.option("--shift", is_flag=True, help="Move the times of --events so that the newest is of now.")
@click.option(
    "--server-version", help="Be an Enterprise Server of this version: /api/v3, page numbers, no limits."
)
@click.option("--no-include", is_flag=True, help="Answer `include` with 404, as old Enterprise Servers do.")
@click.option("--rate-limits/--no-rate-limits", default=None, help="Default: on, and off for Enterprise Server.")
@click.option("--core-limit", default=_DEMO.core_limit, show_default=True, help="Calls an hour.")
@click.option("--audit-log-limit", default=_DEMO.audit_log_limit, show_default=True, help="Calls an hour.")
@click.option(
    "--audit-log-per-minute", type=click.IntRange(1), help="A second limit of the audit log. Default: none."
)
@click.option(
    "--limit-status",
    default=403,
    type=click.Choice([403, 429]),
    show_default=True,
    help="How an exhausted limit is told.",
)
@click.option(
    "--actor-ip", is_flag=True, help="Disclose actor_ip to organizations; the enterprise always sees it."
)
@click.option("--slug-links", is_flag=True, help="Name organizations in Link by login, not by number.")
@click.option("--rewritten-phrase", is_flag=True, help="Rewrite the times of the phrase in Link.")
@click.option("--others", default=0.0, help="Calls an hour that others with the same token make.")
@click.option("--token", "tokens", multiple=True, help="A token to accept; may be repeated. Default: any.")
@click.option("--app-public-key", type=_FILE, callback=_text, help="PEM file to verify the App's JWTs with.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    callback=_faults,
    metavar="STREAM[@LOGIN]:KIND[=VALUE][#NTH][%SHARE]",
    help="A fault; may be repeated. `--list-faults` lists the kinds.",
)
@click.option("--list-faults", is_flag=True, help="List the kinds of faults and exit.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def github(*, list_faults: bool, command: tuple[str, ...], **choices: Any) -> None:
    """A GitHub organization on localhost: audit log, alerts, quotas, faults. Takes any token.

    With a COMMAND behind `--`, runs it with GITHUB_API_URL, GITHUB_ORG, GITHUB_TOKEN, POLL_INTERVAL and
    SHIPPER_STORAGE set for the simulator, and ends with it.
    """
    if list_faults:
        click.echo("\n".join(f"{kind:<18} {text}" for kind, text in KINDS.items()))
        return
    simulator = _simulator(**choices)
    try:
        sys.exit(asyncio.run(_serve(simulator, command)))
    except ListenError as error:
        raise click.ClickException(f"{error}; --port chooses another") from error
    except ShipperError as error:
        raise click.ClickException(str(error)) from error


async def _serve(simulator: Simulator, command: tuple[str, ...]) -> int:
    async with simulator as sim:
        stopped = None if command else stop_asked()  # whoever reads the line may stop it at once
        click.echo(f"{sim.url}  {_introduction(sim.options)}", err=bool(command))
        if stopped is None:
            return await trial.run(command, sim.url, sim.options)
        await stopped.wait()
        return 0


def _simulator(*, speed: float, start: int | None, skew: float, **choices: Any) -> Simulator:
    clock = SimulatedClock(speed, start=start, skew=skew)
    served = {name: choices.pop(name) for name in ("faults", "host", "port")}
    return Simulator(_options(clock.now() // 1_000_000, **choices), clock=clock, **served)


def _options(now: int, *, shift: bool, no_include: bool, slug_links: bool, **choices: Any) -> Options:
    if choices["events"] is not None:
        choices |= {"retention": None, "git_retention": None, "any_period": True}
        choices |= {"alerts": 0, "alert_interval": 0} if choices["alert_file"] is None else {}
        choices |= {"events": shifted(choices["events"], now)} if shift else {}
    return Options(include_supported=not no_include, numeric_links=not slug_links, keep_requests=0, **choices)


def _introduction(options: Options) -> str:
    names = ", ".join(options.organizations) or f"{DEFAULT_ORGANIZATION} or any other name"
    if options.events is not None:
        return (
            f"simulated GitHub serving {len(options.events)} events from a file; organization: {names}; any token"
        )
    token = "one of the given tokens" if options.tokens else "any token"
    return f"simulated GitHub, seed {options.seed}; organization: {names}; {token}"


simulate.add_command(backend)
