"""How far a listing has come: a bar on a terminal, a line now and then elsewhere. Always on stderr."""

import sys
import time
from types import TracebackType
from typing import Any, Final, Self

import click

from shipper.cli.terminal import safe

#: Seconds between two lines where no terminal is.
_INTERVAL: Final = 10.0


class Bar:
    """Shows one line of progress for each name."""

    def __init__(self) -> None:
        self._drawn: Any = None
        self._tasks: dict[str, Any] = {}
        self._said: dict[str, float] = {}

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console  # noqa: PLC0415 - only where somebody looks
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn  # noqa: PLC0415

            self._drawn = Progress(
                TextColumn("{task.fields[name]}", markup=False),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.fields[note]}", markup=False),
                console=Console(stderr=True),
            )
            self._drawn.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawn:
            self._drawn.stop()

    def show(self, name: str, note: str, fraction: float | None) -> None:
        """`name` has come so far; None: nobody knows how far."""
        name = safe(name)
        if self._drawn:
            if name not in self._tasks:
                self._tasks[name] = self._drawn.add_task("", total=1.0, name=name, note="")
            self._drawn.update(self._tasks[name], completed=fraction, total=_total(fraction), note=note)
            return
        now = time.monotonic()
        if now - self._said.setdefault(name, now) >= _INTERVAL:
            self._said[name] = now
            share = "" if fraction is None else f"{fraction:4.0%} "
            click.echo(f"{share}{name}: {note}", err=True)


def _total(fraction: float | None) -> float | None:
    return None if fraction is None else 1.0
