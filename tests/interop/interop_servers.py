"""Real servers for a test: on free ports of the loopback, in a directory of their own, ended by process id."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trustme

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "github-log-shipper-interop"
PATIENCE = 30.0
T = TypeVar("T")


@dataclass(frozen=True)
class Secrets:
    """PEM files: an authority, the server's certificate for `siem.test`, the client's, one of a stranger."""

    ca: Path
    server: Path
    client: Path
    stranger: Path

    @classmethod
    def issue(cls, directory: Path) -> "Secrets":
        """Make them."""
        ca, other = trustme.CA(), trustme.CA()
        files = cls(*(directory / f"{name}.pem" for name in ("ca", "server", "client", "stranger")))
        ca.cert_pem.write_to_path(files.ca)
        for path, authority, name in (
            (files.server, ca, "siem.test"),
            (files.client, ca, "shipper.test"),
            (files.stranger, other, "shipper.test"),
        ):
            issued = authority.issue_cert(name)
            issued.private_key_and_cert_chain_pem.write_to_path(path)
            path.chmod(0o600)
        return files


def installed(program: str, *places: Path) -> str:
    """The program's path; skips the test where it is not to be had."""
    found = shutil.which(program, path=os.pathsep.join([*map(str, places), os.environ["PATH"], "/usr/sbin"]))
    if not found:
        pytest.skip(f"{program} is not installed here; tests/interop/install.sh says why")
    return found


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port that nobody uses at this moment."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(
    command: Sequence[str], directory: Path, ports: Sequence[int], env: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """The server, from when it listens at its ports until the end of the block."""
    log = directory / f"{Path(command[0]).name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=os.environ | (env or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        until(lambda: process.poll() is not None or listening(ports))
        assert process.poll() is None, f"{command[0]} ended by itself:\n{log.read_text()[-3000:]}"
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until(probe: Callable[[], T], patience: float = PATIENCE) -> T:
    """What the probe gives as soon as it gives something; other processes can't be awaited."""
    end = time.monotonic() + patience
    while not (found := probe()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return found


def listening(ports: Sequence[int]) -> bool:
    """Whether all these ports are open, without connecting to them."""
    open_ports = set()
    for table, state in (("tcp", "0A"), ("udp", "07"), ("tcp6", "0A"), ("udp6", "07")):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == state:
                open_ports.add(int(fields[1].rpartition(":")[2], 16))
    return open_ports.issuperset(ports)


def json_lines(path: Path, count: int) -> list[dict[str, Any]]:
    """The first `count` lines of a file that a server writes, when they are there."""

    def complete() -> list[bytes]:
        lines = path.read_bytes().splitlines() if path.exists() else []
        return lines if len(lines) >= count and path.read_bytes().endswith(b"\n") else []

    return [json.loads(line) for line in until(complete)]
