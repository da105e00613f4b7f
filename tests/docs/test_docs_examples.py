"""The files of examples/: what `shipper init` writes, valid at once, and running beside a simulated GitHub."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from docs_pages import REPOSITORY

from shipper.cli.offline import load_offline
from shipper.service.deploy.starting import BACKENDS, SOURCES, configuration
from shipper.simulator import Options, Simulator
from shipper.simulator.backend import CountingBackend

EXAMPLES = sorted(REPOSITORY.glob("examples/*.yaml"))
NEEDED = {
    "elastic": {"ELASTIC_API_KEY", "ELASTIC_OTLP_ENDPOINT"},
    "datadog": {"DD_API_KEY"},
    "syslog": {"SYSLOG_HOST"},
}


def test_there_is_an_example_of_each_source_and_backend():
    wanted = {f"{source}-to-{backend}.yaml" for source in SOURCES for backend in BACKENDS}
    assert {file.name for file in EXAMPLES} == wanted
    assert set(BACKENDS) == {"collector", "splunk", "elastic", "loki", "datadog", "syslog", "file"}


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_is_what_init_writes(file):
    """Made by `shipper init --backend BACKEND -o examples/github-to-BACKEND.yaml --force`."""
    source, _, backend = file.stem.partition("-to-")
    assert file.read_text() == configuration(source, backend)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_is_valid_without_a_warning_and_needs_what_is_documented(file):
    loaded, unset = load_offline(file, {})
    assert loaded.warnings == []
    assert set(unset) == {"GITHUB_ORG", "GITHUB_TOKEN"} | NEEDED.get(file.stem.rpartition("-")[2], set())


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
async def test_an_example_ships_what_happened(file, tmp_path):
    """Its backend is replaced by one on loopback; all else is as it stands."""
    counts: list[int] = []
    runner = web.AppRunner(CountingBackend(lambda records, _distinct: counts.append(records)).app())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with Simulator(Options.quiet(organizations=("acme-corp",))) as github:
        for _ in range(3):
            github.happen("git.clone")
        config = redirected(file, tmp_path, f"http://127.0.0.1:{runner.addresses[0][1]}")
        code, err = await run(config, GITHUB_API_URL=github.url, GITHUB_ORG="acme-corp", GITHUB_TOKEN="any")
    await runner.cleanup()
    written = tmp_path / "out/events.jsonl"
    assert code == 0, err
    assert sum(counts) + (len(written.read_text().splitlines()) if written.exists() else 0) == 3


def redirected(file: Path, folder: Path, address: str) -> Path:
    """The example with an OTLP backend at this address in place of its exporter, where that is for the network."""
    value = yaml.safe_load(file.read_text())
    if "file" not in value["exporters"]:
        value["exporters"] = {"otlphttp": {"endpoint": address}}
        value["service"]["pipelines"]["logs/github"]["exporters"] = ["otlphttp"]
    value["service"]["telemetry"]["metrics"] = False
    value["service"]["admin"] = {"endpoint": "127.0.0.1:0"}
    changed = folder / file.name
    changed.write_text(yaml.safe_dump(value))
    return changed


async def run(config: Path, **env: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "shipper", "run", "--once", "-c", config.name),
        cwd=config.parent,
        env=os.environ | env,
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await asyncio.wait_for(process.communicate(), 180)
    return process.returncode, err.decode()
