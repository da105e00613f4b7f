"""A receiver before a simulated GitHub, in time that passes only where somebody lets it."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from github_model import FakeIntake, VirtualClock, context

from shipper.core.component import Context, Paths
from shipper.receivers.github import Config, GitHub
from shipper.receivers.github.conversation import RUNNING
from shipper.receivers.github.receiver import Source
from shipper.simulator import Options, Simulator
from shipper.wire.github import audit_uid

OVERLAP = {"overlap": "10m", "initial_lookback": "24h"}


class Trial:
    """One process of the receiver: its sources, polled when the test says so."""

    def __init__(self, sim: Simulator, context: Context, stack: AsyncExitStack) -> None:
        self.sim = sim
        self.context = context
        self.intake = FakeIntake()
        self.sources: list[Source] = []
        self._stack = stack

    async def start(self, **changes: Any) -> "Trial":
        """Start a process, or another one after the last."""
        settings = {
            "organizations": ["acme-corp"],
            "base_url": self.sim.url,
            "auth": {"token": "ghp_trial"},
            "streams": {"code_scanning": False},
        }
        receiver = GitHub(Config.model_validate(settings | changes), self.context)
        self.sources = await receiver.sources(self.intake, self._stack, RUNNING)
        return self

    async def poll(self, times: int = 1) -> None:
        """Poll every source, five minutes apart."""
        for time in range(times):
            if time:
                self.context.clock.ms += 300_000
            for source in self.sources:
                await source.poll()

    def happen(self, count: int, action: str = "repo.create", **more: Any) -> list[str]:
        """Let events happen, a second apart, ending now; their ids."""
        now = self.sim.now()
        made = [self.sim.happen(action, at=now - (count - n) * 1000, **more) for n in range(count)]
        return [event["_document_id"] for event in made]

    @property
    def uids(self) -> list[str]:
        return self.intake.uids

    @property
    def errors(self) -> dict[str, str]:
        return {state.part: state.error for state in self.context.health.states() if state.error}

    @property
    def truth(self) -> list[str]:
        """The ids of all audit events that can be listed by now."""
        now = self.sim.now()
        return [audit_uid(event.body) for event in self.sim.events() if event.visible <= now]

    def statuses(self, path: str = "") -> list[int]:
        return [seen.status for seen in self.sim.requests if path in seen.path]

    def count(self, metric: str, **labels: str) -> float:
        return self.context.meter.value(metric, receiver="github", **labels)


@pytest.fixture(scope="session")
def key():
    """A GitHub App's."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="session")
def pem(key):
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(1_790_000_000_000)


@pytest.fixture
async def trial(clock, tmp_path):
    """Makes a simulated GitHub (by default a quiet one) with a receiver before it that has not started yet."""
    async with AsyncExitStack() as stack:

        async def make(*faults: str, demo: bool = False, **options: Any) -> Trial:
            settings = {"organizations": ("acme-corp",)} | options
            chosen = Options(**settings) if demo else Options.quiet(**settings)
            sim = await stack.enter_async_context(Simulator(chosen, clock=clock, faults=faults))
            made = context(clock)
            made = Context(made.id, made.meter, made.health, clock, Paths(tmp_path, Path()))
            return Trial(sim, made, stack)

        yield make
