"""Requests of one token take turns; one that hangs gives its turn away."""

import asyncio

import pytest
from github_model import BASE, ModelGitHub, VirtualClock, context

from shipper.receivers.github.auth import Token
from shipper.receivers.github.client import Api, Lane
from shipper.receivers.github.conversation import RUNNING, Conversation
from shipper.receivers.github.remedies import Subject


class Hanging(ModelGitHub):
    """Answers an organization only when it is let go; counts how many ask at once."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock, [])
        self.gates: dict[str, asyncio.Event] = {}
        self.came = asyncio.Event()
        self.asking = self.most = 0

    async def request(self, method, url, headers, body=None):
        self.came.set()
        self.asking += 1
        self.most = max(self.most, self.asking)
        try:
            for slug, gate in self.gates.items():
                if f"/{slug}/" in url:
                    await gate.wait()
            await asyncio.sleep(0)
            return self.answer([])
        finally:
            self.asking -= 1


@pytest.fixture
def github():
    return Hanging(VirtualClock())


def conversations(github: Hanging, *slugs: str, turn: float) -> list[Conversation]:
    made = context(github.clock)
    lane = Lane(Api(github, BASE, "2022-11-28", github.clock), Token("t"), 100, github.clock, turn=turn)
    return [Conversation(lane, Subject(slug, "audit_log"), made, RUNNING) for slug in slugs]


def page(conversation: Conversation) -> asyncio.Task:
    return asyncio.create_task(conversation.page(f"{BASE}/orgs/{conversation.subject.slug}/audit-log"))


async def test_requests_of_a_token_are_serial(github):
    pages = [page(each) for each in conversations(github, "a", "b", "c", "d", turn=60.0)]
    await asyncio.gather(*pages)
    assert github.most == 1


async def test_an_organization_that_hangs_holds_no_other_for_longer_than_its_turn(github):
    """The others go on while it hangs, one at a time; its own answer is taken whenever it comes."""
    github.gates["slow"] = asyncio.Event()
    slow, *others = conversations(github, "slow", "a", "b", turn=0.01)
    hanging = page(slow)
    await asyncio.gather(*map(page, others))
    assert not hanging.done()
    assert github.most == 2
    github.gates["slow"].set()
    assert (await hanging).page.events == []


async def test_a_request_that_nobody_waits_for_any_more_is_given_up(github):
    """Within its turn and behind it: nothing goes on asking when the receiver stops, and the next has its turn."""
    github.gates["slow"] = asyncio.Event()
    for turn in (0.0, 60.0):
        slow, other = conversations(github, "slow", "a", turn=turn)
        hanging = page(slow)
        await github.came.wait()
        hanging.cancel()
        await asyncio.gather(hanging, return_exceptions=True)
        await page(other)
        assert github.asking == 0
        github.came.clear()
