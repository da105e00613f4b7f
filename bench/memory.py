"""Resident memory of an idle sidecar: `shipper run` with the default processors and one OTLP exporter.

Beside it, an empty program that has merely touched the libraries that such a sidecar needs: what is left is ours.
"""

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

from bench.sinks import OtlpSink
from shipper.simulator import Options, Simulator

_SETTLE = 5.0

_LIBRARIES = """
import asyncio, sqlite3, ssl, sys
import aiohttp.web, click, jsonschema_rs, orjson, pydantic, yaml, zstandard
from isal import igzip

class Model(pydantic.BaseModel):
    key: str = ""

async def main():
    runner = aiohttp.web.AppRunner(aiohttp.web.Application())
    await runner.setup()
    await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as session:
        async with session.get("http://%s:%d/" % runner.addresses[0]) as answer:
            await answer.read()
        await asyncio.sleep(60)

Model()
jsonschema_rs.Draft202012Validator({"type": "object"}).is_valid({})
zstandard.ZstdCompressor(level=1).compress(bytes(100_000))
ssl.create_default_context()
database = sqlite3.connect(":memory:")
database.execute("CREATE TABLE t(a)")
if "grpc" in sys.argv:
    import grpc.aio
asyncio.run(main())
"""


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
            return await settled("-m", "shipper", "run", "-c", str(path))


async def settled(*arguments: str) -> float:
    """MB of a Python program some seconds after its start."""
    program = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    await asyncio.sleep(_SETTLE)
    found = resident(program.pid)
    program.terminate()
    await program.wait()
    return found


async def measure() -> dict[str, float]:
    """MB with each OTLP exporter, and of the libraries alone."""
    async with OtlpSink(0, trouble=0) as sink:
        http = await idle({"otlphttp": {"endpoint": sink.endpoint}})
        grpc = await idle({"otlp": {"endpoint": "127.0.0.1:1", "tls": {"insecure": True}}})
    return {
        "otlphttp": http,
        "libraries alone": await settled("-c", _LIBRARIES),
        "otlp (gRPC)": grpc,
        "libraries with gRPC": await settled("-c", _LIBRARIES, "grpc"),
    }


def main(_arguments: list[str]) -> int:
    """Run and print."""
    for name, megabytes in asyncio.run(measure()).items():
        print(f"{name:22}{megabytes:6.1f} MB resident")
    return 0
