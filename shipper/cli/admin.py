"""Asks the admin endpoint of a running shipper."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

import click
import orjson

from shipper.cli.offline import load_offline_or_exit
from shipper.cli.terminal import safe

_LARGEST: Final = 16 * 2**20

url_option = click.option("--url", metavar="URL", help="Its admin endpoint. Default: what the configuration says.")


class NoAnswerError(click.ClickException):
    """The shipper does not answer as it should."""

    exit_code = os.EX_UNAVAILABLE


def address(config: Path, url: str | None) -> str:
    """Where the admin endpoint is; raises click's errors where that can't be known."""
    if url is not None:
        if not url.startswith(("http://", "https://")):
            raise click.BadParameter("write http://HOST:PORT", param_hint="--url")
        return url.rstrip("/")
    admin = load_offline_or_exit(config, quiet=True).admin
    if not admin:
        raise click.UsageError(f"{config} switches the admin endpoint off (service.admin: false)")
    host, _, port = admin.endpoint.rpartition(":")
    if port == "0":
        raise click.UsageError("its admin endpoint is on a port of its own choice; name it by --url")
    here = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - what is listened on
    return f"http://{here.get(host, host)}:{port}"


def get(base: str, path: str, timeout: float = 5.0) -> dict[str, Any]:
    """The JSON object at a path."""
    with _open(f"{base}{path}", timeout) as answer:
        try:
            found = orjson.loads(answer.read(_LARGEST))
        except (OSError, ValueError):
            found = None
    if not isinstance(found, dict):
        raise NoAnswerError(f"{base} is no admin endpoint of a shipper")
    return found


def lines(base: str, path: str, parameters: dict[str, str]) -> Iterator[bytes]:
    """The lines at a path as they come, until the other side ends."""
    with _open(f"{base}{path}?{urlencode(parameters)}", None) as answer:
        try:
            yield from answer
        except OSError as error:
            raise NoAnswerError(f"{base} broke off: {error}") from None


def _open(url: str, timeout: float | None) -> Any:
    """The answer, never through a proxy."""
    try:
        return build_opener(ProxyHandler({})).open(Request(url), timeout=timeout)  # noqa: S310 - http, checked
    except HTTPError as refusal:
        said = refusal.read(2**10).decode(errors="replace").strip()
        raise NoAnswerError(safe(f"{url} refuses (status {refusal.code}): {said}")) from None
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise NoAnswerError(safe(f"{url} does not answer: {reason}; is the shipper running there?")) from None
