"""What flows through the pipelines, for people who watch: each record at each stage, and what the stage changed.

Watching never slows a pipeline: a watcher has a bounded queue, what does not fit is counted as missed, and nobody
waits. While nobody watches it costs one look at an empty list for each stage of a batch.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from shipper.core.clock import Clock
from shipper.core.component import Processor
from shipper.core.record import UID, Record, changes
from shipper.service.pipeline import RECEIVED, Pipeline
from shipper.wire import jsontext

#: What a watcher's queue holds at most.
MOST_LINES: Final = 1000
MOST_BYTES: Final = 4 * 2**20
#: Lines that are longer are shown without the body.
LONGEST_LINE: Final = 256 * 2**10
MOST_WATCHERS: Final = 8


class TooManyWatchersError(Exception):
    """As many as are allowed are watching already."""


@dataclass(eq=False)
class Watcher:
    """Somebody who watches; `None` as pipeline or stage means all of them."""

    pipeline: str | None = None
    stage: str | None = None
    missed: int = 0
    """Records that were not shown, since the queue was full."""
    closed: bool = False
    _lines: deque[bytes] = field(default_factory=deque)
    _bytes: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def full(self) -> bool:
        """Whether nothing more fits."""
        return len(self._lines) >= MOST_LINES or self._bytes >= MOST_BYTES

    def put(self, line: bytes) -> None:
        """Show a line, or count it as missed."""
        if self.full:
            self.missed += 1
        else:
            self._lines.append(line)
            self._bytes += len(line)
        self._news.set()

    async def wait(self, seconds: float) -> None:
        """Return when there is something to take, and after `seconds` at the latest."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            pass

    def take(self) -> list[bytes]:
        """What is there, oldest first, with a line `{"missed": n}` at the end where some were."""
        lines, self._lines, self._bytes = [*self._lines], deque(), 0
        if self.missed:
            lines.append(b'{"missed":%d}\n' % self.missed)
            self.missed = 0
        if not self.closed:
            self._news.clear()
        return lines

    def close(self) -> None:
        """There will be nothing more."""
        self.closed = True
        self._news.set()


def _among(what: str, name: str | None, known: Sequence[str]) -> None:
    if name is not None and name not in known:
        raise ValueError(f"there is no {what} {name[:100]}; there are {', '.join(known)}")


class Taps:
    """Shows the records of every pipeline to whoever watches, across reloads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._watchers: list[Watcher] = []
        self._processors: dict[str, dict[str, Processor]] = {}
        self._before: dict[str, dict[str, Record]] = {}

    def attach(self, pipelines: Sequence[Pipeline]) -> None:
        """Watch these pipelines, and no longer those before."""
        self._processors = {pipeline.id: dict(pipeline.processors) for pipeline in pipelines}
        self._before = {}
        for pipeline in pipelines:
            pipeline.taps.append(self.tap)

    @contextmanager
    def watch(self, pipeline: str | None = None, stage: str | None = None) -> Iterator[Watcher]:
        """Watch until the block ends.

        Raises:
            TooManyWatchersError: others watch already.
            ValueError: there is no such pipeline or stage, with those that there are.
        """
        if self._processors:
            _among("pipeline", pipeline, [*self._processors])
            chosen = [names for each, names in self._processors.items() if pipeline in (None, each)]
            _among("stage", stage, [*dict.fromkeys([RECEIVED, *(name for names in chosen for name in names)])])
        if len(self._watchers) >= MOST_WATCHERS:
            raise TooManyWatchersError
        watcher = Watcher(pipeline, stage)
        self._watchers.append(watcher)
        try:
            yield watcher
        finally:
            self._watchers.remove(watcher)

    def close(self) -> None:
        """End every watching."""
        for watcher in self._watchers:
            watcher.close()

    def tap(self, pipeline: str, stage: str, records: Sequence[Record]) -> None:
        """Take note of the records behind a stage; `Pipeline` calls it."""
        watchers = [watcher for watcher in self._watchers if watcher.pipeline in (None, pipeline)]
        if not watchers:
            self._before.pop(pipeline, None)
            return
        before = {} if stage == RECEIVED else self._before.get(pipeline, {})
        wanting = [watcher for watcher in watchers if watcher.stage in (None, stage)]
        for watcher in wanting:
            if watcher.full:
                watcher.missed += len(before) or len(records)
        open_ = [watcher for watcher in wanting if not watcher.full]
        for line in self._lines(pipeline, stage, before, records) if open_ else ():
            for watcher in open_:
                watcher.put(line)
        full = all(watcher.full for watcher in watchers)
        self._before[pipeline] = {} if full else {record.uid: record.copy() for record in records}

    def _lines(
        self, pipeline: str, stage: str, before: dict[str, Record], records: Sequence[Record]
    ) -> Iterator[bytes]:
        passed = set()
        for record in records:
            passed.add(record.uid)
            former = before.get(record.uid)
            done = changes(former, record) if former else {}
            yield self._line(pipeline, stage, record, {"result": "passed"}, done)
        for uid, record in before.items():
            if uid not in passed:
                yield self._line(pipeline, stage, record, self._end(pipeline, stage, record), {})

    def _end(self, pipeline: str, stage: str, record: Record) -> dict[str, Any]:
        """Why a record did not come out of a stage, as far as the processor explains it."""
        processor = self._processors.get(pipeline, {}).get(stage)
        explain = getattr(processor, "explain", None)
        why = explain(record.copy()) if explain else {}
        if why.get("on_invalid") == "dead_letter" and why.get("valid") is False:
            return {"result": "dead_letter", "reason": "; ".join(why.get("errors", ()))}
        return {"result": "dropped", "rule": why.get("rule")}

    def _line(self, pipeline: str, stage: str, record: Record, end: dict[str, Any], done: dict[str, Any]) -> bytes:
        shown = {
            "time": self._clock.now(),
            "pipeline": pipeline,
            "stage": stage,
            "stream": record.stream,
            "event_name": record.event_name,
            UID: record.uid,
            "severity": record.severity_text,
            **end,
            "changes": done,
            "attributes": record.attributes,
        }
        line = jsontext.dumps({**shown, "body": record.body})
        if len(line) > LONGEST_LINE:
            line = jsontext.dumps({**shown, "body_bytes": len(line)})
        return (line if len(line) <= LONGEST_LINE else jsontext.dumps({**shown, "attributes": {}})) + b"\n"
