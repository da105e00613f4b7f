"""Resident memory of an idle sidecar: `shipper run` with the default processors and one OTLP exporter."""

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

from bench.sinks import OtlpSink
from shipper.simulator import Options, Simulator

_SETTLE = 5.0


def configuration(folder: Path, github: str, exporter: dict[str, object]) -> dict[str, object]:
    """The README's pipeline with one exporter."""
    return {
        "receivers": {"github": {"organizations": ["acme-corp"], "base_url": github, "auth": {"token": "t"}}},
        "processors": {"normalize": {}, "rules": {}, "schema": {}},
        "exporters": exporter,
        "extensions": {"storage": {"path": str(folder / "shipper.db")}},
        "service": {
            "pipelines": {
                "logs": {
                    "receivers": ["github"],
                    "processors": ["normalize", "rules", "schema"],
                    "exporters": list(exporter),
                }
            },
            "telemetry": {"metrics": {"endpoint": "127.0.0.1:0"}},
            "admin": {"endpoint": "127.0.0.1:0"},
        },
    }


def resident(pid: int) -> float:
    """MB of a process, as the kernel counts them."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def idle(exporter: dict[str, object]) -> float:
    """MB some seconds after the first poll."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with Simulator(Options.quiet(backlog=300, alerts=20)) as github:
            path = folder / "pipelines.json"
            path.write_text(json.dumps(configuration(folder, github.url, exporter)))
            program = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "shipper", "run", "-c", str(path),
                stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            await asyncio.sleep(_SETTLE)
            found = resident(program.pid)
            program.terminate()
            await program.wait()
    return found


async def measure() -> dict[str, float]:
    """MB with each OTLP exporter."""
    async with OtlpSink(0, trouble=0) as sink:
        http = await idle({"otlphttp": {"endpoint": sink.endpoint}})
        grpc = await idle({"otlp": {"endpoint": "127.0.0.1:1", "tls": {"insecure": True}}})
    return {"otlphttp": http, "otlp (gRPC)": grpc}


def main(_arguments: list[str]) -> int:
    """Run and print."""
    for name, megabytes in asyncio.run(measure()).items():
        print(f"{name:14}{megabytes:6.1f} MB resident")
    return 0
