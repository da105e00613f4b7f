"""The protobuf wire format: varints and lengths, as far as OTLP needs them."""

from typing import Final

_TABLE: Final = 1 << 14


def _slow_varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


#: Varints of up to two bytes, by number.
VARINTS: Final = tuple(_slow_varint(n) for n in range(_TABLE))
#: The same with more to come: the low 14 bits of a longer number.
LOW: Final = tuple(bytes((n & 0x7F | 0x80, n >> 7 | 0x80)) for n in range(_TABLE))


def varint(number: int) -> bytes:
    """A number of up to 64 bits; negative ones as their two's complement."""
    high = number >> 14
    if not high:
        return VARINTS[number]
    if 0 < high < _TABLE:
        return LOW[number & 0x3FFF] + VARINTS[high]
    low = LOW[number & 0x3FFF]
    number = high & 0x3FFFFFFFFFFFF
    while number >= _TABLE:
        low += LOW[number & 0x3FFF]
        number >>= 14
    return low + VARINTS[number]


def framed(tag: bytes, content: bytes) -> bytes:
    """A length-delimited field; `tag` is the encoded field number and wire type."""
    size = len(content)
    return tag + (VARINTS[size] if size < _TABLE else varint(size)) + content


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at` and the place behind it.

    Raises:
        ValueError: there is no varint.
    """
    try:
        byte = data[at]
        number, shift = byte & 0x7F, 7
        while byte > 0x7F and shift < 70:
            at += 1
            byte = data[at]
            number |= (byte & 0x7F) << shift
            shift += 7
    except IndexError:
        byte = 0x80
    if byte > 0x7F:
        raise ValueError("truncated or overlong varint")
    return number & 0xFFFFFFFFFFFFFFFF, at + 1


def skip(data: bytes, at: int, wire_type: int) -> int:
    """The place behind an unknown field's value.

    Raises:
        ValueError: the wire type is none of today's.
    """
    if wire_type == 0:
        return read_varint(data, at)[1]
    if wire_type == 1:
        return at + 8
    if wire_type == 2:
        length, at = read_varint(data, at)
        return at + length
    if wire_type == 5:
        return at + 4
    raise ValueError(f"wire type {wire_type}")


def fields(data: bytes, at: int, end: int) -> list[tuple[int, int, int, int]]:
    """The fields of the message between two places.

    Each as its tag (number and wire type), its start, its value's start (behind a length), and its end.

    Raises:
        ValueError: the bytes are no protobuf message.
    """
    found = []
    while at < end:
        first = at
        tag = data[at]
        at += 1
        if tag > 0x7F:
            tag, at = read_varint(data, first)
        if tag & 7 == 2:
            length = data[at] if at < end else 0x80
            at += 1
            if length > 0x7F:
                length, at = read_varint(data, at - 1)
            value, at = at, at + length
        else:
            value, at = at, skip(data, at, tag & 7)
        found.append((tag, first, value, at))
    if at != end:
        raise ValueError("a field is longer than its message")
    return found
