"""The image: built twice to the same layers by buildah, and run by runc as a hardened pod would run it."""

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from helm_charts import ROOT

pytestmark = pytest.mark.interop

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "github-log-shipper-interop" / "helm"
PIPELINES = """
receivers: {github: {organizations: [acme-corp], auth: {token: any}, poll_interval: 500ms}}
exporters: {debug: {verbosity: basic}}
extensions: {storage: {path: shipper.db}}
service: {pipelines: {logs: {receivers: [github], exporters: [debug]}}, telemetry: {metrics: false}}
"""


def test_the_dockerfile_is_as_hadolint_wants_it():
    hadolint = ROOT / ".venv" / "bin" / "hadolint"
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.fixture(scope="module")
def buildah(tmp_path_factory):
    """Runs buildah with a storage of its own, on a base that debootstrap made."""
    if not (CACHE / "base").is_dir() or not shutil.which("buildah") or not shutil.which("runc"):
        pytest.skip("tests/helm/install.sh could not make a base for the image here")
    storage = tmp_path_factory.mktemp("storage")
    options = [f"--root={storage}/root", f"--runroot={storage}/run"]
    env = os.environ | {"BUILDAH_ISOLATION": "chroot"}

    def run(command: str, *arguments: str | Path) -> str:
        done = subprocess.run(
            ["buildah", *options, command, *arguments], env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    container = run("from", "scratch")
    run("copy", "--quiet", container, CACHE / "base", "/")
    run("commit", "--quiet", "--rm", container, "localhost/base")
    yield run
    run("umount", "--all")
    run("rm", "--all")
    subprocess.run(["umount", "--quiet", f"{storage}/root/overlay"], check=False)


@pytest.fixture(scope="module")
def image(buildah, tmp_path_factory):
    """The image, built from what git knows."""
    source = tmp_path_factory.mktemp("source")
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, files.decode().split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)

    def build(name: str) -> str:
        mine = ["/etc/ssl/certs", "/etc/pip.conf"]  # this machine's way to the package index
        volumes = [f"--volume={path}:{path}:ro" for path in mine if Path(path).exists()]
        arguments = ["--build-arg=BASE=localhost/base", "--build-arg=SOURCE_DATE_EPOCH=1700000000"]
        fixed = ["--format=docker", "--timestamp=1700000000", "--no-cache", "--quiet"]
        buildah("bud", *fixed, *arguments, *volumes, f"--tag={name}", source)
        return name

    return build


def layers(buildah, name):
    return json.loads(buildah("inspect", "--type=image", name))["OCIv1"]["rootfs"]["diff_ids"]


async def test_it_is_the_same_twice_and_runs_as_nobody(buildah, image, tmp_path):
    name = image("localhost/shipper:1")
    assert layers(buildah, name) == layers(buildah, image("localhost/shipper:2"))

    told = json.loads(buildah("inspect", "--type=image", name))["Docker"]["config"]
    assert (told["User"], told["StopSignal"]) == ("65532:65532", "SIGTERM")
    assert told["Labels"]["org.opencontainers.image.title"] == "github-log-shipper"

    root = Path(buildah("mount", buildah("from", name)))
    added = sum(file.lstat().st_size for file in (root / "opt/shipper").rglob("*")) / 1e6
    assert 100 < added < 150  # docs/kubernetes.md says 135 MB
    site = next((root / "opt/shipper/lib").glob("python3.*/site-packages"))
    assert not [tool for tool in ("pip", "setuptools") if (site / tool).exists()]
    assert not [compiler for compiler in ("gcc", "cc") if (root / "usr/bin" / compiler).exists()]

    container = Container(tmp_path, root, told)
    async with asyncio.timeout(60):
        await container.start()
        try:
            assert await container.exec(*told["Healthcheck"]["Test"][1:], until=0) == 0
            assert await container.exec("touch", "/opt/shipper/x") != 0
            assert await container.exec("touch", "/var/lib/shipper/x") == 0
            assert await container.exec("grep", "-q", "CapBnd:.0000000000000000", "/proc/1/status") == 0
        finally:
            code, log = await container.stop()
    assert code == 0
    assert '"waiting":0' in log[-1]


class Container:
    """The image's own command under runc: read-only, no capabilities, 256 MiB, no network but its own loopback."""

    def __init__(self, folder: Path, root: Path, told: dict) -> None:
        self._name = f"shipper-{os.getpid()}"
        self._folder = folder
        self._env = told["Env"]
        for name in ("data", "etc"):
            (folder / name).mkdir()
        os.chown(folder / "data", 65532, 65532)
        (folder / "etc" / "pipelines.yaml").write_text(PIPELINES)
        subprocess.run(["runc", "spec"], cwd=folder, check=True)
        spec = json.loads((folder / "config.json").read_text())
        spec["process"] |= {
            "terminal": False,
            "user": {"uid": 65532, "gid": 65532},
            "args": [*told["Entrypoint"], *told["Cmd"]],
            "cwd": told["WorkingDir"],
            "env": self._env,
            "noNewPrivileges": True,
            "capabilities": {},
        }
        spec["root"] = {"path": str(root), "readonly": True}
        spec["linux"].setdefault("resources", {})["memory"] = {"limit": 256 * 2**20}
        spec["mounts"] += [
            {"destination": "/var/lib/shipper", "source": str(folder / "data"), "options": ["bind", "rw"]},
            {"destination": "/etc/shipper", "source": str(folder / "etc"), "options": ["bind", "ro"]},
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["size=64m"]},  # noqa: S108
        ]
        (folder / "config.json").write_text(json.dumps(spec))

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            "runc", "run", "--bundle", self._folder, self._name,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    async def exec(self, *command: str, until: int | None = None) -> int:
        """The exit code of a command in the container, tried again until it is `until`."""
        environment = [f"--env={variable}" for variable in self._env]
        while True:
            process = await asyncio.create_subprocess_exec(
                "runc", "exec", "--user=65532", "--cwd=/var/lib/shipper", *environment, self._name, *command,
                stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            code = await process.wait()
            if until is None or code == until:
                return code
            assert self._process.returncode is None
            await asyncio.sleep(0.2)

    async def stop(self) -> tuple[int, list[str]]:
        await (await asyncio.create_subprocess_exec("runc", "kill", self._name, "TERM")).wait()
        _, log = await self._process.communicate()
        assert self._process.returncode is not None
        return self._process.returncode, log.decode().splitlines()
