"""OTLP bytes to records: what exporters other than OTLP see, and dead letters.

Takes whatever `otlp_encode` or any other OTLP sender writes, and skips fields it does not know.
"""

import struct
from collections.abc import Callable
from typing import Any, Final

from shipper.core.component import Exported
from shipper.core.record import UID, Record
from shipper.wire.protobuf import fields, read_varint

#: A bound on recursion for bytes that are not our own; protobuf libraries stop at 100 messages too.
_MAX_DEPTH: Final = 64

#: Messages below this size have one-byte lengths inside.
_SHORT: Final = 0x80

_double = struct.Struct("<d").unpack_from
_fixed64 = struct.Struct("<Q").unpack_from


def decode(payload: bytes) -> list[Exported]:
    """The log records of a serialized `ExportLogsServiceRequest`, in order.

    Raises:
        ValueError: the bytes are no such message.
    """
    try:
        return [
            record
            for tag, _, at, end in fields(payload, 0, len(payload))
            if tag == 0x0A
            for record in _resource_logs(payload, at, end)
        ]
    except (IndexError, struct.error) as fault:
        raise ValueError("truncated message") from fault


def _resource_logs(data: bytes, at: int, end: int) -> list[Exported]:
    resource: dict[str, Any] = {}
    scopes = []
    for tag, _, start, stop in fields(data, at, end):
        if tag == 0x0A:
            resource |= _attributes(data, start, stop, 0x0A)
        elif tag == 0x12:
            scopes.append((start, stop))
    return [record for start, stop in scopes for record in _scope_logs(data, start, stop, resource)]


def _scope_logs(data: bytes, at: int, end: int, resource: dict[str, Any]) -> list[Exported]:
    scope = ("", "")
    records = []
    for tag, _, start, stop in fields(data, at, end):
        if tag == 0x0A:
            named = {t: _text(data, a, b) for t, _, a, b in fields(data, start, stop) if t in (0x0A, 0x12)}
            scope = (named.get(0x0A, ""), named.get(0x12, ""))
        elif tag == 0x12:
            records.append(_record(data, start, stop))
    return [Exported(record, resource, scope) for record in records]


def _record(data: bytes, at: int, end: int) -> Record:
    record = Record("", "", "", 0, 0, None)
    attributes = record.attributes
    for tag, _, start, stop in fields(data, at, end):
        if tag == 0x32:
            key, value = _key_value(data, start, stop, 1)
            attributes[key] = value
        elif tag == 0x2A:
            record.body = _any(data, start, stop, 0)
        elif tag in _FIELDS:
            name, read = _FIELDS[tag]
            setattr(record, name, read(data, start, stop, 0))
    return _lifted(record)


def _lifted(record: Record) -> Record:
    """The uid and the stream, which travel as attributes, are fields of a Record."""
    uid = record.attributes.pop(UID, "")
    stream = record.attributes.get("stream", "")
    record.uid = uid if isinstance(uid, str) else str(uid)
    record.stream = stream if isinstance(stream, str) else ""
    return record


def _attributes(data: bytes, at: int, end: int, tag: int, depth: int = 1) -> dict[str, Any]:
    """The KeyValues among the fields of a message."""
    found: dict[str, Any] = {}
    while at < end and data[at] == tag:
        size, start = data[at + 1], at + 2
        if size >= _SHORT:
            size, start = read_varint(data, at + 1)
        at = start + size
        if at > end:
            raise ValueError("a field is longer than its message")
        key, value = _key_value(data, start, at, depth)
        found[key] = value
    if at < end:  # fields of others in between
        found |= [_key_value(data, a, b, depth) for t, _, a, b in fields(data, at, end) if t == tag]
    return found


def _key_value(data: bytes, at: int, end: int, depth: int) -> tuple[str, Any]:
    split = at + 2 + data[at + 1] if end - at > 2 else end  # behind a short key, as we write it
    short = split + 4 <= end < at + _SHORT and data[at] == 0x0A and data[split] == 0x12
    if short and split + 2 + data[split + 1] == end:
        if data[split + 2] == 0x0A and split + 4 + data[split + 3] == end:
            return _text(data, at + 2, split), _text(data, split + 4, end)
        return _text(data, at + 2, split), _any(data, split + 2, end, depth)
    key, value = "", None
    for tag, _, start, stop in fields(data, at, end):
        if tag == 0x0A:
            key = _text(data, start, stop)
        elif tag == 0x12:
            value = _any(data, start, stop, depth)
    return key, value


def _any(data: bytes, at: int, end: int, depth: int) -> Any:
    if at == end:
        return None
    if depth > _MAX_DEPTH:
        raise ValueError(f"values nested deeper than {_MAX_DEPTH}")
    tag = data[at]
    if tag in _SPANS or tag in _NUMBERS:  # mostly the one field there is
        number, start = read_varint(data, at + 1)
        if tag in _SPANS and start + number == end:
            return _SPANS[tag](data, start, end, depth)
        if tag in _NUMBERS and start == end:
            return _NUMBERS[tag](number)
    value: Any = None
    for tag, _, start, stop in fields(data, at, end):
        if tag in _SPANS:
            value = _SPANS[tag](data, start, stop, depth)
        elif tag in _NUMBERS:
            value = _NUMBERS[tag](read_varint(data, start)[0])
        elif tag == _DOUBLE:
            value = _double(data, start)[0]
    return value


def _text(data: bytes, at: int, end: int, _depth: int = 0) -> str:
    try:
        return data[at:end].decode()
    except UnicodeDecodeError:
        return data[at:end].decode("utf-8", "replace")


def _unsigned(data: bytes, at: int, _end: int, _depth: int) -> int:
    return read_varint(data, at)[0]


def _signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number


def _time(data: bytes, at: int, _end: int, _depth: int) -> int:
    return int(_fixed64(data, at)[0])


def _list(data: bytes, at: int, end: int, depth: int) -> list[Any]:
    return [_any(data, a, b, depth + 1) for tag, _, a, b in fields(data, at, end) if tag == 0x0A]


_Read = Callable[[bytes, int, int, int], Any]

#: Fields of a LogRecord by tag: which one of Record, and how it is read.
_FIELDS: Final[dict[int, tuple[str, _Read]]] = {
    0x09: ("timestamp", _time),
    0x10: ("severity_number", _unsigned),
    0x1A: ("severity_text", _text),
    0x59: ("observed", _time),
    0x62: ("event_name", _text),
}

#: The kinds of AnyValue by tag: those that are a number, and those that are a span of bytes.
_NUMBERS: Final[dict[int, Callable[[int], Any]]] = {0x10: bool, 0x18: _signed}
_DOUBLE: Final = 0x21
_SPANS: Final[dict[int, _Read]] = {
    0x0A: _text,
    0x2A: _list,
    0x32: lambda data, at, end, depth: _attributes(data, at, end, 0x0A, depth + 1),
    0x3A: lambda data, at, end, _depth: data[at:end],
}
