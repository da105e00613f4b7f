"""A stop that is asked for while the program still loads: remembered, so that it ends as any other stop does."""

import signal
from types import FrameType

_asked = False


def listen() -> None:
    """Remember SIGTERM and SIGINT from now on."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _remember)


def asked() -> bool:
    """Whether a stop was asked for."""
    return _asked


def _remember(_number: int, _frame: FrameType | None) -> None:
    global _asked  # noqa: PLW0603 - signals belong to the process
    _asked = True
