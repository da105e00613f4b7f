"""What `/metrics` says of the journal."""

from journal_bench import Bench, fill

from shipper.core.journal import Limits


async def test_its_size_is_told_as_long_as_it_is_open(bench: Bench) -> None:
    journal = await bench.open(Limits(max_size=2**20))
    assert bench.meter.series("shipper_journal_damaged") == {(): 0}
    await fill(journal, range(1, 3))
    assert bench.meter.series("shipper_journal_bytes") == {(): journal.usage().bytes}
    assert bench.meter.value("shipper_journal_bytes") > 0
    assert bench.meter.series("shipper_journal_capacity_bytes") == {(): 2**20}
    await bench.stack.aclose()
    assert bench.meter.series("shipper_journal_bytes") == {}
