"""Elects one of several replicas by a Kubernetes Lease, so that exactly one polls.

The leader renews the Lease; a standby takes over when it did not change for the Lease's duration. The leader stops
by itself after `renew_deadline` without a renewal, which is shorter, so that at no time two lead. A process that
was frozen for longer learns it only when it wakes: what it may still take then, the other one takes too, and both
ship it with the same `log.record.uid`.

    async with Lease(config, clock, health) as lease:
        await lease.acquired()
        ...                        # poll until `await lease.lost()` returns
"""

import asyncio
import logging
import math
import random
import socket
import uuid
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, Self

from shipper.core.clock import Clock
from shipper.core.errors import Unavailable
from shipper.core.telemetry import Health
from shipper.net.election import Candidate
from shipper.net.kubernetes import Api, Cluster, Conflict, in_cluster, service_url
from shipper.net.lease_config import LeaseConfig

log = logging.getLogger(__name__)

COMPONENT: Final = "k8s_leader_elector"


class Lease:
    """Our candidacy: campaigns while the `async with` lasts and steps down at its end.

    Stop what only the leader may do before leaving the `async with`, and as soon as `lost` returns.

    Args:
        config: which Lease, and the times.
        clock: the time.
        health: is told under `k8s_leader_elector`; a standby is ready.
        cluster: instead of what `config` says, for tests.
        identity: who we are among the replicas; made from the host's name and a random part.
    """

    def __init__(
        self,
        config: LeaseConfig,
        clock: Clock,
        health: Health,
        *,
        cluster: Cluster | None = None,
        identity: str | None = None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._health = health
        self._cluster = cluster
        self.identity = identity or f"{socket.gethostname()}_{uuid.uuid4()}"
        self._leads = asyncio.Event()
        self._stands_by = asyncio.Event()
        self._stands_by.set()
        self._campaign: asyncio.Task[None] | None = None
        self._holder = ""
        self._led_until: int | None = None
        self._failing = ""

    @property
    def leading(self) -> bool:
        """Whether we lead now."""
        return self._leads.is_set()

    @property
    def holder(self) -> str:
        """Who leads, as far as we know; empty if nobody does."""
        return self._holder

    @property
    def led_until(self) -> int | None:
        """When (ms) another replica last led before we did, by its clock; None: nobody did."""
        return self._led_until

    async def acquired(self) -> None:
        """Return when we lead."""
        await self._leads.wait()

    async def lost(self) -> None:
        """Return when we do not lead."""
        await self._stands_by.wait()

    async def __aenter__(self) -> Self:
        """Start to campaign; needs no API server to be there."""
        self._health.starting(COMPONENT)
        self._campaign = asyncio.create_task(self._run(), name=COMPONENT)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Step down, so that a standby need not wait for the Lease to expire."""
        if self._campaign is not None:
            self._campaign.cancel()
            with suppress(asyncio.CancelledError):
                await self._campaign
        self._health.forget(COMPONENT)

    async def _run(self) -> None:
        while True:
            try:
                await self._campaign_in(self._cluster or _cluster(self._config))
            except Unavailable as fault:
                self._fail(fault)
                await self._clock.sleep(self._pause())

    async def _campaign_in(self, cluster: Cluster) -> None:
        namespace = self._config.lease_namespace or cluster.namespace
        if not namespace:
            raise Unavailable("the Lease's namespace is not known; set lease_namespace", blocked=True)
        candidate = Candidate(self.identity, self._config.lease_name, namespace, self._config.lease_duration)
        async with Api(cluster, timeout=min(self._config.renew_deadline, 5.0)) as api:
            term = _Term(api, candidate, self._clock)
            try:
                while True:
                    await self._stand_by(term)
                    await self._lead(term)
            finally:
                if self.leading:
                    self._stand_back()
                    with suppress(Unavailable):
                        await term.release()

    async def _stand_by(self, term: "_Term") -> None:
        """Look at the Lease until it is ours."""
        while True:
            try:
                won = await term.attempt()
            except Unavailable as fault:
                self._fail(fault)
                await self._clock.sleep(self._pause())
                continue
            self._well()
            if won:
                return
            self._tell(term.candidate.holder)
            wait = term.candidate.expires() - self._clock.monotonic()
            await self._clock.sleep(min(self._pause(), max(wait, 0.0) + random.uniform(0, 0.1)))  # noqa: S311

    async def _lead(self, term: "_Term") -> None:
        """Renew the Lease until that fails for too long or somebody else has it."""
        self._holder = self.identity
        self._led_until = term.former
        self._stands_by.clear()
        self._leads.set()
        log.info("this replica leads and polls", extra={"component": COMPONENT, "identity": self.identity})
        reason = "the Lease was not renewed in time"
        while (left := term.renewed + self._config.renew_deadline - self._clock.monotonic()) > 0:
            try:
                async with asyncio.timeout(left):
                    await self._clock.sleep(min(self._config.retry_period, left))
                    if not await term.attempt():
                        reason = f"{term.candidate.holder or 'nobody'} has the Lease"
                        break
                self._well()
            except TimeoutError:
                break
            except Unavailable as fault:
                reason = f"the Lease was not renewed in time: {fault.reason}"
                self._fail(fault)
        self._stand_back()
        log.warning("this replica does not lead any more", extra={"component": COMPONENT, "reason": reason})

    def _well(self) -> None:
        self._failing = ""
        self._health.ok(COMPONENT)

    def _fail(self, fault: Unavailable) -> None:
        """Told once, however long it lasts."""
        if fault.reason != self._failing:
            log.warning("the Lease can't be read or written: %s", fault.reason, extra={"component": COMPONENT})
        self._failing = fault.reason
        self._health.fail(COMPONENT, "", fault.reason, blocked=fault.blocked)

    def _stand_back(self) -> None:
        self._leads.clear()
        self._stands_by.set()
        self._holder = ""

    def _tell(self, holder: str) -> None:
        if holder != self._holder:
            self._holder = holder
            log.info("standing by", extra={"component": COMPONENT, "leader": holder})

    def _pause(self) -> float:
        """The next look, not at the same moment in every replica."""
        return self._config.retry_period * random.uniform(0.8, 1.0)  # noqa: S311 - no secret


class _Term:
    """The Lease as it was last read or written, and attempts to write it."""

    def __init__(self, api: Api, candidate: Candidate, clock: Clock) -> None:
        self.candidate = candidate
        self.renewed = -math.inf
        """When the request that last made or kept us leader was sent."""
        self.former: int | None = None
        """When (ms) somebody else last led, by that one's clock."""
        self._api = api
        self._clock = clock
        self._lease: dict[str, Any] | None = None
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{candidate.namespace}/leases"
        self._path = f"{self._collection}/{candidate.name}"

    async def attempt(self) -> bool:
        """Try to lead, or to go on leading; whether we do."""
        with suppress(Conflict):
            return await self._attempt()
        # Somebody wrote it meanwhile, or our own write's answer got lost: that is seen by reading it again.
        self._lease = None
        with suppress(Conflict):
            return await self._attempt()
        self._lease = None
        return False

    async def _attempt(self) -> bool:
        candidate, clock = self.candidate, self._clock
        if self._lease is None or candidate.holder != candidate.identity:
            self._lease = await self._api.get(self._path)
            candidate.observe(self._lease, clock.monotonic())
            if not candidate.may_lead(clock.monotonic()):
                return False
            if candidate.holder != candidate.identity:
                self.former = candidate.last_sign()
        claim = candidate.claim(self._lease, clock.now())
        sent = clock.monotonic()
        if self._lease is None:
            self._lease = await self._api.create(self._collection, claim)
        else:
            self._lease = await self._api.update(self._path, claim)
        candidate.observe(self._lease, clock.monotonic())
        self.renewed = sent
        return True

    async def release(self) -> None:
        """Step down, if the Lease is still ours; where that fails, the others wait until it expires."""
        with suppress(Conflict):
            await self._release()
            return
        # A renewal was cut off by the end, and done all the same.
        self._lease = await self._api.get(self._path)
        self.candidate.observe(self._lease, self._clock.monotonic())
        await self._release()

    async def _release(self) -> None:
        if self._lease is not None and self.candidate.holder == self.candidate.identity:
            await self._api.update(self._path, self.candidate.release(self._lease, self._clock.now()))


def _cluster(config: LeaseConfig) -> Cluster:
    if config.auth_type == "none":
        return Cluster(config.api_server or service_url())
    found = in_cluster()
    return replace(found, url=config.api_server) if config.api_server else found
