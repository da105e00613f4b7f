"""Files of events and alerts that are served as they are: a page (a JSON array), or one JSON value a line."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shipper.simulator.world import time_of


class SampleError(ValueError):
    """The file can't be read as events; the message says where it goes wrong."""


def load(path: Path) -> tuple[Any, ...]:
    """The events of a file. Raises `SampleError`."""
    text = path.read_bytes()
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        return tuple(_line(path, number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip())
    return tuple(whole) if isinstance(whole, list) else (whole,)


def _line(path: Path, number: int, line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SampleError(f"{path}:{number}: neither a JSON array nor one JSON value a line: {error}") from error


def newest(events: Sequence[Any]) -> int | None:
    """The time (ms) of the newest event that has one."""
    return max((time for event in events if (time := time_of(event, -1)) >= 0), default=None)


def shifted(events: Sequence[Any], to: int) -> tuple[Any, ...]:
    """The events with `@timestamp` and `created_at` moved so that the newest one is at `to` (ms)."""
    latest = newest(events)
    return tuple(events) if latest is None else tuple(_moved(event, to - latest) for event in events)


def _moved(event: Any, by: int) -> Any:
    if not isinstance(event, Mapping):
        return event
    times = {
        name: value + by
        for name in ("@timestamp", "created_at")
        if isinstance(value := event.get(name), int) and not isinstance(value, bool)
    }
    return {**event, **times}
