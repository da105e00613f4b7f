"""The simulator as a server, and as a part of other tests."""

import asyncio
import ssl

import aiohttp
import pytest
import trustme
from yarl import URL

from shipper.core.clock import SystemClock
from shipper.net.server import ListenError
from shipper.simulator import Options, Simulator, Token

AUTHORIZED = {"Authorization": "Bearer secret"}
LOG = "/orgs/acme-corp/audit-log?order=asc&per_page=100"


class Watch(SystemClock):
    """A clock that only moves when told to."""

    def __init__(self):
        self.time = 1_773_489_600 * 10**9

    def now(self):
        return self.time

    async def sleep(self, seconds):
        self.time += int(seconds * 1e9)


@pytest.fixture
def watch():
    return Watch()


@pytest.fixture
async def sim(watch):
    async with Simulator(Options.quiet(organizations=("acme-corp", "tidewatch")), clock=watch) as sim:
        yield sim


@pytest.fixture
async def client():
    async with aiohttp.ClientSession(headers=AUTHORIZED) as session:
        yield session


async def get(client, url, **options):
    async with client.get(URL(url, encoded=True), **options) as response:
        return response.status, await response.json(), response


async def test_events_happen_when_a_test_says_so_and_are_told_by_the_oracle(sim, client, watch):
    event = sim.happen("repo.access", visibility="public", previous_visibility="private")
    late = sim.happen("git.clone", organization="tidewatch", late=30)
    given = sim.add_event({"@timestamp": 1_773_489_000_000, "anything": True})
    status, listed, _ = await get(client, sim.url + LOG)
    assert (status, listed) == (200, [given, event])
    assert event["repo"].startswith("acme-corp/")
    assert event["@timestamp"] == 1_773_489_600_000
    assert "created_at" not in late
    truth = [(one.organization, one.timestamp, one.visible, one.body) for one in sim.events()]
    assert truth == [
        ("acme-corp", 1_773_489_000_000, 1_773_489_000_000, given),
        ("acme-corp", 1_773_489_600_000, 1_773_489_600_000, event),
        ("tidewatch", 1_773_489_600_000, 1_773_489_630_000, late),
    ]
    url = f"{sim.url}/orgs/tidewatch/audit-log?include=git"
    assert (await get(client, url))[1] == []
    watch.time += 30 * 10**9
    assert (await get(client, url))[1] == [late]


async def test_an_event_may_be_removed_between_pages(sim, client):
    first, second = sim.happen("repo.create"), sim.happen("repo.create")
    sim.remove_event(first["_document_id"])
    assert (await get(client, sim.url + LOG))[1] == [second]


async def test_requests_are_remembered(sim, client):
    await get(client, sim.url + LOG)
    seen = sim.requests[0]
    assert (seen.method, seen.path, seen.status) == ("GET", "/orgs/acme-corp/audit-log", 200)
    assert seen.query == {"order": "asc", "per_page": "100"}
    assert seen.headers["Authorization"] == "Bearer secret"
    assert "secret" not in repr(seen)


async def test_alerts_change_when_a_test_says_so(sim, client):
    alert = sim.open_alert(repository="billing", number=7, assignees=[])
    sim.open_alert("secret_scanning", repository="unheard-of")
    sim.change_alert(alert, "dismissed", dismissed_reason="used in tests")
    status, listed, _ = await get(client, f"{sim.url}/orgs/acme-corp/code-scanning/alerts?state=dismissed")
    assert status == 200
    assert (listed[0]["number"], listed[0]["dismissed_reason"], listed[0]["assignees"]) == (7, "used in tests", [])
    assert [[t.state for t in one.history] for one in sim.alerts()] == [["open", "dismissed"], ["open"]]


async def test_links_name_the_host_the_client_used(sim, client):
    for _ in range(2):
        sim.happen("repo.create")
    url = sim.url.replace("127.0.0.1", "localhost") + "/orgs/acme-corp/audit-log?per_page=1"
    response = (await get(client, url))[2]
    assert str(response.links["next"]["url"]).startswith(sim.url.replace("127.0.0.1", "localhost"))


async def test_faults_tokens_and_quotas_are_at_hand(sim, client):
    fault = sim.faults.add("audit_log:503#1")
    sim.tokens["secret"] = Token(owner="somebody")
    sim.spend("secret", "audit_log", 1700)
    assert (await get(client, sim.url + LOG))[0] == 503
    assert fault.hits == 1
    status, _, response = await get(client, sim.url + LOG)
    assert (status, response.headers["X-RateLimit-Remaining"]) == (200, "48")


async def test_a_connection_breaks_in_the_middle_of_an_answer(sim, client):
    sim.faults.add("audit_log:reset#1")
    with pytest.raises(aiohttp.ClientError):
        await get(client, sim.url + LOG)
    assert (await get(client, sim.url + LOG))[0] == 200


async def test_a_slow_answer_takes_simulated_time(sim, client, watch):
    sim.faults.add("audit_log:slow=30")
    before = watch.time
    assert (await get(client, sim.url + LOG))[0] == 200
    assert watch.time - before == 30 * 10**9


async def test_a_request_may_hang_and_ends_with_the_simulator(client):
    async with Simulator(Options.quiet(), faults=("audit_log:hang",)) as sim:
        asked = asyncio.create_task(get(client, sim.url + LOG))
        await sim.requested(1)
        assert not asked.done()
    await asyncio.wait([asked], timeout=5)
    assert asked.done()
    asked.exception()


async def test_requests_under_way_are_counted_by_token(client):
    async with Simulator(Options.quiet(), faults=("audit_log:hang#1-2",)) as sim:
        hanging = [asyncio.create_task(get(client, sim.url + LOG)) for _ in range(2)]
        await sim.requested(2)
        assert sim._active["Bearer secret"] == 2
    await asyncio.wait(hanging, timeout=5)
    assert [task.exception() is not None for task in hanging] == [True, True]


async def test_answers_are_compressed_for_those_who_accept_it(sim, client):
    for _ in range(5):
        sim.happen("repo.create")
    response = (await get(client, sim.url + LOG, headers={"Accept-Encoding": "gzip"}))[2]
    assert response.headers["Content-Encoding"] == "gzip"
    response = (await get(client, sim.url + LOG, headers={"Accept-Encoding": "identity"}))[2]
    assert "Content-Encoding" not in response.headers


async def test_it_can_be_an_enterprise_server_with_a_certificate_of_its_own(client):
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with Simulator(Options.quiet(server_version="3.14.0"), tls=tls) as sim:
        assert sim.url.startswith("https://127.0.0.1:")
        assert sim.url.endswith("/api/v3")
        assert (await get(client, sim.url + LOG, ssl=trusting))[0] == 200


async def test_a_port_in_use_is_said_so():
    async with Simulator(Options.quiet()) as sim:
        port = int(URL(sim.url).port or 0)
        with pytest.raises(ListenError, match=f"cannot listen on 127.0.0.1:{port}"):
            await Simulator(Options.quiet(), port=port).__aenter__()


async def test_an_unknown_organization_is_a_mistake_of_the_test(sim):
    with pytest.raises(LookupError, match="no organization 'elsewhere'"):
        sim.happen("repo.create", organization="elsewhere")
