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
from shipper.wire.protobuf import VARINTS, framed, varint

#: Deeper values become JSON text: protobuf libraries refuse messages nested over 100 deep, a level takes three.
MAX_DEPTH: Final = 20

_CACHED: Final = 4096
_CACHED_SIZE: Final = 128
_SHORT: Final = 2048
"""What is shorter than this finds the tags and lengths around it in a table."""

_STRINGS: Final = tuple(framed(b"\x12", b"\x0a" + VARINTS[n] + b"x" * n)[: -n or None] for n in range(_SHORT))
_INTS: Final = tuple(bytes((0x12, n + 1, 0x18)) for n in range(11))
_TRUE: Final = b"\x12\x02\x10\x01"
_FALSE: Final = b"\x12\x02\x10\x00"
_NULL: Final = b"\x12\x00"
_IN_LIST: Final = tuple(b"\x0a" + VARINTS[n] for n in range(_SHORT))
_IN_RECORD: Final = tuple(b"\x32" + VARINTS[n] for n in range(_SHORT))

_INT64_MAX: Final = 2**63 - 1
_INT64_MIN: Final = -(2**63)
_UINT64_MAX: Final = 2**64 - 1
_double = struct.Struct("<d").pack
_tagged64 = struct.Struct("<BQ").pack

#: Fields for keys, event names and severities that were met before.
_keys: dict[str, bytes] = {}
_names: dict[str, bytes] = {}
_severities: dict[tuple[int, str], bytes] = {}


def encode(records: Sequence[Record], resource: Mapping[str, Any], scope: Scope, body: BodyKind = "map") -> bytes:
    r"""A serialized `ExportLogsServiceRequest` of one `ResourceLogs` with one `ScopeLogs`.

    `Record.uid` becomes the attribute `log.record.uid`. What OTLP can't hold becomes text: integers beyond 64
    bits, lone surrogates (`\udXXX`), NaN and infinities, values nested deeper than 20 levels (their JSON).
    With body "json" the body is one string of JSON.
    """
    logs = framed(b"\x0a", _scope(scope))
    own = _json_body if body == "json" else _map_body
    content = b"".join([part for record in records for part in _record(record, own(record.body))])
    resource_message = _pairs(resource, _IN_LIST, b"\x0a", 1)
    return framed(b"\x0a", framed(b"\x0a", resource_message) + framed(b"\x12", logs + content))


def _scope(scope: Scope) -> bytes:
    name, version = _text(scope[0]), _text(scope[1])
    return (framed(b"\x0a", name) if name else b"") + (framed(b"\x12", version) if version else b"")


def _record(record: Record, body: bytes) -> tuple[bytes, ...]:
    """A LogRecord as a field of its scope, in parts."""
    attributes = record.attributes
    if UID in attributes:
        attributes = {key: value for key, value in attributes.items() if key != UID}
    number, text, name = record.severity_number, record.severity_text, record.event_name
    head = _time(0x09, record.timestamp) + (_severities.get((number, text)) or _severity(number, text))
    pairs = _pairs({UID: record.uid, **attributes}, _IN_RECORD, b"\x32", 1)
    tail = _time(0x59, record.observed) + (_names.get(name) or _name(name))
    length = len(head) + len(body) + len(pairs) + len(tail)
    return b"\x12" + varint(length) + head, body, pairs, tail


def _severity(number: int, text: str) -> bytes:
    field = (b"\x10" + varint(number) if number else b"") + (framed(b"\x1a", _text(text)) if text else b"")
    return _remember(_severities, (number, text), field)


def _name(name: str) -> bytes:
    return _remember(_names, name, framed(b"\x62", _text(name)) if name else b"")


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
    return b"\x2a" + _tail(body, 0)[1:]


def _json_body(body: Any) -> bytes:
    text = jsontext.dumps(body)
    return framed(b"\x2a", framed(b"\x0a", text))


def _text(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace")


def _key(key: Any) -> bytes:
    """The `key` field of a KeyValue; nothing for an empty key."""
    if not isinstance(key, str):
        return _key(str(key))
    return _remember(_keys, key, framed(b"\x0a", _text(key)) if key else b"")


def _pairs(values: Mapping[Any, Any], leads: tuple[bytes, ...], tag: bytes, depth: int) -> bytes:
    """KeyValues, each as a field of its parent; `leads` are `tag` and length, by length."""
    out: list[bytes] = []
    put = out.append
    known = _keys.get
    for key, value in values.items():
        prefix = known(key) or _key(key)
        if type(value) is str:
            try:
                raw = value.encode()
            except UnicodeEncodeError:
                raw = _text(value)
            size = len(raw)
            pair = prefix + _STRINGS[size] + raw if size < _SHORT else prefix + _long_string(raw)
        elif type(value) is int and _INT64_MIN <= value <= _INT64_MAX:
            raw = varint(value)
            pair = prefix + _INTS[len(raw)] + raw
        else:
            pair = prefix + _tail(value, depth)
        size = len(pair)
        put(leads[size] if size < _SHORT else tag + varint(size))
        put(pair)
    return b"".join(out)


def _long_string(raw: bytes) -> bytes:
    return framed(b"\x12", framed(b"\x0a", raw))


def _tail(value: Any, depth: int) -> bytes:
    """The `value` field of a KeyValue: tag 2, length, AnyValue."""
    if value is None:
        return _NULL
    if value is True:
        return _TRUE
    if value is False:
        return _FALSE
    return framed(b"\x12", _any(value, depth))


def _any(value: Any, depth: int) -> bytes:
    """An AnyValue."""
    kind = type(value)
    if kind is dict or kind is list:
        return _nested(value, depth)
    if kind is str:
        return framed(b"\x0a", _text(value))
    if isinstance(value, (Mapping, list, tuple)):
        return _nested(value, depth)
    if isinstance(value, bytes):
        return framed(b"\x3a", value)
    return _scalar(jsontext.scalar(value))


def _nested(value: Mapping[Any, Any] | Sequence[Any], depth: int) -> bytes:
    if depth >= MAX_DEPTH:
        return framed(b"\x0a", jsontext.dumps(value))
    if type(value) is dict or isinstance(value, Mapping):
        return framed(b"\x32", _pairs(value, _IN_LIST, b"\x0a", depth + 1))
    return framed(b"\x2a", b"".join([framed(b"\x0a", _item(item, depth + 1)) for item in value]))


def _item(value: Any, depth: int) -> bytes:
    """An AnyValue in a list, where a null is an empty one."""
    return framed(b"\x0a", _text(value)) if type(value) is str else _any(value, depth)


def _scalar(value: str | int | float | bool | None) -> bytes:
    if isinstance(value, str):
        return framed(b"\x0a", value.encode())
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int):
        return b"\x18" + varint(value)
    return b"" if value is None else b"\x21" + _double(value)
