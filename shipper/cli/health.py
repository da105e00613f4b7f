"""`shipper health`: asks a running shipper how it is, for container health checks and `helm test`."""

import os
import sys
import time
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

import click

from shipper.cli.terminal import safe_lines
from shipper.cli.times import duration

_PAUSE: Final = 1.0


@click.command(epilog="\b\nExample:\n  shipper health --url 'http://127.0.0.1:13133/readyz?verbose' --wait 60s")
@click.option("--url", default="http://127.0.0.1:13133/livez", show_default=True, help="Which probe is asked.")
@click.option("--wait", type=duration, default="0s", help="How long to ask again until the answer is good.")
@click.option("--timeout", type=duration, default="5s", show_default=True, help="How long one answer may take.")
def health(url: str, wait: float, timeout: float) -> None:
    """Ask a running shipper how it is, and print its answer.

    Exit code: 0 it is well, 69 it is not or does not answer.
    """
    if not url.startswith(("http://", "https://")):
        raise click.BadParameter("write http://HOST:PORT/livez", param_hint="--url")
    until = time.monotonic() + wait
    while True:
        well, answer = _ask(url, timeout)
        if well or time.monotonic() >= until:
            click.echo(safe_lines(answer.rstrip()), err=not well)
            sys.exit(0 if well else os.EX_UNAVAILABLE)
        time.sleep(_PAUSE)


def _ask(url: str, timeout: float) -> tuple[bool, str]:
    """Whether the answer was good, and the answer; never through a proxy."""
    try:
        with build_opener(ProxyHandler({})).open(Request(url), timeout=timeout) as answer:  # noqa: S310 - http, checked
            return True, answer.read(2**20).decode(errors="replace")
    except HTTPError as refusal:
        return False, refusal.read(2**20).decode(errors="replace") or str(refusal)
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        why = getattr(reason, "strerror", None) or reason
        return False, f"{url} does not answer ({why}); is the shipper running there?"
