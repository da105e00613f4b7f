"""A window: the consecutive records of one log that one attempt sends."""

from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from shipper.core.component import Exported
from shipper.core.journal import Chunk
from shipper.wire import otlp


class _Run(NamedTuple):
    """Records `start` to `stop` of a payload, the first of them at place `first` of the log."""

    payload: bytes
    start: int
    stop: int
    first: int
    whole: bool


class Window:
    """Records as read from the journal; nothing is decoded or copied before somebody asks for it."""

    def __init__(self, runs: Sequence[_Run]) -> None:
        self._runs = runs
        self.count = sum(run.stop - run.start for run in runs)
        """How many records; never 0."""

    @classmethod
    def of(cls, chunks: Sequence[Chunk]) -> "Window":
        """The window over what a journal gave."""
        return cls([_Run(chunk.payload, chunk.start, chunk.stop, chunk.first, chunk.whole) for chunk in chunks])

    def __repr__(self) -> str:
        return f"<Window of {self.count} records, {self._runs[0].first} to {self.next}>"

    @property
    def next(self) -> int:
        """The place behind the last record."""
        last = self._runs[-1]
        return last.first + last.stop - last.start

    @cached_property
    def otlp(self) -> bytes:
        """The records as one serialized `ExportLogsServiceRequest`."""
        return b"".join(
            run.payload if run.whole else otlp.cut(run.payload, run.start, run.stop) for run in self._runs
        )

    @cached_property
    def records(self) -> list[Exported]:
        """The records, decoded at first use."""
        return otlp.decode(self.otlp)

    def select(self, indexes: Collection[int]) -> "Window | None":
        """Only the records at these indexes, in their order; None without any."""
        wanted = frozenset(indexes)
        runs = [run for index, run in enumerate(self._single()) if index in wanted]
        return Window(_joined(runs)) if runs else None

    def split(self) -> tuple["Window", "Window"]:
        """Two halves, for a window of at least two records."""
        runs = list(self._single())
        middle = len(runs) // 2
        return Window(_joined(runs[:middle])), Window(_joined(runs[middle:]))

    def each(self) -> list["Window"]:
        """A window for every record."""
        return [Window([run]) for run in self._single()]

    def _single(self) -> Iterator[_Run]:
        for payload, start, stop, first, whole in self._runs:
            for offset in range(stop - start):
                at = start + offset
                yield _Run(payload, at, at + 1, first + offset, whole and stop - start == 1)


def _joined(runs: Sequence[_Run]) -> list[_Run]:
    """Neighbours of one payload made one run again, so that a payload is cut once."""
    joined: list[_Run] = []
    for run in runs:
        last = joined[-1] if joined else None
        if last and last.payload is run.payload and last.stop == run.start:
            joined[-1] = last._replace(stop=run.stop)
        else:
            joined.append(run)
    return joined
