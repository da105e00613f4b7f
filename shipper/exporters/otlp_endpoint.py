"""Endpoints of OTLP backends: what people write, and what it means for gRPC and for HTTP."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

from shipper.net.proxy import is_loopback

_PORTS: Final = {"http": 80, "https": 443}
_HOST: Final = re.compile(r"[\w.%:-]+")
_LOGS_PATH: Final = "/v1/logs"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a gRPC channel goes."""

    address: str
    """As gRPC wants it: `host:port`, `[::1]:4317`, `unix:///path`."""
    host: str
    port: int
    secure: bool | None
    """What the scheme says of TLS; None where there is no scheme."""

    @property
    def local(self) -> bool:
        """Whether it stays on this machine."""
        return not self.host or is_loopback(self.host)

    def with_tls(self, *, insecure: bool) -> bool:
        """Whether connections are encrypted: the scheme decides, and the configuration where there is none."""
        return not insecure if self.secure is None else self.secure


def grpc_target(endpoint: str) -> Target:
    """The target of `host:port`, `http://host:port` (no TLS), `https://host:port` (TLS) or `unix:///path`.

    Raises:
        ValueError: it is none of these; the message says what to write.
    """
    if endpoint.startswith("unix:"):
        return Target(endpoint, "", 0, secure=False)
    scheme, sep, rest = endpoint.rpartition("://")
    if sep and scheme not in _PORTS:
        raise ValueError("write HOST:PORT, with http:// before it for no TLS or https:// for TLS")
    parts = _split(f"//{rest}")
    if parts.path not in ("", "/") or parts.query:
        raise ValueError("gRPC endpoints have no path; for OTLP over HTTP use the exporter otlphttp")
    port = parts.port if parts.port is not None else _PORTS.get(scheme)
    if port is None:
        raise ValueError("the port is missing; write HOST:PORT (4317 is the usual one)")
    host = parts.hostname or ""
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return Target(address, host, port, scheme == "https" if sep else None)


def http_url(endpoint: str, *, complete: bool) -> str:
    """The URL that logs are posted to: the endpoint with `/v1/logs` behind it, or as it is if it is complete.

    Raises:
        ValueError: it is no such URL; the message says what to write.
    """
    if not endpoint.startswith(("http://", "https://")):
        raise ValueError("write a URL with its scheme, such as https://collector:4318")
    parts = _split(endpoint)
    path = parts.path or "/" if complete else parts.path.rstrip("/") + _LOGS_PATH
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def _split(endpoint: str) -> SplitResult:
    if re.search(r"[\x00-\x20\x7f]", endpoint):
        raise ValueError("there is a blank or control character in it")
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("its host or port is wrong; a port is a number from 1 to 65535") from None
    if "@" in parts.netloc:
        raise ValueError("credentials don't belong here; write them as headers")
    if not host or not _HOST.fullmatch(host):
        raise ValueError("the host is missing or no host name")
    if parts.fragment or port == 0:
        raise ValueError("its port is 0" if port == 0 else "a # is no part of an endpoint")
    return parts
