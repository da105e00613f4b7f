"""`shipper simulate github`, as one types it."""

import json
import os
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime

import aiohttp
import pytest
from click.testing import CliRunner

from shipper.cli.simulate import simulate
from shipper.core.clock import SystemClock
from shipper.simulator.clock import SimulatedClock
from shipper.simulator.samples import SampleError, load, newest, shifted

PROGRAM = "import sys; sys.argv[0] = 'shipper'; from shipper.cli.simulate import simulate; simulate()"


@pytest.fixture
def start():
    """Starts the command on a free port; gives its URL, what it said, and the process."""
    running = []

    def start(*arguments):
        command = [sys.executable, "-c", PROGRAM, "github", "--port", "0", *arguments]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
        )
        running.append(process)
        line = process.stdout.readline()
        return re.match(r"http://\S+", line)[0], line, process

    yield start
    for process in running:
        process.kill()
        process.communicate()


async def get(url):
    async with (
        aiohttp.ClientSession(headers={"Authorization": "Bearer any"}) as client,
        client.get(url) as response,
    ):
        return response.status, await response.json()


async def test_it_prints_its_url_serves_any_token_and_stops_when_told(start):
    url, line, process = start("--fault", "code_scanning:403-permission")
    assert "acme-corp" in line
    status, listed = await get(f"{url}/orgs/acme-corp/audit-log?per_page=100")
    assert (status, len(listed)) == (200, 100)
    status, refused = await get(f"{url}/orgs/acme-corp/code-scanning/alerts")
    assert (status, refused["message"]) == (403, "Resource not accessible by personal access token")
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


async def test_a_file_of_events_is_served_as_it_is_whatever_period_is_asked_for(start, tmp_path):
    page = [{"@timestamp": 1725456356934, "_document_id": "x", "action": "hook.destroy"}]
    file = tmp_path / "page.json"
    file.write_text(json.dumps(page))
    url, line, process = start("--events", str(file))
    assert "1 events from a file" in line
    assert await get(f"{url}/orgs/acme-corp/audit-log?phrase=created:%3E=2026-01-01") == (200, page)
    assert await get(f"{url}/orgs/acme-corp/code-scanning/alerts") == (200, [])
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fault", "audit_log:999"], "'999' is no kind of fault; one of 401, "),
        (["--backlog-period", "tomorrow"], "not a duration"),
        (["--start", "noon"], "Invalid isoformat string"),
        (["--late", "300"], "300.0 is not in the range"),
    ],
)
def test_mistakes_are_explained(arguments, message):
    result = CliRunner().invoke(simulate, ["github", *arguments])
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_the_kinds_of_faults_are_listed():
    result = CliRunner().invoke(simulate, ["github", "--list-faults"])
    assert result.exit_code == 0
    assert "403-permission" in result.output


def test_a_file_is_a_page_or_one_value_a_line(tmp_path):
    page, lines, broken = (tmp_path / name for name in ("page.json", "lines.ndjson", "broken.ndjson"))
    page.write_text('[{"a": 1}, "text"]')
    lines.write_text('{"a": 1}\n\n{"a": 2}\n')
    broken.write_text('{"a": 1}\n{"a": \n')
    assert load(page) == ({"a": 1}, "text")
    assert load(lines) == ({"a": 1}, {"a": 2})
    page.write_text('[{"n": 123456789012345678901234567890}]')
    assert load(page) == ({"n": 123456789012345678901234567890},)
    with pytest.raises(SampleError, match=r"broken.ndjson:2: neither"):
        load(broken)


def test_times_are_shifted_so_that_the_newest_is_now():
    events = ({"@timestamp": 100, "created_at": 90}, {"@timestamp": 400}, {"x": 1}, "text")
    assert newest(events) == 400
    assert shifted(events, 1000) == (
        {"@timestamp": 700, "created_at": 690},
        {"@timestamp": 1000},
        {"x": 1},
        "text",
    )
    assert shifted(("text",), 1000) == ("text",)


class Base(SystemClock):
    """A clock that shows what it is told to."""

    time = 1_000 * 10**9
    slept = 0.0

    def now(self):
        return self.time

    def monotonic(self):
        return self.time / 1e9

    async def sleep(self, seconds):
        self.slept += seconds


async def test_simulated_time_runs_at_its_own_speed():
    base = Base()
    noon = int(datetime(2026, 3, 14, 12, tzinfo=UTC).timestamp()) * 10**9
    clock = SimulatedClock(60, start=noon, skew=30, base=base)
    assert clock.now() == noon + 30 * 10**9
    base.time += 2 * 10**9
    assert clock.now() == noon + 150 * 10**9
    assert clock.monotonic() == 120
    await clock.sleep(60)
    assert base.slept == 1
