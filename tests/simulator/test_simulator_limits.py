"""Who is let in, how often, and what every answer's headers say."""

import orjson
import pytest

from shipper.simulator import Token
from shipper.simulator.quota import Quota, Secondary
from shipper.simulator.rules import CODE_SCANNING

LOG = "/orgs/acme-corp/audit-log"
ALERTS = "/orgs/acme-corp/code-scanning/alerts"
HOUR = 3_600_000


def body(answer):
    return orjson.loads(answer.body)


def test_a_request_without_user_agent_is_refused(make):
    answer = make().ask(LOG, {"User-Agent": ""})
    assert answer.status == 403
    assert answer.body.startswith(b"Request forbidden by administrative rules.")


def test_an_unknown_api_version_is_400(make):
    github = make()
    assert github.ask(LOG, {"X-GitHub-Api-Version": "2020-01-01"}).status == 400
    for version in ("2022-11-28", "2026-03-10"):
        answer = github.ask(LOG, {"X-GitHub-Api-Version": version})
        assert (answer.status, answer.headers["X-GitHub-Api-Version-Selected"]) == (200, version)


@pytest.mark.parametrize(
    ("authorization", "message"),
    [
        ("", "Requires authentication"),
        ("Basic eDp5", "Requires authentication"),
        ("Bearer ghs_simGone", "Bad credentials"),
    ],
)
def test_a_request_without_a_good_token_is_401(make, authorization, message):
    answer = make().ask(LOG, {"Authorization": authorization})
    assert answer.status == 401
    assert (body(answer)["message"], body(answer)["status"]) == (message, "401")


def test_only_the_tokens_of_the_options_are_good_where_there_are_some(make):
    github = make(tokens=("one",))
    assert github.ask(LOG, {"Authorization": "token one"}).status == 200
    assert github.ask(LOG, {"Authorization": "Bearer two"}).status == 401


def test_a_token_may_expire_be_revoked_or_be_made_for_another_organization(make):
    github = make(organizations=("acme-corp", "tidewatch"))
    token = github.access.tokens["secret"] = Token(
        expires=github.now + 1000, organizations=frozenset({"tidewatch"})
    )
    assert github.ask(LOG).status == 404
    answer = github.ask("/orgs/tidewatch/audit-log")
    assert answer.headers["github-authentication-token-expiration"] == "2026-03-14 12:00:01 UTC"
    token.revoked = True
    assert github.ask("/orgs/tidewatch/audit-log").status == 401
    token.revoked = False
    github.now += 1000
    assert github.ask("/orgs/tidewatch/audit-log").status == 401


def test_a_missing_permission_is_403_and_named(make):
    github = make()
    github.access.tokens["secret"] = Token(permissions=frozenset({"security_events=read"}))
    answer = github.ask(LOG)
    assert answer.status == 403
    assert body(answer)["message"] == "Resource not accessible by personal access token"
    assert answer.headers["X-Accepted-GitHub-Permissions"] == "organization_administration=read"
    assert github.ask(ALERTS).status == 200


def test_a_classic_token_is_told_its_scopes(make):
    answer = make().ask(LOG, {"Authorization": "Bearer ghp_classic"})
    assert answer.headers["X-OAuth-Scopes"] == "admin:org, read:audit_log, security_events"
    assert "X-OAuth-Scopes" not in make().ask(LOG).headers


def test_the_audit_log_has_a_budget_of_its_own(make):
    github = make()
    first, second = github.ask(LOG), github.ask(LOG)
    expected = {"Limit": "1750", "Remaining": "1748", "Used": "2", "Reset": "1773493200", "Resource": "audit_log"}
    assert {name: second.headers[f"X-RateLimit-{name}"] for name in expected} == expected
    assert first.headers["X-RateLimit-Remaining"] == "1749"
    other = github.ask(ALERTS).headers
    assert (other["X-RateLimit-Resource"], other["X-RateLimit-Remaining"]) == ("core", "4999")


@pytest.mark.parametrize("status", [403, 429])
def test_an_exhausted_budget_refuses_until_it_is_reset(make, status):
    github = make(audit_log_limit=2, limit_status=status)
    assert [github.ask(LOG).status for _ in range(3)] == [200, 200, status]
    answer = github.ask(LOG)
    assert body(answer)["message"].startswith("API rate limit exceeded for user ID")
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    assert "Retry-After" not in answer.headers
    assert github.ask(ALERTS).status == 200
    github.now = int(answer.headers["X-RateLimit-Reset"]) * 1000
    assert github.ask(LOG).headers["X-RateLimit-Remaining"] == "1"


def test_304_costs_nothing_and_a_change_ends_it(make):
    github = make()
    first = github.ask(ALERTS)
    again = github.ask(ALERTS, {"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    assert again.headers["X-RateLimit-Used"] == "1"
    assert first.headers["ETag"].startswith('W/"')
    tenant = github.world.organizations[0]
    tenant.alerts.open("code_scanning", tenant.cast.repositories[0], CODE_SCANNING[0], github.now)
    changed = github.ask(ALERTS, {"If-None-Match": first.headers["ETag"]})
    assert (changed.status, changed.headers["X-RateLimit-Used"]) == (200, "2")


def test_rate_limit_is_free_and_tells_all_budgets(make):
    github = make(others=100)
    github.ask(LOG)
    github.now += HOUR // 2
    answer = body(github.ask("/rate_limit"))
    assert answer["resources"]["audit_log"] == {
        "limit": 1750, "used": 51, "remaining": 1699, "reset": 1773493200, "resource": "audit_log",
    }  # fmt: skip
    assert answer == body(github.ask("/rate_limit"))
    assert answer["rate"] == answer["resources"]["core"]


def test_an_enterprise_server_without_limits_has_no_rate_limit(make):
    answer = make(server_version="3.14.0").ask("/api/v3/rate_limit")
    assert (answer.status, body(answer)["message"]) == (404, "Rate limiting is not enabled.")


def test_tokens_of_one_user_share_a_budget(make):
    github = make()
    for value in ("one", "two"):
        github.access.tokens[value] = Token(owner="somebody")
    github.ask(LOG, {"Authorization": "Bearer one"})
    answer = github.ask(LOG, {"Authorization": "Bearer two"})
    assert answer.headers["X-RateLimit-Used"] == "2"


def test_more_than_900_reads_a_minute_meet_the_secondary_limit(make):
    github = make()
    assert {github.ask(LOG).status for _ in range(900)} == {200}
    answer = github.ask(LOG)
    assert answer.status == 403
    assert body(answer)["message"].startswith("You have exceeded a secondary rate limit.")
    assert answer.headers["Retry-After"] == "60"
    github.now += 60_000
    assert github.ask(LOG).status == 200


def test_more_than_a_hundred_requests_at_once_meet_the_secondary_limit(make):
    github = make()
    assert github.ask(LOG, concurrent=100).status == 200
    assert github.ask(LOG, concurrent=101).status == 403


def test_fifteen_audit_log_calls_a_minute_by_option(make):
    github = make(audit_log_per_minute=15)
    assert [github.ask(LOG).status for _ in range(16)] == [200] * 15 + [403]
    assert github.ask(ALERTS).status == 200


def test_every_answer_is_dated_and_numbered(make):
    github = make()
    first, second = github.ask(LOG), github.ask("/nowhere")
    assert first.headers["Date"] == "Sat, 14 Mar 2026 12:00:00 GMT"
    assert first.headers["X-GitHub-Request-Id"] != second.headers["X-GitHub-Request-Id"]
    assert first.headers["X-GitHub-Media-Type"] == "github.v3; format=json"
    assert first.headers["Cache-Control"] == "private, max-age=60, s-maxage=60"


@pytest.mark.parametrize("path", ["/nowhere", "/orgs/acme-corp/", LOG + "/", "/orgs/acme-corp/audit_log"])
def test_what_is_not_there_is_404(make, path):
    answer = make().ask(path)
    assert answer.status == 404
    assert body(answer) == {
        "message": "Not Found", "documentation_url": "https://docs.github.com/rest", "status": "404",
    }  # fmt: skip


@pytest.mark.parametrize("path", ["/", "/meta", "/rate_limit", "/user", "/orgs/acme-corp"])
def test_the_endpoints_of_a_connection_test_answer(make, path):
    assert make().ask(path).status == 200


def test_an_organization_tells_its_number(make):
    github = make()
    found = github.json("/orgs/Acme-Corp")
    assert (found["login"], found["type"]) == ("acme-corp", "Organization")
    assert github.json(f"/organizations/{found['id']}")["login"] == "acme-corp"


def test_a_window_opens_with_its_first_call_and_lasts_an_hour():
    quota = Quota({"core": 10})
    assert quota.look("core", 500).reset == 3601
    assert quota.take("core", 1000).used == 1
    assert quota.take("core", HOUR + 999).used == 2
    assert quota.take("core", HOUR + 1000).used == 1


def test_others_use_the_budget_evenly():
    quota = Quota({"core": 5000}, others=3600)
    quota.take("core", 0)
    assert quota.look("core", 60_000).used == 61
    assert quota.look("core", HOUR - 1).used == 3600


def test_secondary_points_are_counted_by_user_and_endpoint():
    secondary = Secondary(10)
    assert not secondary.refuses("a", "audit_log", 0, 10)
    assert secondary.refuses("a", "audit_log", 59_999)
    assert not secondary.refuses("b", "audit_log", 59_999)
    assert not secondary.refuses("a", "org", 59_999)
    assert not secondary.refuses("a", "audit_log", 60_000)
