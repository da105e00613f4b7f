"""Runs a command beside the simulator, pointed at it by its environment, as `make run` does."""

import asyncio
import os
import signal
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from shipper.core.errors import ShipperError
from shipper.simulator.options import DEFAULT_ORGANIZATION, Options

TOKEN: Final = "token-of-the-simulator"  # noqa: S105 - it opens nothing
POLL_INTERVAL: Final = "2s"
"""How often a trial asks, so that one sees something happen."""

#: What each signal to the simulator becomes for the command: a terminal that closes is no wish to reload.
_FORWARDED: Final = {
    signal.SIGINT: signal.SIGINT,
    signal.SIGTERM: signal.SIGTERM,
    signal.SIGHUP: signal.SIGTERM,
}


class TrialError(ShipperError):
    """The command can't be started."""


def environment(url: str, options: Options, base: Mapping[str, str], storage: Path) -> dict[str, str]:
    """What `pipelines.yaml` reads, set to the simulator; how often to ask and where to store may be given."""
    organization = (
        options.organizations[0] if options.organizations else base.get("GITHUB_ORG") or DEFAULT_ORGANIZATION
    )
    token = options.tokens[0] if options.tokens else TOKEN
    chosen = {"POLL_INTERVAL": POLL_INTERVAL, "SHIPPER_STORAGE": str(storage)}
    fixed = {"GITHUB_API_URL": url, "GITHUB_ORG": organization, "GITHUB_TOKEN": token}
    return {**chosen, **base, **fixed}


async def run(command: Sequence[str], url: str, options: Options) -> int:
    """Run the command until it ends; its exit code. Signals are passed on, so that it can end in order.

    Its storage is its own and is thrown away: events of a trial never mix with those of an organization.

    Raises:
        TrialError: there is no such command.
    """
    with tempfile.TemporaryDirectory(prefix="shipper-trial-") as directory:
        variables = environment(url, options, os.environ, Path(directory, "shipper.db"))
        try:
            # A group of its own: Ctrl-C reaches it once, from here, not twice.
            process = await asyncio.create_subprocess_exec(*command, env=variables, process_group=0)
        except OSError as error:
            raise TrialError(f"cannot run {command[0]}: {error.strerror}") from error
        loop = asyncio.get_running_loop()
        for received, sent in _FORWARDED.items():
            loop.add_signal_handler(received, _send, process, sent)
        code = await process.wait()
    return 128 - code if code < 0 else code


def _send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    if process.returncode is None:
        process.send_signal(number)
