"""The one thread that touches the database."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

T = TypeVar("T")

#: Seconds between two rounds of upkeep.
_UPKEEP_INTERVAL: Final = 1.0

_Job = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class Worker:
    """Runs jobs one after the other, and upkeep about once a second, on a thread of its own.

    A caller that is cancelled leaves its job behind: one that has begun ends as if nothing had happened, one that
    has not is never begun. `stop` waits for all of them.

    Args:
        upkeep: called on the thread between jobs.
        changed: called on the event loop after each job and each upkeep, before the caller goes on.
    """

    def __init__(self, upkeep: Callable[[], None], changed: Callable[[], None]) -> None:
        self._upkeep = upkeep
        self._changed = changed
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Future[Any] | None = None
        """Done when the last job is; None: nobody asked to stop."""
        self._thread = threading.Thread(target=self._turn, name="journal", daemon=True)
        self._thread.start()

    async def run(self, job: Callable[[], T]) -> T:
        """Do `job` on the thread; its result or exception."""
        if self._end:
            raise RuntimeError("the journal is closed")
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put((job, future))
        return await future

    async def stop(self, last: Callable[[], None]) -> None:
        """Finish every job, do `last`, and end the thread; again: wait for that."""
        first = self._end is None
        end = self._end = self._end or self._loop.create_future()
        if first:
            self._jobs.put((last, end))
            self._jobs.put(None)
        await asyncio.wait([end])
        self._thread.join()
        if first:
            end.result()

    def _turn(self) -> None:
        due = time.monotonic() + _UPKEEP_INTERVAL
        while True:
            try:
                job = self._jobs.get(timeout=max(0.0, due - time.monotonic()))
            except Empty:
                job = None
            else:
                if job is None:
                    return
                self._do(*job)
            if time.monotonic() >= due and not self._end:  # after the last job it would open the storage again
                self._upkeep()
                self._tell(self._changed)
                due = time.monotonic() + _UPKEEP_INTERVAL

    def _do(self, job: Callable[[], Any], future: "asyncio.Future[Any]") -> None:
        if future.cancelled():
            return
        try:
            result, error = job(), None
        except BaseException as caught:  # noqa: BLE001 - it is the caller's, on the other thread
            result, error = None, caught
        self._tell(self._settle, future, result, error)

    def _tell(self, callback: Callable[..., None], *arguments: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(callback, *arguments)

    def _settle(self, future: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
        self._changed()
        if future.cancelled():
            return
        if error:
            future.set_exception(error)
        else:
            future.set_result(result)
