"""`shipper run`: ship until told to stop, or once."""

import asyncio
import sys
from pathlib import Path

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
        code = asyncio.run(_serve(config, loaded, options, mask))
    except ShipperError as error:
        click.echo(mask(safe(f"error: {error}")), err=True)
        code = FAILED
    sys.exit(code)


async def _serve(config: Path, loaded: Loaded, options: Options, mask: Mask) -> int:
    service = Service(lambda: load(config), loaded, open_storage, options, mask)
    with signals(service):
        if early.stop_asked():
            service.stop()
        if early.reload_asked():
            service.reload()
        return await service.run()
