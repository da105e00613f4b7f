"""The whole conversation, with a GitHub on loopback."""

import json
import logging

import pytest

from shipper.core.errors import Unavailable
from shipper.simulator import Rule, Token

ENTERPRISE_SERVER = {"server_version": "3.12"}
LOG = "/audit-log"


@pytest.mark.parametrize("server", [{}, ENTERPRISE_SERVER], ids=["cursors", "numbers"])
async def test_a_backlog_of_257_events_costs_three_pages_and_at_most_three_more(trial, server):
    t = await (await trial(**server)).start()
    ids = t.happen(257)
    await t.poll()
    assert t.uids == ids
    assert len(t.sim.requests) <= 6


async def test_the_first_request_is_the_documented_one(trial):
    t = await (await trial()).start()
    await t.poll()
    (seen,) = t.sim.requests
    assert seen.path == "/orgs/acme-corp/audit-log"
    assert seen.query == {
        "phrase": "created:>=2026-09-20T14:13:20+00:00",
        "include": "all",
        "order": "asc",
        "per_page": "100",
    }
    assert seen.headers["Authorization"] == "Bearer ghp_trial"
    assert seen.headers["Accept"] == "application/vnd.github+json"
    assert seen.headers["X-GitHub-Api-Version"] == "2022-11-28"
    assert seen.headers["User-Agent"].startswith("github-log-shipper/")


async def test_records_say_where_they_come_from(trial):
    t = await (await trial()).start(body="json")
    t.happen(1)
    await t.poll()
    (batch,) = t.intake.batches
    assert batch.resource == {
        "service.name": "github",
        "vcs.provider.name": "github",
        "server.address": "127.0.0.1",
    }
    assert batch.scope.name == "shipper.receiver.github"
    assert batch.body == "json"
    assert batch.records[0].organization == "acme-corp"
    assert batch.commit.source == "github/acme-corp/audit_log"


@pytest.mark.parametrize("server", [{}, ENTERPRISE_SERVER], ids=["cursors", "numbers"])
async def test_a_busy_organization_is_taken_whole_and_once(trial, server):
    """Live traffic with late events, ties and oddities, over two hours, with a restart at every poll."""
    t = await trial(demo=True, rate=0.3, late=0.2, late_bound=500.0, ties=0.3, oddities=0.1, **server)
    for _ in range(24):
        await t.start()
        await t.poll()
        t.context.clock.ms += 300_000
    await t.poll()
    assert len(t.uids) == len(set(t.uids))
    assert set(t.uids) >= set(t.truth)
    assert t.count("shipper_late_events", stream="audit_log") > 20


@pytest.mark.parametrize(
    "fault",
    [
        "truncated", "200-error-body", "200-html", "200-empty", "page-is-object", "500", "502-html", "503", "504",
        "reset", "429-retry-after=30", "403-retry-after=30", "403-secondary", "429-secondary", "403-quota=90",
        "429-quota=90", "link-loop", "301",
    ],
)  # fmt: skip
@pytest.mark.parametrize("number", [1, 2])
async def test_a_fault_that_passes_costs_nothing(trial, fault, number):
    """On the first page or a later one: asked again, nothing lost, nothing doubled."""
    t = await (await trial(f"audit_log:{fault}#{number}")).start()
    ids = t.happen(250)
    await t.poll()
    assert t.uids == ids
    assert t.errors == {}


async def test_a_fault_that_lasts_moves_no_checkpoint(trial):
    t = await (await trial()).start()
    t.happen(10)
    await t.poll()
    before = dict(t.intake.checkpoints)
    t.sim.faults.add("audit_log:truncated")
    t.happen(10)
    with pytest.raises(Unavailable, match="JSON that is cut short or broken"):
        await t.poll()
    assert t.intake.checkpoints == before
    t.sim.faults.faults.clear()
    await t.poll()
    assert len(set(t.uids)) == len(t.uids) == 20


@pytest.mark.parametrize(
    ("fault", "least"),
    [("403-secondary", 60), ("429-secondary", 60), ("403-retry-after=45", 45), ("403-quota=120", 120)],
)
async def test_a_limit_is_waited_for_as_long_as_github_says(trial, clock, fault, least):
    t = await (await trial(f"audit_log:{fault}#1")).start()
    await t.poll()
    assert least <= max(clock.slept) <= least * 1.1 + 2


@pytest.mark.parametrize(
    "fault",
    ["string-event", "nan", "huge-field=1000000", "huge-integer", "deep", "lone-surrogate", "invalid-utf8"],
)
async def test_an_odd_event_harms_neither_itself_nor_its_neighbours(trial, fault):
    t = await (await trial(f"audit_log:{fault}")).start()
    ids = t.happen(20)
    await t.poll(3)
    assert len(t.uids) == len(set(t.uids))
    assert len(set(ids) - set(t.uids)) <= (1 if fault == "deep" else 0)
    assert len(t.uids) >= 20


async def test_a_field_that_nests_deeply_is_kept_as_its_text_and_hides_no_other(trial):
    t = await (await trial("audit_log:deep=5000")).start()
    t.happen(3)
    await t.poll()
    assert all(record.event_name != "github.audit_log.unknown" for record in t.intake.records)
    deep = [value for record in t.intake.records for value in record.body.values() if len(str(value)) > 5000]
    assert [type(value) for value in deep] == [str]
    assert len(t.uids) == 3


async def test_a_next_page_on_another_host_is_not_asked_but_the_page_is_kept(trial):
    t = await (await trial("audit_log:link-other-host")).start()
    t.happen(250)
    for _ in range(3):
        with pytest.raises(
            Unavailable, match=r"on another host, which is not asked \(elsewhere.example\)"
        ) as caught:
            await t.poll()
        assert caught.value.blocked
    assert len(t.uids) == len(set(t.uids)) >= 100


async def test_a_redirect_to_another_host_is_not_followed(trial):
    t = await (await trial("audit_log:302-other-host")).start()
    with pytest.raises(Unavailable, match="not followed") as caught:
        await t.poll()
    assert caught.value.blocked


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("401", "the token is wrong, expired or revoked"),
        ("403-permission", "needs organization permission Administration: read"),
        ("404", "which has one of three causes"),
        ("sso", "SAML single sign-on"),
        ("ip-allow-list", "IP allow list"),
    ],
)
async def test_an_organization_that_refuses_says_why_and_holds_nobody_else(trial, clock, fault, said):
    t = await (await trial(f"audit_log@acme-corp:{fault}", organizations=("acme-corp", "tidewatch"))).start(
        organizations=["acme-corp", "tidewatch"]
    )
    refused, other = t.sources
    with pytest.raises(Unavailable, match=said) as caught:
        await refused.poll()
    await other.poll()
    assert caught.value.blocked
    assert clock.slept == []
    assert list(t.intake.checkpoints) == ["github/tidewatch/audit_log"]


async def test_an_old_enterprise_server_is_asked_without_include_and_says_so_once(trial, caplog):
    t = await (await trial(include_supported=False, **ENTERPRISE_SERVER)).start()
    ids = t.happen(3)
    await t.poll(3)
    assert t.uids == ids
    assert t.statuses() == [404, 200, 200, 200]
    assert len([record for record in caplog.records if "without `include`" in record.message]) == 1


async def test_a_404_for_another_reason_is_no_reason_to_leave_git_events_out(trial):
    t = await (await trial("audit_log:404#1-2")).start()
    with pytest.raises(Unavailable):
        await t.poll()
    await t.poll()
    assert t.sim.requests[-1].query["include"] == "all"


async def test_a_server_without_limits_dates_or_order_works(trial):
    t = await (await trial(rate_limits=False)).start()
    ids = t.happen(120)
    await t.poll()
    assert t.uids == ids


async def test_fewer_calls_than_the_minimum_are_left_to_others(trial, clock, monkeypatch):
    """With 99 calls left the receiver waits for the next window; that is no failure."""
    t = await (await trial()).start()
    t.happen(250)
    t.sim.spend("ghp_trial", "audit_log", 1650)
    started = clock.ms
    notes = []
    sleep = clock.sleep

    async def look_then_sleep(seconds: float) -> None:
        notes.extend(state.note for state in t.context.health.states())
        await sleep(seconds)

    monkeypatch.setattr(clock, "sleep", look_then_sleep)
    await t.poll()
    assert notes == ["audit_log of organization acme-corp waits: too few calls are left in this window"]
    assert [state.note for state in t.context.health.states()] == [""]
    assert len(t.uids) == 250
    assert clock.ms - started > 3_500_000
    assert set(t.statuses()) == {200}
    assert t.errors == {}


async def test_each_change_of_an_alert_is_a_record_once(trial, clock):
    t = await (await trial()).start(streams={"audit_log": False})
    first = t.sim.open_alert(repository="web", number=7)
    t.sim.open_alert(repository="gateway", number=7)
    await t.poll(2)
    for state in ("dismissed", "open", "fixed"):
        clock.ms += 60_000
        t.sim.change_alert(first, state)
        await t.poll(2)
    assert [record.event_name.rpartition(".")[2] for record in t.intake.records] == [
        "open", "open", "dismissed", "open", "fixed",
    ]  # fmt: skip
    assert len(set(t.uids)) == 5


@pytest.mark.parametrize("server", [{}, ENTERPRISE_SERVER], ids=["cursors", "numbers"])
async def test_many_alerts_that_keep_changing_are_taken_whole_and_once(trial, clock, server):
    t = await trial(demo=True, alerts=700, alert_interval=60.0, **server)
    streams = {"audit_log": False, "secret_scanning": True, "dependabot": True}
    for _ in range(12):
        await t.start(streams=streams)
        await t.poll()
        clock.ms += 300_000
    await t.poll()
    assert len(t.uids) == len(set(t.uids))
    taken = {(r.stream, r.body["repository"]["name"], r.body["number"], r.body["state"]) for r in t.intake.records}
    now = {(a.stream, a.repository.name, a.number, a.state) for a in t.sim.alerts()}
    assert now - taken == set()


async def test_alerts_that_did_not_change_cost_no_quota(trial):
    t = await (await trial()).start(streams={"audit_log": False})
    t.sim.open_alert()
    await t.poll(2)
    assert t.statuses() == [200, 200, 200, 304, 304, 304]
    assert t.count("shipper_github_requests", stream="code_scanning", status="304") == 3


async def test_secrets_are_not_asked_for_and_not_shipped_even_if_sent(trial):
    t = await (await trial()).start(streams={"audit_log": False, "code_scanning": False, "secret_scanning": True})
    t.sim.open_alert("secret_scanning", rule=Rule("lantern_api_key", "Key"), secret="hunter2")
    await t.poll()
    assert all(seen.query["hide_secret"] == "true" for seen in t.sim.requests)
    assert len(t.uids) == 1
    assert "hunter2" not in json.dumps([record.body for record in t.intake.records])


async def test_a_503_of_alerts_is_retried_and_switches_nothing_off(trial):
    t = await (await trial("code_scanning:503#1-3")).start(streams={"audit_log": False})
    t.sim.open_alert()
    await t.poll()
    assert len(t.uids) == 1


async def test_the_enterprise_is_polled_beside_its_organizations(trial):
    t = await (await trial(enterprise="acme")).start(enterprise="acme", organizations=[])
    t.happen(3)
    await t.poll()
    assert [seen.path for seen in t.sim.requests] == ["/enterprises/acme/audit-log"]
    assert len(t.uids) == 3


async def test_the_token_is_in_no_log_record_or_error(trial, caplog):
    caplog.set_level(logging.DEBUG)
    t = await (await trial("audit_log:401")).start(auth={"token": "ghp_very_secret"})
    with pytest.raises(Unavailable) as caught:
        await t.poll()
    said = caplog.text + str(caught.value) + repr(t.sources) + str(t.errors)
    assert "ghp_very_secret" not in said


async def test_a_token_file_is_read_again_when_it_changes(trial, tmp_path):
    t = await trial(tokens=("ghp_old", "ghp_new"))
    (tmp_path / "token").write_text("ghp_old\n")
    await t.start(auth={"token_file": "token"})
    await t.poll()
    t.sim.tokens["ghp_old"].revoked = True
    (tmp_path / "token").write_text("ghp_new\n")
    await t.poll()
    assert t.statuses() == [200, 200]


async def test_a_token_file_that_is_gone_blocks_until_it_is_back(trial, tmp_path):
    t = await (await trial()).start(auth={"token_file": "token"})
    with pytest.raises(Unavailable, match="cannot read the token file") as caught:
        await t.poll()
    assert caught.value.blocked
    (tmp_path / "token").write_text("two words")
    with pytest.raises(Unavailable, match="holds no token"):
        await t.poll()
    (tmp_path / "token").write_text("ghp_back")
    await t.poll()
    assert t.statuses() == [200]


async def test_a_token_that_may_read_alerts_only_still_reads_alerts(trial):
    t = await trial(tokens=("ghp_trial",))
    t.sim.tokens["ghp_trial"] = Token(permissions=frozenset({"security_events=read"}), value="github_pat_x")
    await t.start(streams={})
    audit_log, alerts = t.sources
    with pytest.raises(Unavailable, match="Administration: read"):
        await audit_log.poll()
    await alerts.poll()
    assert t.statuses("code-scanning") == [200, 200, 200]
