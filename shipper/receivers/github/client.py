"""The way to one GitHub: requests with its headers, serial per token, inside its quota.

All that is decided is decided in `answers` and `quota`; here it is done.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin

from shipper.core.clock import Clock
from shipper.net.http import Answer, Session
from shipper.receivers.github.answers import date_of
from shipper.receivers.github.auth import Credentials
from shipper.receivers.github.quota import Quota

#: Redirects followed for one request, on the same origin only.
_REDIRECTS: Final = 2
#: Seconds for which a request keeps others of its token waiting. Most are answered in one, GitHub itself gives up
#: after ten; one that takes longer goes on beside the others, so that an organization that hangs holds no other.
_TURN: Final = 5.0
#: Letters of a token below which it is none of GitHub's, and would be found in any text.
_TELLING: Final = 8
_NOTHING: Final[Mapping[str, str]] = {}


class Api:
    """Requests to one GitHub, with what each needs; knows the server's clock."""

    def __init__(self, session: Session, base_url: str, api_version: str, clock: Clock) -> None:
        self.base_url = base_url
        self._session = session
        self._version = api_version
        self._clock = clock
        self._ahead = 0.0

    async def send(
        self,
        method: str,
        address: str,
        token: str,
        headers: Mapping[str, str] = _NOTHING,
        body: bytes | None = None,
    ) -> Answer:
        """One request; `address` is a path below the base, or a whole address of the same origin.

        Raises:
            Unavailable: no answer.
        """
        url = f"{self.base_url}{address}" if address.startswith("/") else address
        for _ in range(_REDIRECTS + 1):
            answer = await self._session.request(method, url, self._headers(token, headers), body)
            self._learn_time(answer)
            target = urljoin(url, answer.headers.get("location", ""))
            if method != "GET" or not 300 < answer.status < 309 or answer.status == 304:
                break
            if target == url or not self._session.owns(target):
                break
            url = target
        return _hushed(answer, token)

    def server_time(self) -> float:
        """The server's time in seconds since the epoch: ours, put right by the last `Date`."""
        return self._clock.now() / 1e9 + self._ahead

    @property
    def skew(self) -> float:
        """Seconds by which the server's clock is ahead of ours, to about a second."""
        return self._ahead

    def owns(self, url: str) -> bool:
        """Whether an address is on this GitHub."""
        return self._session.owns(url)

    def _headers(self, token: str, more: Mapping[str, str]) -> dict[str, str]:
        return {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {token}",
            "X-GitHub-Api-Version": self._version,
            **more,
        }

    def _learn_time(self, answer: Answer) -> None:
        date = date_of(answer.headers)
        if date is None:
            return
        ahead = date / 1000 - self._clock.now() / 1e9
        # Dates are whole seconds and answers take time: only a difference that can't come from that counts.
        self._ahead = ahead if abs(ahead) > 5.0 else 0.0


def _hushed(answer: Answer, token: str) -> Answer:
    """An answer that is no page, without the token: some servers and proxies repeat the request they refuse."""
    page = answer.status == 200 and answer.body.lstrip()[:1] == b"["
    if page or len(token) < _TELLING:
        return answer
    headers = {name: value.replace(token, "***") for name, value in answer.headers.items()}
    return answer._replace(headers=headers, body=answer.body.replace(token.encode(), b"***"))


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of a turn: an answer, with the server's time when it was asked for; or seconds to wait first."""

    answer: Answer | None
    asked: int = 0
    """ms since the epoch."""
    wait: float = 0.0


class Lane:
    """All requests of one token: one at a time, first come first served, and none beyond the quota.

    Args:
        api: who is asked.
        credentials: who asks.
        min_remaining: calls of each window that are left to others.
        clock: the time.
        turn: seconds after which a request that is not answered no longer keeps the next one waiting.
    """

    def __init__(
        self, api: Api, credentials: Credentials, min_remaining: int, clock: Clock, *, turn: float = _TURN
    ) -> None:
        self.api = api
        self.quota = Quota(min_remaining)
        self.sharers: dict[str, int] = {}
        """How many streams use each resource."""
        self._credentials = credentials
        self._clock = clock
        self._lock = asyncio.Lock()
        self._turn = turn

    @property
    def app(self) -> bool:
        """Whether a GitHub App asks."""
        return self._credentials.app

    async def get(self, url: str, resource: str, headers: Mapping[str, str]) -> Turn:
        """One request, if the quota allows it now.

        Raises:
            Unavailable: no answer, or no token.
        """
        async with self._lock:
            wait = self.quota.wait(resource, self._clock.monotonic())
            if wait > 0:
                return Turn(None, wait=wait)
            asking = asyncio.create_task(self._ask(url, await self._credentials.token(), headers))
            try:
                await asyncio.wait([asking], timeout=self._turn)
            except asyncio.CancelledError:
                asking.cancel()
                raise
        return await asking

    async def _ask(self, url: str, token: str, headers: Mapping[str, str]) -> Turn:
        asked, answer = await self._timed(url, token, headers)
        if answer.status == 401 and self._credentials.refused(token):
            asked, answer = await self._timed(url, await self._credentials.token(), headers)
        return Turn(answer, asked)

    async def _timed(self, url: str, token: str, headers: Mapping[str, str]) -> tuple[int, Answer]:
        """The answer, and the server's time (ms) when it can't have begun to look yet."""
        before = self._clock.now()
        answer = await self.api.send("GET", url, token, headers)
        date = date_of(answer.headers)
        if date is None:
            return before // 1_000_000, answer
        return date - (self._clock.now() - before) // 1_000_000, answer
