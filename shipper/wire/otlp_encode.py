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
from shipper.wire.protobuf import framed, varint

#: Deeper values become JSON text: protobuf libraries refuse messages nested over 100 deep, a level takes three.
MAX_DEPTH: Final = 20

_CACHED: Final = 4096
_CACHED_SIZE: Final = 128

_INT64_MAX: Final = 2**63 - 1
_INT64_MIN: Final = -(2**63)
_UINT64_MAX: Final = 2**64 - 1
_double = struct.Struct("<d").pack
_tagged64 = struct.Struct("<BQ").pack

#: Fields for event names and severities that were met before.
_names: dict[str, bytes] = {}
_severities: dict[tuple[int, str], bytes] = {}

#: The KeyValues of a map or a resource, and those of a record.
_VALUES: Final = Field(b"\x0a")
_ATTRIBUTES: Final = Field(b"\x32")
_UIDS: Final = _ATTRIBUTES.texts[UID]
_ITEMS: Final = tuple(b"\x0a" + varint(1 + len(varint(n)) + n) + b"\x0a" + varint(n) for n in range(LONGEST))
"""What stands before a text in a list, by its size."""


def encode(records: Sequence[Record], resource: Mapping[str, Any], scope: Scope, body: BodyKind = "map") -> bytes:
    r"""A serialized `ExportLogsServiceRequest` of one `ResourceLogs` with one `ScopeLogs`.

    `Record.uid` becomes the attribute `log.record.uid`. What OTLP can't hold becomes text: integers beyond 64
    bits, lone surrogates (`\udXXX`), NaN and infinities, values nested deeper than 20 levels (their JSON).
    With body "json" the body is one string of JSON.
    """
    logs = framed(b"\x0a", _scope(scope))
    own = _json_body if body == "json" else _map_body
    content = b"".join([_record(record, own(record.body)) for record in records])
    resource_message = _pairs(resource, _VALUES, 1)
    return framed(b"\x0a", framed(b"\x0a", resource_message) + framed(b"\x12", logs + content))


def _scope(scope: Scope) -> bytes:
    name, version = utf8(scope[0]), utf8(scope[1])
    return (framed(b"\x0a", name) if name else b"") + (framed(b"\x12", version) if version else b"")


def _record(record: Record, body: bytes) -> bytes:
    """A LogRecord as a field of its scope."""
    severity, name = (record.severity_number, record.severity_text), record.event_name
    uid = utf8(record.uid)
    content = b"".join(
        (
            _time(0x09, record.timestamp),
            _severities.get(severity) or _severity(*severity),
            body,
            _UIDS[len(uid)],
            uid,
            _attributes(record.attributes),
            _time(0x59, record.observed),
            _names.get(name) or _name(name),
        )
    )
    return b"\x12" + varint(len(content)) + content


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
    return framed(b"\x2a", framed(b"\x0a", jsontext.dumps(body)))


def _pairs(values: Mapping[Any, Any], field: Field, depth: int) -> bytes:
    """KeyValues, each as a field of its parent."""
    texts, ints = field.texts, field.ints
    out: list[bytes] = []
    for key, value in values.items():
        kind = type(value)
        if kind is str:
            try:
                raw = value.encode()
            except UnicodeEncodeError:
                raw = utf8(value)
            out += (texts[key][len(raw)], raw)
        elif kind is int and _INT64_MIN <= value <= _INT64_MAX:
            raw = varint(value)
            out += (ints[key][len(raw)], raw)
        elif kind is bool:
            out.append(field.bools[key][value])
        elif kind is dict and depth < MAX_DEPTH:
            raw = _pairs(value, _VALUES, depth + 1)
            out += (field.maps[key][len(raw)], raw)
        else:
            raw = _any(value, depth)
            out += (field.others[key][len(raw)], raw)
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
    return framed(b"\x2a", b"".join([_item(item, depth + 1) for item in value]))


def _item(value: Any, depth: int) -> bytes:
    """An AnyValue in a list."""
    if type(value) is str:
        raw = utf8(value)
        if len(raw) < LONGEST:
            return _ITEMS[len(raw)] + raw
    return framed(b"\x0a", _any(value, depth))


def _scalar(value: str | int | float | bool | None) -> bytes:
    if isinstance(value, str):
        return framed(b"\x0a", value.encode())
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int):
        return b"\x18" + varint(value)
    return b"" if value is None else b"\x21" + _double(value)
