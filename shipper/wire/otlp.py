"""OTLP logs as bytes: what the journal stores and what OTLP exporters send.

A payload is a serialized `ExportLogsServiceRequest`. Protobuf messages concatenate: payloads joined are a payload.
"""

from shipper.wire.otlp_decode import decode
from shipper.wire.otlp_encode import encode
from shipper.wire.protobuf import fields, framed

__all__ = ["count", "cut", "decode", "encode"]

_RECORDS = 0x12


def count(payload: bytes) -> int:
    """How many log records a payload holds; looks at lengths only.

    Raises:
        ValueError: the bytes are no such message.
    """
    return sum(
        tag == _RECORDS
        for _, resource_at, resource_end in _messages(payload, 0, len(payload), 0x0A)
        for _, scope_at, scope_end in _messages(payload, resource_at, resource_end, 0x12)
        for tag, *_ in fields(payload, scope_at, scope_end)
    )


def cut(payload: bytes, start: int, stop: int) -> bytes:
    """A payload of the records `start` to `stop` (exclusive) of `payload`, with their resource and scope.

    Copies bytes, decodes nothing.

    Raises:
        ValueError: the bytes are no such message.
    """
    out = []
    place = 0
    for tag, first, at, end in fields(payload, 0, len(payload)):
        if tag != 0x0A:
            out.append(payload[first:end])
            continue
        kept, place = _cut_resource(payload, at, end, (start, stop), place)
        out.append(kept)
    return b"".join(out)


def _messages(data: bytes, at: int, end: int, wanted: int) -> list[tuple[int, int, int]]:
    return [(first, start, stop) for tag, first, start, stop in fields(data, at, end) if tag == wanted]


def _cut_resource(data: bytes, at: int, end: int, span: tuple[int, int], place: int) -> tuple[bytes, int]:
    """The ResourceLogs with only the records of `span`, empty if there are none; and the place behind it."""
    out, found = [], False
    for tag, first, start, stop in fields(data, at, end):
        if tag != 0x12:
            out.append(data[first:stop])
            continue
        kept, place = _cut_scope(data, start, stop, span, place)
        found = found or bool(kept)
        out.append(kept)
    return (framed(b"\x0a", b"".join(out)) if found else b""), place


def _cut_scope(data: bytes, at: int, end: int, span: tuple[int, int], place: int) -> tuple[bytes, int]:
    """The ScopeLogs, likewise."""
    found = fields(data, at, end)
    records = [(first, stop) for tag, first, _, stop in found if tag == _RECORDS]
    chosen = records[max(span[0] - place, 0) : max(span[1] - place, 0)]
    place += len(records)
    if not chosen:
        return b"", place
    others = [data[first:stop] for tag, first, _, stop in found if tag != _RECORDS]
    return framed(b"\x12", b"".join(others + [data[first:stop] for first, stop in chosen])), place
