"""One stream's conversation with GitHub: asks for a page until it has one, or until there is no use in it."""

import logging
import random
from dataclasses import dataclass
from typing import Final, NamedTuple

from shipper.core.component import Context
from shipper.core.errors import Unavailable
from shipper.net.http import ForeignOrigin, TimedOut, TooLarge
from shipper.receivers.github.answers import Later, Limited, Moved, Page, Refused, Unchanged, judge
from shipper.receivers.github.client import Lane
from shipper.receivers.github.remedies import Subject

log = logging.getLogger(__name__)

_RESOURCES: Final = {"audit_log": "audit_log"}
_JITTER: Final = random.Random()  # noqa: S311 - spreads retries, keeps no secret


class Refusal(Unavailable):
    """GitHub refused for good: until somebody acts."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.reason, blocked=True)
        self.status = refused.status


class Interrupted(Unavailable):
    """A listing can't go on from here: begin it again, with smaller pages where `shrink`."""

    def __init__(self, reason: str, *, shrink: bool) -> None:
        super().__init__(reason)
        self.shrink = shrink


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to try for one page."""

    attempts: int
    """Answers that are no answer, in a row."""
    wait: float
    """The longest single wait that is sat out, in seconds."""


RUNNING: Final = Patience(attempts=8, wait=float("inf"))
ONCE: Final = Patience(attempts=4, wait=30.0)


class Asked(NamedTuple):
    """A page, and the server's time (ms) when it was asked for."""

    page: Page | Unchanged
    at: int


class Conversation:
    """Asks for the pages of one stream; owns its health and its incidents' lines in the log."""

    def __init__(self, lane: Lane, subject: Subject, context: Context, patience: Patience) -> None:
        self.lane = lane
        self.subject = subject
        self.part = f"{subject.place} {subject.stream}"
        self.resource = _RESOURCES.get(subject.stream, "core")
        lane.sharers[self.resource] = lane.sharers.get(self.resource, 0) + 1
        self._context = context
        self._patience = patience
        self._incident = ""
        self._broken: dict[str, int] = {}
        """How many pages into each listing its reading broke off, until it comes farther."""

    async def page(self, url: str, *, etag: str | None = None, first: bool = True) -> Asked:
        """The page at an address, asked for until it is there.

        Raises:
            Refusal: no use in repeating.
            Interrupted: the listing must be begun again.
            Unavailable: tried long enough.
        """
        headers = {"If-None-Match": etag} if etag else {}
        faults = limits = 0
        while True:
            verdict, at = await self._ask(url, headers, limits)
            if isinstance(verdict, Unchanged) and not etag:
                verdict = Later(f"GitHub answered 304 to {self.subject}, which was not asked conditionally")
            if isinstance(verdict, (Page, Unchanged)):
                return Asked(verdict, at)
            if isinstance(verdict, Limited):
                limits += 1
                await self._sit_out(verdict.seconds, verdict.reason)
                continue
            if isinstance(verdict, Refused):
                raise self._refusal(verdict, first=first)
            faults += 1
            if isinstance(verdict, Later):
                await self._after_fault(verdict, faults)

    def broke(self, name: str, step: int) -> None:
        """A listing's reading broke off there: the pages before it prove nothing until then."""
        self._broken[name] = step

    def reached(self, name: str, step: int) -> None:
        """A listing's page was taken; unless one broke off farther down, the stream works."""
        if step >= self._broken.get(name, 0):
            self._broken.pop(name, None)
        if not self._broken:
            self.works()

    def allowance(self, interval: float) -> float:
        """Requests that one of the polls that come each `interval` seconds may use; infinite where unlimited."""
        sharers = self.lane.sharers[self.resource]
        return self.lane.quota.allowance(self.resource, self._context.clock.monotonic(), interval, sharers)

    @property
    def led_until(self) -> int | None:
        """When (ms) another replica last asked, if one did."""
        return self._context.led_until

    def monotonic(self) -> float:
        """The time by our monotonic clock."""
        return self._context.clock.monotonic()

    def spacing(self, interval: float) -> float:
        """Seconds between polls: `interval`, more where the quota would not last."""
        sharers = self.lane.sharers[self.resource]
        return self.lane.quota.spacing(self.resource, self._context.clock.monotonic(), interval, sharers)

    async def _ask(
        self, url: str, headers: dict[str, str], limits: int
    ) -> tuple[Page | Unchanged | Limited | Later | Refused, int]:
        """One turn: the quota's wait if there is one, then the answer's meaning."""
        clock = self._context.clock
        try:
            turn = await self.lane.get(url, self.resource, headers)
            while turn.answer is None:
                await self._back_off(turn.wait)
                turn = await self.lane.get(url, self.resource, headers)
        except ForeignOrigin:
            raise
        except TooLarge as error:
            raise Interrupted(error.reason, shrink=True) from error
        except Unavailable as error:
            self._count("error")
            if error.blocked:
                raise
            return Later(error.reason, error.retry_after, smaller=isinstance(error, TimedOut)), 0
        answer = turn.answer
        self._count(str(answer.status))
        self._learn(answer.headers)
        verdict = judge(answer, self.subject, clock.now(), limits, url=url)
        if isinstance(verdict, Moved):
            verdict = judge(answer._replace(headers={}), self.subject, clock.now())
            verdict = verdict if isinstance(verdict, Refused) else Later("GitHub redirects in circles")
        if isinstance(verdict, Limited):
            resource = None if verdict.everything else self.resource
            self.lane.quota.pause(clock.monotonic(), verdict.seconds, resource)
        return verdict, turn.asked

    def _learn(self, headers: object) -> None:
        clock, quota = self._context.clock, self.lane.quota
        resource = quota.learn(self.resource, headers, clock.monotonic(), clock.now())  # type: ignore[arg-type]
        if resource != self.resource:
            sharers = self.lane.sharers
            sharers[self.resource] -= 1
            sharers[resource] = sharers.get(resource, 0) + 1
            self.resource = resource
        remaining = quota.remaining(resource)
        if remaining is not None:
            self._context.meter.set(
                "shipper_github_rate_limit_remaining", remaining, receiver=self._context.id, resource=resource
            )

    def _count(self, status: str) -> None:
        self._context.meter.count(
            "shipper_github_requests", receiver=self._context.id, stream=self.subject.stream, status=status
        )

    def _refusal(self, refused: Refused, *, first: bool) -> Unavailable:
        if not first and refused.status in (400, 404, 410, 422):
            return Interrupted(f"GitHub no longer knows the next page of {self.subject}", shrink=False)
        return Refusal(refused)

    async def _after_fault(self, fault: Later, faults: int) -> None:
        if faults >= self._patience.attempts:
            raise Unavailable(fault.reason, retry_after=fault.seconds)
        if fault.smaller and faults >= 3:
            raise Interrupted(fault.reason, shrink=True)
        seconds = fault.seconds
        if seconds is None:
            seconds = min(0.5 * 2**faults, 60.0) * _JITTER.uniform(0.5, 1.0)
        await self._sit_out(seconds, fault.reason)

    async def _back_off(self, seconds: float) -> None:
        """Wait for the quota's next window: nothing failed, so the stream is well."""
        reason = f"{self.subject} waits: too few calls are left in this window"
        if seconds > self._patience.wait:
            raise Unavailable(reason, retry_after=seconds)
        self._tell(f"{reason}; it goes on in {seconds:.0f} s")
        self._context.health.ok(self._context.id, self.part, next_try=self._in(seconds), note=reason)
        await self._context.clock.sleep(seconds)

    async def _sit_out(self, seconds: float, reason: str) -> None:
        if seconds > self._patience.wait:
            raise Unavailable(reason, retry_after=seconds)
        self.failed(reason, blocked=False, seconds=seconds)
        await self._context.clock.sleep(seconds)

    def failed(self, reason: str, *, blocked: bool, seconds: float) -> None:
        """The stream does not work now; it is tried again in so many seconds."""
        self._context.health.fail(self._context.id, self.part, reason, blocked=blocked, next_try=self._in(seconds))
        self._tell(reason)

    def works(self, *, seconds: float | None = None) -> None:
        """The stream works; the next poll is in so many seconds."""
        self._broken.clear()
        next_try = None if seconds is None else self._in(seconds)
        self._context.health.ok(self._context.id, self.part, next_try=next_try)
        if self._incident:
            log.info("%s works again", self.subject, extra={"component": self._context.id})
            self._incident = ""

    def _tell(self, reason: str) -> None:
        """One line an incident."""
        if reason.partition(";")[0] != self._incident:
            self._incident = reason.partition(";")[0]
            log.warning("%s", reason, extra={"component": self._context.id, "part": self.part})

    def _in(self, seconds: float) -> int:
        return self._context.clock.now() + int(seconds * 1e9)
