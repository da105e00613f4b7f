"""The client's requests, at the seam where they leave for the network."""

from contextlib import AsyncExitStack
from functools import partial
from unittest.mock import Mock

import aiohttp
import pytest
from aioresponses import aioresponses
from github_model import START, FakeIntake, VirtualClock, context

from shipper.core.errors import Unavailable
from shipper.receivers.github import Config, GitHub
from shipper.receivers.github.conversation import RUNNING


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
    "link", ["//evil.example/x", "https:evil.example", "http://api.github.com/x", "https://[x"]
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
