"""Shows records on the terminal (stdout), for trying a pipeline out.

Events are written by strangers: whatever is not printable is shown escaped, so that no event can move the cursor,
clear the screen or pretend to be another line.

    exporters:
      debug:
        verbosity: detailed
"""

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal, TextIO

import orjson

from shipper.core.component import Component, Context, Exported, Window
from shipper.core.delivery import DeliveryConfig
from shipper.core.errors import Unavailable
from shipper.exporters.lane import Lane
from shipper.wire import jsontext
from shipper.wire.summary import summarize
from shipper.wire.text import escaped
from shipper.wire.times import utc

_RESET: Final = "\x1b[0m"
_COLORS: Final = {
    "critical": "\x1b[1;97;41m",
    "high": "\x1b[1;31m",
    "medium": "\x1b[33m",
    "low": "\x1b[36m",
    "info": "\x1b[32m",
}
_LONGEST: Final = 80


class Config(DeliveryConfig):
    """How much is shown."""

    concurrency: Literal[1] = 1
    """One batch at a time, since they share one stream."""
    verbosity: Literal["basic", "normal", "detailed"] = "normal"
    """basic: how many records; normal: a line for each; detailed: everything."""


class DebugExporter:
    """Writes to stdout."""

    def __init__(self, config: Config, context: Context) -> None:
        self._id = context.id
        self._verbosity = config.verbosity
        self._lane = Lane(context.id)

    def __repr__(self) -> str:
        return f"debug({self._verbosity})"

    async def __aenter__(self) -> "DebugExporter":
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._lane.close()

    async def export(self, window: Window) -> None:
        """Show the window.

        Raises:
            Unavailable: stdout is closed.
        """
        out = sys.stdout
        text = "".join(f"{line}\n" for line in self._lines(window, coloured=_coloured(out)))
        try:
            await self._lane.run(lambda: _write(out, text))
        except (OSError, ValueError) as fault:
            raise Unavailable("stdout can't be written; is the program that reads it gone?") from fault

    async def check(self) -> str:
        """Nothing can be in the way."""
        return "shows records on stdout"

    def _lines(self, window: Window, *, coloured: bool) -> Iterator[str]:
        if self._verbosity == "basic":
            yield f"{self._id}: {window.count} log record{'' if window.count == 1 else 's'}"
        elif self._verbosity == "normal":
            yield from (line(exported, coloured=coloured) for exported in window.records)
        else:
            yield from details(window.records)


def line(exported: Exported, *, coloured: bool = False) -> str:
    """The record on one line: local time, severity, event, who, where, which rule."""
    record, summary = exported.record, summarize(exported)
    word = escaped(summary.severity)[:8] or "-"
    severity = f"{word:8}"
    if coloured and summary.severity in _COLORS:
        severity = f"{_COLORS[summary.severity]}{word}{_RESET}{' ' * (8 - len(word))}"
    where = "/".join(part for part in (summary.org, summary.repo) if part)
    parts = [
        f"{_local(record.timestamp)}  {severity}  {_short(record.event_name) or '-':<44}",
        f"{_short(summary.actor) or '-':<20}",
        _short(where) or "-",
        f"[{_short(summary.rule)}]" if summary.rule else "",
    ]
    return "  ".join(part for part in parts if part)


def details(records: Sequence[Exported]) -> Iterator[str]:
    """Everything about each record, over several lines."""
    for number, exported in enumerate(records):
        record = exported.record
        yield f"LogRecord #{number}"
        yield f"  Timestamp: {_local(record.timestamp)}"
        yield f"  ObservedTimestamp: {_local(record.observed)}"
        yield f"  Severity: {escaped(record.severity_text) or 'unspecified'} ({record.severity_number})"
        yield f"  EventName: {escaped(record.event_name)}"
        yield f"  log.record.uid: {escaped(record.uid)}"
        for title, values in (("Attributes", record.attributes), ("Resource", exported.resource)):
            yield f"  {title}:"
            yield from (f"    {escaped(key)}: {escaped(_text(value))}" for key, value in values.items())
        yield f"  Scope: {escaped(' '.join(exported.scope))}"
        yield "  Body:"
        yield from (f"    {escaped(part)}" for part in _indented(record.body).split("\n"))


def _short(text: str) -> str:
    shown = escaped(text[: _LONGEST + 1])
    return shown if len(text) <= _LONGEST else f"{shown[:_LONGEST]}…"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else jsontext.dumps(value).decode()


def _indented(value: Any) -> str:
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    except TypeError:
        return jsontext.dumps(value).decode()


def _local(nanoseconds: int) -> str:
    return f"{utc(nanoseconds).astimezone():%Y-%m-%d %H:%M:%S}"


def _write(out: TextIO, text: str) -> None:
    """Past Python's buffer where there is a file below: a write that hangs there would hang the exit, too."""
    data = text.encode(out.encoding or "utf-8", "backslashreplace")
    out.flush()
    try:
        fd = out.fileno()
    except (OSError, AttributeError):
        out.write(data.decode(out.encoding or "utf-8"))
        out.flush()
        return
    while data:
        data = data[os.write(fd, data) :]


def _coloured(out: TextIO) -> bool:
    """See https://no-color.org."""
    return out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


component: Component[Config, Any] = Component(kind="exporter", config=Config, build=DebugExporter)
