"""What alerts are made of is there from the first look: `increase()` sees no counter that is born with 1."""

import aiohttp
import pytest
from e2e_listening import listening, until

from shipper.simulator import Options, Simulator

SERIES = (
    'shipper_dead_letter_log_records_total{pipeline="logs/github",component="debug"} 0.0',
    'shipper_dead_letter_log_records_total{pipeline="logs/github",component="schema"} 0.0',
    "shipper_journal_damaged_total 0.0",
    "shipper_journal_bytes ",
    "shipper_journal_capacity_bytes 1073741824.0",
    'shipper_config_reloads_total{result="refused"} 0.0',
)


@pytest.fixture
async def github():
    async with Simulator(Options.quiet()) as simulator:
        yield simulator


async def test_series_of_alerts_exist_from_the_start(program, github):
    process = await program.start("run", "-c", str(program.configure(github, {"debug": {}})))
    metrics, _ = await listening(process, "metrics")
    await until(process, "journal(sqlite)")
    async with aiohttp.ClientSession() as session, session.get(f"{metrics}/metrics") as answer:
        text = await answer.text()
    assert [series for series in SERIES if f"\n{series}" not in text] == []
