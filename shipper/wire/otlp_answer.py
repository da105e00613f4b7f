"""What an OTLP backend answers: partial success, the error's text, when to come back."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple

import orjson

from shipper.wire.protobuf import fields, read_varint

_TEXT_LIMIT: Final = 1000
_NANOSECOND: Final = 1e-9


class Partial(NamedTuple):
    """`ExportLogsPartialSuccess`: what the backend took the request without."""

    rejected: int
    message: str


def partial_success(body: bytes) -> Partial:
    """Of a serialized `ExportLogsServiceResponse`.

    Raises:
        ValueError: the bytes are no such message.
    """
    rejected, message = 0, ""
    for tag, _, at, end in fields(body, 0, len(body)):
        if tag != 0x0A:
            continue
        for inner, _, start, stop in fields(body, at, end):
            if inner == 0x08:
                rejected = read_varint(body, start)[0]
            elif inner == 0x12:
                message = printable(body[start:stop])
    return Partial(rejected if rejected < 2**63 else 0, message)


def partial_success_json(body: bytes) -> Partial:
    """Of an `ExportLogsServiceResponse` in JSON; numbers of 64 bits may be strings.

    Raises:
        ValueError: the text is no such object.
    """
    answer = orjson.loads(body) if body.strip() else {}
    partial = answer.get("partialSuccess") if isinstance(answer, Mapping) else None
    if not isinstance(partial, Mapping):
        return Partial(0, "")
    rejected = int(partial.get("rejectedLogRecords") or 0)
    return Partial(max(rejected, 0), printable(str(partial.get("errorMessage") or "").encode("utf-8", "replace")))


def status_text(body: bytes, content_type: str) -> str:
    """The message of a `google.rpc.Status` as HTTP error answers carry it, else the answer as it is."""
    try:
        if "protobuf" in content_type:
            found = [body[at:end] for tag, _, at, end in fields(body, 0, len(body)) if tag == 0x12]
            return printable(found[-1]) if found else ""
        if "json" in content_type:
            message = _member(orjson.loads(body), "message")
            return printable(message.encode("utf-8", "replace")) if isinstance(message, str) else printable(body)
    except (ValueError, IndexError):
        pass
    return printable(body)


def retry_delay(status: bytes) -> float | None:
    """Seconds of the `RetryInfo` in a serialized `google.rpc.Status`, None where there is none.

    That there is one says that the request may be sent again: what makes no sense as a time is none.
    """
    try:
        for tag, _, at, end in fields(status, 0, len(status)):
            if tag == 0x1A and (delay := _retry_info(status, at, end)) is not None:
                return delay
    except (ValueError, IndexError):
        return None
    return None


def retry_after(value: str | None, now: int) -> float | None:
    """Seconds of an HTTP `Retry-After`, be it a number or a date; `now` is in ns since the epoch."""
    if not value:
        return None
    if value.strip().isascii() and value.strip().isdigit() and len(value) < 10:
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max((date - datetime.fromtimestamp(now / 1e9, UTC)).total_seconds(), 0.0)


def printable(text: bytes) -> str:
    """A backend's words on one line, short, without control characters."""
    words = text[: 4 * _TEXT_LIMIT].decode("utf-8", "replace")
    return "".join(char if char.isprintable() else " " for char in words)[:_TEXT_LIMIT].strip()


def _retry_info(data: bytes, at: int, end: int) -> float | None:
    """Of a `google.protobuf.Any`, if it is a `google.rpc.RetryInfo`."""
    found = {tag: (start, stop) for tag, _, start, stop in fields(data, at, end)}
    name, value = found.get(0x0A, (0, 0)), found.get(0x12)
    if not data[slice(*name)].endswith(b"google.rpc.RetryInfo"):
        return None
    durations = [(a, b) for tag, _, a, b in fields(data, *value) if tag == 0x0A] if value else []
    parts = {tag: read_varint(data, a)[0] for tag, _, a, _ in fields(data, *durations[-1])} if durations else {}
    seconds, nanoseconds = (_signed(parts.get(tag, 0)) for tag in (0x08, 0x10))
    return max(seconds + nanoseconds * _NANOSECOND, 0.0)


def _signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None
