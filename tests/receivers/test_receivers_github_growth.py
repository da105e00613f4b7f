"""Page sizes: smaller where the server can't, and larger again as soon as it can."""

from urllib.parse import parse_qs, urlsplit

from github_model import START, FakeIntake, ModelGitHub, Row, VirtualClock, audit_log, context

from shipper.net.http import Answer
from shipper.receivers.github.history import History


def rows(count: int) -> list[Row]:
    return [Row(f"r{number}", START - 600_000 + number * 1000, START - 600_000) for number in range(count)]


def sizes(github: ModelGitHub) -> list[int]:
    return [int(parse_qs(urlsplit(url).query)["per_page"][0]) for url in github.asked]


async def test_after_an_outage_a_backlog_is_not_read_one_by_one():
    clock, intake = VirtualClock(), FakeIntake()
    github = ModelGitHub(clock, rows(300), size=100)
    github.answers = [Answer(502, {}, b"")] * 9
    await audit_log(github, intake, context(clock)).poll()
    assert sizes(github) == [100] * 3 + [25] * 3 + [6] * 3 + [1, 1, 4, 16, 64, 100, 100, 100]
    assert sorted(intake.uids) == sorted(row.id for row in github.rows)
    assert len(intake.uids) == 300


async def test_a_server_that_cannot_answer_large_pages_is_asked_for_them_once_more_only():
    clock, intake = VirtualClock(), FakeIntake()
    github = ModelGitHub(clock, rows(100), size=100)
    serve = github.serve
    github.serve = lambda url: serve(url) if "per_page=100" not in url else Answer(504, {}, b"")
    await audit_log(github, intake, context(clock)).poll()
    assert sizes(github)[:7] == [100] * 3 + [25] + [100] * 3
    assert set(sizes(github)[7:]) == {25}
    assert len(set(intake.uids)) == len(intake.uids) == 100


async def test_the_past_is_listed_whole_whatever_page_sizes_it_takes():
    clock = VirtualClock()
    github = ModelGitHub(clock, rows(300), size=100)
    github.deaf = True
    github.answers = [Answer(502, {}, b"")] * 3
    history = History(audit_log(github, FakeIntake(), context(clock)), clock)
    found = [
        record.uid
        async for page in history.pages(START - 600_000, START - 400_000)
        for record in page.batch.records
    ]
    assert sorted(set(found)) == sorted(f"r{number}" for number in range(201))
