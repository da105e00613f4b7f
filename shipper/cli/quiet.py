"""What commands that do one thing share: their log, their last word when something is out of order."""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar

import click

from shipper.cli.options import load_or_exit
from shipper.cli.terminal import safe
from shipper.config import Loaded
from shipper.core.errors import ConfigError, ShipperError
from shipper.service.observe.logs import Mask, set_up

T = TypeVar("T")


def prepare(config: Any) -> tuple[Loaded, Mask]:
    """The configuration, with a log on stderr of what is out of order; bad ones end the program with 78."""
    loaded = load_or_exit(config)
    mask = Mask()
    mask.learn(loaded.secrets)
    set_up("warning", "console", mask)
    return loaded, mask


def finish(work: Coroutine[Any, Any, T], mask: Mask, *, interrupted: str = "interrupted") -> T:
    """Run to the end; what keeps it from that is said on stderr, and the exit code tells which kind it was."""
    try:
        return asyncio.run(_stoppable(work))
    except ConfigError as error:
        quit_with(os.EX_CONFIG, mask(str(error)))
    except ShipperError as error:
        quit_with(1, mask(str(error)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        quit_with(os.EX_TEMPFAIL, interrupted)


def quit_with(code: int, why: str) -> NoReturn:
    """End the program with a last line on stderr."""
    click.echo(f"error: {safe(why)}", err=True)
    sys.exit(code)


async def _stoppable(work: Coroutine[Any, Any, T]) -> T:
    """SIGTERM ends it like Ctrl-C."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await task
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
