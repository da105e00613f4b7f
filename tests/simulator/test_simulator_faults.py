"""The fault plan: what strikes when, and what each kind of fault is."""

import json

import orjson
import pytest

from shipper.simulator.faults import KINDS, FaultError, FaultPlan, parse
from shipper.simulator.mischief import _REFUSALS, _SPOILS

LOG = "/orgs/acme-corp/audit-log"
ALERTS = "/orgs/acme-corp/code-scanning/alerts"


def body(answer):
    return orjson.loads(answer.body)


@pytest.fixture
def struck(make):
    """The answer of an audit log of two events, per page one, that a fault strikes."""

    def struck(spec):
        github = make(spec)
        github.event(1)
        github.event(2, at=1)
        return github.ask(LOG + "?per_page=1")

    return struck


@pytest.mark.parametrize(
    ("kind", "status", "message", "headers"),
    [
        ("401", 401, "Bad credentials", {}),
        ("403-permission", 403, "Resource not accessible by personal access token",
         {"X-Accepted-GitHub-Permissions": "organization_administration=read", "X-RateLimit-Remaining": "1749"}),
        ("403-integration", 403, "Resource not accessible by integration", {}),
        ("403-quota=90", 403, "API rate limit exceeded for user ID 583231.",
         {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1773489690", "X-RateLimit-Resource": "audit_log"}),
        ("429-quota", 429, "API rate limit exceeded for user ID 583231.", {"X-RateLimit-Reset": "1773489660"}),
        ("403-secondary", 403, "You have exceeded a secondary rate limit.", {}),
        ("429-secondary", 429, "You have exceeded a secondary rate limit.", {}),
        ("403-retry-after=7", 403, "You have exceeded a secondary rate limit.", {"Retry-After": "7"}),
        ("429-retry-after", 429, "You have exceeded a secondary rate limit.", {"Retry-After": "60"}),
        ("404", 404, "Not Found", {}),
        ("410", 410, "Gone", {}),
        ("422", 422, "Validation Failed", {}),
        ("500", 500, "Server Error", {}),
        ("503", 503, "Service unavailable", {}),
        ("sso", 403, "Resource protected by organization SAML enforcement.",
         {"X-GitHub-SSO": "required; url=https://github.com/orgs/acme-corp/sso?authorization_request=A1B2C3"}),
        ("ip-allow-list", 403, "Although you appear to have the correct authorization credentials,", {}),
        ("suspended", 403, "This installation has been suspended", {}),
        ("200-error-body", 200, "Server Error", {}),
    ],
)  # fmt: skip
def test_refusals_have_githubs_words_and_headers(struck, kind, status, message, headers):
    answer = struck(f"audit_log:{kind}")
    assert answer.status == status
    assert body(answer)["message"].startswith(message)
    assert "documentation_url" in body(answer)
    assert headers.items() <= answer.headers.items()


def test_secondary_limits_come_without_a_word_on_when_to_come_back(struck):
    assert (
        not {"Retry-After", "X-RateLimit-Remaining", "X-RateLimit-Reset"}
        & struck("audit_log:403-secondary").headers.keys()
    )


@pytest.mark.parametrize(("kind", "status"), [("502-html", 502), ("504", 504), ("200-html", 200)])
def test_proxies_answer_in_html(struck, kind, status):
    answer = struck(f"audit_log:{kind}")
    assert (answer.status, answer.content_type) == (status, "text/html; charset=utf-8")
    assert answer.body.startswith(b"<!DOCTYPE html>")


def test_bodies_are_spoiled(struck):
    with pytest.raises(orjson.JSONDecodeError):
        body(struck("audit_log:truncated"))
    assert struck("audit_log:200-empty").body == b""
    assert [event["_document_id"] for event in body(struck("audit_log:page-is-object"))["items"]] == ["d2"]
    assert body(struck("audit_log:string-event"))[0] == "an event that is a string"
    assert len(body(struck("audit_log:huge-field=1000"))[0]["huge"]) == 1000
    assert len(struck("audit_log:huge-field").body) > 10_000_000
    assert body(struck("audit_log:deep=20"))[0]["deep"] == json.loads("[" * 20 + "]" * 20)
    assert json.loads(struck("audit_log:lone-surrogate").body)[0]["lone_surrogate"] == "half \ud83d of it"
    assert json.loads(struck("audit_log:huge-integer").body)[0]["huge_integer"] == int("9" * 40)
    event = json.loads(struck("audit_log:nan").body)[0]
    assert event["not_a_number"] != event["not_a_number"]
    assert event["infinite"] == float("-inf")
    assert b"\xff\xfe" in struck("audit_log:invalid-utf8").body


def test_a_spoiled_page_keeps_its_events(struck):
    for kind in ("huge-field=5", "nan", "lone-surrogate", "huge-integer", "deep", "string-event"):
        assert json.loads(struck(f"audit_log:{kind}").body)[-1]["_document_id"] == "d2"


def test_links_are_spoiled(struck, link):
    assert link(struck("audit_log:link-other-host"))["next"].startswith("https://elsewhere.example/organizations/")
    assert link(struck("audit_log:link-loop"))["next"] == "https://api.test" + LOG + "?per_page=1"


def test_redirects(make):
    github = make("audit_log:301", "code_scanning:302-other-host")
    moved = github.ask(LOG + "?per_page=1")
    number = github.world.organizations[0].cast.id
    assert (moved.status, moved.headers["Location"]) == (
        301, f"https://api.test/organizations/{number}/audit-log?per_page=1",
    )  # fmt: skip
    assert github.ask(f"/organizations/{number}/audit-log?per_page=1").status == 200
    lured = github.ask(ALERTS)
    assert (lured.status, lured.headers["Location"]) == (302, "https://elsewhere.example" + ALERTS)


def test_transport_faults_are_told_to_the_server(struck):
    assert struck("audit_log:hang").hang
    assert struck("audit_log:slow").delay == 5.0
    assert struck("audit_log:slow=0.5").delay == 0.5
    assert struck("audit_log:reset").cut


def test_every_kind_does_something():
    assert _REFUSALS.keys() | _SPOILS.keys() == KINDS.keys()
    assert not _REFUSALS.keys() & _SPOILS.keys()


@pytest.mark.parametrize(
    ("spec", "struck"),
    [
        ("audit_log:500", [1, 2, 3, 4, 5]),
        ("audit_log:500#2", [2]),
        ("audit_log:500#2-", [2, 3, 4, 5]),
        ("audit_log:500#2-3", [2, 3]),
        ("*:500#1-2", [1, 2]),
        ("code_scanning:500", []),
        ("audit_log@acme-corp:500#1", [1]),
        ("audit_log@ACME-CORP:500#1", [1]),
        ("audit_log@tidewatch:500", []),
    ],
)
def test_a_fault_strikes_the_requests_it_names(make, spec, struck):
    github = make(spec)
    assert [number for number in range(1, 6) if github.ask(LOG).status == 500] == struck


def test_a_share_of_requests_is_drawn_from_the_seed():
    def hits(seed):
        plan = FaultPlan(("audit_log:500%20",), seed)
        return [number for number in range(500) if plan.choose("audit_log", "acme-corp", 0)]

    assert hits(1) == hits(1)
    assert hits(1) != hits(2)
    assert 70 < len(hits(1)) < 130


def test_the_first_fault_that_strikes_wins_and_all_count(make):
    github = make("audit_log:500#1", "audit_log:503#1-2")
    assert [github.ask(LOG).status for _ in range(3)] == [500, 503, 200]


def test_a_fault_may_last_from_one_time_to_another(make):
    github = make()
    fault = github.faults.add("audit_log:503", since=github.now + 1000, until=github.now + 2000)
    found = []
    for _ in range(3):
        found.append(github.ask(LOG).status)
        github.now += 1000
    assert found == [200, 503, 200]
    assert (fault.seen, fault.hits) == (1, 1)
    github.faults.clear()
    assert github.faults.faults == []


def test_faults_of_the_enterprise_are_named_by_its_slug(make):
    github = make("audit_log@acme:403-permission")
    assert github.ask("/enterprises/acme/audit-log").status == 403
    assert github.ask(LOG).status == 200


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nonsense", "is no fault; write STREAM"),
        ("audit-log:500", "is no fault; write STREAM"),
        ("audits:500", "can't be hit; one of audit_log"),
        ("audit_log:999", "is no kind of fault; one of 401"),
    ],
)
def test_what_is_not_understood_says_what_would_be(spec, message):
    with pytest.raises(FaultError, match=message):
        parse(spec)
