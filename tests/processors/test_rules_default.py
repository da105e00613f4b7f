"""The built-in set github-default: the severity table, and what is never dropped."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.core.clock import SystemClock
from shipper.core.component import Context, Paths
from shipper.core.record import Record
from shipper.core.telemetry import Health, Meter
from shipper.processors.rules import component

OAUTH = ["oauth_application.create", "org.oauth_app_access_approved", "integration_installation.create"]
BRANCH = ["protected_branch.destroy", "repo.delete_protected_branch_rule"]


def audit(action, **fields):
    return "audit_log", {"action": action, **fields}


def code(**fields):
    return "code_scanning", {"number": 1, "state": "open", **fields}


def finding(security=None, severity=None, tool="CodeQL"):
    return code(rule={"security_severity_level": security, "severity": severity}, tool={"name": tool})


CASES = [
    (audit("org.add_member", permission="admin"), "org-admin-granted", "high"),
    (audit("org.add_member", permission="read"), None, "info"),
    (audit("org.add_member", permission=True), None, "info"),
    (audit("org.add_member"), None, "info"),
    (audit("org.add_member", permission="admin", old_permission="admin"), "org-admin-granted", "high"),
    (audit("org.update_member", permission="admin", old_permission="read"), "org-admin-granted", "high"),
    (audit("org.update_member", permission="admin"), "org-admin-granted", "high"),
    (audit("org.update_member", permission="admin", old_permission="admin"), None, "info"),
    (audit("org.update_member", permission="read", old_permission="admin"), None, "info"),
    (audit("business.add_admin"), "org-admin-granted", "high"),
    (audit("org.disable_two_factor_requirement"), "two-factor-requirement-disabled", "high"),
    (audit("business.disable_two_factor_requirement"), "two-factor-requirement-disabled", "high"),
    (audit("org.enable_two_factor_requirement"), None, "info"),
    (audit("repo.access", visibility="public"), "repository-made-public", "high"),
    (audit("repo.access", visibility="PUBLIC", previous_visibility="private"), "repository-made-public", "high"),
    (audit("repo.access", visibility=["public"]), "repository-made-public", "high"),
    (audit("repo.public_repository_disabled_visibility"), "repository-made-public", "high"),
    (audit("repo.access", visibility="private"), "repository-visibility-changed", "info"),
    (audit("repo.access", previous_visibility="public"), "repository-visibility-changed", "info"),
    (audit("repo.access", visibility=None), "repository-visibility-changed", "info"),
    (audit("repo.access", visibility=[]), "repository-visibility-changed", "info"),
    (audit("repo.access", visibility={"to": "public"}), "repository-visibility-changed", "info"),
    (audit("repo.access", data={"visibility": "public"}), "repository-made-public", "high"),
    (audit("repo.access", data=[{"x": 1}, {"visibility": "Public"}]), "repository-made-public", "high"),
    (audit("repo.access", visibility="private", data={"visibility": "public"}), "repository-made-public", "high"),
    (audit("repo.access", data={"visibility": "internal"}), "repository-visibility-changed", "info"),
    (audit("repo.access", data={"previous_visibility": "public"}), "repository-visibility-changed", "info"),
    (audit("org.create_actions_secret"), "actions-secret-changed", "medium"),
    (audit("org.update_actions_secret"), "actions-secret-changed", "medium"),
    (audit("org.remove_actions_secret"), "actions-secret-changed", "medium"),
    (audit("repo.create_actions_secret"), None, "info"),
    *[(audit(action, name="main"), "default-branch-protection-removed", "medium") for action in BRANCH],
    (audit("protected_branch.destroy", name="refs/heads/master"), "default-branch-protection-removed", "medium"),
    (audit("protected_branch.destroy", branch="main"), "default-branch-protection-removed", "medium"),
    (audit("protected_branch.destroy", branch="refs/heads/main"), "default-branch-protection-removed", "medium"),
    (audit("protected_branch.destroy"), "default-branch-protection-removed", "medium"),
    (audit("protected_branch.destroy", name=None), "default-branch-protection-removed", "medium"),
    (audit("protected_branch.destroy", name="topic"), None, "info"),
    (audit("protected_branch.destroy", branch="topic/main"), None, "info"),
    (audit("repository_ruleset.destroy"), "default-branch-protection-removed", "medium"),
    (audit("repository_ruleset.destroy", name="topic"), "default-branch-protection-removed", "medium"),
    *[(audit(action, name="Scanner"), "unknown-oauth-application", "medium") for action in OAUTH],
    (audit("oauth_application.create"), "unknown-oauth-application", "medium"),
    (finding("critical"), "code-scanning-codeql-critical", "high"),
    (finding("critical", "error"), "code-scanning-codeql-critical", "high"),
    (finding("critical", tool="Semgrep"), "code-scanning-security-high", "medium"),
    (finding("high"), "code-scanning-security-high", "medium"),
    (finding("high", "error"), "code-scanning-security-high", "medium"),
    (finding("medium", "error"), "code-scanning-error", "medium"),
    (finding(None, "error"), "code-scanning-error", "medium"),
    (finding("medium", "warning"), None, "info"),
    (finding(), None, "info"),
    (("secret_scanning", {"number": 1, "rule": {"severity": "error"}}), None, "info"),
    (audit("git.clone"), None, "info"),
    (audit("repo.access_denied"), None, "info"),
    (("audit_log", "an event that is a string"), None, "info"),
    (("audit_log", {"action": {"repo": "access"}}), None, "info"),
]


@pytest.mark.parametrize(("event", "rule", "severity"), CASES)
def test_each_row_of_the_severity_table(build, record, event, rule, severity):
    """The first rule that matches gives its severity and its name; where none does, it is info and unnamed."""
    stream, body = event
    [out] = build(component)([record(body, stream)])
    expected = {"severity": severity} | ({"shipper.rule": rule} if rule else {})
    assert out.attributes == expected
    assert (out.severity_text, out.severity_number) == (severity, {"high": 17, "medium": 13, "info": 9}[severity])


@pytest.mark.parametrize("action", ["repo.access", "Repo.Access", ["repo.access"]])
def test_routine_access_is_dropped(build, record, context, action):
    """A repo.access that says nothing of a visibility goes no further, and is counted."""
    assert build(component)([record({"action": action, "actor": "ann"})]) == []
    assert context.meter.value("shipper_dropped_log_records", processor="part", reason="rule") == 1
    assert context.meter.value("shipper_rule_hits", processor="part", rule="routine-access") == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["public", "Public", "private"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(
    field=st.sampled_from(["visibility", "previous_visibility"]),
    value=JSON,
    action=st.sampled_from(["repo.access", "REPO.ACCESS", ["repo.access"]]),
    others=st.dictionaries(st.sampled_from(["org", "data", "public_repo", "name"]), JSON),
)
def test_nothing_that_says_a_visibility_is_ever_dropped(field, value, action, others):
    """Whatever type a visibility has, its record is shipped."""
    clock = SystemClock()
    context = Context("rules", Meter(), Health(clock), clock, Paths(Path(), Path()))
    rules = component.build(component.config(), context)
    event = {**others, "action": action, field: value}
    assert rules([Record("uid", "audit_log", "github.event", 1, 2, event)])


def test_oauth_applications_of_the_allow_list_pass(build, record, tmp_path):
    """Names and ids of the list, in any case, are no finding; the file may hold comments and blank lines."""
    (tmp_path / "apps.txt").write_text("# ours\n\nBuild Bot\n12345\nstar*\n")
    rules = build(component, {"use": ["github-default"], "lists": {"allowed_oauth_applications": "apps.txt"}})
    passing = [{"name": "build bot"}, {"oauth_application_id": 12345}, {"oauth_application_name": "STAR*"}]
    found = rules([record({"action": action, **fields}) for action in OAUTH for fields in passing])
    assert [out.severity_text for out in found] == ["info"] * 9
    [starfish] = rules([record({"action": OAUTH[0], "name": "starfish"})])
    assert starfish.attributes["shipper.rule"] == "unknown-oauth-application"
