"""The fault run, in short: everything breaks at random moments, and every event is counted afterwards."""

from bench.faults import fault_run

EXPORTERS = ("otlp", "otlphttp", "syslog", "file", "file/dead")


async def test_nothing_is_lost_forged_or_doubled_beyond_the_promise(tmp_path):
    report = await fault_run(3, events=1000, lives=2, folder=tmp_path)
    assert report.lost == dict.fromkeys(EXPORTERS, 0)
    assert report.forged == dict.fromkeys(EXPORTERS, 0)
    assert report.journalled == report.events >= 1000, "each event is stored exactly once"
    for exporter, repeated in report.repeated.items():
        assert repeated <= report.allowed[exporter], exporter
    assert report.dead == {"otlp": report.poison, "otlphttp": report.poison}
    assert report.wrong_dead == 0
    assert report.faults.total() > 20
