"""JSON text of any value, however hostile: never raises, always parses everywhere."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

_INT64: Final = range(-(2**63), 2**63)


def dumps(value: Any) -> bytes:
    r"""JSON in UTF-8, at any depth.

    What strict parsers refuse becomes text: lone surrogates `\udXXX`, integers beyond 64 bits, NaN and infinities.
    """
    try:
        return orjson.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return b"".join(_pieces(value))


def clean(text: str) -> str:
    r"""The text with lone surrogates written as `\udXXX`."""
    return text.encode("utf-8", "backslashreplace").decode()


def scalar(value: Any) -> Any:
    """The value itself where JSON and OTLP have the like, else its faithful text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if value in _INT64 else _decimal(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else _name(value)
    if isinstance(value, bytes):
        return value.hex()
    return clean(value if isinstance(value, str) else str(value))


def _decimal(value: int) -> str:
    try:
        return str(int(value))
    except ValueError:  # Python's own limit of 4300 digits, which guards against quadratic time
        return hex(value)


def _name(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _pieces(value: Any) -> Iterator[bytes]:
    """Written with a stack of its own: hostile nesting must not exhaust Python's."""
    stack: list[tuple[Iterator[Any], bytes]] = []
    separator = b""
    pending = iter((("", value),))
    closing = b""
    while True:
        for key, item in pending:
            yield separator + (orjson.dumps(clean(str(key))) + b":" if closing == b"}" else b"")
            separator = b","
            if isinstance(item, (Mapping, list, tuple)):
                stack.append((pending, closing))
                is_map = isinstance(item, Mapping)
                pending = iter(item.items()) if isinstance(item, Mapping) else (("", each) for each in item)
                closing, separator = (b"}", b"") if is_map else (b"]", b"")
                yield b"{" if is_map else b"["
                break
            yield orjson.dumps(scalar(item))
        else:
            yield closing
            if not stack:
                return
            pending, closing = stack.pop()
            separator = b","
