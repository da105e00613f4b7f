"""A rendered container run as a process: its command, environment, files, user, read-only root and probes."""

import asyncio
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
from helm_charts import ROOT, Manifest, containers, of_kind, pod_specs

_POD = Path(__file__).parent / "pod.sh"


def can_run_pods() -> bool:
    """Whether this machine lets us make mounts of our own and drop to another user."""
    if os.geteuid() != 0:
        return False
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class ProjectedVolume:
    """A volume as the kubelet writes ConfigMaps and Secrets: files are links through `..data`, swapped at once."""

    def __init__(self, path: Path, data: dict[str, str]) -> None:
        self.path = path
        self._number = itertools.count(1)
        path.mkdir(parents=True)
        self.write(data)

    def write(self, data: dict[str, str]) -> None:
        """Put new contents in the place of the old ones."""
        folder = self.path / f"..2026_01_01.{next(self._number)}"
        folder.mkdir()
        for name, text in data.items():
            (folder / name).write_text(text)
        fresh = self.path / "..data_tmp"
        fresh.symlink_to(folder.name)
        fresh.replace(self.path / "..data")
        for name in data:
            link = self.path / name
            if not link.is_symlink():
                link.symlink_to(f"..data/{name}")


class Pod:
    """The pod of one rendered workload.

    Args:
        manifests: what helm rendered.
        folder: where its volumes are.
        secrets: contents of volumes that are Secrets or projected, by name of the volume.
        data: the journal's folder; one of its own unless given.
        env: what the kubelet adds to the environment.
    """

    def __init__(
        self,
        manifests: list[Manifest],
        folder: Path,
        secrets: dict[str, dict[str, str]],
        data: Path | None = None,
        env: dict[str, str] | None = None,
    ) -> None:
        (self.spec,) = [pod for name, pod in pod_specs(manifests) if not name.startswith(("Job/", "Pod/"))]
        self._folder = folder
        self._env = env or {}
        (config,) = [
            each["data"]
            for each in of_kind(manifests, "ConfigMap")
            if "pipelines.yaml" in each["data"] and "annotations" not in each["metadata"]
        ]
        self.config = ProjectedVolume(folder / "shipper-config", config)
        for name, content in secrets.items():
            ProjectedVolume(folder / name, content)
        self._data = data or folder / "shipper-data"
        for path in (self._data, folder / "shipper-tmp", folder / "root"):
            path.mkdir(exist_ok=True)
            os.chown(path, 65532, 65532)
        self.process: asyncio.subprocess.Process | None = None
        self.log: list[dict[str, Any]] = []
        self._reading: asyncio.Task[None] | None = None
        self._logged = asyncio.Condition()

    @property
    def container(self) -> Manifest:
        """The shipper's."""
        (found,) = [each for each in containers(self.spec) if each["args"][0] == "run"]
        return found

    async def start(self) -> None:
        """Run the init containers to their ends, then the shipper until its startup probe is content."""
        for init in self.spec.get("initContainers", []):
            process = await self._run(init)
            _, said = await asyncio.wait_for(process.communicate(), 30)
            if process.returncode:
                raise InitFailed(said.decode())
        self.process = await self._run(self.container)
        self._reading = asyncio.create_task(self._read())
        await self.until_probe("startupProbe", 200)

    async def probe(self, name: str) -> int:
        """What the kubelet gets from a probe; 0 for no connection."""
        get = self.container[name]["httpGet"]
        port = {each["name"]: each["containerPort"] for each in self.container["ports"]}[get["port"]]
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{port}{get['path']}") as answer,
            ):
                return answer.status
        except aiohttp.ClientError:
            return 0

    async def until_probe(self, name: str, status: int) -> None:
        """Ask as the kubelet does, but faster, until the answer is this."""
        async with asyncio.timeout(30):
            while await self.probe(name) != status:
                assert self.process
                assert self.process.returncode is None, self.log
                await asyncio.sleep(0.05)

    async def logged(self, part: str) -> dict[str, Any]:
        """The first line of the log with this in it, waited for."""

        def found() -> dict[str, Any] | None:
            return next((line for line in self.log if part in json.dumps(line)), None)

        async with asyncio.timeout(30), self._logged:
            await self._logged.wait_for(found)
        line = found()
        assert line
        return line

    async def terminate(self) -> int:
        """SIGTERM, and SIGKILL after the grace period; the exit code."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        return await self._ended(self.spec["terminationGracePeriodSeconds"])

    async def kill(self) -> None:
        """SIGKILL."""
        if self.process and self.process.returncode is None:
            self.process.kill()
            await self._ended(10)

    async def _ended(self, within: float) -> int:
        assert self.process
        assert self._reading
        await asyncio.wait_for(self.process.wait(), within)
        await self._reading
        assert self.process.returncode is not None
        return self.process.returncode

    async def _run(self, container: Manifest) -> asyncio.subprocess.Process:
        user = str(container["securityContext"]["runAsUser"])
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        variables = {each["name"]: each["value"] for each in container.get("env", [])} | self._env
        return await asyncio.create_subprocess_exec(
            str(_POD),
            str(self._folder / "root"),
            user,
            *self._image(),
            *[self._mount(mount) for mount in container["volumeMounts"]],
            "--",
            "/usr/bin/env",
            "-i",
            f"--chdir={container['workingDir']}",
            f"PATH={Path(sys.executable).parent}:/usr/bin:/bin",
            *[f"{name}={value}" for name, value in variables.items()],
            *container["command"],
            *container["args"],
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )

    def _mount(self, mount: Manifest) -> str:
        own = {"shipper-data": self._data}
        source = own.get(mount["name"], self._folder / mount["name"])
        return f"{source}:{mount['mountPath']}:{'ro' if mount.get('readOnly') else 'rw'}"

    def _image(self) -> list[str]:
        """What the image has beside this machine's own programs: Python, the environment and the package."""
        paths = [Path(sys.base_prefix), Path(sys.prefix), ROOT / "shipper", ROOT / "schemas"]
        return [f"{path}:{path}:ro" for path in paths if not path.is_relative_to("/usr")]

    async def _read(self) -> None:
        assert self.process
        assert self.process.stderr
        async for line in self.process.stderr:
            text = line.decode()
            async with self._logged:
                self.log.append(json.loads(text) if text.startswith("{") else {"text": text})
                self._logged.notify_all()


class InitFailed(Exception):
    """An init container refused; the message is the pod's termination message."""
