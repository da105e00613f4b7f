"""What each endpoint answers to somebody who may ask; who may is decided in `api`.

Pure: from a `Call` to an `Answer`. Sources: the REST reference of each endpoint, docs.github.com.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from shipper.simulator import payloads
from shipper.simulator.access import Access, Token
from shipper.simulator.alerts import Alert, Stream
from shipper.simulator.answers import DOCS, Answer, Request, json_answer, not_found, refusal
from shipper.simulator.audit_log import AuditLog, Search
from shipper.simulator.paging import Page, PagingError, cut, link_header, where
from shipper.simulator.phrase import PhraseError, parse, rewrite
from shipper.simulator.quota import Budget
from shipper.simulator.world import Tenant, World

_CACHE: Final = "private, max-age=60, s-maxage=60"


@dataclass(slots=True)
class Call:
    """A request that was let in: who asks, of which organization (or enterprise), at which time (ms)."""

    request: Request
    route: "Route"
    world: World
    access: Access
    token: Token
    now: int
    groups: dict[str, str]
    """The variable parts of the path."""
    tenants: list[Tenant]
    """The organization, or all organizations of the enterprise."""
    budgets: Sequence[Budget] = ()

    @property
    def enterprise(self) -> str | None:
        """The enterprise, where one is asked and not an organization."""
        return self.groups.get("enterprise")

    @property
    def login(self) -> str | None:
        """Who is asked, for the fault plan."""
        if self.enterprise or not self.tenants:
            return self.enterprise or self.groups.get("org")
        return self.tenants[0].cast.login

    @property
    def log(self) -> AuditLog | None:
        """The audit log of whom is asked."""
        return self.world.enterprise(self.enterprise) if self.enterprise else self.tenants[0].log


def audit_log(call: Call) -> Answer:
    """`GET /orgs/{org}/audit-log`, `GET /enterprises/{enterprise}/audit-log`."""
    options, query = call.world.options, call.request.query
    include = query.get("include", "web")
    if not options.include_supported and "include" in query:
        return refusal(404, "Not Found", f"{DOCS}/orgs/orgs#get-the-audit-log-for-an-organization")
    if include not in {"web", "git", "all"} or query.get("order", "desc") not in {"asc", "desc"}:
        return refusal(422, "Validation Failed")
    if (log := call.log) is None:
        return not_found()
    try:
        search = _search(call, include)
        place = where(query, cursors=options.server_version is None, numbers=_numbered(call))
    except (PhraseError, PagingError) as error:
        return refusal(422, str(error))
    address = call.enterprise is not None or options.actor_ip
    bodies = partial(call.world.body, address=address)
    page = log.page(search, place, bodies)
    return _linked(call, page, json_answer([bodies(row) for row in page.items], Cache_Control=_CACHE))


def _numbered(call: Call) -> bool:
    return call.world.options.server_version is not None or (
        call.enterprise is not None and "page" in call.request.query
    )


def _search(call: Call, include: Any) -> Search:
    options, query = call.world.options, call.request.query
    phrase = parse(query.get("phrase", ""))
    if options.any_period:
        phrase = phrase.of_any_time()
    spans = [options.retention, None if phrase.dated else options.default_window]
    since = max((call.now - int(span * 1000) for span in spans if span is not None), default=0)
    git_since = 0 if options.git_retention is None else call.now - int(options.git_retention * 1000)
    return Search(call.now, phrase, include, query.get("order", "desc") == "desc", since, git_since)


def _linked(call: Call, page: Page[Any], answer: Answer) -> Answer:
    options, request = call.world.options, call.request
    path = request.numeric_path if options.numeric_links and request.numeric_path else request.path
    query = dict(request.query)
    if options.rewritten_phrase and "phrase" in query:
        query["phrase"] = rewrite(query["phrase"])
    if page.links:
        answer.headers["Link"] = link_header(request.origin + path, query, page.links)
    return answer


_CLOSED: Final = {"closed": {"dismissed", "fixed", "auto_dismissed"}}


def alerts(stream: Stream, call: Call) -> Answer:
    """`GET /orgs/{org}/code-scanning/alerts` and its sisters, and those of the enterprise."""
    query = call.request.query
    sort, direction = query.get("sort", "created"), query.get("direction", "desc")
    if sort not in {"created", "updated", "epss_percentage"} or direction not in {"asc", "desc"}:
        return refusal(422, "Validation Failed")
    if not _states(query.get("state", "")) <= STATES[stream]:
        return refusal(422, "Validation Failed", f"{DOCS}/{stream.replace('_', '-')}")
    found = [
        ((one.updated if sort == "updated" else one.created, tenant.cast.number << 32 | one.serial), tenant, one)
        for tenant in call.tenants
        for one in tenant.alerts.alerts
        if one.stream == stream and _wanted(one, call)
    ]
    found.sort(key=lambda row: row[0], reverse=direction == "desc")
    try:
        place = where(query, cursors=call.world.options.server_version is None or stream == "dependabot",
                      numbers=stream != "dependabot")  # fmt: skip
    except PagingError as error:
        return refusal(422, str(error))
    page = cut([row[1:] for row in found], [row[0] for row in found], place, descending=direction == "desc")
    hide = query.get("hide_secret") == "true"
    body = [payloads.alert(one, tenant.cast, hide_secret=hide) for tenant, one in page.items]
    return _linked(call, page, json_answer(body, Cache_Control=_CACHE))


#: The states each stream may be filtered by.
STATES: Final[dict[Stream, set[str]]] = {
    "code_scanning": {"open", "closed", "dismissed", "fixed"},
    "secret_scanning": {"open", "resolved"},
    "dependabot": {"open", "dismissed", "fixed", "auto_dismissed"},
}


def _states(text: str) -> set[str]:
    return set(filter(None, text.split(",")))


def _wanted(one: Alert, call: Call) -> bool:
    query = call.request.query
    states = {state for name in _states(query.get("state", "")) for state in _CLOSED.get(name, {name})}
    severity = query.get("severity")
    return (
        (not states or one.state in states)
        and (not severity or severity in {one.rule.severity, one.rule.security_severity})
        and query.get("tool_name") in {None, one.rule.tool}
        and query.get("secret_type") in {None, one.rule.id}
    )


def organization(call: Call) -> Answer:
    """`GET /orgs/{org}`."""
    return json_answer(payloads.organization(call.tenants[0].cast, call.request.origin), Cache_Control=_CACHE)


def rate_limit(call: Call) -> Answer:
    """`GET /rate_limit`: free of charge; Enterprise Server without limits answers 404."""
    if not call.world.options.limited:
        return refusal(404, "Rate limiting is not enabled.", f"{DOCS}/rate-limit/rate-limit")
    resources = {
        budget.resource: {
            "limit": budget.limit,
            "used": budget.used,
            "remaining": budget.remaining,
            "reset": budget.reset,
            "resource": budget.resource,
        }
        for budget in call.budgets
    }
    return json_answer({"resources": resources, "rate": resources["core"]}, Cache_Control="no-cache")


def meta(call: Call) -> Answer:
    """`GET /meta`."""
    version = call.world.options.server_version
    return json_answer(
        {"verifiable_password_authentication": False} | ({"installed_version": version} if version else {})
    )


def root(call: Call) -> Answer:
    """`GET /`: where things are."""
    base = call.request.origin
    return json_answer(
        {
            "current_user_url": f"{base}/user",
            "organization_url": f"{base}/orgs/{{org}}",
            "rate_limit_url": f"{base}/rate_limit",
        }
    )


def user(call: Call) -> Answer:
    """`GET /user`: not for installations."""
    if call.token.installation:
        return refusal(
            403, "Resource not accessible by integration", f"{DOCS}/users/users#get-the-authenticated-user"
        )
    return json_answer(payloads.account(call.token.owner, 583231))


Handler = Callable[[Call], Answer]


def code_scanning(call: Call) -> Answer:
    """Alerts of code scanning."""
    return alerts("code_scanning", call)


def secret_scanning(call: Call) -> Answer:
    """Alerts of secret scanning; the secret itself is in them unless `hide_secret=true`."""
    return alerts("secret_scanning", call)


def dependabot(call: Call) -> Answer:
    """Alerts of Dependabot."""
    return alerts("dependabot", call)


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint: its name in the fault plan, what it needs, what it is counted as."""

    method: str
    path: re.Pattern[str]
    target: str
    handler: Handler
    permission: str = ""
    """As in `X-Accepted-GitHub-Permissions`."""
    resource: str = "core"
    anonymous: bool = False
    free: bool = False
    jwt: bool = False
    """For the App itself, not for its installations."""


_PLACE: Final = r"/(?:orgs/(?P<org>[^/]+)|organizations/(?P<number>[0-9]+)|enterprises/(?P<enterprise>[^/]+))"


def route(method: str, path: str, target: str, handler: Handler, **needs: Any) -> Route:
    """A route; `{place}` is an organization by login or number, or an enterprise."""
    return Route(method, re.compile(path.replace("{place}", _PLACE)), target, handler, **needs)


ROUTES: Final = (
    route("GET", "{place}/audit-log", "audit_log", audit_log, resource="audit_log",
          permission="organization_administration=read"),
    route("GET", "{place}/code-scanning/alerts", "code_scanning", code_scanning,
          permission="security_events=read"),
    route("GET", "{place}/secret-scanning/alerts", "secret_scanning", secret_scanning,
          permission="secret_scanning_alerts=read"),
    route("GET", "{place}/dependabot/alerts", "dependabot", dependabot, permission="vulnerability_alerts=read"),
    route("GET", "/(?:orgs/(?P<org>[^/]+)|organizations/(?P<number>[0-9]+))", "org", organization),
    route("GET", "/rate_limit", "rate_limit", rate_limit, anonymous=True, free=True),
    route("GET", "/meta", "meta", meta, anonymous=True),
    route("GET", "/", "meta", root, anonymous=True),
    route("GET", "/user", "user", user),
)  # fmt: skip
