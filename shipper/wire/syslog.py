"""Syslog messages (RFC 5424, RFC 3164) and their frames (RFC 6587): records to bytes.

Events are written by strangers: whatever they hold, a message stays one message, and its header ours. Header
fields are printable US-ASCII of bounded length; control characters and line separators never pass, neither in
SD-PARAMs nor in MSG, so that a message is safe in any framing and in any file it is written to behind it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final, Literal, NamedTuple, TypeAlias

from shipper.core.component import Exported
from shipper.core.record import Record
from shipper.wire.cef import cef
from shipper.wire.leef import leef
from shipper.wire.summary import Summary, summarize
from shipper.wire.text import body_line, graphic, neutral, utf8_cut
from shipper.wire.times import utc

Protocol: TypeAlias = Literal["rfc5424", "rfc3164"]
MessageFormat: TypeAlias = Literal["json", "cef", "leef"]

#: RFC 5424, table 1: the usual names in the order of their numbers.
_FACILITY_NAMES: Final = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"),
    *("ntp", "log_audit", "log_alert", "clock"),
    *("local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"),
)
FACILITIES: Final[dict[str, int]] = {name: number for number, name in enumerate(_FACILITY_NAMES)}
"""Facility names and their numbers."""
LAST_SEQUENCE: Final = 2**31 - 1
"""The highest sequenceId; the next one is 1 (RFC 5424, 7.3.1)."""
LEAST_SIZE: Final = 1024
"""What a header and structured data always fit, with values cut."""

# OpenTelemetry's table (logs data model, appendix B): SeverityNumber 0 to 24 as syslog severity. 0 says nothing.
_SEVERITIES: Final = (6, *(7,) * 8, 6, *(5,) * 3, *(4,) * 4, 3, 2, *(1,) * 2, *(0,) * 4)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SD_ESCAPES: Final = str.maketrans({'"': '\\"', "\\": "\\\\", "]": "\\]"})
# A value that is written as it is, as nearly all are.
_PLAIN: Final = re.compile(r"[ !#-\[^-~]*").fullmatch
_BOM: Final = b"\xef\xbb\xbf"
_SD_PARAMS: Final = ("uid", "action", "severity", "rule", "stream", "actor", "repo", "org")
# How long SD values may be, tried in this order until the body has a quarter of a message that is too long.
_SD_CUTS: Final = (1024, 256, 64, 8)


class Framing(Enum):
    """How one message is told from the next."""

    OCTETS = "octet counting"
    """RFC 6587, 3.4.1: nothing inside a message can end it."""
    LINES = "a line each"
    """RFC 6587, 3.4.2: our messages hold no line break."""


@dataclass(frozen=True, slots=True)
class Style:
    """How messages are written."""

    protocol: Protocol = "rfc5424"
    message_format: MessageFormat = "json"
    facility: int = FACILITIES["log_audit"]
    enterprise_number: int = 32473
    bom: bool = False
    max_size: int = 8192
    """Bytes of a message without its frame."""


class Message(NamedTuple):
    """One message without its frame, and how long it would be if nothing had been cut."""

    data: bytes
    size: int


class Formatter:
    """Writes records as syslog messages in one style."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._write = self._rfc5424 if style.protocol == "rfc5424" else self._rfc3164

    def messages(self, records: Sequence[Exported], sequence: int) -> list[Message]:
        """One message a record; `sequence` is the sequenceId of the first."""
        return [self.message(exported, wrapped(sequence + n)) for n, exported in enumerate(records)]

    def message(self, exported: Exported, sequence: int) -> Message:
        """The message of one record, cut with a mark to the greatest size allowed."""
        summary = summarize(exported)
        head = self._write(exported, summary, sequence, None)
        body = self._body(exported, summary)
        size, limit = len(head) + len(body), self._style.max_size
        if size <= limit:
            return Message(head + body, size)
        mark = f"…[cut: {size} bytes]".encode()
        for longest in _SD_CUTS:
            if len(head) + len(mark) <= limit * 3 // 4:
                break
            head = self._write(exported, summary, sequence, longest)
        return Message(head + utf8_cut(body, limit - len(head) - len(mark)) + mark, size)

    def _body(self, exported: Exported, summary: Summary) -> bytes:
        body = body_line(exported.record.body)
        match self._style.message_format:
            case "cef":
                body = cef(exported.record, summary, exported.scope[1], body)
            case "leef":
                body = leef(exported.record, summary, exported.scope[1], body)
        return _BOM + body if self._style.bom else body

    def _rfc5424(self, exported: Exported, summary: Summary, sequence: int, longest: int | None) -> bytes:
        host, app = _origin(exported)
        time = _timestamp(exported.record)
        msgid = graphic(summary.action, 32)
        data = _structured_data(summary, self._style.enterprise_number, longest)
        pri = self._priority(exported.record)
        return f'<{pri}>1 {time} {host} {app} - {msgid} {data}[meta sequenceId="{sequence}"] '.encode()

    def _rfc3164(self, exported: Exported, _summary: Summary, _sequence: int, _longest: int | None) -> bytes:
        host, app = _origin(exported)
        tag = "".join(char if char.isalnum() else "_" for char in app[:32])
        return f"<{self._priority(exported.record)}>{_bsd_timestamp(exported.record)} {host} {tag}: ".encode()

    def _priority(self, record: Record) -> int:
        return self._style.facility * 8 + severity(record.severity_number)


def severity(number: int) -> int:
    """The syslog severity of an OpenTelemetry SeverityNumber; informational where there is none."""
    return _SEVERITIES[number] if 0 <= number < len(_SEVERITIES) else _SEVERITIES[0]


def wrapped(sequence: int) -> int:
    """A sequenceId within its bounds: behind 2147483647 comes 1."""
    return (sequence - 1) % LAST_SEQUENCE + 1


def frame(messages: Sequence[bytes], framing: Framing) -> bytes:
    """The messages as one stretch of a stream."""
    if framing is Framing.LINES:
        return b"".join(part for message in messages for part in (message, b"\n"))
    return b"".join(part for message in messages for part in (b"%d " % len(message), message))


def _origin(exported: Exported) -> tuple[str, str]:
    """HOSTNAME and APP-NAME."""
    resource = exported.resource
    return graphic(str(resource.get("server.address", "")), 255), graphic(
        str(resource.get("service.name", "")), 48
    )


def _structured_data(summary: Summary, enterprise_number: int, longest: int | None) -> str:
    params = [f' {name}="{_param(value, longest)}"' for name in _SD_PARAMS if (value := getattr(summary, name))]
    return f"[github@{enterprise_number}{''.join(params)}]"


def _param(value: str, longest: int | None) -> str:
    if longest is None and _PLAIN(value):
        return value
    value = neutral(value)
    if longest is not None and len(value) > longest:
        value = utf8_cut(value.encode(), longest).decode() + "…"
    return value.translate(_SD_ESCAPES)


def _moment(record: Record) -> datetime | None:
    nanoseconds = record.timestamp or record.observed
    return utc(nanoseconds) if nanoseconds > 0 else None


def _timestamp(record: Record) -> str:
    """Microseconds, the most that RFC 5424 allows, in UTC; NILVALUE for no time."""
    moment = _moment(record)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if moment else "-"


def _bsd_timestamp(record: Record) -> str:
    """RFC 3164, 4.1.2, in UTC, since the format has no place for a zone; the epoch for no time."""
    moment = _moment(record) or utc(0)
    return f"{_MONTHS[moment.month - 1]} {moment.day:2} {moment:%H:%M:%S}"
