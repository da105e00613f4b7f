"""Durations and sizes as people write them: `300s`, `5m`, `24h`, `200ms`; `64KiB`, `1MiB`."""

import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, WithJsonSchema

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_DURATION_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
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
        raise ValueError("not a duration; write a number with its unit, such as 200ms, 30s, 5m or 24h")
    return sum(float(number) * _DURATION_UNITS[unit] for number, unit in parts)


def parse_size(value: Any) -> int:
    """Bytes of `64KiB`, `1MiB`, `512`; raises ValueError that says what is wanted."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise ValueError("not a size; write bytes or a number with its unit, such as 64KiB or 1MiB")
    return int(match[1]) * (_SIZE_UNITS | _SIZE_UNITS_BINARY)[match[2]]


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^((\d+(\.\d+)?)(ms|s|m|h|d))+$|^0$|\$\{"},
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
                {"type": "string", "pattern": r"^\d+\s*(B|KiB|MiB|GiB|KB|MB|GB)?$|\$\{"},
                {"type": "integer", "minimum": 0},
            ],
            "description": "A size in bytes: 512, 64KiB, 1MiB.",
        }
    ),
]
"""Bytes, written as `64KiB`, `1MiB` or a plain number."""
