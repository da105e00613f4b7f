"""Who may lead, as decided from what was read: a table, and a walk through random schedules."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.net.election import Candidate

NOW = 1_700_000_000_123_456_789


def candidate(identity: str = "a", duration: float = 10.0) -> Candidate:
    return Candidate(identity, "shipper", "ops", duration)


def lease(holder: str | None, renewed: str = "1", seconds: object = 10) -> dict:
    spec = {"holderIdentity": holder, "leaseDurationSeconds": seconds, "renewTime": renewed, "leaseTransitions": 3}
    return {"metadata": {"name": "shipper", "resourceVersion": "7"}, "spec": spec}


def test_the_first_one_makes_the_lease():
    first = candidate()
    first.observe(None, 100.0)
    assert first.may_lead(100.0)
    assert first.claim(None, NOW) == {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "shipper", "namespace": "ops"},
        "spec": {
            "holderIdentity": "a",
            "leaseDurationSeconds": 10,
            "acquireTime": "2023-11-14T22:13:20.123456Z",
            "renewTime": "2023-11-14T22:13:20.123456Z",
            "leaseTransitions": 0,
        },
    }


def test_a_standby_waits_for_the_lease_to_stand_still_by_its_own_clock():
    """The other's clock, written in the Lease, is years behind: that does not matter."""
    standby = candidate()
    standby.observe(lease("b", "2001-01-01T00:00:00.000000Z"), 100.0)
    assert [standby.may_lead(at) for at in (100.0, 109.9, 110.0)] == [False, False, True]


def test_a_renewal_starts_the_wait_anew():
    standby = candidate()
    standby.observe(lease("b", "1"), 100.0)
    standby.observe(lease("b", "1"), 105.0)
    assert standby.expires() == 110.0
    standby.observe(lease("b", "2"), 107.0)
    assert standby.expires() == 117.0


@pytest.mark.parametrize(
    ("spec", "at_100"),
    [
        pytest.param(lease(None), True, id="released"),
        pytest.param(lease(""), True, id="released by an older client"),
        pytest.param({"metadata": {}, "spec": None}, True, id="no spec"),
        pytest.param({"metadata": {}, "spec": "junk"}, True, id="junk"),
        pytest.param(lease("b", seconds=None), False, id="no duration: ours"),
        pytest.param(lease("a"), True, id="our own, from before a crash of the network"),
    ],
)
def test_whose_the_lease_is(spec, at_100):
    standby = candidate()
    standby.observe(spec, 100.0)
    assert standby.may_lead(100.0) is at_100
    assert standby.may_lead(110.0) is True


def test_renewing_keeps_the_time_of_acquisition_and_the_count_of_changes():
    leader = candidate("b")
    held = lease("b")
    held["spec"]["acquireTime"] = "2020-01-01T00:00:00.000000Z"
    leader.observe(held, 100.0)
    renewed = leader.claim(held, NOW)
    assert renewed["spec"]["acquireTime"] == "2020-01-01T00:00:00.000000Z"
    assert renewed["spec"]["renewTime"] == "2023-11-14T22:13:20.123456Z"
    assert renewed["spec"]["leaseTransitions"] == 3
    assert renewed["metadata"]["resourceVersion"] == "7"


def test_taking_over_counts_a_change_and_keeps_the_version_read():
    """The API server then refuses the write of one of two that take over at the same moment."""
    standby = candidate()
    standby.observe(lease("b"), 100.0)
    taken = standby.claim(lease("b"), NOW)
    assert (taken["spec"]["holderIdentity"], taken["spec"]["leaseTransitions"]) == ("a", 4)
    assert taken["metadata"]["resourceVersion"] == "7"


@pytest.mark.parametrize(
    ("spec", "sign"),
    [
        ({"renewTime": "2023-11-14T22:13:20.123456Z"}, 1_700_000_000_123),
        ({"holderIdentity": "b", "renewTime": "2023-11-14T22:13:20.000000Z"}, 1_700_000_000_000),
        ({"holderIdentity": "b"}, None),
        ({"renewTime": "junk"}, None),
        ({"renewTime": 7}, None),
        ({}, None),
    ],
)
def test_when_somebody_last_led_stands_in_the_lease(spec, sign):
    """By the clock of whoever wrote it: good for going further back, never for anything else."""
    standby = candidate()
    standby.observe({"spec": spec}, 100.0)
    assert standby.last_sign() == sign


def test_stepping_down_leaves_no_holder():
    leader = candidate("b")
    leader.observe(lease("b"), 100.0)
    assert leader.release(lease("b"), NOW)["spec"] == {
        "leaseDurationSeconds": 1,
        "acquireTime": "2023-11-14T22:13:20.123456Z",
        "renewTime": "2023-11-14T22:13:20.123456Z",
        "leaseTransitions": 3,
    }


@settings(max_examples=4 * settings.default.max_examples)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.01, 6.0), st.floats(0, 3.0)), min_size=1, max_size=60),
    st.floats(-1e6, 1e6),
    st.floats(-1e6, 1e6),
)
def test_never_do_two_believe_to_lead_whatever_the_delays_and_clocks(steps, skew_b, skew_c):
    """Each step: who looks, after how long, and how long its write takes to be applied and answered.

    A leader believes in itself for 7 s from sending its last renewal; wall and monotonic clocks are skewed.
    """
    skew = {"a": 0.0, "b": skew_b, "c": skew_c}
    those = {name: candidate(name) for name in skew}
    believes = dict.fromkeys(skew, -1e12)
    stored: dict | None = None
    version = now = 0.0
    for name, pause, delay in steps:
        now += pause
        me, sent = those[name], now
        now += delay
        me.observe(stored, now + skew[name])
        if me.may_lead(now + skew[name]):
            stored = me.claim(stored, int((sent + skew[name] + 1e7) * 1e9))
            version += 1
            me.observe(stored, now + skew[name])
            believes[name] = sent
        leaders = [each for each, since in believes.items() if now < since + 7.0]
        assert len(leaders) <= 1
