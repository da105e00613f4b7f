"""Durations and sizes as people write them: `300s`, `5m`, `24h`, `200ms`; `64KiB`, `1MiB`."""

import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_DURATION_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
#: Times that far ahead still fit 64 bits in nanoseconds.
_LONGEST: Final = 36_525 * 86400.0
_SIZE = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB|KB|MB|GB|)")
_SIZE_UNITS: Final = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_SIZE_UNITS_BINARY: Final = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def parse_duration(value: Any) -> float:
    """Seconds of `1h30m`, `200ms`, `0`; raises ValueError that says what is wanted."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value == 0:
        return 0.0
    text = value if isinstance(value, str) else ""
    parts = _DURATION.findall(text)
    if text == "0":
        return 0.0
    if not parts or "".join(number + unit for number, unit in parts) != text:
        said = "not a duration; write a number with its unit, such as 200ms, 30s, 5m or 24h"
        raise PydanticCustomError("bad-duration", said)
    seconds = sum(float(number) * _DURATION_UNITS[unit] for number, unit in parts)
    if seconds > _LONGEST:
        raise PydanticCustomError("bad-value", "more than a hundred years; write what you can wait for")
    return seconds


def parse_size(value: Any) -> int:
    """Bytes of `64KiB`, `1MiB`, `512`; raises ValueError that says what is wanted."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if not match:
        said = "not a size; write bytes or a number with its unit, such as 64KiB or 1MiB"
        raise PydanticCustomError("bad-size", said)
    return int(match[1]) * (_SIZE_UNITS | _SIZE_UNITS_BINARY)[match[2]]


def format_duration(seconds: float) -> str:
    """The shortest way to write it: `5m`, `24h`, `200ms`."""
    if seconds == 0:
        return "0s"
    for unit, length in (("d", 2 * 86400.0), ("h", 3600.0), ("m", 60.0), ("s", 1.0)):
        if seconds >= length and seconds % _DURATION_UNITS[unit] == 0:
            return f"{seconds / _DURATION_UNITS[unit]:.12g}{unit}"
    return f"{seconds * 1000:.12g}ms" if seconds < 1 else f"{seconds:.12g}s"


def format_size(size: int) -> str:
    """The shortest way to write it: `64KiB`, `1GiB`, `1000`."""
    for unit in reversed(_SIZE_UNITS_BINARY):
        if size and size % _SIZE_UNITS_BINARY[unit] == 0:
            return f"{size // _SIZE_UNITS_BINARY[unit]}{unit}"
    return str(size)


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^((\d+(\.\d+)?)(ms|s|m|h|d))+$|^0$"},
                {"const": 0},
            ],
            "description": "A duration: 200ms, 30s, 5m, 24h.",
        }
    ),
]
"""Seconds, written as `200ms`, `30s`, `5m`, `24h`."""

Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^\d+\s*(B|KiB|MiB|GiB|KB|MB|GB)?$"},
                {"type": "integer", "minimum": 0},
            ],
            "description": "A size in bytes: 512, 64KiB, 1MiB.",
        }
    ),
]
"""Bytes, written as `64KiB`, `1MiB` or a plain number."""
