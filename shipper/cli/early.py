"""Signals that come while the program still loads: remembered, so that they do what they always do."""

import signal
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_came: Final[set[int]] = set()


def listen() -> None:
    """Remember SIGTERM, SIGINT and SIGHUP from now on."""
    for number in _SIGNALS:
        signal.signal(number, _remember)


def stop_asked() -> bool:
    """Whether a stop was asked for."""
    return not _came.isdisjoint((signal.SIGTERM, signal.SIGINT))


def reload_asked() -> bool:
    """Whether the configuration is to be read again."""
    return signal.SIGHUP in _came


def _remember(number: int, _frame: FrameType | None) -> None:
    _came.add(number)
