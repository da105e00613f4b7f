"""The simulator: a GitHub on localhost, for trials and for tests.

```python
async with Simulator(Options.quiet(organizations=("acme-corp",)), clock=clock) as sim:
    sim.happen("repo.access", visibility="public")
    sim.faults.add("audit_log:503#1")
    ...  # poll sim.url
    assert sim.requests[0].path == "/orgs/acme-corp/audit-log"
```

Nothing happens in the background: what is due is worked out when somebody asks, from the clock, so a virtual clock
simulates days in seconds.
"""

import asyncio
import ssl
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from shipper.core.clock import Clock, SystemClock
from shipper.core.waiting import first
from shipper.net.server import cannot_listen
from shipper.simulator.access import Access, Token
from shipper.simulator.alerts import Alert, Stream
from shipper.simulator.answers import Answer, Request
from shipper.simulator.api import Api
from shipper.simulator.faults import FaultPlan
from shipper.simulator.options import Options
from shipper.simulator.rules import RULES, Rule
from shipper.simulator.templates import TEMPLATES, Template
from shipper.simulator.world import Happened, Tenant, World, time_of

_COMPRESSED: Final = (256, 2**20)
"""Sizes of bodies that are sent compressed to clients that accept it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One request the simulator got, and the status it answered."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    body: bytes
    time: int
    """Simulated time in ms."""
    status: int


class Simulator:
    """A simulated GitHub, served between `async with` entry and exit."""

    def __init__(  # noqa: PLR0913 - keyword-only choices of a public class
        self,
        options: Options | None = None,
        *,
        clock: Clock | None = None,
        faults: tuple[str, ...] = (),
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.options = options or Options()
        self.clock = clock or SystemClock()
        self.faults = FaultPlan(faults, self.options.seed)
        self.world = World(self.options, self.now())
        self.access = Access(self.options)
        self.requests: deque[Seen] = deque(maxlen=self.options.keep_requests)
        self._api = Api(self.options, self.world, self.access, self.faults)
        self._host, self._port, self._tls = host, port, tls
        self._active: Counter[str] = Counter()
        self._asked = asyncio.Event()
        self._closing = asyncio.Event()
        self._runner: web.AppRunner | None = None

    def now(self) -> int:
        """Simulated time in ms."""
        return self.clock.now() // 1_000_000

    @property
    def url(self) -> str:
        """The API's base URL, `/api/v3` included where it is an Enterprise Server."""
        scheme = "https" if self._tls else "http"
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{scheme}://{host}:{self._port}" + ("/api/v3" if self.options.server_version else "")

    @property
    def tokens(self) -> dict[str, Token]:
        """What each token may do, by its value; others are taken as they come unless `Options.tokens` says."""
        return self.access.tokens

    async def __aenter__(self) -> "Simulator":
        app = web.Application(client_max_size=2**20)
        app.router.add_route("*", "/{path:.*}", self._respond)
        self._runner = web.AppRunner(app, access_log=None, max_line_size=65536, max_field_size=65536)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port, ssl_context=self._tls).start()
        except OSError as error:
            await self._runner.cleanup()
            raise cannot_listen(self._host, self._port, error) from error
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._closing.set()
        if self._runner:
            await self._runner.cleanup()

    def add_event(
        self, event: Any, *, organization: str | None = None, at: int | None = None, visible: int | None = None
    ) -> Any:
        """Add an event as it is. `at`: its place in the log (default: its time); `visible`: from when on; ms."""
        time = at if at is not None else time_of(event, self.now())
        self._tenant(organization).add(event, time, time if visible is None else visible)
        return event

    def happen(
        self,
        action: str,
        *,
        organization: str | None = None,
        at: int | None = None,
        late: float = 0.0,
        **fields: Any,
    ) -> dict[str, Any]:
        """Make a realistic event with these fields happen, now or `at` (ms); it shows up `late` seconds later.

        A field that is None is left out: `created_at=None`.
        """
        time = self.now() if at is None else at
        template = next((one for one in TEMPLATES if one.action == action), Template(action, "modify"))
        drawn = self._tenant(organization).draft(template, time)
        left_out = {name for name, value in fields.items() if value is None}
        if not self.options.actor_ip:
            left_out |= {"actor_ip"} - fields.keys()
        event = {name: value for name, value in (drawn | fields).items() if name not in left_out}
        return self.add_event(event, organization=organization, at=time, visible=time + int(late * 1000))  # type: ignore[no-any-return]

    def remove_event(self, document_id: str, organization: str | None = None) -> None:
        """Take an event out of the listings, as if it had never been there; `events` still tells of it."""
        tenant = self._tenant(organization)
        for row in list(tenant.log):
            body = tenant.body(row, address=False)
            if isinstance(body, Mapping) and body.get("_document_id") == document_id:
                tenant.log.hide(row.time, row.number)

    def events(self) -> Iterator[Happened]:
        """The truth: every audit event that has happened by now, listed or not yet, with its times."""
        self.world.advance(self.now())
        return self.world.truth()

    def open_alert(
        self,
        stream: Stream = "code_scanning",
        *,
        organization: str | None = None,
        repository: str | None = None,
        number: int | None = None,
        rule: Rule | None = None,
        **fields: Any,
    ) -> Alert:
        """Open an alert now; `fields` replace those of its payload."""
        tenant = self._tenant(organization)
        chosen = tenant.cast.repositories[0] if repository is None else tenant.repository(repository)
        alert = tenant.alerts.open(stream, chosen, rule or RULES[stream][0], self.now(), number)
        alert.changes = fields
        return alert

    def change_alert(self, alert: Alert, state: str, *, organization: str | None = None, **fields: Any) -> Alert:
        """Give an alert another state now: dismissed, fixed, resolved, auto_dismissed, open."""
        self._tenant(organization).alerts.change(alert, state, self.now())
        alert.changes |= fields
        return alert

    def alerts(self, organization: str | None = None) -> list[Alert]:
        """The truth: every alert with every state it ever had (`Alert.history`)."""
        tenant = self._tenant(organization)
        return list(tenant.alerts.alerts)

    async def requested(self, count: int) -> Seen:
        """Return the `count`-th request, when it has come."""
        while len(self.requests) < count:
            await self._asked.wait()
        return self.requests[count - 1]

    def spend(self, token: str, resource: str, calls: int) -> None:
        """Let somebody else with the same token make calls."""
        owner = self.tokens.setdefault(token, Token(owner=token, value=token))
        self._api.quota(owner).take(resource, self.now(), calls)

    def suspend(self, organization: str, *, suspended: bool = True) -> None:
        """Suspend the App's installation in an organization, or end that."""
        self._tenant(organization).suspended = suspended

    def _tenant(self, organization: str | None) -> Tenant:
        self.world.advance(self.now())
        found = self.world.organization(organization) if organization else self.world.organizations[0]
        if found is None:
            raise LookupError(f"there is no organization {organization!r} in this simulator")
        return found

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        token = request.headers.get("Authorization", "")
        body = await request.read()
        self._active[token] += 1
        try:
            asked = Request(
                request.method,
                request.path,
                dict(request.query),
                request.headers,
                f"{request.scheme}://{request.host}",
                body,
                self._active[token],
            )
            answer = self._api.handle(asked, self.now())
            self.requests.append(
                Seen(asked.method, asked.path, asked.query, request.headers, body, self.now(), answer.status)
            )
            self._asked.set()
            self._asked.clear()
            return await self._send(request, answer)
        finally:
            self._active[token] -= 1

    async def _send(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        if answer.hang:
            await self._closing.wait()
        elif answer.delay:
            await self._pause(answer.delay)
        response = web.Response(status=answer.status, body=answer.body, headers=answer.headers)
        if answer.body:
            response.headers["Content-Type"] = answer.content_type
        if _COMPRESSED[0] <= len(answer.body) < _COMPRESSED[1]:
            response.enable_compression()
        return await _break_off(request, answer) if answer.cut else response

    async def _pause(self, seconds: float) -> None:
        """Wait on the clock, or until the simulator closes."""
        await first(self.clock.sleep(seconds), self._closing.wait())


async def _break_off(request: web.Request, answer: Answer) -> web.StreamResponse:
    """Promise the whole body, send a part of it, and break the connection."""
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_type = "application/json"
    response.content_length = len(answer.body) + 1
    await response.prepare(request)
    await response.write(answer.body[: len(answer.body) // 2])
    if request.transport is not None:
        request.transport.abort()
    return response
