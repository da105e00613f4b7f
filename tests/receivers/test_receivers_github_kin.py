"""An organization beside its enterprise: what both list is taken once, whatever happens in whatever order."""

import asyncio
from contextlib import suppress
from random import Random
from urllib.parse import urlsplit

import pytest
from github_model import BASE, START, Crash, FakeIntake, ModelGitHub, Row, VirtualClock, context
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.core.errors import Unavailable
from shipper.receivers.github import remembered
from shipper.receivers.github.audit_log import AuditEvent, AuditLog
from shipper.receivers.github.auth import Token
from shipper.receivers.github.client import Api, Lane
from shipper.receivers.github.config import AuditLogConfig
from shipper.receivers.github.conversation import RUNNING, Conversation
from shipper.receivers.github.kin import Kin
from shipper.receivers.github.ledger import Ledger
from shipper.receivers.github.remedies import Subject

UNIT = 50_000
CONFIG = AuditLogConfig(overlap="200s", initial_lookback="24h")
PLACES = (Subject("acme", "audit_log"), Subject("big", "audit_log", "enterprise"), Subject("tide", "audit_log"))


class Enterprise(ModelGitHub):
    """Two organizations' audit logs and their enterprise's, which lists every event at a time of its own."""

    def serve(self, url: str):
        slug = urlsplit(url).path.split("/")[2]
        every = self.rows
        self.rows = [
            Row(row.id, row.time, row.more[slug])
            for row in every
            if slug in row.more and row.more[slug] is not None
        ]
        answer = super().serve(url)
        self.rows = every
        return answer


class Interleaved(FakeIntake):
    """A journal that lets others go on before it stores and after, and forgets ids as soon as it may."""

    async def emit(self, batch):
        await self.pause()
        await super().emit(batch)
        await self.pause()

    async def seen(self, source, since):
        await self.pause()
        return await super().seen(source, since)

    async def pause(self) -> None:
        for _ in range(self.chance.choice([0, 1, 3])):
            await asyncio.sleep(0)


class World:
    """The model, with a script of what happens between requests."""

    def __init__(self, chance: Random, numbered: bool) -> None:
        self.chance = chance
        self.lives = chance.choice([0, 4, 30])
        self.haste = chance.choice([0.2, 0.7])
        self.absent = chance.choice(["", "acme", "big"])
        """Who can't be read for the first half."""
        self.clock = VirtualClock()
        self.github = Enterprise(self.clock, rows_of(chance), size=chance.choice([1, 2, 4]))
        self.github.numbered = numbered
        self.github.step = self.happen
        self.intake = Interleaved(self.happen)
        self.intake.chance = chance

    def happen(self, moment: str = "") -> None:
        chance = self.chance
        if chance.random() < self.haste:
            self.clock.ms += chance.choice([UNIT // 2, UNIT, 2 * UNIT])
        if self.lives and chance.random() < 0.1:
            self.lives -= 1
            if moment == "before commit" and chance.random() < 0.5:
                raise Unavailable("storage: disk full")
            raise Crash

    def start(self) -> list[AuditLog]:
        clock, kin, made = self.clock, Kin(), context(self.clock)
        lane = Lane(Api(self.github, BASE, "2022-11-28", clock), Token("t"), 100, clock)
        streams = []
        for subject in PLACES:
            conversation = Conversation(lane, subject, made, RUNNING)
            source = f"github/{subject.slug}/audit_log"
            ledger = Ledger(source, AuditEvent(subject.slug), self.intake, made, {}, body="map", kin=kin)
            streams.append(AuditLog(conversation, ledger, CONFIG, UNIT / 1000))
        return streams

    async def run(self, rounds: int) -> None:
        """Poll all at once; a process that dies is started anew, with whatever the others were doing cut off."""
        streams = self.start()
        for turn in range(rounds):
            polls = [
                asyncio.create_task(self.poll(stream))
                for stream in streams
                if stream.conversation.subject.slug != self.absent or turn > rounds // 2
            ]
            done, others = await asyncio.wait(polls, return_when=asyncio.FIRST_EXCEPTION)
            for poll in others:
                poll.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            if any(isinstance(poll.exception(), Crash) for poll in done):
                streams = self.start()
            self.clock.ms += UNIT

    async def poll(self, stream: AuditLog) -> None:
        await self.intake.pause()
        with suppress(Unavailable):
            await stream.poll()


def rows_of(chance: Random) -> list[Row]:
    """Events of one organization or the other, or of the enterprise alone, each listing late in its own way."""
    rows = []
    for number in range(chance.choice([1, 10, 40])):
        time = START + chance.randint(-10, 40) * UNIT
        whose = chance.choice(
            [("acme", "big"), ("acme", "big"), ("tide", "big"), ("big",), ("acme", "tide", "big")]
        )
        visible = {slug: time + chance.choice([0, 0, 1, 3, 4]) * UNIT for slug in whose}
        rows.append(Row(f"e{chance.randint(0, 999)}-{number}", time, min(visible.values()), more=visible))
    return rows


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), numbered=st.booleans(), keep=st.sampled_from([0, 3, 8192]))
def test_what_several_listings_have_is_taken_exactly_once(seed, numbered, keep):
    """At once, late here or there, one of them away for long, deaths between any two steps, little memory."""
    world = World(Random(seed), numbered)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remembered, "KEEP", keep)
        asyncio.run(world.run(40))
        world.clock.ms = max(world.clock.ms, START + 50 * UNIT)
        world.haste = world.lives = 0
        world.absent = ""
        asyncio.run(world.run(3))
    uids = world.intake.uids
    assert len(uids) == len(set(uids))
    assert {row.id for row in world.github.rows} == set(uids)


async def test_the_enterprise_beside_its_organizations_takes_nothing_twice(trial):
    """Audit events and alerts; each listing remembers what it saw, so that each is complete by itself."""
    places = {"organizations": ["acme-corp", "tidewatch"], "enterprise": "acme"}
    t = await trial(demo=True, rate=0.2, late=0.2, alerts=60, organizations=("acme-corp", "tidewatch"))
    for _ in range(6):
        await t.start(**places, streams={"secret_scanning": True})
        await t.poll()
        t.context.clock.ms += 300_000
    await t.poll()
    assert len(t.uids) == len(set(t.uids))
    assert set(t.uids) >= set(t.truth)
    packed = await t.intake.seen("github/acme/audit_log", 0)
    assert len(remembered.unpacked(packed)) >= len(t.truth)


async def test_an_enterprise_that_is_read_later_takes_only_what_is_its_own(trial, monkeypatch):
    """What the organization's listing took and has no longer in memory is looked up in the journal."""
    monkeypatch.setattr(remembered, "KEEP", 0)
    t = await (await trial()).start(enterprise="acme")
    organization, enterprise = t.sources
    ids = t.happen(300)
    for _ in range(3):
        await organization.poll()
        t.context.clock.ms += 3_600_000
        ids += t.happen(1)
    await organization.poll()
    assert not any(remembered.digest(one) in organization.listings[0].ledger.remembered for one in ids[:300])
    await enterprise.poll()
    assert t.uids == ids
    await t.start(enterprise="acme")
    await t.poll(2)
    assert t.uids == ids


async def test_an_organization_and_an_enterprise_of_the_same_name_are_two(trial):
    """Each has its own place in the journal and its own line in the status."""
    t = await (await trial(organizations=("acme", "tidewatch"), enterprise="acme")).start(
        organizations=["acme"], enterprise="acme"
    )
    t.happen(3, organization="acme")
    t.happen(2, organization="tidewatch")
    await t.poll(2)
    assert len(t.uids) == len(set(t.uids)) == 5
    assert set(t.intake.checkpoints) == {"github/acme/audit_log", "github/enterprises/acme/audit_log"}
    assert {state.part for state in t.context.health.states()} == {"acme audit_log", "enterprises/acme audit_log"}
