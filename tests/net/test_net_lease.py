"""Lease election against an API server on loopback: one leads, another takes over, nobody doubles."""

import asyncio
import logging
from contextlib import AsyncExitStack

import pytest
from pydantic import ValidationError

from shipper.core.clock import SystemClock
from shipper.core.errors import Unavailable
from shipper.core.telemetry import Health
from shipper.net.kubernetes import Api, Cluster, Conflict, in_cluster
from shipper.net.lease import COMPONENT, Lease
from shipper.net.lease_config import LeaseConfig
from shipper.testing.kubernetes import FakeLeases

FAST = {"lease_duration": "1s", "renew_deadline": "500ms", "retry_period": "100ms"}


@pytest.fixture
async def server():
    async with FakeLeases(tokens={"one", "two"}, lease="shipper") as server:
        yield server


@pytest.fixture
def health():
    return Health(SystemClock())


@pytest.fixture
def replica(server, tmp_path, health):
    """Makes a candidate with a service account of its own."""

    def make(identity: str, account: str = "one", **config) -> Lease:
        file = tmp_path / account
        if not file.exists():
            file.write_text(account + "\n")
        cluster = Cluster(server.url, file, None, "ops")
        return Lease(
            LeaseConfig(**{"lease_name": "shipper"} | FAST | config),
            SystemClock(),
            health,
            cluster=cluster,
            identity=identity,
        )

    return make


async def test_one_leads_and_the_other_takes_over_at_once_when_it_stops(server, replica):
    async with asyncio.timeout(10), replica("a") as first:
        await first.acquired()
        async with replica("b", "two") as second:
            await until(lambda: second.holder == "a", server)
            assert (first.leading, second.leading) == (True, False)
            await first.__aexit__(None, None, None)
            await second.acquired()
            assert server.holder("ops", "shipper") == "b"
            assert not first.leading


async def test_a_successor_knows_when_the_leader_was_last_heard_of(server, replica):
    """The first one ever has no predecessor."""
    async with asyncio.timeout(10), replica("a") as first:
        await first.acquired()
        assert first.led_until is None
        before = SystemClock().now() // 1_000_000
        async with replica("b", "two") as second:
            await until(lambda: second.holder == "a", server)
            await first.__aexit__(None, None, None)
            await second.acquired()
            assert before <= second.led_until <= SystemClock().now() // 1_000_000


async def test_a_standby_takes_over_when_the_leader_falls_silent(server, replica):
    """As after kill -9: the Lease was not given back, so the standby waits for its duration, 1 s here."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(10), replica("b", "two") as second:
        await second.acquired()
        async with replica("a") as first:
            await until(lambda: first.holder == "b", server)
            server.tokens = {"one"}
            await second.__aexit__(None, None, None)
            silent = loop.time()
            assert server.holder("ops", "shipper") == "b"
            await first.acquired()
            assert loop.time() - silent < 2.0
    assert server.objects["ops", "shipper"]["spec"]["leaseTransitions"] == 1


async def test_a_leader_that_cannot_renew_stops_before_anybody_else_may_start(server, replica):
    async with asyncio.timeout(10), replica("a") as lease:
        await lease.acquired()
        spec = dict(server.objects["ops", "shipper"]["spec"])
        server.answering.clear()
        started = asyncio.get_running_loop().time()
        await lease.lost()
        assert asyncio.get_running_loop().time() - started < 0.9
        assert server.objects["ops", "shipper"]["spec"]["holderIdentity"] == spec["holderIdentity"] == "a"
        server.answering.set()
        await lease.acquired()


async def test_a_lost_answer_does_not_cost_the_leadership(server, replica):
    async with asyncio.timeout(10), replica("a") as lease:
        await lease.acquired()
        server.lose_answers = 1
        await until(lambda: server.lose_answers == 0, server)
        writes = len(server.requests)
        await until(lambda: len(server.requests) > writes + 4, server)
        assert lease.leading
        assert server.objects["ops", "shipper"]["spec"]["leaseTransitions"] == 0


async def test_a_leader_whose_lease_was_taken_stops(server, replica):
    async with asyncio.timeout(10), replica("a") as lease:
        await lease.acquired()
        stolen = server.objects["ops", "shipper"]
        stolen["spec"] = {**stolen["spec"], "holderIdentity": "z"}
        stolen["metadata"] = {**stolen["metadata"], "resourceVersion": "999999"}
        await lease.lost()
        await until(lambda: lease.holder == "z", server)


async def test_of_many_exactly_one_leads_whoever_stops(server, replica):
    async with asyncio.timeout(30), AsyncExitStack() as stack:
        replicas = {name: await stack.enter_async_context(replica(name)) for name in "abcde"}
        while replicas:
            done, _ = await asyncio.wait(
                [asyncio.create_task(each.acquired(), name=name) for name, each in replicas.items()],
                return_when=asyncio.FIRST_COMPLETED,
            )
            assert [name for name, each in replicas.items() if each.leading] == [task.get_name() for task in done]
            await replicas.pop(done.pop().get_name()).__aexit__(None, None, None)
        assert server.holder("ops", "shipper") == ""


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        pytest.param(("three", "shipper"), "does not know our token", id="unknown token"),
        pytest.param(
            ("one", "other"), "is forbidden; bind the service account", id="a lease the Role does not name"
        ),
    ],
)
async def test_a_refusal_blocks_and_says_what_to_do(server, replica, health, asked, says):
    account, lease_name = asked
    async with asyncio.timeout(10), replica("a", account, lease_name=lease_name) as lease:
        await until(health.unready, server)
        (state,) = health.unready()
        assert (state.component, state.status) == (COMPONENT, "blocked")
        assert says in state.error
        assert not lease.leading


async def test_a_token_that_was_renewed_is_read_again(server, replica, tmp_path):
    async with asyncio.timeout(10), replica("a", "one") as lease:
        await lease.acquired()
        server.tokens = {"fresh"}
        await until(lambda: ("PUT", 401) in server.requests, server)
        (tmp_path / "one").write_text("fresh")
        seen = len(server.requests)
        await until(lambda: ("PUT", 200) in server.requests[seen:], server)
        assert lease.leading


async def test_a_standby_is_ready_and_says_who_leads(server, replica, health, caplog):
    caplog.set_level(logging.INFO)
    async with asyncio.timeout(10), replica("a") as first, replica("b", "two") as second:
        await first.acquired()
        await until(lambda: second.holder == "a", server)
        assert health.unready() == []
    assert "standing by" in caplog.messages


async def test_outages_of_the_api_server_are_told_and_waited_out(server, replica, health, caplog):
    server.failing = 500
    async with asyncio.timeout(10), replica("a") as lease:
        await until(lambda: len(server.requests) > 3, server)
        assert [state.status for state in health.states()] == ["failing"]
        server.failing = 0
        await lease.acquired()
        assert [state.status for state in health.states()] == ["ok"]
    assert len([message for message in caplog.messages if "can't be read or written" in message]) == 1


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"renew_deadline": "10s"}, "keep retry_period < renew_deadline < lease_duration"),
        ({"retry_period": "8s"}, "keep retry_period < renew_deadline < lease_duration"),
        ({"lease_name": "Not_A_Name"}, "lease_name"),
        ({"api_server": "http://somewhere"}, "a token is not sent over http"),
    ],
)
def test_what_a_configuration_must_not_say(config, says):
    with pytest.raises(ValidationError, match=says):
        LeaseConfig(**{"lease_name": "shipper"} | config)


def test_the_defaults_hand_over_within_15_seconds():
    config = LeaseConfig(lease_name="shipper")
    assert config.lease_duration + config.retry_period <= 12


def test_a_pod_finds_its_cluster(tmp_path):
    for name, content in {"token": "t", "ca.crt": "c", "namespace": "ops\n"}.items():
        (tmp_path / name).write_text(content)
    env = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}
    assert in_cluster(env, tmp_path) == Cluster(
        "https://[fd00::1]:6443", tmp_path / "token", tmp_path / "ca.crt", "ops"
    )


@pytest.mark.parametrize(
    ("env", "says"),
    [({}, "no Kubernetes here"), ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "no service account token")],
)
def test_outside_of_a_pod_it_says_so(env, says, tmp_path):
    with pytest.raises(Unavailable, match=says):
        in_cluster(env, tmp_path)


async def test_writes_are_locked_optimistically(server, tmp_path):
    """What the election rests on: a write on a stale version and a second creation are refused."""
    (tmp_path / "t").write_text("one")
    collection = "/apis/coordination.k8s.io/v1/namespaces/ops/leases"
    body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "shipper"}, "spec": {}}
    async with Api(Cluster(server.url, tmp_path / "t")) as api:
        assert await api.get(f"{collection}/shipper") is None
        made = await api.create(collection, body)
        with pytest.raises(Conflict):
            await api.create(collection, body)
        await api.update(f"{collection}/shipper", made)
        with pytest.raises(Conflict):
            await api.update(f"{collection}/shipper", made)


async def until(condition, server):
    """Return when the condition holds, looking after every request."""
    async with server.changed:
        await server.changed.wait_for(condition)
