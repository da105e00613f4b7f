"""The client's requests, at the seam where they leave for the network."""

import re
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from unittest.mock import Mock

import aiohttp
import pytest
from aioresponses import CallbackResult, aioresponses
from github_model import START, FakeIntake, VirtualClock, context

from shipper.core.errors import Unavailable
from shipper.receivers.github import Config, GitHub
from shipper.receivers.github.conversation import ONCE, RUNNING


class Response(aiohttp.ClientResponse):
    """aioresponses 0.7.9 does not know `stream_writer`, which aiohttp 3.14 wants; a newer release will."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs, stream_writer=Mock(output_size=0))


LOG = "https://api.github.com/orgs/acme/audit-log"
FIRST = f"{LOG}?phrase=created:%3E%3D2023-11-13T22:13:20%2B00:00&include=all&order=asc&per_page=100"


@pytest.fixture
def github():
    """What the network answers, request by request; anything else is refused."""
    with aioresponses() as mocked:
        mocked.get = partial(mocked.get, response_class=Response)
        yield mocked


@pytest.fixture
def clock():
    return VirtualClock(START)


@pytest.fixture
async def poll(clock):
    """Polls acme's audit log once, by a process of its own; what it took."""
    async with AsyncExitStack() as stack:

        async def poll(**settings):
            intake = FakeIntake()
            config = {"organizations": ["acme"], "auth": {"token": "ghp_x"}, "streams": {"code_scanning": False}}
            receiver = GitHub(Config.model_validate(config | settings), context(clock))
            (source,) = await receiver.sources(intake, stack, RUNNING)
            await source.poll()
            return intake.uids

        yield poll


def page(*ids: str) -> list[dict]:
    return [{"_document_id": each, "@timestamp": START - 1000 + n, "action": "a"} for n, each in enumerate(ids)]


async def test_pages_are_followed_as_they_are_named(github, poll):
    second = "https://api.github.com/organizations/42/audit-log?after=MS%7C2&phrase=created%3A%3E%3D2023&x=%2B"
    github.get(FIRST, payload=page("a", "b"), headers={"Link": f'<{second}>; rel="next"'})
    github.get(second, payload=page("c"))
    assert await poll() == ["a", "b", "c"]
    (asked,) = [url for (_, url) in github.requests if "organizations" in str(url)]
    assert str(asked) == str(type(asked)(second))


@pytest.mark.parametrize(
    ("link", "second"),
    [
        ("?after=MS%7C2", f"{LOG}?after=MS%7C2"),
        ("/organizations/42/audit-log?after=2", "https://api.github.com/organizations/42/audit-log?after=2"),
        ("//api.github.com/organizations/42/audit-log", "https://api.github.com/organizations/42/audit-log"),
    ],
)
async def test_a_relative_link_is_relative_to_the_request(github, poll, link, second):
    """RFC 8288, 3.2: a link's address may be relative, as GitHub's are not, but a proxy's may be."""
    github.get(FIRST, payload=page("a", "b"), headers={"Link": f'<{link}>; rel="next"'})
    github.get(second, payload=page("c"))
    assert await poll() == ["a", "b", "c"]


@pytest.mark.parametrize(
    "link",
    [
        "//evil.example/x",
        "https:evil.example",
        "http://api.github.com/x",
        "https://[x",
        "https://a:b@api.github.com/x",
    ],
)
async def test_a_relative_link_can_lead_to_no_other_host(github, poll, link):
    github.get(FIRST, payload=page("a"), headers={"Link": f'<{link}>; rel="next"'})
    with pytest.raises(Unavailable, match="on another host") as caught:
        await poll()
    assert caught.value.blocked
    assert [url.host for (_, url) in github.requests] == ["api.github.com"]


async def test_every_request_carries_what_github_wants(github, poll):
    github.get(FIRST, payload=[])
    await poll(api_version="2026-03-10")
    ((call,),) = github.requests.values()
    assert call.kwargs["headers"]["X-GitHub-Api-Version"] == "2026-03-10"
    assert call.kwargs["headers"]["Accept"] == "application/vnd.github+json"
    assert call.kwargs["headers"]["User-Agent"].startswith("github-log-shipper/")
    assert call.kwargs["allow_redirects"] is False


async def test_retry_after_comes_before_everything_else(github, poll, clock):
    limits = {"Retry-After": "17", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(START // 1000 + 3000)}
    github.get(FIRST, status=403, headers=limits, payload={"message": "API rate limit exceeded"})
    github.get(FIRST, payload=page("a"))
    assert await poll() == ["a"]
    assert clock.slept[0] == 17.0


async def test_the_reset_is_waited_for_where_nothing_else_is_said(github, poll, clock):
    limits = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(START // 1000 + 3000)}
    github.get(FIRST, status=429, headers=limits, payload={"message": "API rate limit exceeded"})
    github.get(FIRST, payload=page("a"))
    assert await poll() == ["a"]
    assert clock.slept == [3001.0]


async def test_secondary_limits_without_a_time_wait_a_minute_and_then_twice_that(github, poll, clock):
    for _ in range(2):
        github.get(FIRST, status=403, payload={"message": "You have exceeded a secondary rate limit."})
    github.get(FIRST, payload=page("a"))
    assert await poll() == ["a"]
    assert 60 <= clock.slept[0] <= 66
    assert 120 <= clock.slept[1] <= 132


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_refusal_is_asked_once(github, poll, status, clock):
    github.get(FIRST, status=status, payload={"message": "no"})
    with pytest.raises(Unavailable) as caught:
        await poll()
    assert caught.value.blocked
    assert clock.slept == []


@pytest.mark.parametrize("status", [401, 403, 404, 422, 500])
async def test_a_token_that_the_answer_repeats_is_told_to_nobody(github, poll, status, tmp_path):
    """Debugging proxies and gateways do that; the reason stands in /readyz and in the log."""
    token = "github_pat_11ABCDEFG0_secret"
    (tmp_path / "token").write_text(token)
    headers = {"X-GitHub-SSO": f"required; url=https://example.com/{token}"}
    said = {"message": f"Bad credentials: Bearer {token}"}
    github.get(FIRST, status=status, payload=said, headers=headers, repeat=True)
    with pytest.raises(Unavailable) as refused:
        await poll(auth={"token_file": str(tmp_path / "token")})
    assert refused.value.reason
    assert token not in refused.value.reason


async def test_a_connection_that_breaks_is_tried_again(github, poll):
    github.get(FIRST, exception=aiohttp.ServerDisconnectedError())
    github.get(FIRST, exception=TimeoutError())
    github.get(FIRST, payload=page("a"))
    assert await poll() == ["a"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_on_the_same_host_is_followed_with_the_token(github, poll, status):
    moved = "https://api.github.com/organizations/42/audit-log?x=1"
    github.get(FIRST, status=status, headers={"Location": moved})
    github.get(moved, payload=page("a"))
    assert await poll() == ["a"]
    sent = [call.kwargs["headers"]["Authorization"] for (call,) in github.requests.values()]
    assert sent == ["Bearer ghp_x", "Bearer ghp_x"]


async def test_a_redirect_to_another_host_is_not_followed(github, poll):
    github.get(FIRST, status=302, headers={"Location": "https://evil.example/"})
    with pytest.raises(Unavailable, match="not followed"):
        await poll()
    assert [url.host for (_, url) in github.requests] == ["api.github.com"]


@pytest.fixture
async def polls(github, clock):
    """Polls acme as a running shipper does, half a minute apart, eight times; whether it was ready after each."""
    async with AsyncExitStack() as stack:

        async def polls(answer, intake=None, **streams) -> list[bool]:
            github.get(re.compile("https://api"), callback=answer, repeat=True)
            settings = {"organizations": ["acme"], "auth": {"token": "ghp_x"}, "streams": streams}
            made = context(clock)
            receiver = GitHub(Config.model_validate(settings), made)
            (source,) = await receiver.sources(intake or FakeIntake(), stack, ONCE)
            ready = []
            for _ in range(8):
                await receiver._poll(source)
                ready.append(not made.health.unready())
                clock.ms += 30_000
            return ready

        yield polls


def broken_for_good(times: int, broken: Callable[[str], bool], status: int) -> Callable[..., CallbackResult]:
    """A listing with a next page, where some of its pages fail so many times; each answer is two lines long."""
    left = [times]

    def answer(url, **_) -> CallbackResult:
        more = "after" not in url.query
        headers = {"Link": f'<{LOG}?after=1>; rel="next"'} if more and url.path.endswith("audit-log") else {}
        if broken(str(url)) and left[0]:
            left[0] -= 1
            return CallbackResult(status=status, payload={"message": "no"}, response_class=Response)
        rows = page("a", "b") if "audit-log" in url.path else []
        return CallbackResult(payload=rows, headers=headers, response_class=Response)

    return answer


@pytest.mark.parametrize("status", [400, 502])
async def test_a_listing_that_breaks_off_behind_its_first_page_is_not_ready(polls, caplog, status):
    """The first page works at each poll: that is no recovery, and no end of the incident in the log."""
    caplog.set_level("INFO")
    answer = broken_for_good(99, lambda url: "after=1" in url, status)
    assert not any((await polls(answer, code_scanning=False))[4:])
    assert len(caplog.records) == 1


async def test_a_state_of_alerts_that_fails_is_not_ready_though_the_others_work(polls, caplog):
    caplog.set_level("INFO")
    answer = broken_for_good(99, lambda url: "state=fixed" in url, 503)
    assert not any((await polls(answer, audit_log=False, code_scanning={}))[4:])
    assert len(caplog.records) == 1


async def test_a_listing_that_comes_to_its_end_again_is_ready(polls, caplog):
    caplog.set_level("INFO")
    answer = broken_for_good(12, lambda url: "after=1" in url, 502)
    assert (await polls(answer, code_scanning=False))[-1]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


class FullIntake(FakeIntake):
    """An intake without room."""

    async def emit(self, batch) -> None:
        raise Unavailable("the disk is full")


async def test_a_stream_whose_events_can_not_be_stored_does_not_work_though_github_answers(polls, caplog):
    """Nothing arrives: each poll's first page is no recovery."""
    caplog.set_level("INFO")
    answer = broken_for_good(0, lambda _: False, 200)
    await polls(answer, FullIntake(), code_scanning=False)
    assert [record.getMessage() for record in caplog.records] == ["the disk is full"]
