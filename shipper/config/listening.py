"""Checks where the shipper listens: two listeners can't share a port."""

import ipaddress
from collections.abc import Iterator
from typing import Final

from shipper.config.models import ServiceConfig
from shipper.core.errors import Loc, Problem

_ANY: Final = ("", "0.0.0.0", "::", "[::]")  # noqa: S104 - it is what people write


def check(service: ServiceConfig) -> Iterator[Problem]:
    """Listeners of which one would take another's place."""
    metrics, admin = service.telemetry.metrics, service.admin
    if not metrics or not admin or metrics.endpoint is None or not _collide(metrics.endpoint, admin.endpoint):
        return
    of_metrics: Loc = ("service", "telemetry", "metrics", "endpoint")
    of_admin: Loc = ("service", "admin", "endpoint")
    here, there = (of_admin, of_metrics) if "endpoint" in admin.model_fields_set else (of_metrics, of_admin)
    taken = metrics.endpoint if there is of_metrics else admin.endpoint
    said = f"{'.'.join(map(str, there))} listens at {taken}; choose another port for one of them"
    yield Problem(here, "same-endpoint", said)


def _collide(one: str, other: str) -> bool:
    """Whether a system that has one refuses the other; port 0 is any that is free."""
    (host, _, port), (other_host, _, other_port) = one.rpartition(":"), other.rpartition(":")
    if int(port) != int(other_port) or not int(port):
        return False
    return _same(host) == _same(other_host) or host in _ANY or other_host in _ANY


def _same(host: str) -> str:
    """One way to write a host."""
    host = host.strip("[]").lower()
    try:
        return ipaddress.ip_address(host).compressed
    except ValueError:
        return "127.0.0.1" if host == "localhost" else host
