"""Times and durations as people write them on a command line."""

import time
from datetime import UTC, datetime
from typing import Any, Final

import click

from shipper.core.units import parse_duration


class _Duration(click.ParamType[float]):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


duration: Final = _Duration()
"""An option's type: seconds, written as `20s`, `5m`, `24h`."""


class _Moment(click.ParamType[int]):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return moment_of(value, time.time_ns() // 1_000_000)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def moment_of(text: str, now: int) -> int:
    """Milliseconds since the epoch of `2026-01-31T12:00:00Z`, `2026-01-31` (UTC) or `24h` (ago).

    Raises:
        ValueError: it is none of these; says what to write.
    """
    if text == "now":
        return now
    try:
        return now - int(parse_duration(text) * 1000)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is no time; write 2026-01-31T12:00:00Z, or how long ago: 24h, 7d") from None
    if moment.tzinfo is None:
        if len(text.strip()) > len("2026-01-31"):
            raise ValueError(f"{text!r} has no offset from UTC; write 2026-01-31T12:00:00Z")
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)


moment: Final = _Moment()
"""An option's type: ms since the epoch."""
