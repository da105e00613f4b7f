"""`GET /orgs/{org}/audit-log`: order, pages, what can be listed when."""

import json
from itertools import chain, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.simulator import Options
from shipper.simulator.audit_log import GIVEN, AuditLog, Row, Search
from shipper.simulator.paging import PagingError, Where, decode_cursor, encode_cursor
from shipper.simulator.phrase import parse

LOG = "/orgs/acme-corp/audit-log"


def ids(pages):
    return [[event["_document_id"] for event in page] for page in pages]


def test_the_newest_come_first_unless_asked_otherwise(make):
    github = make()
    for number in range(3):
        github.event(number, at=number)
    assert ids([github.json(LOG)]) == [["d2", "d1", "d0"]]
    assert ids([github.json(LOG + "?order=asc")]) == [["d0", "d1", "d2"]]


@pytest.mark.parametrize(
    ("query", "size"), [("", 30), ("?per_page=100", 100), ("?per_page=500", 100), ("?per_page=7", 7)]
)
def test_pages_have_30_events_by_default_and_at_most_100(make, query, size):
    github = make()
    for number in range(150):
        github.event(number)
    assert len(github.json(LOG + query)) == size


def test_250_events_are_three_pages_that_next_leads_through(make):
    github = make()
    for number in range(250):
        github.event(number, at=-number)
    pages = ids(github.pages(LOG + "?per_page=100&order=asc"))
    assert [len(page) for page in pages] == [100, 100, 50]
    assert list(chain.from_iterable(pages)) == [f"d{number}" for number in reversed(range(250))]


def test_links_carry_cursors_the_numeric_id_and_the_query_encoded_once(make, link):
    github = make()
    for number in range(3):
        github.event(number, at=number)
    answer = github.ask(LOG + "?per_page=2&phrase=created%3A%3E%3D2026-03-01T00%3A00%3A00%2B00%3A00")
    number = github.world.organizations[0].cast.id
    phrase = "per_page=2&phrase=created%3A%3E%3D2026-03-01T00%3A00%3A00%2B00%3A00"
    base = f"https://api.test/organizations/{number}/audit-log?{phrase}"
    assert link(answer).keys() == {"next", "first"}
    assert link(answer)["first"] == base + "&after=&before="
    assert link(answer)["next"].startswith(base + "&after=")
    last = github.ask(link(answer)["next"].removeprefix("https://api.test"))
    assert link(last).keys() == {"prev", "first"}


def test_prev_leads_back_to_the_page_before(make, link):
    github = make()
    for number in range(6):
        github.event(number, at=number)
    pages = ids(github.pages(LOG + "?per_page=2"))
    assert pages == [["d5", "d4"], ["d3", "d2"], ["d1", "d0"]]
    target = LOG + "?per_page=2"
    for _ in range(2):
        target = link(github.ask(target))["next"].removeprefix("https://api.test")
    assert ids(github.pages(target, "prev")) == [["d1", "d0"], ["d3", "d2"], ["d5", "d4"]]


def test_one_page_has_no_link(make):
    github = make()
    github.event(1)
    assert "Link" not in github.ask(LOG).headers


def test_equal_timestamps_keep_their_order_across_pages(make):
    github = make()
    for number in range(7):
        github.event(number, at=5)
    assert ids(github.pages(LOG + "?per_page=3&order=asc")) == [["d0", "d1", "d2"], ["d3", "d4", "d5"], ["d6"]]
    assert ids(github.pages(LOG + "?per_page=3")) == [["d6", "d5", "d4"], ["d3", "d2", "d1"], ["d0"]]


def test_rows_inserted_or_removed_before_the_page_move_nothing_behind_a_cursor(make, link):
    github = make()
    for number in range(4):
        github.event(number, at=number * 10)
    answer = github.ask(LOG + "?per_page=2&order=asc")
    github.event(9, at=5)
    tenant = github.world.organizations[0]
    row = next(iter(tenant.log))
    tenant.log.hide(row.time, row.number)
    assert ids(github.pages(link(answer)["next"].removeprefix("https://api.test"))) == [["d2", "d3"]]
    assert ids([github.json(LOG + "?order=asc")]) == [["d9", "d1", "d2", "d3"]]


def test_a_cursor_survives_the_removal_of_its_row(make, link):
    github = make()
    for number in range(4):
        github.event(number, at=number)
    answer = github.ask(LOG + "?per_page=2&order=asc")
    tenant = github.world.organizations[0]
    row = list(tenant.log)[1]
    tenant.log.hide(row.time, row.number)
    assert ids(github.pages(link(answer)["next"].removeprefix("https://api.test"))) == [["d2", "d3"]]


def test_a_late_event_is_listed_only_when_it_shows_up_at_its_own_time(make):
    github = make()
    github.event(1, at=0, late=90_000)
    github.event(2, at=10)
    assert ids([github.json(LOG + "?order=asc")]) == [["d2"]]
    github.now += 30_000
    assert ids([github.json(LOG + "?order=asc")]) == [["d1", "d2"]]


@pytest.mark.parametrize(
    ("include", "found"), [("web", ["d1"]), ("git", ["d2"]), ("all", ["d2", "d1"]), (None, ["d1"])]
)
def test_include_chooses_web_git_or_all_events_web_by_default(make, include, found):
    github = make()
    github.event(1)
    github.event(2, action="git.clone")
    assert ids([github.json(LOG + (f"?include={include}" if include else ""))]) == [found]


@pytest.mark.parametrize(
    "query", ["include=everything", "order=up", "after=notacursor", "phrase=created%3A%3D%3E2026-01-01"]
)
def test_what_cannot_be_understood_is_refused(make, query):
    assert make().ask(f"{LOG}?{query}").status == 422


def test_git_events_can_be_listed_for_7_days_others_for_180(make):
    day = 86_400_000
    github = make()
    github.event(1, at=-6 * day, action="git.push")
    github.event(2, at=-8 * day, action="git.push")
    github.event(3, at=-179 * day)
    github.event(4, at=-181 * day)
    assert ids([github.json(LOG + "?include=all&phrase=created%3A%3E2020-01-01")]) == [["d1", "d3"]]


def test_without_created_the_listing_reaches_back_three_months(make):
    github = make()
    github.event(1, at=-89 * 86_400_000)
    github.event(2, at=-91 * 86_400_000)
    assert ids([github.json(LOG)]) == [["d1"]]


def test_an_enterprise_server_numbers_its_pages_below_api_v3(make, link):
    github = make(server_version="3.3.0")
    for number in range(5):
        github.event(number, at=number)
    answer = github.ask("/api/v3/orgs/acme-corp/audit-log?per_page=2&order=asc")
    base = f"https://api.test/api/v3/organizations/{github.world.organizations[0].cast.id}/audit-log?per_page=2&order=asc"
    assert link(answer) == {"next": base + "&page=2", "last": base + "&page=3"}
    target = "/api/v3/orgs/acme-corp/audit-log?per_page=2&order=asc"
    assert ids(github.pages(target)) == [["d0", "d1"], ["d2", "d3"], ["d4"]]
    assert answer.headers["X-GitHub-Enterprise-Version"] == "3.3.0"
    assert "X-RateLimit-Limit" not in answer.headers
    assert github.ask(LOG).status == 404


def test_numbered_pages_shift_when_a_row_is_inserted_before_them(make):
    github = make(server_version="3.3.0")
    for number in range(4):
        github.event(number, at=number * 10)
    github.json("/api/v3/orgs/acme-corp/audit-log?per_page=2&order=asc")
    github.event(9, at=5)
    assert ids([github.json("/api/v3/orgs/acme-corp/audit-log?per_page=2&order=asc&page=2")]) == [["d1", "d2"]]


def test_an_old_enterprise_server_does_not_know_include(make):
    github = make(server_version="3.3.0", include_supported=False)
    assert github.ask("/api/v3/orgs/acme-corp/audit-log?include=all").status == 404
    assert github.ask("/api/v3/orgs/acme-corp/audit-log").status == 200


def test_slugs_stay_in_links_and_phrases_are_rewritten_by_option(make, link):
    github = make(numeric_links=False, rewritten_phrase=True)
    for number in range(3):
        github.event(number, at=number)
    answer = github.ask(LOG + "?per_page=2&phrase=created%3A%3E%3D2026-03-01T00%3A00%3A00%2B00%3A00")
    assert link(answer)["next"].startswith(
        "https://api.test/orgs/acme-corp/audit-log?per_page=2&phrase=created%3A%3E%3D2026-03-01T00%3A00%3A00Z&after="
    )


def test_the_enterprise_lists_what_all_its_organizations_log_with_addresses(demo, link):
    github = demo(organizations=("one-org", "two-org"), enterprise="acme", rate=0, backlog=40, late=0, oddities=0)
    merged = github.all("/enterprises/acme/audit-log?include=all&per_page=50&order=asc")
    times = [event["@timestamp"] for event in merged]
    assert times == sorted(times)
    by_org = {login: [e for e in merged if e.get("org") == login] for login in ("one-org", "two-org")}
    assert {login: len(events) for login, events in by_org.items()} == {"one-org": 40, "two-org": 40}
    assert [e["action"] for e in merged if "org" not in e] == [
        "business.add_admin",
        "business.disable_two_factor_requirement",
    ]
    assert all("actor_ip" in event for event in merged)
    listed = github.json("/orgs/one-org/audit-log?include=all&per_page=100&order=asc")
    assert listed == [{k: v for k, v in e.items() if k != "actor_ip"} for e in by_org["one-org"]]
    number = github.world.enterprise_id
    first = github.ask("/enterprises/acme/audit-log?per_page=1")
    assert link(first)["next"].startswith(f"https://api.test/enterprises/{number}/audit-log?")
    assert github.ask(f"/enterprises/{number}/audit-log").status == 200
    assert github.ask("/enterprises/other/audit-log").status == 404


def test_an_organization_that_is_not_there_is_404_but_any_name_serves_a_trial(make):
    assert make(organizations=("acme-corp",)).ask("/orgs/tidewatch/audit-log").status == 404
    assert make().ask("/orgs/tidewatch/audit-log").status == 200
    assert make().ask("/orgs/not%20a%20login/audit-log").status == 404
    assert make(organizations=("acme-corp",)).ask("/orgs/ACME-Corp/audit-log").status == 200


def test_cursors_are_opaque_and_checked():
    assert decode_cursor(encode_cursor((1795381686843, 7))) == (1795381686843, 7)
    for text in ("", "1795381686843|7", "AAAA", "MQ=="):
        with pytest.raises(PagingError):
            decode_cursor(text)


def test_the_same_seed_makes_the_same_events_and_another_one_others(demo):
    query = LOG + "?include=all&per_page=100&order=asc"
    first, again, other = (demo(seed=seed, backlog=100).json(query) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_another_start_makes_events_of_the_same_kind_with_ids_of_their_own(demo):
    """A storage that knows an earlier run must not take the events of a later one for known."""
    first, later = (demo(backlog=50).world.organizations[0] for _ in range(2))
    row = next(iter(first.log))
    moved = row._replace(time=row.time + 60_000)
    one, other = first.body(row, address=True), later.body(moved, address=True)
    differing = {name for name in one if one[name] != other[name]}
    assert {"_document_id", "@timestamp"} <= differing <= {"_document_id", "@timestamp", "created_at"}


def test_live_events_come_at_the_rate_chosen(demo):
    github = demo(rate=2, backlog=0, late=0)
    github.now += 60_000
    assert len(github.all(LOG + "?include=all&per_page=100")) in range(118, 121)


def test_git_events_have_no_created_at(demo):
    events = demo(oddities=0).json(LOG + "?include=git&per_page=100")
    assert events
    assert not any("created_at" in event for event in events)


def test_oddities_break_the_schema_as_the_wire_does(demo):
    events = demo(oddities=1, backlog=400).all(LOG + "?include=all&per_page=100")
    assert any(isinstance(event.get("org"), list) for event in events)
    assert any(isinstance(event.get("repo"), list) for event in events)
    assert any(event.get("permission") is True for event in events)
    assert any("_document_id" not in event for event in events)
    assert any("@timestamp" not in event for event in events)


def test_late_events_and_ties_occur_within_their_bounds(demo):
    github = demo(backlog=2000, late=0.1, late_bound=120, ties=0.1)
    rows = list(github.world.organizations[0].log)
    late = [row.visible - row.time for row in rows if row.visible > row.time]
    assert 120 < len(late) < 280
    assert max(late) <= 120_000
    times = [row.time for row in rows]
    assert 120 < sum(a == b for a, b in pairwise(times)) < 280


def test_a_backlog_costs_next_to_no_memory(demo):
    log = demo(backlog=50_000).world.organizations[0].log
    assert len(log) == 50_000
    arrays = (log._times, log._visibles, log._numbers, log._kinds)
    assert sum(part.itemsize * len(part) for part in arrays) == 50_000 * 26


def test_events_of_a_file_are_served_as_they_are_in_the_order_of_the_file(make):
    events = (
        {"@timestamp": 2, "_document_id": "b", "x": [1]},
        {"@timestamp": 2, "_document_id": "a"},
        {"@timestamp": 1},
    )
    whole = {"retention": None, "default_window": None}
    assert make(events=events, **whole).json(LOG) == list(events)
    assert make(events=events[::-1], **whole).json(LOG + "?order=asc") == list(events[::-1])
    assert make(events=({"action": "test"}, "text", 7, None)).json(LOG) == [{"action": "test"}, "text", 7, None]


@pytest.mark.parametrize(
    "event",
    [
        '{"n":123456789012345678901234567890}',
        '{"s":"half \\ud83d"}',
        '{"x":NaN}',
        '{"d":' + "[" * 300 + "]" * 300 + "}",
    ],
)
def test_values_that_few_parsers_take_are_served_too(make, event):
    github = make()
    github.world.organizations[0].add(json.loads(event), github.now, 0)
    assert github.ask(LOG).body == f"[{event}]".encode()


@pytest.mark.parametrize(
    "query",
    [
        "phrase=created%3A9999-12-31",
        "phrase=created%3A0001-01-01T00%3A00%3A00%2B14%3A00",
        "per_page=" + "9" * 5000,
        "per_page=%D9%A3",
    ],
)
def test_extreme_values_do_no_harm(make, query):
    assert make().ask(f"{LOG}?{query}").status == 200


@given(st.data())
def test_a_walk_sees_every_row_that_was_there_all_along_exactly_once(data):
    """Whatever is inserted, shows up late or is removed between pages."""
    times = data.draw(st.lists(st.integers(0, 20), min_size=1, max_size=30))
    log, size = AuditLog(), data.draw(st.integers(1, 5))
    descending, now = data.draw(st.booleans()), 30
    for number, time in enumerate(times):
        log.insert(Row(time, 0, number, GIVEN))
    stable, seen, after = dict(enumerate(times)), [], None
    while True:
        page = log.page(Search(now, parse(""), "all", descending), Where(size, after=after), lambda _: None)
        seen += [row.number for row in page.items]
        if "next" not in page.links:
            break
        after = decode_cursor(page.links["next"]["after"])
        log.insert(Row(data.draw(st.integers(0, 20)), data.draw(st.integers(0, 40)), 1000 + len(seen), GIVEN))
        removed = data.draw(st.sampled_from([None, *sorted(stable)]))
        if removed is not None:
            log.hide(stable.pop(removed), removed)
    assert len(seen) == len(set(seen))
    assert stable.keys() <= set(seen)
    listed = [times[number] for number in seen if number < 1000]
    assert listed == sorted(listed, reverse=descending)


def test_options_tell_what_the_demo_is():
    options = Options()
    assert (options.rate, options.backlog, options.backlog_period) == (1.0, 300, 3600.0)
