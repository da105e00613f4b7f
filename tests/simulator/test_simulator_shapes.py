"""What the simulator makes up has the shape of what was recorded; the recordings lie beside the repository."""

import json
from pathlib import Path

import pytest

from shipper.simulator.rules import RULES
from shipper.simulator.templates import NOTABLE, TEMPLATES

RECORDED = Path(__file__).parents[3] / "shared/data/github"
pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason="no recorded answers here")

#: Which fields a recorded alert has that a listing of today does not.
OUTDATED = {"instances"}


@pytest.fixture(scope="module")
def page():
    return json.loads((RECORDED / "gitHubResponse24LogsOrganization.json").read_text())


def made(github, action):
    """An event of an action, as it is listed."""
    tenant = github.world.organizations[0]
    template = next(one for one in TEMPLATES if one.action == action)
    event = tenant.draft(template, github.now)
    del event["actor_ip"]
    return event


def test_actions_that_were_recorded_have_their_recorded_fields(make, page):
    github = make()
    known = {template.action for template in TEMPLATES}
    compared = [event for event in page if event["action"] in known]
    assert {event["action"] for event in compared} == {
        "hook.create", "hook.destroy", "org.add_member", "repo.change_merge_setting", "repo.create",
    }  # fmt: skip
    for recorded in compared:
        event = made(github, recorded["action"])
        optional = {"actor_location", "oauth_application", "oauth_application_id", "request_category"}
        assert recorded.keys() - optional <= event.keys(), recorded["action"]
        same = {name for name in recorded.keys() & event.keys() if recorded[name] is not None}
        assert {n: type(event[n]) for n in same} == {n: type(recorded[n]) for n in same}


def test_events_are_sorted_by_name_as_recorded(make, page):
    assert all(list(event) == sorted(event) for event in page)
    assert all(list(event) == sorted(event) for event in [made(make(), template.action) for template in NOTABLE])


def test_document_ids_look_like_recorded_ones(make, page):
    assert {len(event["_document_id"]) for event in page} == {22}
    assert len(made(make(), "repo.create")["_document_id"]) == 22


@pytest.mark.parametrize("stream", ["code_scanning", "secret_scanning", "dependabot"])
def test_alerts_have_the_recorded_fields(make, stream):
    github = make()
    tenant = github.world.organizations[0]
    tenant.alerts.open(stream, tenant.cast.repositories[0], RULES[stream][0], github.now)
    alert = github.json(f"/orgs/acme-corp/{stream.replace('_', '-')}/alerts")[0]
    recorded = json.loads((RECORDED / f"alerts/{stream}_org_alerts.json").read_text())
    for one in recorded:
        assert one.keys() - OUTDATED <= alert.keys()
        for part in {"rule", "tool", "most_recent_instance", "dependency"} & one.keys():
            assert (one[part] or {}).keys() <= alert[part].keys()


def test_a_recorded_page_is_served_as_it_is(make, page):
    github = make(events=tuple(page), retention=None, default_window=None)
    assert github.json("/orgs/acme-corp/audit-log?per_page=100") == page
    assert github.all("/orgs/acme-corp/audit-log?per_page=7&order=asc") == page[::-1]


def test_recorded_odd_events_are_served_as_they_are(make):
    lines = (RECORDED / "audit_log_edge_cases.ndjson").read_text().splitlines()
    events = tuple(json.loads(line) for line in lines)
    github = make(events=events, retention=None, default_window=None)
    served = github.json("/orgs/acme-corp/audit-log?per_page=100")
    assert sorted(map(json.dumps, served)) == sorted(map(json.dumps, events))
