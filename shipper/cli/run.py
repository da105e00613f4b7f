"""`shipper run`: ship until told to stop, or once."""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import click

from shipper.cli import early
from shipper.cli.options import config_option, load, load_or_exit
from shipper.cli.terminal import safe
from shipper.cli.times import duration
from shipper.config import Loaded
from shipper.core.errors import ShipperError
from shipper.service.observe.logs import Mask, set_up
from shipper.service.run import FAILED, Options, Service, signals
from shipper.service.storage import open_storage


@click.command(epilog="Example: shipper run -c pipelines.yaml --watch")
@config_option
@click.option("--once", is_flag=True, help="Every receiver polls once, everything is exported, exit.")
@click.option("--watch", is_flag=True, help="Reload when the configuration changes (SIGHUP always does).")
@click.option(
    "--drain-timeout",
    type=duration,
    default="20s",
    show_default=True,
    help="How long stopping may wait for the exporters.",
)
def run(config: Path, *, once: bool, watch: bool, drain_timeout: float) -> None:
    """Run the pipelines.

    Exit code: 0 everything was delivered, 75 some records wait in storage for the next start, 78 the
    configuration is wrong, 1 anything else.
    """
    loaded = load_or_exit(config)
    mask = Mask()
    mask.learn(loaded.secrets)
    set_up(loaded.telemetry.logs.level, loaded.telemetry.logs.format, mask)
    options = Options(once=once, watch=watch, drain_timeout=drain_timeout)
    try:
        asyncio.run(_serve(config, loaded, options, mask))
    except ShipperError as error:
        click.echo(mask(safe(f"error: {error}")), err=True)
        sys.exit(FAILED)


async def _serve(config: Path, loaded: Loaded, options: Options, mask: Mask) -> NoReturn:
    service = Service(lambda: load(config), loaded, open_storage, options, mask)
    with signals(service):
        if early.stop_asked():
            service.stop()
        if early.reload_asked():
            service.reload()
        _leave(await service.run())


def _leave(code: int) -> NoReturn:
    """End at once, since all is closed and said.

    Python would first wait for threads that still ask a name server, which nothing can cut short, and a signal
    that came meanwhile would decide the exit code.
    """
    with suppress(OSError):  # nobody reads it any more
        sys.stdout.flush()
    os._exit(code)
