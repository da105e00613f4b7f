"""The endpoints of a GitHub App: itself, its installations, and the tokens it gets for them.

Source: "REST API endpoints for GitHub Apps", docs.github.com.
"""

from typing import Any, Final

import orjson

from shipper.simulator import payloads
from shipper.simulator.answers import DOCS, Answer, json_answer, not_found, refusal
from shipper.simulator.endpoints import Call, Route, route
from shipper.simulator.payloads import iso
from shipper.simulator.world import Tenant, World

PERMISSIONS: Final = {
    "organization_administration": "read",
    "security_events": "read",
    "secret_scanning_alerts": "read",
    "vulnerability_alerts": "read",
    "metadata": "read",
}
_FIRST_INSTALLATION: Final = 5_000_000
_NOT_INSTALLED: Final = (
    "You must authenticate with an installation access token in order to list repositories for an installation."
)


def installation_id(tenant: Tenant) -> int:
    """The number of the App's installation in an organization."""
    return _FIRST_INSTALLATION + tenant.cast.number


def installed(world: World, number: int) -> Tenant | None:
    """The organization of an installation."""
    return next((tenant for tenant in world.organizations if installation_id(tenant) == number), None)


def app(call: Call) -> Answer:
    """`GET /app`."""
    options = call.world.options
    return json_answer(
        {
            "id": options.app_id,
            "client_id": options.app_client_id,
            "slug": "log-shipper",
            "name": "log-shipper",
            "owner": payloads.account("quiet-observer", 583231),
            "html_url": "https://github.com/apps/log-shipper",
            "permissions": PERMISSIONS,
            "events": [],
            "installations_count": len(call.world.organizations),
        }
    )


def installations(call: Call) -> Answer:
    """`GET /app/installations`."""
    return json_answer([_installation(call, tenant) for tenant in call.world.organizations])


def installation(call: Call) -> Answer:
    """`GET /orgs/{org}/installation`."""
    return json_answer(_installation(call, call.tenants[0]))


def _installation(call: Call, tenant: Tenant) -> dict[str, Any]:
    number = installation_id(tenant)
    return {
        "id": number,
        "account": payloads.account(tenant.cast.login, tenant.cast.id, "Organization"),
        "app_id": call.world.options.app_id,
        "app_slug": "log-shipper",
        "target_id": tenant.cast.id,
        "target_type": "Organization",
        "repository_selection": "all",
        "access_tokens_url": f"{call.request.origin}/app/installations/{number}/access_tokens",
        "permissions": PERMISSIONS,
        "events": [],
        "suspended_at": iso(call.now) if tenant.suspended else None,
        "created_at": "2026-01-05T10:00:00Z",
        "updated_at": "2026-01-05T10:00:00Z",
    }


def access_token(call: Call) -> Answer:
    """`POST /app/installations/{installation_id}/access_tokens`."""
    if not call.tenants:
        return not_found(f"{DOCS}/apps/apps#create-an-installation-access-token-for-an-app")
    tenant = call.tenants[0]
    if tenant.suspended:
        return refusal(403, "This installation has been suspended", f"{DOCS}/apps/apps")
    try:
        narrowed = (orjson.loads(call.request.body) if call.request.body else {}).get("permissions")
    except (orjson.JSONDecodeError, AttributeError):
        return refusal(400, "Problems parsing JSON")
    if narrowed is not None and not set(narrowed.items()) <= set(PERMISSIONS.items()):
        return refusal(422, "The permissions requested are not granted to this installation.")
    token = call.access.install(tenant.cast.login, call.now, narrowed)
    body = {
        "token": token.value,
        "expires_at": iso(token.expires or 0),
        "permissions": narrowed or PERMISSIONS,
        "repository_selection": "all",
    }
    return json_answer(body, 201)


def repositories(call: Call) -> Answer:
    """`GET /installation/repositories`: for installations only."""
    login = call.token.installation
    tenant = call.world.organization(login) if login else None
    if tenant is None:
        return refusal(403, _NOT_INSTALLED)
    found = [payloads.repository(repo, tenant.cast) for repo in tenant.cast.repositories]
    return json_answer({"total_count": len(found), "repository_selection": "all", "repositories": found})


ROUTES: Final[tuple[Route, ...]] = (
    route("GET", "/app", "app", app, jwt=True),
    route("GET", "/app/installations", "app", installations, jwt=True),
    route("GET", "/orgs/(?P<org>[^/]+)/installation", "app", installation, jwt=True),
    route(
        "POST", r"/app/installations/(?P<installation>[0-9]{1,18})/access_tokens", "token", access_token, jwt=True
    ),
    route("GET", "/installation/repositories", "repositories", repositories),
)
