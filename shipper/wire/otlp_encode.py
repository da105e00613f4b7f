"""Records to OTLP bytes: written out by hand because this is where most of the shipper's time would go.

Message and field numbers: opentelemetry-proto, `logs/v1/logs.proto` and `common/v1/common.proto`. Fields stand in
the order of their numbers and defaults are left out, so the bytes are those the protobuf library writes.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

from shipper.core.batch import BodyKind, Scope
from shipper.core.record import UID, Record
from shipper.wire import jsontext
from shipper.wire.otlp_heads import LONGEST, Field, utf8
from shipper.wire.protobuf import LOW, VARINTS, framed, varint

#: Deeper values become JSON text: protobuf libraries refuse messages nested over 100 deep, a level takes three.
MAX_DEPTH: Final = 20

_CACHED: Final = 4096
_CACHED_SIZE: Final = 128

_UINT64_MAX: Final = 2**64 - 1
_double = struct.Struct("<d").pack
_tagged64 = struct.Struct("<BQ").pack

#: Fields for event names and severities that were met before.
_names: dict[str, bytes] = {}
_severities: dict[tuple[int, str], bytes] = {}

#: The KeyValues of a map or a resource, and those of a record.
_VALUES: Final = Field(b"\x0a")
_ATTRIBUTES: Final = Field(b"\x32")
_UIDS: Final = tuple(_ATTRIBUTES.head(str, UID, n) for n in range(LONGEST))
"""What stands before a uid, by its size."""
_ITEMS: Final = tuple(b"\x0a" + varint(1 + len(varint(n)) + n) + b"\x0a" + varint(n) for n in range(LONGEST))
"""What stands before a text in a list, by its size."""


def encode(records: Sequence[Record], resource: Mapping[str, Any], scope: Scope, body: BodyKind = "map") -> bytes:
    r"""A serialized `ExportLogsServiceRequest` of one `ResourceLogs` with one `ScopeLogs`.

    `Record.uid` becomes the attribute `log.record.uid`. What OTLP can't hold becomes text: integers beyond 64
    bits, lone surrogates (`\udXXX`), NaN and infinities, values nested deeper than 20 levels (their JSON).
    With body "json" the body is one string of JSON.
    """
    logs = [framed(b"\x0a", _scope(scope))]
    own = _json_body if body == "json" else _map_body
    for record in records:
        content = _record(record, own(record.body))
        logs += b"\x12", varint(len(content)), content
    head = framed(b"\x0a", _pairs(resource, _VALUES, 1)) + b"\x12"
    size = sum(map(len, logs))
    return b"".join((b"\x0a", varint(len(head) + len(varint(size)) + size), head, varint(size), *logs))


def _scope(scope: Scope) -> bytes:
    name, version = utf8(scope[0]), utf8(scope[1])
    return (framed(b"\x0a", name) if name else b"") + (framed(b"\x12", version) if version else b"")


def _record(record: Record, body: bytes) -> bytes:
    """A LogRecord."""
    severity, name = (record.severity_number, record.severity_text), record.event_name
    uid = utf8(record.uid)
    return b"".join(
        (
            _time(0x09, record.timestamp),
            _severities.get(severity) or _severity(*severity),
            body,
            _UIDS[len(uid)] if len(uid) < LONGEST else _ATTRIBUTES.head(str, UID, len(uid)),
            uid,
            _attributes(record.attributes),
            _time(0x59, record.observed),
            _names.get(name) or _name(name),
        )
    )


def _attributes(values: dict[str, Any]) -> bytes:
    """The attributes of a record but for its uid: most were met before."""
    try:
        return b"".join(map(_met.__getitem__, values.items()))
    except TypeError:  # a list or a map among them
        return _pairs({key: value for key, value in values.items() if key != UID}, _ATTRIBUTES, 1)


class _Met(dict[tuple[str, Any], bytes]):
    """Attributes that were met before, with their values; only texts are kept, since True equals 1."""

    def __missing__(self, pair: tuple[str, Any]) -> bytes:
        key, value = pair
        field = b"" if key == UID else _pairs({key: value}, _ATTRIBUTES, 1)
        return _remember(self, pair, field) if type(value) is type(key) is str else field


_met: Final = _Met()


def _severity(number: int, text: str) -> bytes:
    field = (b"\x10" + varint(number) if number else b"") + (framed(b"\x1a", utf8(text)) if text else b"")
    return _remember(_severities, (number, text), field)


def _name(name: str) -> bytes:
    return _remember(_names, name, framed(b"\x62", utf8(name)) if name else b"")


def _remember(cache: dict[Any, bytes], key: Any, field: bytes) -> bytes:
    """Only what is short, and only so much: a flood of made-up names can't fill the memory."""
    if len(field) <= _CACHED_SIZE:
        if len(cache) >= _CACHED:
            cache.clear()
        cache[key] = field
    return field


def _time(tag: int, nanoseconds: int) -> bytes:
    if 0 < nanoseconds <= _UINT64_MAX:
        return _tagged64(tag, nanoseconds)
    return _tagged64(tag, _UINT64_MAX) if nanoseconds > 0 else b""


def _map_body(body: Any) -> bytes:
    return framed(b"\x2a", _any(body, 0))


def _json_body(body: Any) -> bytes:
    text = jsontext.dumps(body)
    size = varint(len(text))
    return b"".join((b"\x2a", varint(1 + len(size) + len(text)), b"\x0a", size, text))


def _pairs(values: Mapping[Any, Any], field: Field, depth: int) -> bytes:
    """KeyValues, each as a field of its parent."""
    known = field.known
    out: list[bytes] = []
    for key, value in values.items():
        kind: type = type(value)
        if kind is str:
            try:
                raw = value.encode()
            except UnicodeEncodeError:
                raw = utf8(value)
        elif kind is int and 0 <= (high := value >> 14) < 1 << 28:  # `varint`, without the call
            if high < 1 << 14:
                raw = LOW[value & 0x3FFF] + VARINTS[high] if high else VARINTS[value]
            else:
                raw = LOW[value & 0x3FFF] + LOW[high & 0x3FFF] + VARINTS[high >> 14]
        elif kind is bool:
            raw = b"\x01" if value else b"\x00"
        elif kind is dict and depth < MAX_DEPTH:
            raw = _pairs(value, _VALUES, depth + 1)
        elif kind is list and depth < MAX_DEPTH:
            raw = _items(value, depth + 1)
        else:
            kind, raw = object, _any(value, depth)
        try:
            out += known[kind][key][len(raw)], raw
        except KeyError:
            out += field.head(kind, key, len(raw)), raw
    return b"".join(out)


def _any(value: Any, depth: int) -> bytes:
    """An AnyValue; that of null is empty."""
    kind = type(value)
    if kind is dict or kind is list:
        return _nested(value, depth)
    if kind is str:
        return framed(b"\x0a", utf8(value))
    if isinstance(value, (Mapping, list, tuple)):
        return _nested(value, depth)
    if isinstance(value, bytes):
        return framed(b"\x3a", value)
    return _scalar(jsontext.scalar(value))


def _nested(value: Mapping[Any, Any] | Sequence[Any], depth: int) -> bytes:
    if depth >= MAX_DEPTH:
        return framed(b"\x0a", jsontext.dumps(value))
    if type(value) is dict or isinstance(value, Mapping):
        return framed(b"\x32", _pairs(value, _VALUES, depth + 1))
    return framed(b"\x2a", _items(value, depth + 1))


def _items(values: Sequence[Any], depth: int) -> bytes:
    """The AnyValues of a list."""
    out: list[bytes] = []
    for value in values:
        if type(value) is str and len(raw := utf8(value)) < LONGEST:
            out += _ITEMS[len(raw)], raw
        else:
            out.append(framed(b"\x0a", _any(value, depth)))
    return b"".join(out)


def _scalar(value: str | int | float | bool | None) -> bytes:
    if isinstance(value, str):
        return framed(b"\x0a", value.encode())
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int):
        return b"\x18" + varint(value)
    return b"" if value is None else b"\x21" + _double(value)
