"""Alerts: their life, their filters, order and pages."""

import pytest

from shipper.simulator import Options, Simulator
from shipper.simulator.alerts import ENDINGS, STREAMS
from shipper.simulator.rules import CODE_SCANNING, DEPENDABOT, SECRET_SCANNING, Rule

CODE = "/orgs/acme-corp/code-scanning/alerts"
SECRETS = "/orgs/acme-corp/secret-scanning/alerts"
DEPENDABOT_PATH = "/orgs/acme-corp/dependabot/alerts"
PATHS = {"code_scanning": CODE, "secret_scanning": SECRETS, "dependabot": DEPENDABOT_PATH}
RULES = {"code_scanning": CODE_SCANNING, "secret_scanning": SECRET_SCANNING, "dependabot": DEPENDABOT}


@pytest.fixture
def github(make):
    return make()


@pytest.fixture
def book(github):
    return github.world.organizations[0].alerts


@pytest.fixture
def opened(github, book):
    """Opens an alert `ago` seconds before noon."""

    def opened(stream="code_scanning", ago=0, repository=0, rule=None):
        repositories = github.world.organizations[0].cast.repositories
        return book.open(stream, repositories[repository], rule or RULES[stream][0], github.now - ago * 1000)

    return opened


def states(alerts):
    return [alert["state"] for alert in alerts]


def test_an_alert_is_opened_dismissed_reopened_and_fixed(github, book, opened):
    alert = opened(ago=400)
    first = github.json(CODE)[0]
    assert (first["state"], first["dismissed_at"], first["fixed_at"]) == ("open", None, None)
    book.change(alert, "dismissed", github.now - 300_000)
    dismissed = github.json(CODE)[0]
    assert (dismissed["state"], dismissed["dismissed_at"]) == ("dismissed", "2026-03-14T11:55:00Z")
    assert dismissed["dismissed_reason"] == "false positive"
    assert dismissed["dismissed_by"]["login"] == alert.history[-1].actor.login
    book.change(alert, "open", github.now - 200_000)
    assert github.json(CODE)[0]["dismissed_by"] is None
    book.change(alert, "fixed", github.now - 100_000)
    fixed = github.json(CODE)[0]
    assert (fixed["state"], fixed["fixed_at"], fixed["updated_at"]) == (
        "fixed", "2026-03-14T11:58:20Z", "2026-03-14T11:58:20Z",
    )  # fmt: skip
    assert fixed["created_at"] == "2026-03-14T11:53:20Z"
    assert [transition.state for transition in alert.history] == ["open", "dismissed", "open", "fixed"]


@pytest.mark.parametrize(
    ("stream", "query", "found"),
    [
        ("code_scanning", "", {"open", "dismissed", "fixed"}),
        ("code_scanning", "?state=open", {"open"}),
        ("code_scanning", "?state=closed", {"dismissed", "fixed"}),
        ("code_scanning", "?state=fixed", {"fixed"}),
        ("secret_scanning", "?state=resolved", {"resolved"}),
        ("secret_scanning", "", {"open", "resolved"}),
        ("dependabot", "?state=auto_dismissed,fixed", {"auto_dismissed", "fixed"}),
        ("dependabot", "", {"open", "dismissed", "fixed", "auto_dismissed"}),
    ],
)
def test_states_filter(github, opened, stream, query, found):
    for state in ("open", *ENDINGS[stream]):
        alert = opened(stream)
        if state != "open":
            github.world.organizations[0].alerts.change(alert, state, github.now)
    assert set(states(github.json(PATHS[stream] + query))) == found


@pytest.mark.parametrize(
    ("stream", "query"),
    [("code_scanning", "state=resolved"), ("secret_scanning", "state=fixed"), ("dependabot", "state=closed"),
     ("code_scanning", "sort=name"), ("code_scanning", "direction=up"), ("dependabot", "after=junk")],
)  # fmt: skip
def test_what_cannot_be_understood_is_refused(github, stream, query):
    assert github.ask(f"{PATHS[stream]}?{query}").status == 422


def test_other_filters(github, opened):
    opened(rule=Rule("a", "A", "CodeQL", "error", "critical"))
    opened(rule=Rule("b", "B", "Semgrep", "warning"))
    opened("secret_scanning", rule=Rule("lantern_api_key", "Lantern"))
    opened("secret_scanning", rule=Rule("other", "Other"))
    assert [alert["rule"]["id"] for alert in github.json(CODE + "?severity=critical")] == ["a"]
    assert [alert["rule"]["id"] for alert in github.json(CODE + "?severity=warning")] == ["b"]
    assert [alert["rule"]["id"] for alert in github.json(CODE + "?tool_name=Semgrep")] == ["b"]
    assert [alert["secret_type"] for alert in github.json(SECRETS + "?secret_type=other")] == ["other"]


def test_sorted_by_creation_or_update_the_newest_first_by_default(github, book, opened):
    old, new = opened(ago=500), opened(ago=100)
    book.change(old, "fixed", github.now)

    def numbers(query):
        return [alert["number"] for alert in github.json(CODE + query)]

    assert numbers("") == [new.number, old.number]
    assert numbers("?sort=updated") == [old.number, new.number]
    assert numbers("?sort=updated&direction=asc") == [new.number, old.number]


@pytest.mark.parametrize("stream", STREAMS)
def test_links_lead_through_all_pages_by_cursor(github, opened, stream):
    for number in range(7):
        opened(stream, ago=number // 2)
    pages = github.pages(PATHS[stream] + "?per_page=3&sort=updated&direction=desc")
    assert [len(page) for page in pages] == [3, 3, 1]
    assert len({alert["number"] for page in pages for alert in page}) == 7


def test_page_numbers_work_beside_cursors(github, opened, link):
    for number in range(5):
        opened(ago=number)
    answer = github.ask(CODE + "?per_page=2&page=2")
    assert {relation: url.rpartition("&")[2] for relation, url in link(answer).items()} == {
        "next": "page=3", "last": "page=3", "prev": "page=1", "first": "page=1",
    }  # fmt: skip
    assert [alert["number"] for alert in github.json(CODE + "?per_page=2&page=2")] == [3, 4]


def test_a_cursor_keeps_its_place_while_alerts_change(github, book, opened, link):
    alerts = [opened(ago=100 - number) for number in range(6)]
    answer = github.ask(CODE + "?per_page=2&sort=updated&direction=desc")
    book.change(alerts[0], "fixed", github.now)
    rest = github.pages(link(answer)["next"].removeprefix("https://api.test"))
    assert [[alert["number"] for alert in page] for page in rest] == [[4, 3], [2]]


def test_the_same_number_occurs_in_two_repositories(github, opened):
    opened(repository=0)
    opened(repository=1)
    found = github.json(CODE)
    assert [alert["number"] for alert in found] == [1, 1]
    assert len({alert["repository"]["id"] for alert in found}) == 2


def test_the_secret_is_in_the_answer_unless_hidden(github, opened):
    opened("secret_scanning")
    assert github.json(SECRETS)[0]["secret"].startswith("SIMULATED-SECRET-")
    assert github.json(SECRETS + "?hide_secret=true")[0]["secret"] is None
    assert b"SIMULATED-SECRET" not in github.ask(SECRETS + "?hide_secret=true").body


@pytest.mark.parametrize("stream", STREAMS)
def test_the_enterprise_lists_the_alerts_of_all_organizations(demo, stream):
    github = demo(organizations=("one-org", "two-org"), alerts=40)
    path = PATHS[stream].replace("/orgs/acme-corp", "/enterprises/acme") + "?per_page=100"
    assert {alert["repository"]["owner"]["login"] for alert in github.json(path)} == {"one-org", "two-org"}


def test_the_demo_opens_and_changes_alerts_while_one_watches(demo):
    github = demo(alert_interval=10)
    book = github.world.organizations[0].alerts
    before = sum(len(alert.history) for alert in book.alerts)
    assert before == 24
    github.now += 600_000
    github.json(CODE)
    assert sum(len(alert.history) for alert in book.alerts) == 24 + 60
    assert {t.state for alert in book.alerts for t in alert.history} >= {"open", "dismissed", "fixed", "resolved"}
    assert any(alert.history[-1].state == "open" for alert in book.alerts if len(alert.history) > 1)


def test_alerts_of_a_file_are_served_as_they_are(make):
    given = (
        {
            "number": 3,
            "state": "open",
            "created_at": "2026-03-01T00:00:00Z",
            "tool": {"name": "CodeQL"},
            "rule": {},
        },
        {"number": 191, "secret_type": "x", "created_at": "2026-03-02T00:00:00Z"},
    )
    github = make(alert_file=given)
    assert github.json(CODE) == [given[0]]
    assert github.json(SECRETS) == [given[1]]
    assert github.json(DEPENDABOT_PATH) == []


def test_repositories_that_come_to_life_differ_whatever_their_names():
    """Alerts of the same number in two repositories are told apart by the repositories' ids."""
    sim = Simulator(Options.quiet())
    named = [sim.open_alert(repository=name).repository for name in ("gate", "lamp", "gate")]
    others = [sim.open_alert(organization="tidewatch", repository="gate").repository]
    assert named[0] == named[2]
    assert len({each.id for each in named + others}) == 3
