"""Which proxy leads to an address: the one that is configured, else that of the environment."""

import ipaddress
import os
import re
from typing import Final, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

_BLANK: Final = re.compile(r"[\x00-\x20\x7f]")


class Proxy(NamedTuple):
    """A proxy, and whose word it is."""

    url: str
    source: str
    """`proxy_url`, or the name of the variable."""

    def cure(self, host: str | None) -> str:
        """What to do where it fails."""
        if self.source == "proxy_url":
            return "check proxy_url"
        return f"check the variable {self.source}, or name {host} in NO_PROXY"


def proxy_address(text: str) -> str:
    """The address of a proxy, as it was written.

    Raises:
        ValueError: it is none; the message says what to write.
    """
    try:
        parts = urlsplit(text)
        good = bool(parts.hostname) and parts.port != 0 and not _BLANK.search(text)
    except ValueError:
        good = False
    if not good:
        raise ValueError(
            "its host or port is wrong; write http://HOST:PORT, such as http://proxy.example.com:3128"
        )
    return text


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def proxy_of(url: str, configured: str | None) -> Proxy | None:
    """The proxy for an address: the configured one, else that of HTTPS_PROXY and NO_PROXY (as curl reads them).

    No variable sends what stays on this machine elsewhere, as in Go and so in the Collector. aiohttp's own reading
    of the environment is not used: it takes credentials from ~/.netrc, too.
    """
    if configured:
        return Proxy(configured, "proxy_url")
    target = urlsplit(url)
    host = target.hostname or ""
    port = target.port or (443 if target.scheme == "https" else 80)
    if is_loopback(host) or proxy_bypass(f"{host}:{port}"):
        return None
    found = getproxies_environment().get(target.scheme)
    return Proxy(found, _variable(target.scheme, found)) if found else None


def _variable(scheme: str, value: str) -> str:
    """The variable that was read: the one in lower case comes before others."""
    lower = f"{scheme}_proxy"
    names = [name for name, set_to in os.environ.items() if name.lower() == lower and set_to == value]
    return lower if lower in names else names[0]
