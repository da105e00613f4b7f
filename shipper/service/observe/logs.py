"""The shipper's own log, to stderr: one JSON object a line, or for people one line with the time and level."""

import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import orjson

from shipper.wire.text import escaped

#: Attributes every `logging.LogRecord` has: what else a record carries was given by `extra` and is shown.
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

_COLORS: Final = {"WARNING": "\033[33m", "ERROR": "\033[31m", "CRITICAL": "\033[31;1m", "DEBUG": "\033[2m"}


class Mask:
    """Replaces every known secret in a text: the last line of defence, not the first.

    A secret of fewer than six characters is left alone, since it would riddle the log with holes.
    """

    def __init__(self) -> None:
        self._secrets: list[str] = []

    def learn(self, secrets: set[str]) -> None:
        """Mask these too, line by line and as JSON writes them, the longest first so that no rest remains."""
        lines = {line.strip() for secret in secrets for line in [secret, *secret.splitlines()]}
        escaped = {orjson.dumps(line).decode()[1:-1] for line in lines}
        known = {line for line in lines | escaped if len(line) >= 6} | set(self._secrets)
        self._secrets = sorted(known, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, "***")
        return text


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, mask: Mask) -> None:
        super().__init__()
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        """Render one log record."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_extra(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        text = orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
        return escaped(self._mask(text))


class ConsoleFormatter(logging.Formatter):
    """For people: time, level, message, then what else is known; colours on a terminal only."""

    def __init__(self, mask: Mask, *, color: bool) -> None:
        super().__init__()
        self._mask = mask
        self._color = color

    def format(self, record: logging.LogRecord) -> str:
        """Render one log record."""
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        level = record.levelname.lower()
        if self._color and record.levelname in _COLORS:
            level = f"{_COLORS[record.levelname]}{level}\033[0m"
        extra = " ".join(f"{key}={escaped(str(value))}" for key, value in _extra(record).items())
        text = f"{time} {level} {escaped(record.getMessage())}" + (f"  {extra}" if extra else "")
        if record.exc_info:
            traceback = self.formatException(record.exc_info)
            text += "".join(f"\n{escaped(line)}" for line in traceback.split("\n"))
        return self._mask(text)


def set_up(level: str, style: str, mask: Mask, stream: TextIO | None = None) -> None:
    """Send the log of the whole process to `stream` (stderr), replacing what was set up before."""
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    formatter = JsonFormatter(mask) if style == "json" else ConsoleFormatter(mask, color=stream.isatty())
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("shipper").setLevel(level.upper())
