"""The demo organization: what a visitor sees within the first minute."""

import pytest

LOG = "/orgs/acme-corp/audit-log?include=all&per_page=100&order=asc"

#: An event that each default rule for the audit log is made for.
NEEDED = [
    {"action": "org.add_member", "permission": "admin"},
    {"action": "org.disable_two_factor_requirement"},
    {"action": "repo.access", "visibility": "public"},
    {"action": "repo.access", "visibility": "private"},
    {"action": "org.update_actions_secret"},
    {"action": "protected_branch.destroy", "name": "main"},
    {"action": "oauth_application.create"},
]


@pytest.mark.parametrize("needed", NEEDED, ids=lambda needed: "-".join(map(str, needed.values())))
def test_every_default_rule_has_its_event_within_the_first_minute(demo, needed):
    github = demo(backlog=0, oddities=0, late=0)
    github.now += 60_000
    assert any(needed.items() <= event.items() for event in github.all(LOG))


def test_routine_access_names_no_visibility(demo):
    github = demo(backlog=0, oddities=0, late=0)
    github.now += 60_000
    routine = [e for e in github.all(LOG) if e["action"] == "repo.access" and "visibility" not in e]
    assert routine
    assert not any("previous_visibility" in event for event in routine)


def test_code_scanning_starts_with_a_critical_finding_of_codeql(demo):
    found = demo().json("/orgs/acme-corp/code-scanning/alerts?per_page=100")
    assert any(
        alert["rule"]["security_severity_level"] == "critical" and alert["tool"]["name"] == "CodeQL"
        for alert in found
    )
    assert {alert["rule"]["severity"] for alert in found} >= {"error", "warning"}


def test_hundreds_of_events_wait_from_the_hour_before(demo):
    github = demo(late=0)
    assert len(github.all(LOG)) == 300
    newest = github.json("/orgs/acme-corp/audit-log?include=all&per_page=1")[0]
    assert github.now - newest["@timestamp"] < 30_000
