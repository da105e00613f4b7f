"""helm as the tests run it, and what is asked of every manifest."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "shipper"
EXAMPLES = ROOT / "examples" / "kubernetes"
VALUES = sorted([*(Path(__file__).parent / "values").glob("*.yaml"), *(EXAMPLES / "values").glob("*.yaml")])
GOLDENS = Path(__file__).parent / "goldens"

KUBERNETES = ("1.29.0", "1.32.0", "1.37.0")

Manifest = dict[str, Any]


class Refused(Exception):
    """helm said no; the message is what it said."""


class Helm:
    """One version of helm, its files in a folder of the test's."""

    def __init__(self, name: str, home: Path) -> None:
        self.name = name
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        self._program = cache / "github-log-shipper-interop" / "helm" / name
        self.env = {"PATH": "/usr/bin:/bin", "HOME": str(home)}

    def command(self, *arguments: str | Path) -> list[str | Path]:
        """How a command is called, in the environment `env`."""
        return [self._program, *arguments]

    def run(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """What a command prints."""
        done = subprocess.run(
            self.command(*arguments),
            input=stdin,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise Refused(done.stdout + done.stderr)
        return done.stdout

    def template(
        self,
        values: Manifest | Path | None = None,
        *arguments: str,
        chart: Path = CHART,
        kubernetes: str = "1.32.0",
        release: str = "r",
    ) -> list[Manifest]:
        """The manifests that are rendered, in a stable order."""
        given, stdin = [], None
        if isinstance(values, Path):
            given = ["--values", str(values)]
        elif values is not None:
            given, stdin = ["--values", "-"], json.dumps(values, ensure_ascii=False)
        text = self.run(
            "template",
            release,
            chart,
            "--namespace=ops",
            f"--kube-version={kubernetes}",
            *given,
            *arguments,
            stdin=stdin,
        )
        found = [each for each in yaml.safe_load_all(text) if each is not None]
        return sorted(found, key=lambda each: (each["kind"], each["metadata"]["name"]))


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    """Those of one kind."""
    return [each for each in manifests if each["kind"] == kind]


def the(manifests: list[Manifest], kind: str) -> Manifest:
    """The only one of its kind that is no hook."""
    (found,) = [
        each for each in of_kind(manifests, kind) if "helm.sh/hook" not in each["metadata"].get("annotations", {})
    ]
    return found


def pod_specs(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """The spec of every pod, named."""
    for manifest in manifests:
        name = f"{manifest['kind']}/{manifest['metadata']['name']}"
        if manifest["kind"] == "Pod":
            yield name, manifest["spec"]
        elif "template" in manifest.get("spec", {}):
            yield name, manifest["spec"]["template"]["spec"]


def containers(pod: Manifest) -> list[Manifest]:
    """All containers of a pod, those that run first included."""
    return [*pod.get("initContainers", []), *pod.get("containers", [])]


def shipper_of(manifests: list[Manifest]) -> Manifest:
    """The container that ships."""
    (found,) = [
        container
        for _, pod in pod_specs(manifests)
        for container in containers(pod)
        if container.get("args", [""])[0] == "run"
    ]
    return found


def pipelines_of(manifests: list[Manifest]) -> Manifest:
    """The configuration as it is mounted."""
    (found,) = [
        each["data"]["pipelines.yaml"]
        for each in of_kind(manifests, "ConfigMap")
        if "pipelines.yaml" in each["data"] and "helm.sh/hook" not in each["metadata"].get("annotations", {})
    ]
    return yaml.safe_load(found)


def not_restricted(pod: Manifest) -> list[str]:
    """What the Pod Security level `restricted` forbids.

    https://kubernetes.io/docs/concepts/security/pod-security-standards/
    """
    found = [key for key in ("hostNetwork", "hostPID", "hostIPC") if pod.get(key)]
    allowed = {
        "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
    }  # fmt: skip
    found += [f"volume {each['name']}" for each in pod.get("volumes", []) if not set(each) - {"name"} <= allowed]
    outer = pod.get("securityContext", {})
    for container in containers(pod):
        inner = container.get("securityContext", {})
        both = outer | inner
        faults = {
            "privileged": inner.get("privileged"),
            "allowPrivilegeEscalation": inner.get("allowPrivilegeEscalation") is not False,
            "capabilities": inner.get("capabilities") != {"drop": ["ALL"]},
            "runAsNonRoot": not both.get("runAsNonRoot"),
            "runAsUser": both.get("runAsUser") == 0,
            "seccomp": both.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"),
            "hostPort": any("hostPort" in port for port in container.get("ports", [])),
        }
        found += [f"{container['name']}: {fault}" for fault, there in faults.items() if there]
    return found
