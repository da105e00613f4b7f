"""What GitHub's documentation and the users of others' shippers tell, where no other test has it."""

import json

import pytest
from github_model import START, FakeIntake, ModelGitHub, Row, VirtualClock, audit_log, context

from shipper.core.component import Context, Paths
from shipper.core.errors import Unavailable
from shipper.net.http import TimedOut
from shipper.receivers.github import Config, GitHub

SERVER = {"server_version": "3.14", "rate_limits": False}


async def test_links_that_rewrite_the_phrase_are_followed_as_they_are(trial):
    """GitHub may write the times of a phrase in its own way, and numbers for names."""
    t = await (await trial(rewritten_phrase=True)).start()
    ids = t.happen(257)
    await t.poll()
    assert t.uids == ids
    assert [seen.path.split("/")[1] for seen in t.sim.requests] == ["orgs", "organizations", "organizations"]


async def test_the_announced_limit_of_15_a_minute_is_sat_out(trial, clock):
    t = await (await trial(audit_log_per_minute=15)).start()
    ids = t.happen(2000)
    await t.poll()
    assert t.uids == ids
    assert t.statuses() == [200] * 15 + [403] + [200] * 5
    assert clock.slept == [40.0], "as long as the server says, to the end of its minute"
    assert t.errors == {}


async def test_a_server_that_ends_requests_after_ten_seconds_is_asked_for_less():
    """No answer in time, three times: a smaller page may be within what it can do."""
    clock, intake = VirtualClock(), FakeIntake()
    github = ModelGitHub(clock, [Row("a", START - 1000, START - 1000)], size=100)
    github.answers = [TimedOut("api.github.com gave no answer in time")] * 3
    await audit_log(github, intake, context(clock)).poll()
    assert [url.rpartition("per_page=")[2] for url in github.asked] == ["100", "100", "100", "25"]
    assert intake.uids == ["a"]


async def test_an_api_version_that_the_server_does_not_know_is_named(trial):
    t = await (await trial()).start(api_version="2031-01-01")
    with pytest.raises(Unavailable, match="check api_version") as caught:
        await t.poll()
    assert caught.value.blocked


async def test_the_token_is_in_nothing_that_is_shipped(trial):
    """Others put it into the resource's attributes."""
    t = await (await trial(demo=True, rate=0.1)).start(auth={"token": "ghp_very_secret"})
    await t.poll()
    shipped = [
        (record.body, record.attributes, batch.resource) for batch in t.intake.batches for record in batch.records
    ]
    assert len(shipped) > 100
    assert "ghp_very_secret" not in json.dumps(shipped)


async def test_a_first_poll_that_finds_no_alert_says_what_may_be_the_reason(trial, caplog):
    """Connected, and nothing comes: nobody should have to ask why."""
    caplog.set_level("INFO")
    t = await (await trial()).start(streams={"audit_log": False})
    await t.poll()
    (source,) = t.sources
    assert GitHub._tell_empty(source)
    assert "no repository has CodeQL or another tool that uploads SARIF, or none is visible" in caplog.text


@pytest.fixture
async def probed(trial):
    """Makes a receiver before a simulated GitHub; what its connection test found, by name."""

    async def probed(*faults: str, config=None, **options) -> dict[str, tuple[str, str, str]]:
        t = await trial(*faults, **({"organizations": ("acme-corp",)} | options))
        settings = {"organizations": ["acme-corp"], "base_url": t.sim.url, "auth": {"token": "ghp_trial"}}
        made = Context(
            "github",
            t.context.meter,
            t.context.health,
            t.context.clock,
            Paths(t.context.paths.working, t.context.paths.config),
        )
        receiver = GitHub(Config.model_validate(settings | (config or {})), made)
        t.happen(3)
        return {each.name: (each.verdict, each.seen, each.remedy) for each in await receiver.probe()}

    return probed


async def test_the_connection_test_asks_for_everything_once(probed):
    found = await probed()
    assert {name: verdict for name, (verdict, _, _) in found.items()} == {
        "token": "ok",
        "rate limit": "ok",
        "clock": "ok",
        "acme-corp": "ok",
        "acme-corp audit_log": "ok",
        "acme-corp code_scanning": "ok",
    }
    assert found["acme-corp audit_log"][1] == "200, an event listed"
    assert found["acme-corp code_scanning"][1] == "200, nothing listed"


async def test_the_connection_test_knows_servers_without_limits(probed):
    found = await probed(**SERVER)
    assert found["rate limit"] == ("ok", "this server has no rate limits", "")


@pytest.mark.parametrize(
    ("fault", "name", "seen", "remedy"),
    [
        ("audit_log:404", "acme-corp audit_log", "404 for audit_log", "the token has no permission for it"),
        ("audit_log:401", "acme-corp audit_log", "401 Bad credentials", "make a new one with acme-corp"),
        (
            "audit_log:403-permission",
            "acme-corp audit_log",
            "403: audit_log of organization",
            "recreate the token",
        ),
        ("org:404", "acme-corp", "404: there is no organization acme-corp", "check the spelling"),
        ("code_scanning:503", "acme-corp code_scanning", "GitHub answered 503", ""),
        ("audit_log:link-other-host", "acme-corp audit_log", "on another host", "set base_url to the host"),
    ],
)
async def test_the_connection_test_names_each_fault_and_its_remedy(probed, fault, name, seen, remedy):
    """One stream's fault is that stream's alone, but that a token is refused is the token's, too.

    A 404 of the audit log is never taken for a success.
    """
    found = await probed(fault)
    if "401" in fault:
        token = found.pop("token")
        assert (token[0], "refused with 401" in token[1]) == ("failed", True)
    verdict, what, cure = found.pop(name)
    assert verdict == "failed"
    assert seen in what
    assert remedy in cure
    assert {verdict for verdict, _, _ in found.values()} == {"ok"}
