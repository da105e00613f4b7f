"""The simulated API as one function: a request and the time in, an answer out.

Pure but for what it remembers (quotas, counts of faults, tokens): no socket, no clock. The order in which refusals
come is GitHub's as far as it is documented: User-Agent, version, token, limits, permission.
"""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final

from shipper.simulator import answers, apps, endpoints
from shipper.simulator.access import Access, Token
from shipper.simulator.answers import Answer, Request
from shipper.simulator.endpoints import Call, Route
from shipper.simulator.faults import Fault, FaultPlan
from shipper.simulator.mischief import instead, spoil
from shipper.simulator.options import API_VERSIONS, Options
from shipper.simulator.quota import Quota, Secondary
from shipper.simulator.world import Tenant, World

_ROUTES: Final = endpoints.ROUTES + apps.ROUTES
_PREFIX: Final = "/api/v3"
_CONCURRENT: Final = 100
_ANONYMOUS: Final = Token(owner="", core_limit=60)


class Api:
    """All endpoints."""

    def __init__(self, options: Options, world: World, access: Access, faults: FaultPlan) -> None:
        self.options, self.world, self.access, self.faults = options, world, access, faults
        self._quotas: dict[str, Quota] = {}
        self._secondary = Secondary(options.secondary_limit)
        self._number = 0

    def handle(self, request: Request, now: int) -> Answer:
        """Answer one request at `now` (ms)."""
        self.world.advance(now)
        self._number += 1
        answer = self._gate(request, now)
        return self._finish(request, answer, now)

    def quota(self, token: Token) -> Quota:
        """The budgets of a token's owner: all tokens of one user share them."""
        if token.owner not in self._quotas:
            core = token.core_limit or self.options.core_limit
            limits = {"core": core, "search": 30, "graphql": 5000, "audit_log": self.options.audit_log_limit}
            self._quotas[token.owner] = Quota(limits, self.options.others)
        return self._quotas[token.owner]

    def _gate(self, request: Request, now: int) -> Answer:
        if not request.headers.get("User-Agent"):
            return Answer(403, answers.NO_USER_AGENT.encode(), {}, "text/html")
        if self.options.server_version is not None:
            if not request.path.startswith(_PREFIX):
                return answers.html(404, "<!DOCTYPE html><title>Page not found</title>")
            request = _below(request, _PREFIX)
        version = request.headers.get("X-GitHub-Api-Version")
        if version is not None and version not in API_VERSIONS:
            return answers.refusal(400, f"The API version {version!r} is not supported")
        for one in _ROUTES:
            match = one.path.fullmatch(request.path)
            if match and one.method == request.method:
                groups = {name: value for name, value in match.groupdict().items() if value is not None}
                return self._serve(request, one, groups, now)
        return answers.not_found()

    def _serve(self, request: Request, one: Route, groups: dict[str, str], now: int) -> Answer:
        token = self._who(request, one, now)
        if isinstance(token, Answer):
            return token
        call = Call(request, one, self.world, self.access, token, now, groups, self._place(groups))
        call.budgets = self.quota(token).all(now)
        call.request = replace(request, numeric_path=self._numeric_path(call))
        fault = self.faults.choose(one.target, call.login, now)
        refused = self._struck(call, fault) if fault else None
        answer = refused or self._limited(call)
        if answer is not None:
            return answer
        answer = self._allowed(call) or one.handler(call)
        return self._count(call, spoil(fault, call.request, answer) if fault else answer)

    def _who(self, request: Request, one: Route, now: int) -> Token | Answer:
        authorization = request.headers.get("Authorization")
        if one.jwt:
            return self.access.application(authorization, now) or Token(owner="app")
        if one.anonymous and not authorization:
            return _ANONYMOUS
        return self.access.identify(authorization, now)

    def _struck(self, call: Call, fault: Fault) -> Answer | None:
        """The fault's own answer, if it has one."""
        answer = instead(fault, call.login, call.route.permission, call.now)
        if answer is not None:
            budget = self.quota(call.token).take(call.route.resource, call.now)
            if self.options.limited and answer.status != 401 and "secondary" not in fault.kind:
                answer.headers = budget.headers | answer.headers
        return answer

    def _limited(self, call: Call) -> Answer | None:
        """The refusal where too many calls were made."""
        if not self.options.limited or call.route.free:
            return None
        per_minute = self.options.audit_log_per_minute if call.route.resource == "audit_log" else None
        points = 1 if call.request.method == "GET" else 5
        refused = self._secondary.refuses(call.token.owner, call.route.target, call.now, points, per_minute)
        if refused or call.request.concurrent > _CONCURRENT:
            wait = str(self._secondary.retry_after(call.now))
            return answers.refusal(403, answers.SECONDARY, answers.LIMITS, Retry_After=wait)
        budget = self.quota(call.token).look(call.route.resource, call.now)
        if budget.remaining > 0:
            return None
        answer = answers.limit_exceeded(self.options.limit_status, "user ID 583231")
        answer.headers |= budget.headers
        return answer

    def _place(self, groups: dict[str, str]) -> list[Tenant]:
        if "enterprise" in groups:
            return self.world.organizations if self.world.enterprise(groups["enterprise"]) is not None else []
        found = None
        if "org" in groups:
            found = self.world.organization(groups["org"])
        elif "number" in groups:
            found = self.world.by_number(groups["number"])
        elif "installation" in groups:
            found = apps.installed(self.world, int(groups["installation"]))
        return [found] if found else []

    def _allowed(self, call: Call) -> Answer | None:
        """The refusal where the token may not see the place (which GitHub hides) or lacks the permission."""
        token, permission = call.token, call.route.permission
        placed = {"org", "number", "enterprise"} & call.groups.keys()
        logins = {tenant.cast.login.lower() for tenant in call.tenants}
        if placed and not (logins and (token.organizations is None or logins <= token.organizations)):
            return answers.not_found()
        if token.installation and any(tenant.suspended for tenant in call.tenants):
            return answers.refusal(403, "This installation has been suspended")
        if permission and token.permissions is not None and permission not in token.permissions:
            words = answers.NO_PERMISSION_APP if token.installation else answers.NO_PERMISSION_TOKEN
            return answers.refusal(403, words, X_Accepted_GitHub_Permissions=permission)
        return None

    def _numeric_path(self, call: Call) -> str:
        parts = call.request.path.split("/")
        if call.enterprise:
            return "/".join(["", "enterprises", str(self.world.enterprise_id), *parts[3:]])
        if call.tenants:
            return "/".join(["", "organizations", str(call.tenants[0].cast.id), *parts[3:]])
        return ""

    def _count(self, call: Call, answer: Answer) -> Answer:
        """Tag the answer, find out whether it is known already, and charge for it."""
        one, token = call.route, call.token
        unchanged = False
        if answer.status == 200 and answer.body:
            tag = f'W/"{hashlib.sha256(answer.body).hexdigest()}"'
            answer.headers["ETag"] = tag
            unchanged = tag in call.request.headers.get("If-None-Match", "")
        if unchanged:
            answer.status, answer.body = 304, b""
        quota = self.quota(token)
        charged = not (unchanged or one.free)
        budget = quota.take(one.resource, call.now) if charged else quota.look(one.resource, call.now)
        if self.options.limited:
            answer.headers = budget.headers | answer.headers
        if one.permission:
            answer.headers.setdefault("X-Accepted-GitHub-Permissions", one.permission)
        answer.headers |= _about(token)
        return answer

    def _finish(self, request: Request, answer: Answer, now: int) -> Answer:
        moment = datetime.fromtimestamp(now / 1000, UTC)
        version = request.headers.get("X-GitHub-Api-Version", API_VERSIONS[0])
        answer.headers = {
            "Date": format_datetime(moment, usegmt=True),
            "Server": "github.com",
            "X-GitHub-Request-Id": f"C0DE:{self._number:06X}:{now & 0xFFFFFF:06X}:51D",
            "X-GitHub-Media-Type": "github.v3; format=json",
            "X-GitHub-Api-Version-Selected": version,
            "Vary": "Accept, Authorization, Cookie, X-GitHub-OTP, Accept-Encoding, Accept, X-Requested-With",
        } | answer.headers
        if self.options.server_version:
            answer.headers["X-GitHub-Enterprise-Version"] = self.options.server_version
        return answer


def _about(token: Token) -> dict[str, str]:
    """What GitHub says of the token itself."""
    headers = {"X-OAuth-Scopes": token.scopes, "X-Accepted-OAuth-Scopes": ""} if token.classic else {}
    if token.expires and not token.installation:
        moment = datetime.fromtimestamp(token.expires / 1000, UTC)
        headers["github-authentication-token-expiration"] = f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    return headers


def _below(request: Request, prefix: str) -> Request:
    """The request without Enterprise Server's prefix, which stays in the addresses that answers name."""
    return replace(request, path=request.path.removeprefix(prefix) or "/", origin=request.origin + prefix)
