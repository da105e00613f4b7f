"""One audit event from its number: the same seed, organization, number and time give the same event.

So a backlog of any size takes no memory: only times and kinds are kept, bodies are made when a page is served.
"""

import base64
import hashlib
import random
from typing import Any, Final

from shipper.simulator.people import BROWSER, GIT, Cast, token_of
from shipper.simulator.templates import Scene, Template

_DAY: Final = 86_400_000
_ACCESS_TYPES: Final = (
    "OAuth access token",
    "GitHub App server-to-server token",
    "Fine-grained personal access token",
)


def make_event(cast: Cast, serial: int, template: Template, time: int, *, oddities: float = 0.0) -> dict[str, Any]:
    """The event; keys are sorted, as GitHub sends them. `actor_ip` is there: who serves it decides who sees it."""
    rng = random.Random(f"{cast.seed}/{cast.login.lower()}/{serial}")  # noqa: S311 - reproducible on purpose
    scene = Scene.draw(cast, rng, time)
    event = _base(scene, template, serial) | dict(template.fields(scene))
    if oddities and rng.random() < oddities:
        rng.choice(_ODDITIES)(event)
    return dict(sorted(event.items()))


def document_id(cast: Cast, serial: int, time: int) -> str:
    """An event's id; the time is part of it, so that another run at another time makes no known ids."""
    digest = hashlib.blake2b(f"{cast.seed}/{cast.login.lower()}/{serial}/{time}".encode(), digest_size=16)
    return base64.urlsafe_b64encode(digest.digest()).decode().rstrip("=")


def _base(scene: Scene, template: Template, serial: int) -> dict[str, Any]:
    cast, actor, rng = scene.cast, scene.actor, scene.rng
    event: dict[str, Any] = {
        "@timestamp": scene.time,
        "_document_id": document_id(cast, serial, scene.time),
        "action": template.action,
        "actor": actor.login,
        "actor_id": actor.id,
        "actor_ip": f"198.51.100.{rng.randrange(1, 255)}",
        "actor_is_bot": actor.bot,
        "business": cast.business,
        "business_id": cast.business_id,
        "user_agent": GIT if template.git else BROWSER,
    }
    if not template.action.startswith("business."):
        event |= {"org": cast.login, "org_id": cast.id}
    if not actor.bot:
        event["actor_location"] = {"country_code": scene.country()}
    if not template.git:
        event |= {"created_at": scene.time, "operation_type": template.operation}
    if template.repository:
        event |= {"repo": scene.repository.full_name, "repo_id": scene.repository.id}
        event |= {"public_repo": scene.repository.public}
    if template.git or rng.random() < 0.2:
        event |= _token(rng)
    return event


def _token(rng: random.Random) -> dict[str, Any]:
    return {
        "hashed_token": token_of(rng, 32) + "=",
        "programmatic_access_type": rng.choice(_ACCESS_TYPES),
        "token_id": rng.randrange(1_000, 900_000_000),
        "token_scopes": "read:org,repo",
    }


def _organizations_as_array(event: dict[str, Any]) -> None:
    event |= {"org": [event.get("org"), "tidewatch"], "org_id": [event.get("org_id"), 7]}


def _repository_as_array(event: dict[str, Any]) -> None:
    event["repo"] = [event.get("repo", "acme-corp/website")]


def _permission_as_bool(event: dict[str, Any]) -> None:
    event |= {"action": "org.update_member_repository_creation_permission", "permission": True}


def _no_document_id(event: dict[str, Any]) -> None:
    del event["_document_id"]


def _created_long_before(event: dict[str, Any]) -> None:
    event["created_at"] = event["@timestamp"] - 27 * _DAY


def _no_created_at(event: dict[str, Any]) -> None:
    event.pop("created_at", None)


def _ancient_pull_request(event: dict[str, Any]) -> None:
    event |= {"action": "pull_request.create", "created_at": event["@timestamp"]}
    for name in ("_document_id", "@timestamp", "org", "org_id"):
        event.pop(name, None)


def _config_as_list(event: dict[str, Any]) -> None:
    event |= {
        "action": "hook.config_changed",
        "config": [{"content_type": "json", "url": "https://hooks.example.com"}],
    }


def _country_by_name(event: dict[str, Any]) -> None:
    event["actor_location"] = {"country_code": ["NL"], "country_name": "Netherlands"}


def _nulls(event: dict[str, Any]) -> None:
    event |= {"actor": None, "actor_id": None, "org_id": None, "oauth_application": None}


def _hostile_text(event: dict[str, Any]) -> None:
    event["name"] = 'x"]\n<13>1 - forged - - -\r\n\x00 severity="critical" 𝕩\u202e'


#: Breaches of GitHub's own schema that were seen on the wire.
_ODDITIES: Final = (
    _organizations_as_array,
    _repository_as_array,
    _permission_as_bool,
    _no_document_id,
    _created_long_before,
    _no_created_at,
    _ancient_pull_request,
    _config_as_list,
    _country_by_name,
    _nulls,
    _hostile_text,
)
