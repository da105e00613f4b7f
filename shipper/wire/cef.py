"""ArcSight's Common Event Format (CEF, implementation standard, revision 26): a record as one line.

The whole event stands in `msg` as JSON, at the end, so that a message that is too long loses nothing else.
"""

import re
from ipaddress import ip_address
from typing import Final

from shipper.core.record import Record
from shipper.wire.summary import Summary
from shipper.wire.text import neutral

_HEADER: Final = str.maketrans({"\\": "\\\\", "|": "\\|"})
_EXTENSION: Final = str.maketrans({"\\": "\\\\", "=": "\\="})
_EXTENSION_BYTES: Final = re.compile(rb"[\\=]")


def cef(record: Record, summary: Summary, version: str, body: bytes) -> bytes:
    """One event. `body` is the record's body as text on one line, `version` the device version."""
    action = neutral(summary.action or "unknown").translate(_HEADER)
    product = neutral(summary.stream or "github").translate(_HEADER)
    device = neutral(version).translate(_HEADER)
    head = f"CEF:0|GitHub|{product}|{device}|{action}|{action}|{importance(record.severity_number)}|"
    pairs = " ".join(f"{key}={neutral(value).translate(_EXTENSION)}" for key, value in _pairs(record, summary))
    return head.encode() + pairs.encode() + b" msg=" + _EXTENSION_BYTES.sub(rb"\\\g<0>", body)


def importance(severity_number: int) -> int:
    """CEF's and LEEF's 1 to 10: critical 10, high 8, medium 5, low 3, info 1."""
    for least, value in ((18, 10), (17, 8), (13, 5), (10, 3)):
        if severity_number >= least:
            return value
    return 1


def address_family(address: str) -> int | None:
    """4 or 6 for an address, None for what is none."""
    try:
        return ip_address(address).version
    except ValueError:
        return None


def _pairs(record: Record, summary: Summary) -> list[tuple[str, str]]:
    time = (record.timestamp or record.observed) // 1_000_000
    pairs = [("rt", str(time) if time else ""), ("externalId", summary.uid), ("act", summary.action)]
    pairs += [("suser", summary.actor), ("request", summary.url), *_address(summary.address)]
    for number, label in enumerate(("repo", "org", "rule", "severity"), 1):
        if value := getattr(summary, label):
            pairs += [(f"cs{number}Label", label), (f"cs{number}", value)]
    return [pair for pair in pairs if pair[1]]


def _address(address: str) -> list[tuple[str, str]]:
    family = address_family(address)
    if family == 6:
        return [("c6a2Label", "Source IPv6 Address"), ("c6a2", address)]
    return [("src", address)] if family else []
