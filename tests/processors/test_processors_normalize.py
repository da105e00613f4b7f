"""normalize: the attributes of GitHub's records."""

import pytest

from shipper.processors.normalize import component

AUDIT = {"source": "github", "category": "vcs", "stream": "audit_log"}
ALERT = {"source": "github", "category": "vcs", "stream": "code_scanning"}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            {"org": "acme", "repo": "acme/app", "actor": "ann", "actor_ip": "192.0.2.7", "action": "repo.create"},
            {
                "vcs.owner.name": "acme",
                "vcs.repository.name": "app",
                "user.name": "ann",
                "client.address": "192.0.2.7",
            },
        ),
        ({"repo": "app"}, {"vcs.repository.name": "app"}),
        ({"repo": "acme/a/b"}, {"vcs.repository.name": "a/b"}),
        ({"org": ["acme"], "repo": ["acme/app"], "actor": None, "actor_ip": 7}, {}),
        ({}, {}),
        ("an event that is a string", {}),
        ([1, 2], {}),
        (None, {}),
    ],
)
def test_audit_events_get_attributes_from_string_fields_only(build, record, event, expected):
    """A field that is absent or no string gives no attribute; the repository comes without its owner."""
    [out] = build(component)([record(event)])
    assert out.attributes == AUDIT | expected
    assert out.body == event


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            {
                "repository": {"name": "app", "owner": {"login": "acme"}},
                "dismissed_by": {"login": "ann"},
                "html_url": "https://github.com/acme/app/security/code-scanning/1",
            },
            {
                "vcs.owner.name": "acme",
                "vcs.repository.name": "app",
                "user.name": "ann",
                "url.full": "https://github.com/acme/app/security/code-scanning/1",
            },
        ),
        ({"dismissed_by": None, "resolved_by": {"login": "bob"}}, {"user.name": "bob"}),
        ({"repository": "acme/app", "dismissed_by": "ann", "html_url": None}, {}),
        ({"repository": {"owner": ["acme"], "name": {"x": 1}}}, {}),
    ],
)
def test_alerts_get_attributes_from_nested_fields(build, record, event, expected):
    """Alerts name owner, repository, dismisser and page; odd types give nothing."""
    [out] = build(component)([record(event, "code_scanning")])
    assert out.attributes == ALERT | expected


def test_attributes_of_other_processors_stay(build, record):
    """What is on the record already is kept."""
    [out] = build(component)([record({}, attributes={"team": "red"})])
    assert out.attributes == AUDIT | {"team": "red"}


def test_explain_says_the_attributes_and_changes_nothing(build, record):
    """An explanation leaves the record as it is."""
    event = record({"actor": "ann"})
    assert build(component).explain(event) == {"attributes": AUDIT | {"user.name": "ann"}}
    assert event.attributes == {}
