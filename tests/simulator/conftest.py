"""A simulated GitHub asked without a socket, in time that stands still until it is moved."""

import re
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import orjson
import pytest
from multidict import CIMultiDict
from yarl import URL

from shipper.simulator import FaultPlan, Options
from shipper.simulator.access import Access
from shipper.simulator.answers import Answer, Request
from shipper.simulator.api import Api
from shipper.simulator.world import World

NOON = int(datetime(2026, 3, 14, 12, tzinfo=UTC).timestamp() * 1000)
HEADERS = {"User-Agent": "test", "Authorization": "Bearer secret"}


class Github:
    """The API as a function, with a client's habits."""

    def __init__(self, options: Options, *faults: str) -> None:
        self.now = NOON
        self.world = World(options, NOON)
        self.access = Access(options)
        self.faults = FaultPlan(faults, options.seed)
        self.api = Api(options, self.world, self.access, self.faults)

    def ask(
        self,
        target: str,
        headers: dict[str, str] | None = None,
        method: str = "GET",
        body: bytes = b"",
        **more: int,
    ) -> Answer:
        """Ask for a path with its query, as it would stand in a URL."""
        url = URL("https://api.test" + target, encoded=True)
        sent = CIMultiDict(HEADERS | (headers or {}))
        asked = Request(method, url.path, dict(url.query), sent, "https://api.test", body, **more)
        return self.api.handle(asked, self.now)

    def json(self, target: str) -> Any:
        """The body of a good answer."""
        answer = self.ask(target)
        assert answer.status == 200, answer
        return orjson.loads(answer.body)

    def pages(self, target: str, relation: str = "next") -> list[list[Any]]:
        """All pages, as the links lead."""
        found = []
        while target:
            answer = self.ask(target)
            assert answer.status == 200, answer
            found.append(orjson.loads(answer.body))
            target = links(answer).get(relation, "").removeprefix("https://api.test")
        return found

    def all(self, target: str) -> list[Any]:
        """What all pages hold together."""
        return list(chain.from_iterable(self.pages(target)))

    def event(self, number: int, at: int = 0, late: int = 0, **fields: Any) -> dict[str, Any]:
        """Let an event happen `at` ms after the last minute began, visible `late` ms later."""
        time = NOON - 60_000 + at
        body = {"@timestamp": time, "_document_id": f"d{number}", "action": "repo.create"} | fields
        self.world.organizations[0].add(body, time, time + late)
        return body


def links(answer: Answer) -> dict[str, str]:
    """The Link header, taken apart."""
    return {rel: url for url, rel in re.findall(r'<([^>]*)>; rel="(\w+)"', answer.headers.get("Link", ""))}


@pytest.fixture
def make():
    """Makes a simulated GitHub; by default a quiet one."""
    return lambda *faults, **options: Github(Options.quiet(**options), *faults)


@pytest.fixture
def demo():
    """Makes a simulated GitHub where things happen."""
    return lambda *faults, **options: Github(Options(**options), *faults)


@pytest.fixture
def link():
    """Takes a Link header apart."""
    return links


@pytest.fixture
def noon():
    """When simulated time starts, in ms."""
    return NOON
