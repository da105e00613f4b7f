"""Days in seconds: a simulated GitHub without sockets, and a clock that jumps to whatever is due next."""

import asyncio
import heapq
from collections import Counter

from multidict import CIMultiDict
from yarl import URL

from shipper.net.http import Answer, Session
from shipper.receivers.github import GitHub
from shipper.simulator import Simulator
from shipper.simulator.answers import Request


class JumpingClock:
    """Time stands still while anything runs, then jumps to the next one who sleeps."""

    def __init__(self, ms: int) -> None:
        self.ms = ms
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> int:
        return self.ms * 1_000_000

    def monotonic(self) -> float:
        return self.ms / 1000

    async def sleep(self, seconds: float) -> None:
        self._count += 1
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.ms + max(int(seconds * 1000), 1), self._count, woken))
        await woken

    async def pass_(self, seconds: float) -> None:
        """Let so much time pass, with everything that happens in it."""
        end = self.ms + int(seconds * 1000)
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            self.ms, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)
            await self._settle()
        self.ms = end

    @staticmethod
    async def _settle() -> None:
        """Until nobody has anything to do: nothing here waits for a socket."""
        ready = asyncio.get_running_loop()._ready
        await asyncio.sleep(0)
        while ready:  # noqa: ASYNC110 - it is the turn of the others, and there is no event for that
            await asyncio.sleep(0)


class Shortcut(Session):
    """A session that asks the simulator as a function."""

    def __init__(self, sim: Simulator, base_url: str) -> None:
        super().__init__(base_url)
        self._sim = sim
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.latency = 0

    async def request(self, method, url, headers, body=None) -> Answer:
        address = URL(url, encoded=True)
        sent = CIMultiDict({"User-Agent": "test", **headers})
        asked = Request(method, address.path, dict(address.query), sent, str(address.origin()), body or b"")
        answer = self._sim._api.handle(asked, self._sim.now())
        self.statuses[address.path.rsplit("/", 1)[-1], answer.status] += 1
        if self.latency:
            await self._sim.clock.sleep(self.latency)
        return Answer(answer.status, {key.lower(): value for key, value in answer.headers.items()}, answer.body)


class Shortened(GitHub):
    """The receiver, asking by a shortcut."""

    def __init__(self, config, context, session: Shortcut) -> None:
        super().__init__(config, context)
        self._shortcut = session

    def _session(self) -> Session:
        return self._shortcut
