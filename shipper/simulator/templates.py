"""The kinds of audit events there are, how often they come, and what fields each brings.

Shapes follow recorded events of the audit log; the actions are those of "Audit log events for your organization".
`NOTABLE` are the rare ones that rules are made for: each default rule has at least one.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any, Final

from shipper.simulator.people import COUNTRIES, Account, Cast, Repository


@dataclass(frozen=True, slots=True)
class Scene:
    """What an event is drawn from: the organization, who acts, where and when."""

    cast: Cast
    rng: random.Random
    actor: Account
    repository: Repository
    time: int

    @classmethod
    def draw(cls, cast: Cast, rng: random.Random, time: int) -> "Scene":
        """Choose actor and repository."""
        return cls(cast, rng, rng.choice(cast.accounts), rng.choice(cast.repositories), time)

    def user(self) -> dict[str, Any]:
        """Somebody else, as `user` and `user_id`."""
        account = self.rng.choice(self.cast.accounts[:12])
        return {"user": account.login, "user_id": account.id}

    def number(self, low: int = 1_000, high: int = 900_000_000) -> int:
        """An id of something."""
        return self.rng.randrange(low, high)

    def iso(self, before: int = 0) -> str:
        """A time so many ms before the event."""
        moment = datetime.fromtimestamp((self.time - before) / 1000, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def country(self) -> str:
        """Where the actor is."""
        return self.rng.choice(COUNTRIES)


Fields = Callable[[Scene], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Template:
    """One kind of event."""

    action: str
    operation: str | None
    fields: Fields = lambda _: {}
    weight: int = 0
    repository: bool = False
    git: bool = False
    """Git events have no `created_at`, are listed with `include=git|all` only, and for 7 days."""


def _git(number: int, name: str) -> Fields:
    return lambda s: {
        "transport_protocol": number,
        "transport_protocol_name": name,
        "repository": s.repository.full_name,
        "repository_public": s.repository.public,
        "user": "",
    }


def _hook(s: Scene) -> dict[str, Any]:
    config = {
        "content_type": "json",
        "insecure_ssl": "0",
        "secret": "********",
        "url": "https://hooks.example.com/in",
    }
    return {
        "active": True,
        "config": config,
        "events": ["push", "release"],
        "hook_id": s.number(),
        "name": "webhook",
    }


def _run(s: Scene) -> dict[str, Any]:
    return {
        "event": s.rng.choice(["push", "pull_request", "schedule"]),
        "head_branch": s.rng.choice(["main", "release/2.4", "fix/rounding"]),
        "head_sha": f"{s.rng.getrandbits(160):040x}",
        "name": s.rng.choice(["CI", "Nightly", "Code scanning"]),
        "run_attempt": 1,
        "run_number": s.number(1, 9_000),
        "started_at": s.iso(95_000),
        "trigger_id": None,
        "workflow_id": s.number(),
        "workflow_run_id": s.number(),
    }


def _finished_run(s: Scene) -> dict[str, Any]:
    conclusion = s.rng.choice(["success", "success", "success", "failure"])
    return {**_run(s), "conclusion": conclusion, "completed_at": s.iso(), "topic": "workflow.update"}


def _visibility(new: str, old: str | None) -> Fields:
    return lambda _: {"visibility": new} | ({"previous_visibility": old} if old else {})


def _branch(name: str) -> Fields:
    return lambda s: {"name": name, "branch_protection_rule_id": s.number(), "enforcement_level": 1}


def _oauth(s: Scene) -> dict[str, Any]:
    name = s.rng.choice(["Lantern Dashboards", "Quill Notes", "Tidewatch"])
    return {"oauth_application_name": name, "oauth_application_id": s.number()}


def _secret(s: Scene) -> dict[str, Any]:
    return {"key": s.rng.choice(["DEPLOY_KEY", "NPM_TOKEN"]), "visibility": "all"}


def _member(permission: str, old: str | None = None) -> Fields:
    return lambda s: {**s.user(), "permission": permission} | ({"old_permission": old} if old else {})


ROUTINE: Final = (
    Template("git.clone", None, _git(1, "http"), 22, repository=True, git=True),
    Template("git.fetch", None, _git(2, "ssh"), 26, repository=True, git=True),
    Template("git.push", None, _git(2, "ssh"), 12, repository=True, git=True),
    Template("workflows.created_workflow_run", "create", _run, 10, repository=True),
    Template("workflows.completed_workflow_run", "modify", _finished_run, 10, repository=True),
    Template("workflows.prepared_workflow_job", "create", lambda s: {**_run(s), "job_name": "test"}, 8,
        repository=True),
    Template("pull_request.create", "create", lambda s: {"pull_request_id": s.number(),
        "pull_request_title": "Round amounts half to even",
        "pull_request_url": f"https://github.com/{s.repository.full_name}/pull/{s.number(1, 900)}"}, 6,
        repository=True),
    Template("pull_request.merge", "modify", lambda s: {"pull_request_id": s.number(), **s.user()}, 5,
        repository=True),
    Template("pull_request_review.submit", "create", lambda s: {"pull_request_id": s.number()}, 5,
        repository=True),
    Template("repo.access", "access", weight=5, repository=True),
    Template("repo.download_zip", "access", lambda s: {**s.user()}, 2, repository=True),
    Template("repo.create", "create", _visibility("private", None), 1, repository=True),
    Template("repo.change_merge_setting", "modify", _visibility("private", None), 2, repository=True),
    Template("hook.create", "create", _hook, 1, repository=True),
    Template("hook.destroy", "remove", _hook, 1, repository=True),
    Template("team.add_member", "create", lambda s: {**s.user(), "team": f"{s.cast.login}/maintainers"}, 2),
    Template("org.add_member", "create", _member("read"), 1),
    Template("org.invite_member", "create", lambda s: {**s.user(), "invitation_id": s.number()}, 1),
    Template("org.sso_response", "authentication", lambda s: {
        "external_identity_nameid": f"{s.actor.login}@example.com",
        "issuer": "https://idp.example.com/metadata"}, 4),
    Template("personal_access_token.access_granted", "create", lambda s: {**s.user(), "token_id": s.number(),
        "programmatic_access_type": "Fine-grained personal access token",
        "permissions": {"contents": "read"}}, 1),
    Template("integration_installation.repositories_added", "modify", lambda s: {"integration": "release-train",
        "repositories_added": [s.repository.id], "repository_selection": "selected"}, 1),
    Template("protected_branch.update", "modify", _branch("main"), 1, repository=True),
)  # fmt: skip

NOTABLE: Final = (
    Template("repo.access", "modify", _visibility("public", "private"), repository=True),
    Template("org.update_actions_secret", "modify", _secret),
    Template("repo.access", "access", repository=True),
    Template("org.add_member", "create", _member("admin")),
    Template("protected_branch.destroy", "remove", _branch("main"), repository=True),
    Template("oauth_application.create", "create", _oauth),
    Template("org.disable_two_factor_requirement", "modify"),
    Template("repo.access", "modify", _visibility("private", "internal"), repository=True),
    Template("org.create_actions_secret", "create", _secret),
    Template("org.update_member", "modify", _member("admin", "read")),
    Template("repository_ruleset.destroy", "remove", lambda s: {"ruleset_id": s.number(),
        "ruleset_name": "default branch", "ruleset_enforcement": "enabled",
        "ruleset_source_type": "Repository"}, repository=True),
    Template("org.oauth_app_access_approved", "modify", _oauth),
    Template("org.remove_actions_secret", "remove", _secret),
    Template("integration_installation.create", "create", lambda _: {"integration": "tidewatch",
        "name": "tidewatch", "repository_selection": "all"}),
    Template("repo.public_repository_disabled_visibility", "modify", repository=True),
    Template("repo.delete_protected_branch_rule", "remove", _branch("refs/heads/master"), repository=True),
    Template("repo.destroy", "remove", _visibility("private", None), repository=True),
    Template("protected_branch.policy_override", "modify", lambda s: {**_branch("main")(s),
        "overridden_codes": ["review_policy_not_satisfied"],
        "reasons": [{"code": "review_policy_not_satisfied", "message": "1 approving review is required"}]},
        repository=True),
    Template("secret_scanning_push_protection.bypass", "modify", lambda s: {"number": s.number(1, 99),
        "bypass_reason": "used_in_tests"}, repository=True),
    Template("org.register_self_hosted_runner", "create", lambda s: {"runner_id": s.number(),
        "runner_name": "bench-1"}),
    Template("public_key.create", "create", lambda s: {"read_only": False, "title": "deploy", "key_id": s.number(),
        "fingerprint": "SHA256:" + "0" * 43}, repository=True),
)  # fmt: skip

BUSINESS: Final = (
    Template("business.add_admin", "create", lambda s: s.user()),
    Template("business.disable_two_factor_requirement", "modify"),
    Template("business.invite_admin", "create", lambda s: s.user()),
    Template("business.set_actions_retention_limit", "modify", lambda s: {"limit": s.number(1, 400)}),
)

TEMPLATES: Final = ROUTINE + NOTABLE + BUSINESS
"""Every kind; its place here is its number in the index."""

ROUTINE_WEIGHTS: Final = tuple(accumulate(template.weight for template in ROUTINE))
FIRST_NOTABLE: Final = len(ROUTINE)
FIRST_BUSINESS: Final = len(ROUTINE) + len(NOTABLE)
