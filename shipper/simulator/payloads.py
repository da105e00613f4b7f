"""Alerts and organizations as GitHub writes them: pure functions from what happened to JSON.

Source: the schemas of "List code scanning alerts for an organization" and its two sisters, docs.github.com.
"""

from datetime import UTC, datetime
from typing import Any, Final

from shipper.simulator.alerts import Alert
from shipper.simulator.people import Account, Cast, Repository

API: Final = "https://api.github.com"
WEB: Final = "https://github.com"


def iso(ms: int) -> str:
    """A time as alerts have it: whole seconds."""
    return datetime.fromtimestamp(ms // 1000, UTC).isoformat().replace("+00:00", "Z")


def account(login: str, number: int, kind: str = "User") -> dict[str, Any]:
    """A user or an organization inside something else."""
    return {
        "login": login,
        "id": number,
        "avatar_url": f"https://avatars.githubusercontent.com/u/{number}?v=4",
        "url": f"{API}/users/{login}",
        "html_url": f"{WEB}/{login}",
        "type": kind,
        "site_admin": False,
    }


def repository(repo: Repository, cast: Cast) -> dict[str, Any]:
    """A repository inside an alert."""
    return {
        "id": repo.id,
        "name": repo.name,
        "full_name": repo.full_name,
        "owner": account(cast.login, cast.id, "Organization"),
        "private": not repo.public,
        "html_url": f"{WEB}/{repo.full_name}",
        "description": None,
        "fork": False,
        "url": f"{API}/repos/{repo.full_name}",
    }


def alert(one: Alert, cast: Cast, *, hide_secret: bool) -> dict[str, Any]:
    """An alert of any stream."""
    if one.given is not None:
        return one.given
    kind = one.stream.replace("_", "-")
    body = {
        "number": one.number,
        "created_at": iso(one.created),
        "updated_at": iso(one.updated),
        "url": f"{API}/repos/{one.repository.full_name}/{kind}/alerts/{one.number}",
        "html_url": f"{WEB}/{one.repository.full_name}/security/{kind}/{one.number}",
        "state": one.state,
    }
    body |= _SPECIFIC[one.stream](one, hide_secret)
    return body | {"repository": repository(one.repository, cast)} | one.changes


def _ending(one: Alert, state: str) -> tuple[Account | None, str | None]:
    last = one.history[-1]
    return (last.actor, iso(last.time)) if last.state == state else (None, None)


def _person(who: Account | None) -> dict[str, Any] | None:
    return account(who.login, who.id) if who else None


def _dismissal(one: Alert, reason: str) -> dict[str, Any]:
    who, when = _ending(one, "dismissed")
    return {
        "fixed_at": _ending(one, "fixed")[1],
        "dismissed_by": _person(who),
        "dismissed_at": when,
        "dismissed_reason": reason if who else None,
        "dismissed_comment": None,
    }


def _code_scanning(one: Alert, _: bool) -> dict[str, Any]:
    rule = one.rule
    return _dismissal(one, "false positive") | {
        "instances_url": f"{API}/repos/{one.repository.full_name}/code-scanning/alerts/{one.number}/instances",
        "rule": {
            "id": rule.id,
            "name": rule.id,
            "severity": rule.severity,
            "security_severity_level": rule.security_severity,
            "description": rule.description,
            "full_description": rule.description,
            "tags": list(rule.tags),
            "help": None,
        },
        "tool": {"name": rule.tool, "guid": None, "version": "2.23.3"},
        "most_recent_instance": {
            "ref": "refs/heads/main",
            "analysis_key": ".github/workflows/scan.yml:analyze",
            "environment": "{}",
            "category": ".github/workflows/scan.yml:analyze",
            "state": one.state,
            "commit_sha": f"{one.serial + 1:040x}",
            "message": {"text": f"{rule.description}."},
            "location": {
                "path": "src/app.py",
                "start_line": 12,
                "end_line": 12,
                "start_column": 5,
                "end_column": 31,
            },
            "classifications": [],
        },
    }


def _secret_scanning(one: Alert, hide_secret: bool) -> dict[str, Any]:
    who, when = _ending(one, "resolved")
    return {
        "locations_url": f"{API}/repos/{one.repository.full_name}/secret-scanning/alerts/{one.number}/locations",
        "secret_type": one.rule.id,
        "secret_type_display_name": one.rule.description,
        "secret": None if hide_secret else secret_of(one),
        "resolution": "revoked" if who else None,
        "resolved_by": _person(who),
        "resolved_at": when,
        "resolution_comment": None,
        "push_protection_bypassed": False,
        "push_protection_bypassed_by": None,
        "push_protection_bypassed_at": None,
        "validity": "unknown",
        "publicly_leaked": False,
        "multi_repo": False,
    }


def secret_of(one: Alert) -> str:
    """The secret that was found: made up, and easy to look for where it must not be."""
    return f"SIMULATED-SECRET-{one.repository.id}-{one.number}"


def _dependabot(one: Alert, _: bool) -> dict[str, Any]:
    rule = one.rule
    package = {"ecosystem": "pip", "name": rule.package}
    found = {
        "package": package,
        "severity": rule.severity,
        "vulnerable_version_range": "< 2.4.1",
        "first_patched_version": {"identifier": "2.4.1"},
    }
    return _dismissal(one, "tolerable_risk") | {
        "auto_dismissed_at": _ending(one, "auto_dismissed")[1],
        "dependency": {"package": package, "manifest_path": "requirements.txt", "scope": "runtime"},
        "security_vulnerability": found,
        "security_advisory": {
            "ghsa_id": rule.id,
            "cve_id": None,
            "summary": rule.description,
            "description": rule.description,
            "severity": rule.severity,
            "identifiers": [{"type": "GHSA", "value": rule.id}],
            "references": [{"url": f"{WEB}/advisories/{rule.id}"}],
            "cvss": {"vector_string": None, "score": 0.0},
            "cwes": [{"cwe_id": "CWE-400", "name": "Uncontrolled Resource Consumption"}],
            "vulnerabilities": [found],
            "published_at": "2026-01-05T10:00:00Z",
            "updated_at": "2026-01-06T10:00:00Z",
            "withdrawn_at": None,
        },
    }


_SPECIFIC: Final = {
    "code_scanning": _code_scanning,
    "secret_scanning": _secret_scanning,
    "dependabot": _dependabot,
}


def organization(cast: Cast, origin: str) -> dict[str, Any]:
    """The answer of `GET /orgs/{org}`, the fields a client looks at."""
    url = f"{origin}/orgs/{cast.login}"
    return {
        "login": cast.login,
        "id": cast.id,
        "url": url,
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events",
        "hooks_url": f"{url}/hooks",
        "members_url": f"{url}/members{{/member}}",
        "description": "A simulated organization",
        "name": cast.login,
        "type": "Organization",
        "html_url": f"{WEB}/{cast.login}",
        "public_repos": sum(repo.public for repo in cast.repositories),
        "created_at": "2020-02-03T09:00:00Z",
        "updated_at": "2026-01-05T10:00:00Z",
        "two_factor_requirement_enabled": True,
        "plan": {
            "name": "enterprise",
            "space": 976562499,
            "private_repos": 999999,
            "filled_seats": 12,
            "seats": 50,
        },
    }
