r"""QRadar's Log Event Extended Format (LEEF 2.0): a record as one line.

LEEF has no way to write its delimiter inside a value, so `^` becomes `\u005e`, which in JSON means the same.
The whole event stands in `event` as JSON, at the end, so that a message that is too long loses nothing else.
"""

from typing import Final

from shipper.core.record import Record
from shipper.wire.cef import address_family, importance
from shipper.wire.summary import Summary
from shipper.wire.text import neutral
from shipper.wire.times import utc

_DELIMITER: Final = "^"
_ESCAPED: Final = "\\u005e"
_HEADER: Final = str.maketrans({"|": "_", _DELIMITER: "_"})


def leef(record: Record, summary: Summary, version: str, body: bytes) -> bytes:
    """One event. `body` is the record's body as text on one line, `version` the product's version."""
    header = "|".join(
        neutral(part).translate(_HEADER)
        for part in ("LEEF:2.0", "GitHub", summary.stream or "github", version, summary.action or "unknown")
    )
    pairs = _DELIMITER.join(
        f"{key}={neutral(value).replace(_DELIMITER, _ESCAPED)}" for key, value in _pairs(record, summary) if value
    )
    event = body.replace(_DELIMITER.encode(), _ESCAPED.encode())
    return f"{header}|{_DELIMITER}|{pairs}{_DELIMITER}event=".encode() + event


def _pairs(record: Record, summary: Summary) -> list[tuple[str, str]]:
    return [
        *_times(record.timestamp or record.observed),
        ("cat", summary.stream),
        ("sev", str(importance(record.severity_number))),
        ("usrName", summary.actor),
        ("src", summary.address if address_family(summary.address) else ""),
        ("url", summary.url),
        ("resource", summary.repo),
        ("domain", summary.org),
        ("policy", summary.rule),
        ("severity", summary.severity),
        ("externalId", summary.uid),
    ]


def _times(nanoseconds: int) -> list[tuple[str, str]]:
    if nanoseconds <= 0:
        return []
    time = utc(nanoseconds)
    return [
        ("devTime", f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03d}+0000"),
        ("devTimeFormat", "yyyy-MM-dd'T'HH:mm:ss.SSSZ"),
    ]
