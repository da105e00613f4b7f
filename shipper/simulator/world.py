"""All organizations of the simulator and their enterprise: what happened, and what can be listed."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from shipper.simulator.alerts import AlertBook, Stream, Transition
from shipper.simulator.audit_log import GIVEN, GIVEN_GIT, AuditLog, Row
from shipper.simulator.events import make_event
from shipper.simulator.options import DEFAULT_ENTERPRISE, DEFAULT_ORGANIZATION, Options
from shipper.simulator.people import Cast, Repository, numeric_id
from shipper.simulator.rules import RULES
from shipper.simulator.templates import TEMPLATES, Template
from shipper.simulator.traffic import Traffic

_SLUG: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,37}[A-Za-z0-9])?")
_MAX_ORGANIZATIONS: Final = 1000
_SERIAL_BITS: Final = 40
_GIVEN_SERIAL: Final = 1 << 39
"""Serials of given events start here, behind all that are made up."""


@dataclass(frozen=True, slots=True)
class Happened:
    """The truth about one audit event; times in ms."""

    organization: str
    timestamp: int
    visible: int
    """From when on it can be listed."""
    body: Any


class Tenant:
    """An organization, or the enterprise's own part of its log."""

    def __init__(self, options: Options, cast: Cast, start: int, *, business: bool = False) -> None:
        self.cast = cast
        self.log = AuditLog()
        self.alerts = AlertBook(options, cast, start)
        self.suspended = False
        """Whether the App's installation is suspended."""
        self._oddities = options.oddities
        self._founded: list[Repository] = []
        self._traffic = Traffic(options, cast, start, business=business)
        self._given: list[Any] = []
        if options.events is not None:
            self._serve(options.events, start)
            self._traffic = Traffic(Options.quiet(), cast, start)
        if options.alert_file is not None:
            self._serve_alerts(options.alert_file)

    def advance(self, now: int) -> None:
        """Let happen what is due."""
        for arrival in self._traffic.until(now):
            self.log.insert(Row(arrival.time, arrival.visible, self._number(arrival.serial), arrival.kind))
        self.alerts.advance(now)

    def add(self, body: Any, time: int, visible: int) -> None:
        """Add a given event."""
        action = body.get("action") if isinstance(body, Mapping) else None
        kind = GIVEN_GIT if isinstance(action, str) and action.startswith("git.") else GIVEN
        self.log.insert(Row(time, visible, self._number(_GIVEN_SERIAL + len(self._given)), kind))
        self._given.append(body)

    def body(self, row: Row, *, address: bool) -> Any:
        """The event of a row of this tenant."""
        serial = row.number & ((1 << _SERIAL_BITS) - 1)
        if row.kind < 0:
            return self._given[serial - _GIVEN_SERIAL]
        event = make_event(self.cast, serial, TEMPLATES[row.kind], row.time, oddities=self._oddities)
        if not address:
            event.pop("actor_ip", None)
        return event

    def repository(self, name: str) -> Repository:
        """By its name; one that is not known comes to life."""
        known = {each.name: each for each in [*self.cast.repositories, *self._founded]}
        if name not in known:
            number = 1_000_000 + self.cast.number * 100_000 + len(self._founded)
            self._founded.append(Repository(self.cast.login, name, number, public=False))
        return known.get(name) or self._founded[-1]

    def draft(self, template: Template, time: int) -> dict[str, Any]:
        """A realistic event to be changed and added."""
        return make_event(self.cast, _GIVEN_SERIAL + len(self._given), template, time)

    def _number(self, serial: int) -> int:
        return self.cast.number << _SERIAL_BITS | serial

    def _serve(self, events: tuple[Any, ...], start: int) -> None:
        timed = [(time_of(event, start), event) for event in events]
        newest_first = len(timed) > 1 and timed[0][0] >= timed[-1][0]
        for time, event in reversed(timed) if newest_first else timed:
            self.add(event, time, 0)

    def _serve_alerts(self, given: tuple[Any, ...]) -> None:
        for body in given:
            stream = stream_of(body)
            alert = self.alerts.open(stream, _repository(self.cast, body), RULES[stream][0], time_of_alert(body))
            alert.number, alert.given = body.get("number", alert.number), body
            alert.history = [Transition(alert.created, body.get("state", "open"), alert.history[0].actor)]


class World:
    """Everything that is simulated. Times are ms; nothing happens but by `advance`."""

    def __init__(self, options: Options, start: int) -> None:
        self.options = options
        self.start = start
        self._now = start
        self._tenants: list[Tenant] = []
        self._organizations: dict[str, Tenant] = {}
        self._enterprise: AuditLog | None = None
        self.slug = options.enterprise or DEFAULT_ENTERPRISE
        for login in options.organizations or (DEFAULT_ORGANIZATION,):
            self._found(login)

    @property
    def organizations(self) -> list[Tenant]:
        """All organizations there are by now."""
        return list(self._organizations.values())

    def advance(self, now: int) -> None:
        """Let happen what is due until now."""
        self._now = max(now, self._now)
        for tenant in self._tenants:
            tenant.advance(self._now)

    def organization(self, login: str) -> Tenant | None:
        """By its login, in any case of letters, or by its number; None: there is no such organization."""
        tenant = self._organizations.get(login.lower())
        if tenant or self.options.organizations or not _SLUG.fullmatch(login):
            return tenant
        return self._found(login) if len(self._organizations) < _MAX_ORGANIZATIONS else None

    def by_number(self, number: str) -> Tenant | None:
        """An organization by its numeric id."""
        return next((tenant for tenant in self.organizations if str(tenant.cast.id) == number), None)

    def enterprise(self, slug: str) -> AuditLog | None:
        """The enterprise's log, by slug or numeric id: everything its organizations log, and its own events."""
        known = {self.slug.lower(), str(self.enterprise_id)}
        if slug.lower() not in known and (self.options.enterprise or not _SLUG.fullmatch(slug)):
            return None
        if self._enterprise is None:
            self._enterprise = self._merge()
        return self._enterprise

    @property
    def enterprise_id(self) -> int:
        """The enterprise's numeric id."""
        return numeric_id(self.options.seed, self.slug)

    def body(self, row: Row, *, address: bool) -> Any:
        """The event of a row of any log; with the actor's `address`, if it is one that was made up."""
        return self._tenants[row.number >> _SERIAL_BITS].body(row, address=address)

    def truth(self) -> Iterator[Happened]:
        """Every audit event that has happened, organization by organization, in the order of time."""
        for tenant in self._tenants:
            for row in tenant.log:
                body = tenant.body(row, address=self.options.actor_ip)
                yield Happened(tenant.cast.login, row.time, row.visible, body)

    def _found(self, login: str, *, business: bool = False) -> Tenant:
        cast = Cast(login, self.options.seed, self.slug, len(self._tenants))
        options = self.options.for_enterprise() if business else self.options
        tenant = Tenant(options, cast, self.start, business=business)
        self._tenants.append(tenant)
        if not business:
            self._organizations[login.lower()] = tenant
            if self._enterprise is not None:
                tenant.log.followers.append(self._enterprise)
        tenant.advance(self._now)
        return tenant

    def _merge(self) -> AuditLog:
        own = self._found(self.slug, business=True)
        merged = AuditLog()
        for tenant in [*self.organizations, own]:
            for row in tenant.log:
                merged.insert(row)
            tenant.log.followers.append(merged)
        return merged


def time_of(event: Any, default: int) -> int:
    """Where an event belongs in its log: `@timestamp`, else `created_at`, else the default."""
    for name in ("@timestamp", "created_at"):
        value = event.get(name) if isinstance(event, Mapping) else None
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53:
            return value
    return default


def time_of_alert(body: Mapping[str, Any]) -> int:
    """When a given alert last changed, in ms."""
    text = body.get("updated_at") or body.get("created_at")
    try:
        return int(datetime.fromisoformat(str(text)).timestamp() * 1000)
    except ValueError:
        return 0


def stream_of(body: Mapping[str, Any]) -> Stream:
    """Which stream a given alert belongs to, by the fields that only one of them has."""
    if "secret_type" in body:
        return "secret_scanning"
    return "code_scanning" if "tool" in body or "rule" in body else "dependabot"


def _repository(cast: Cast, body: Mapping[str, Any]) -> Repository:
    found = body.get("repository")
    repo = found if isinstance(found, Mapping) else {}
    return Repository(cast.login, str(repo.get("name", "")), int(repo.get("id", 0)), not repo.get("private", True))
