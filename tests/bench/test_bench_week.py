"""A scaled-down week of virtual time: outages, restarts, late events, quota pressure, and the proof."""

import logging

import pytest

from bench.week import Week


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_event_of_a_troubled_day_is_proven(tmp_path, seed, caplog):
    caplog.set_level(logging.CRITICAL)
    report = await Week(seed, events=1000, days=0.4, folder=tmp_path).run()
    assert report.proven == report.events == report.at_backend == 1000
    assert report.refused > 20
    assert report.restarts == 6
