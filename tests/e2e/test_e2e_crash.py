"""kill -9 while exporters fail: nothing lost, nothing forged, doubles within the promise."""

import pytest

from bench.crash import crash_run


@pytest.mark.parametrize("seed", [7])
async def test_every_event_survives_kills_at_any_moment(tmp_path, seed):
    report = await crash_run(seed, events=3000, kills=5, folder=tmp_path)
    assert report.lost == {"otlphttp": 0, "syslog": 0, "file": 0}
    assert report.forged == {"otlphttp": 0, "syslog": 0, "file": 0}
    assert report.journalled == report.events == 3000
    for exporter, repeated in report.repeated.items():
        assert repeated <= report.allowed[exporter], exporter
