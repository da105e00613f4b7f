"""What an answer means, without a socket."""

import json

import pytest

from shipper.net.http import Answer
from shipper.receivers.github.answers import Later, Limited, Moved, Page, Refused, Unchanged, judge
from shipper.receivers.github.quota import Quota
from shipper.receivers.github.remedies import Subject

NOW = 1_700_000_000 * 10**9
DATE = {"date": "Tue, 14 Nov 2023 22:13:20 GMT"}
AUDIT = Subject("acme", "audit_log")
ALERTS = Subject("acme", "code_scanning")


NEEDS = "x-accepted-github-permissions"
NO_TOKEN = "Resource not accessible by personal access token"
NO_APP = "Resource not accessible by integration"
SAML = "Resource protected by organization SAML enforcement."
IP_LIST = "`acme` has an IP allow list enabled, and your IP address is not permitted"
SWITCHED_OFF = "Advanced Security must be enabled for this organization"


def error(status: int, message: str = "", **headers: str) -> Answer:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, names, json.dumps({"message": message}).encode())


def test_a_page_names_the_next_one_and_the_servers_time():
    headers = {"link": '<https://api.github.com/x?after=1>; rel="next"', "etag": 'W/"1"', **DATE}
    page = judge(Answer(200, headers, b'[{"action": "a"}, "text"]'), AUDIT, NOW)
    assert page == Page([{"action": "a"}, "text"], "https://api.github.com/x?after=1", 1_700_000_000_000, 'W/"1"')


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'[{"action": "a"}, {"act', "JSON that is cut short or broken"),
        (b'{"total": 3}', "a JSON object instead of a list"),
        (b'{"message": "Server\\nError"}', "an error instead of a list: Server Error"),
        (b"<html><body>Unicorn!", "an HTML page instead of JSON"),
        (b"", "nothing instead of JSON"),
        (b"null", "a JSON null instead of a list"),
    ],
)
def test_a_200_that_is_no_page_is_asked_for_again(body, said):
    assert judge(Answer(200, {}, body), AUDIT, NOW) == Later(f"GitHub answered 200 with {said}")


def test_nothing_changed():
    assert judge(Answer(304, DATE, b""), ALERTS, NOW) == Unchanged(1_700_000_000_000)


def test_a_redirect_says_where():
    assert judge(Answer(301, {"location": "https://x/"}, b""), AUDIT, NOW) == Moved("https://x/")


@pytest.mark.parametrize(
    ("answer", "seconds", "everything"),
    [
        (error(429, retry_after="7"), 7.0, True),
        (error(403, "slow down", retry_after="30"), 30.0, True),
        (error(403, retry_after="Tue, 14 Nov 2023 22:14:00 GMT", **DATE), 40.0, True),
        (error(403, retry_after="5", x_ratelimit_remaining="0", x_ratelimit_reset="1700003600"), 5.0, False),
        (error(403, x_ratelimit_remaining="0", x_ratelimit_reset="1700000100"), 101.0, False),
        (error(429, x_ratelimit_remaining="0", x_ratelimit_reset="1700000100"), 101.0, False),
        # The server's clock is an hour behind ours: its reset is a minute away, not in the past.
        (
            error(
                403,
                date="Tue, 14 Nov 2023 21:13:20 GMT",
                x_ratelimit_remaining="0",
                x_ratelimit_reset="1699996460",
            ),
            61.0,
            False,
        ),
        (error(403, "You have exceeded a secondary rate limit."), 60.0, True),
        (error(403, "You have triggered an abuse detection mechanism."), 60.0, True),
        (error(429), 60.0, True),
        (error(429, x_ratelimit_remaining="0"), 60.0, True),
        (error(429, retry_after="soon"), 60.0, True),
        (error(429, retry_after="99999999"), 86400.0, True),
        (error(429, retry_after="0"), 1.0, True),
    ],
)
def test_limits_say_how_long_to_wait(answer, seconds, everything):
    verdict = judge(answer, AUDIT, NOW)
    assert isinstance(verdict, Limited)
    assert (verdict.seconds, verdict.everything) == (seconds, everything)


def test_secondary_limits_without_headers_double_the_wait_up_to_an_hour():
    waits = [judge(error(403, "secondary rate limit"), AUDIT, NOW, met).seconds for met in range(8)]
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600]


def test_a_window_that_ended_long_ago_is_believed_once():
    """Else a limit that goes on is asked for each second."""
    answer = error(403, "secondary rate limit", x_ratelimit_remaining="0", x_ratelimit_reset="1600000000")
    waits = [judge(answer, AUDIT, NOW, met).seconds for met in range(4)]
    assert waits == [1, 120, 240, 480]


def test_an_exhausted_limit_names_its_size_and_who_shares_it():
    headers = {"x_ratelimit_limit": "5000", "x_ratelimit_resource": "core"}
    answer = error(
        403, "API rate limit exceeded", x_ratelimit_remaining="0", x_ratelimit_reset="1700000100", **headers
    )
    assert judge(answer, ALERTS, NOW).reason == (
        "all 5000 calls of this window (core) are used; the limit is shared by every use of the token, "
        "a GitHub App has its own"
    )


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
def test_faults_of_the_server_pass(status):
    verdict = judge(error(status), ALERTS, NOW)
    assert isinstance(verdict, Later)
    assert verdict.smaller == (status in (502, 504))


def test_a_503_may_say_when_to_come_back():
    assert judge(error(503, retry_after="9"), ALERTS, NOW).seconds == 9.0


@pytest.mark.parametrize(
    ("answer", "subject", "parts"),
    [
        (error(401, "Bad credentials"), AUDIT, ["wrong, expired or revoked", "for another organization", "acme"]),
        (
            error(403, NO_TOKEN, **{NEEDS: "organization_administration=read"}),
            AUDIT,
            ["Administration: read", "GitHub asks for organization_administration=read", "recreate the token"],
        ),
        (
            error(403, NO_APP, **{NEEDS: "a=read,b=read; c=write"}),
            Subject("acme", "code_scanning", app=True),
            ["Code scanning alerts: read", "a=read and b=read or c=write", "grant it to the App"],
        ),
        (error(404, "Not Found"), AUDIT, ["no permission", "no owner of acme", "the plan has no audit log API"]),
        (error(404, "Not Found"), ALERTS, ["no permission", "security manager", "misspelled"]),
        (
            error(403, SAML, **{"x-github-sso": "required; url=https://github.com/orgs/acme/sso?x=1"}),
            AUDIT,
            ["SAML single sign-on", "https://github.com/orgs/acme/sso?x=1"],
        ),
        (error(403, IP_LIST), AUDIT, ["IP allow list"]),
        (error(403, "This installation has been suspended"), AUDIT, ["suspended"]),
        (error(403, SWITCHED_OFF), ALERTS, ["streams.code_scanning: false"]),
        (error(400, "Unsupported API version"), AUDIT, ["api_version"]),
        (error(410, "Gone"), AUDIT, ["410", "api_version"]),
        (error(451), AUDIT, ["451"]),
        (Answer(403, {}, b" <html>Blocked by policy"), AUDIT, ["403 for audit_log of organization acme", "proxy"]),
        (
            Answer(404, {}, b"<!DOCTYPE html>"),
            ALERTS,
            ["a web page", "into base_url"],
        ),
    ],
)
def test_a_refusal_says_what_to_do(answer, subject, parts):
    verdict = judge(answer, subject, NOW)
    assert isinstance(verdict, Refused)
    assert verdict.status == answer.status
    assert [part for part in parts if part not in verdict.reason] == []


def test_hostile_words_of_an_error_stay_on_one_short_line():
    verdict = judge(error(404, "x\r\nlevel=error \x1b[31m" + "y" * 10_000), AUDIT, NOW)
    assert verdict.reason.isprintable()
    assert len(verdict.reason) < 700


def window(limit: int | None, remaining: int, reset: int = 3600) -> dict[str, str]:
    headers = {"x-ratelimit-remaining": str(remaining), "x-ratelimit-reset": str(1_700_000_000 + reset)}
    return headers if limit is None else {**headers, "x-ratelimit-limit": str(limit)}


@pytest.mark.parametrize(
    ("limit", "remaining", "wait"),
    [
        (5000, 5000, 0),
        (5000, 100, 0),
        (5000, 99, 3601),
        (5000, 0, 3601),
        (None, 99, 3601),
        (60, 40, 0),
        (60, 29, 3601),
    ],
)
def test_with_fewer_calls_left_than_the_minimum_the_next_window_is_waited_for(limit, remaining, wait):
    """A window smaller than the minimum is used by half: otherwise nothing would ever be asked."""
    quota = Quota(100)
    quota.learn("core", window(limit, remaining), 10.0, NOW)
    assert quota.wait("core", 10.0) == wait
    assert quota.wait("audit_log", 10.0) == 0
    assert quota.wait("core", 10.0 + 3601) == 0


def test_a_quota_without_headers_is_endless():
    quota = Quota(100)
    assert quota.learn("core", {}, 0.0, NOW) == "core"
    assert (quota.wait("core", 0.0), quota.remaining("core")) == (0, None)
    assert quota.allowance("core", 0.0, 300.0, 2) == float("inf")
    assert quota.spacing("core", 0.0, 300.0, 2) == 300.0


def test_a_server_that_makes_up_resources_does_not_fill_the_memory():
    quota = Quota(100)
    for number in range(1000):
        headers = window(1750, 1300) | {"x-ratelimit-resource": f"made-up-{number}"}
        found = {quota.learn("audit_log", headers, 0.0, NOW)}
    assert found == {"audit_log"}
    assert sum(quota.remaining(f"made-up-{number}") is not None for number in range(1000)) < 100


def test_a_secondary_limit_stops_every_resource_and_a_primary_one_its_own():
    quota = Quota(0)
    quota.pause(0.0, 50.0, "core")
    assert (quota.wait("core", 0.0), quota.wait("audit_log", 0.0)) == (50.0, 0)
    quota.pause(0.0, 60.0)
    assert (quota.wait("core", 0.0), quota.wait("audit_log", 0.0)) == (60.0, 60.0)


def test_a_window_is_shared_by_streams_and_polls_alike():
    quota = Quota(100)
    quota.learn("audit_log", window(1750, 1300, 3599), 0.0, NOW)
    assert quota.allowance("audit_log", 0.0, 300.0, 10) == 10.0
    assert quota.spacing("audit_log", 0.0, 300.0, 10) == 300.0


def test_polls_are_spread_once_half_of_the_window_is_used_too_fast():
    quota = Quota(100)
    quota.learn("audit_log", window(1750, 160, 3599), 0.0, NOW)
    assert quota.spacing("audit_log", 0.0, 300.0, 20) == 1200.0
    assert quota.spacing("audit_log", 0.0, 300.0, 1000) == 3600.0
