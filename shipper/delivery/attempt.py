"""One window's attempts until it is sent, refused, or given up."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from shipper.core.component import Context, Exporter
from shipper.core.delivery import DeliveryConfig
from shipper.core.errors import Rejected, Unavailable
from shipper.core.waiting import first
from shipper.delivery.backoff import Backoff
from shipper.delivery.window import Window

log = logging.getLogger(__name__)

#: Characters of a backend's answer that are kept with a dead letter.
_ANSWER: Final = 2000


@dataclass(frozen=True, slots=True)
class Refusal:
    """Records that will not be sent: given up, or refused for good."""

    reason: str
    answer: str
    attempts: int
    indexes: frozenset[int] | None = None
    """Which of the window; None where it is not known, or all."""
    final: bool = False
    """Whether it is all of them, so that halving would not help."""

    def apportion(self, window: Window) -> tuple[list[Window], list[Window]]:
        """The guilty records, one a window, and what is to be tried again, in order."""
        if self.indexes is not None:
            rest = window.select(frozenset(range(window.count)) - self.indexes)
            guilty = window.select(self.indexes)
            return guilty.each() if guilty else [], [rest] if rest else []
        if self.final or window.count == 1:
            return window.each(), []
        return [], list(window.split())


class Attempts:
    """Makes attempts at one exporter and tells how it goes.

    Args:
        exporter: makes one attempt a call.
        config: timeout and retry.
        context: the exporter's id, meter, health and clock.
        turns: allows as many attempts at once as the exporter is configured for, whoever makes them.
        ready: awaited before each attempt, outside of its timeout, with the number of records.
    """

    def __init__(
        self,
        exporter: Exporter,
        config: DeliveryConfig,
        context: Context,
        turns: asyncio.Semaphore,
        ready: Callable[[int], Awaitable[None]] | None = None,
    ) -> None:
        self._ready = ready
        self._exporter = exporter
        self._config = config
        self._context = context
        self._turns = turns
        self._under_way: set[int] = set()
        """Where the windows end that are tried now, or are sent and wait for those before them to be noted."""
        self._ceasing = False
        self._ended = asyncio.Event()
        self._failing = ""
        self.hurry = asyncio.Event()
        """Set to cut short a wait that is under way."""

    async def send(self, window: Window, keep: Callable[[], Awaitable[None]]) -> Refusal | None:
        """Try until the window was sent and `keep` has noted it; what keeps it from ever being sent otherwise."""
        retry = self._config.retry_on_failure
        backoff = Backoff(retry)
        started = self._context.clock.monotonic()
        while True:
            try:
                async with self._going(window):
                    await self._once(window)
                    self._count("otelcol_exporter_sent_log_records", window.count)
                    self._well()
                    await keep()
            except Rejected as refused:
                self._count("otelcol_exporter_send_failed_log_records", window.count)
                if refused.answer:  # which is none of an outage
                    self._well()
                return _refusal(refused, window.count, backoff.attempts + 1)
            except Unavailable as failure:
                self._count("otelcol_exporter_send_failed_log_records", window.count)
                waited = self._context.clock.monotonic() - started
                wait = backoff.next(failure.retry_after)
                if not retry.enabled or 0 < retry.max_elapsed_time <= waited:
                    self._fail(failure, None)
                    return Refusal(_given_up(failure, waited), "", backoff.attempts, final=True)
                self._fail(failure, wait)
                await self._sleep(wait)
            else:
                return None

    async def persist(self, step: Callable[[], Awaitable[None]]) -> None:
        """Do something with the backend that is no attempt, until it is no longer unavailable."""
        backoff = Backoff(self._config.retry_on_failure)
        while True:
            try:
                await step()
            except Unavailable as failure:
                wait = backoff.next(failure.retry_after)
                self._fail(failure, wait)
                await self._sleep(wait)
            else:
                self._well()
                return

    async def cease(self) -> None:
        """Return when no attempt is under way that is not noted yet.

        From now on only windows are tried that one under way waits for, as it can't be noted before them.
        """
        self._ceasing = True
        self.hurry.set()
        while self._under_way:
            self._ended.clear()
            await self._ended.wait()

    @contextlib.asynccontextmanager
    async def _going(self, window: Window) -> AsyncIterator[None]:
        if self._ceasing and not any(place > window.next for place in self._under_way):
            await asyncio.Future()  # for ever: whoever comes next sends it
        self._under_way.add(window.next)
        try:
            yield
        finally:
            self._under_way.remove(window.next)
            self._ended.set()

    async def _once(self, window: Window) -> None:
        """One attempt; whatever goes wrong is Rejected or Unavailable."""
        async with self._turns:
            try:
                if self._ready:
                    await self._ready(window.count)
                async with asyncio.timeout(self._config.timeout):
                    await self._exporter.export(window)
            except (Rejected, Unavailable):
                raise
            except TimeoutError as error:
                raise Unavailable(
                    f"no answer within {self._config.timeout:g} s; is the endpoint right and the backend up to it?"
                ) from error
            except asyncio.CancelledError as fault:
                task = asyncio.current_task()
                if task and task.cancelling():
                    raise
                raise self._fault(fault) from fault
            except Exception as fault:
                raise self._fault(fault) from fault

    def _fault(self, fault: BaseException) -> Unavailable:
        """A fault of the exporter itself: logged once an incident; the records wait until it is mended."""
        reason = f"fault in the exporter ({type(fault).__name__}); please report it"
        if self._failing != reason:
            log.error("exporter failed by a fault of its own", exc_info=fault, extra=self._extra())
        return Unavailable(reason)

    async def _sleep(self, seconds: float) -> None:
        """Wait, or less when hurried for the first time."""
        if self.hurry.is_set():
            await self._context.clock.sleep(seconds)
            return
        await first(self._context.clock.sleep(seconds), self.hurry.wait())

    def _well(self) -> None:
        self._context.health.ok(self._context.id)
        if self._failing:
            self._failing = ""
            log.info("exporter delivers again", extra=self._extra())

    def _fail(self, failure: Unavailable, wait: float | None) -> None:
        """Say so once an outage, and again only when the reason changes."""
        next_try = None if wait is None else self._context.clock.now() + int(wait * 1e9)
        self._context.health.fail(self._context.id, "", failure.reason, blocked=failure.blocked, next_try=next_try)
        if self._failing != failure.reason:
            self._failing = failure.reason
            log.warning(
                "exporter can't deliver; the records wait in storage: %s", failure.reason, extra=self._extra()
            )

    def _count(self, name: str, n: int) -> None:
        self._context.meter.count(name, n, exporter=self._context.id)

    def _extra(self) -> dict[str, str]:
        return {"component": self._context.id}


def _given_up(failure: Unavailable, waited: float) -> str:
    return f"given up after {waited:.0f} s: {failure.reason}"


def _refusal(refused: Rejected, count: int, attempts: int) -> Refusal:
    known = frozenset(index for index in refused.indexes or () if 0 <= index < count)
    return Refusal(refused.reason, refused.answer[:_ANSWER], attempts, known or None)
