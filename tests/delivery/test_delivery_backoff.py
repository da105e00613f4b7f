"""Waits between attempts: exponential, jittered, bounded, and as long as the backend asks."""

import random

import pytest

from shipper.core.delivery import RetryConfig
from shipper.delivery.backoff import Backoff

CONFIG = RetryConfig(initial_interval="1s", max_interval="10s", multiplier=2)


class Middle(random.Random):
    def random(self) -> float:
        return 0.5


def test_waits_grow_to_the_longest():
    backoff = Backoff(CONFIG, Middle())
    assert [backoff.next() for _ in range(6)] == [1, 2, 4, 8, 10, 10]


def test_no_wait_is_shorter_than_half_nor_longer_than_the_longest():
    for seed in range(200):
        backoff = Backoff(CONFIG, random.Random(seed))
        waits = [backoff.next() for _ in range(6)]
        assert all(
            0.5 * grown <= wait <= min(10, 1.5 * grown)
            for wait, grown in zip(waits, [1, 2, 4, 8, 10, 10], strict=True)
        )


def test_two_shippers_do_not_come_back_in_step():
    assert Backoff(CONFIG, random.Random(1)).next() != Backoff(CONFIG, random.Random(2)).next()


@pytest.mark.parametrize(("asked", "least", "most"), [(5, 5, 5.5), (60, 60, 66), (10**9, 3600, 3960)])
def test_what_the_backend_asks_for_wins(asked: float, least: float, most: float):
    assert least <= Backoff(CONFIG).next(asked) <= most


@pytest.mark.parametrize("asked", [0, -5, 0.001])
def test_a_backend_cannot_make_the_loop_spin(asked: float):
    assert Backoff(CONFIG).next(asked) >= 0.5


def test_a_thousand_attempts_do_not_overflow():
    backoff = Backoff(CONFIG)
    assert all(backoff.next() <= 10 for _ in range(2000))
