"""A real kube-apiserver with its etcd on loopback: it admits, refuses and locks; no controllers and no kubelet.

What those would do, tests do: they make the pods of a workload, and end Jobs.
"""

import http.client
import json
import os
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import trustme
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from helm_charts import Helm, Manifest, of_kind
from helm_pods import free_ports

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
PROGRAMS = _CACHE / "github-log-shipper-interop" / "kubernetes"

#: Who asked for what, for every request about Leases.
AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "Metadata", "resources": [{"group": "coordination.k8s.io"}]},
        {"level": "None"},
    ],
}


def is_there() -> bool:
    """Whether tests/helm/install-kubernetes.sh got what it takes."""
    return all((PROGRAMS / name).exists() for name in ("etcd", "kubectl", "kube-apiserver.version", "definitions"))


@dataclass(frozen=True)
class Answer:
    """What the API server said."""

    status: int
    body: Manifest
    warnings: list[str]


class ApiServer:
    """Both programs, from `with` to its end, their files in a folder of the test's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._programs: list[subprocess.Popen[bytes]] = []
        self._port, self._etcd, self._peer = free_ports(3)
        self._token = "made-up-admin-token"
        self._authority = trustme.CA()
        self._trust = ssl.create_default_context()
        self._authority.configure_trust(self._trust)

    @property
    def ca(self) -> str:
        """The certificate of the server's authority."""
        return self._authority.cert_pem.bytes().decode()

    @property
    def env(self) -> dict[str, str]:
        """What the kubelet tells every container of the server."""
        return {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(self._port)}

    @property
    def for_helm(self) -> list[str]:
        """The options by which helm finds the server."""
        ca = self._folder / "ca.crt"
        return [
            f"--kube-apiserver=https://127.0.0.1:{self._port}",
            f"--kube-ca-file={ca}",
            f"--kube-token={self._token}",
        ]

    def kubeconfig(self) -> Manifest:
        """What kubectl and helm are told of the server."""
        cluster = {
            "server": f"https://127.0.0.1:{self._port}",
            "certificate-authority": str(self._folder / "ca.crt"),
        }
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "admin"}}],
            "clusters": [{"name": "it", "cluster": cluster}],
            "users": [{"name": "admin", "user": {"token": self._token}}],
        }

    def __enter__(self) -> Self:
        """Start both and wait until the server is ready."""
        self._write_files()
        self._run(PROGRAMS / "etcd", **self._etcd_options())
        self._run(PROGRAMS / "kube-apiserver", **self._options())
        deadline = time.monotonic() + 120
        while not self._ready():
            assert time.monotonic() < deadline, (self._folder / "kube-apiserver.log").read_text()[-3000:]
            assert self._programs[-1].poll() is None, (self._folder / "kube-apiserver.log").read_text()[-3000:]
            time.sleep(0.2)
        for file in (PROGRAMS / "definitions").glob("*.yaml"):
            self._define(yaml.safe_load(file.read_text()))
        gvisor = self.ask(
            "POST", "/apis/node.k8s.io/v1/runtimeclasses", {"metadata": {"name": "gvisor"}, "handler": "runsc"}
        )
        assert gvisor.status == 201, gvisor.body
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop both."""
        for program in reversed(self._programs):
            program.kill()
            program.wait()

    def ask(self, method: str, path: str, body: Any = None, *, token: str = "", kind: str = "json") -> Answer:
        """One request; by default as an administrator.

        Args:
            method: of HTTP.
            path: with its query.
            body: an object, sent as JSON.
            token: whose request it is.
            kind: of the body: `json`, or of a patch.
        """
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, context=self._trust, timeout=30)
        headers = {"Authorization": f"Bearer {token or self._token}", "Content-Type": f"application/{kind}"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
        warnings = answer.headers.get_all("Warning") or []
        connection.close()
        try:
            found = json.loads(text)
        except ValueError:
            found = {"message": text.decode()}
        return Answer(answer.status, found, warnings)

    def namespace(self, name: str, level: str = "restricted") -> str:
        """A namespace that enforces a Pod Security level, with what controllers would put into it."""
        labels = {"pod-security.kubernetes.io/enforce": level}
        made = self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
        assert made.status == 201, made.body
        self.create(name, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}})
        return name

    def create(self, namespace: str, manifest: Manifest, query: str = "fieldValidation=Strict") -> Answer:
        """Make an object, as strictly as can be; `query` may also say that it is only tried."""
        return self.ask("POST", f"{_collection(namespace, manifest)}?{query}", manifest)

    def get(self, namespace: str, manifest: Manifest) -> Answer:
        """An object as it is now."""
        return self.ask("GET", _place(namespace, manifest))

    def delete(self, namespace: str, manifest: Manifest) -> None:
        """Remove an object."""
        assert self.ask("DELETE", _place(namespace, manifest)).status == 200

    def apply(self, namespace: str, manifest: Manifest) -> Answer:
        """What `kubectl apply --server-side --field-manager=shipper` does."""
        query = "fieldManager=shipper&fieldValidation=Strict"
        return self.ask("PATCH", f"{_place(namespace, manifest)}?{query}", manifest, kind="apply-patch+yaml")

    def end_job(self, namespace: str, name: str, *, succeeded: bool) -> None:
        """Say of a Job what its controller says at its end."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        kinds = ("SuccessCriteriaMet", "Complete") if succeeded else ("FailureTarget", "Failed")
        status = {
            "startTime": now,
            "conditions": [
                {"type": kind, "status": "True", "lastTransitionTime": now, "lastProbeTime": now, "reason": "Test"}
                for kind in kinds
            ],
        } | ({"completionTime": now, "succeeded": 1} if succeeded else {"failed": 1})
        path = f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}/status"
        ended = self.ask("PATCH", path, {"status": status}, kind="merge-patch+json")
        assert ended.status == 200, ended.body

    def token(self, namespace: str, account: str, bound_to: Manifest | None = None) -> str:
        """A token as the kubelet asks for one; it ends with the object it is bound to."""
        spec: Manifest = {"expirationSeconds": 3600}
        if bound_to:
            spec["boundObjectRef"] = {
                "apiVersion": "v1",
                "kind": bound_to["kind"],
                "name": bound_to["metadata"]["name"],
            }
        answer = self.ask(
            "POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token", {"spec": spec}
        )
        assert answer.status == 201, answer.body
        return str(answer.body["status"]["token"])

    def end_what_runs(self, namespace: str) -> None:
        """Let every Job and every pod that nobody runs here have succeeded."""
        for job in self.ask("GET", f"/apis/batch/v1/namespaces/{namespace}/jobs").body["items"]:
            if not job["status"].get("conditions"):
                self.end_job(namespace, job["metadata"]["name"], succeeded=True)
        pods = f"/api/v1/namespaces/{namespace}/pods"
        for pod in self.ask("GET", pods).body["items"]:
            if pod["status"]["phase"] == "Pending":
                path, status = f"{pods}/{pod['metadata']['name']}/status", {"status": {"phase": "Succeeded"}}
                assert self.ask("PATCH", path, status, kind="merge-patch+json").status == 200

    def asked(self, user: str) -> set[tuple[str, str, int]]:
        """Verb, object and status of every request about Leases that a user made."""
        events = map(json.loads, (self._folder / "audit.log").read_text().splitlines())
        return {
            (
                each["verb"],
                f"{each['objectRef']['resource']}/{each['objectRef'].get('name', '')}",
                each["responseStatus"]["code"],
            )
            for each in events
            if each["user"]["username"] == user
        }

    def _ready(self) -> bool:
        try:
            return self.ask("GET", "/readyz").status == 200
        except OSError:
            return False

    def _define(self, definition: Manifest) -> None:
        made = self.ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
        assert made.status == 201, made.body
        spec = definition["spec"]
        path = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
        while self.ask("GET", path).status != 200:
            time.sleep(0.1)

    def _write_files(self) -> None:
        issued = self._authority.issue_cert("127.0.0.1")
        (self._folder / "ca.crt").write_text(self.ca)
        (self._folder / "tls.crt").write_bytes(issued.cert_chain_pems[0].bytes())
        (self._folder / "tls.key").write_bytes(issued.private_key_pem.bytes())
        pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        (self._folder / "accounts.key").write_bytes(rsa.generate_private_key(65537, 2048).private_bytes(*pem))
        (self._folder / "tokens.csv").write_text(f'{self._token},admin,admin,"system:masters"\n')
        (self._folder / "audit.json").write_text(json.dumps(AUDIT))

    def _etcd_options(self) -> dict[str, object]:
        url, peer = f"http://127.0.0.1:{self._etcd}", f"http://127.0.0.1:{self._peer}"
        return {
            "data-dir": self._folder / "etcd",
            "listen-client-urls": url,
            "advertise-client-urls": url,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"default={peer}",
        }

    def _options(self) -> dict[str, object]:
        folder = self._folder
        return {
            "etcd-servers": f"http://127.0.0.1:{self._etcd}",
            "bind-address": "127.0.0.1",
            "secure-port": self._port,
            "endpoint-reconciler-type": "none",
            "service-cluster-ip-range": "10.0.0.0/24",
            "tls-cert-file": folder / "tls.crt",
            "tls-private-key-file": folder / "tls.key",
            "authorization-mode": "RBAC",
            "anonymous-auth": "false",
            "token-auth-file": folder / "tokens.csv",
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": folder / "accounts.key",
            "service-account-signing-key-file": folder / "accounts.key",
            "audit-policy-file": folder / "audit.json",
            "audit-log-path": folder / "audit.log",
            "audit-log-mode": "blocking-strict",
        }

    def _run(self, program: Path, **options: object) -> None:
        arguments = [f"--{name}={value}" for name, value in options.items()]
        with (self._folder / f"{program.name}.log").open("wb") as log:
            running = subprocess.Popen([program, *arguments], stdout=log, stderr=log, cwd=self._folder)
        self._programs.append(running)


def install(api: ApiServer, helm: Helm, *arguments: str | Path, stdin: str | None = None) -> str:
    """What `helm install`, `upgrade` and the like print, done in the server's cluster."""
    return helm.run(*arguments, *api.for_helm, stdin=stdin)


def pods(manifests: list[Manifest]) -> Iterator[Manifest]:
    """One pod of each workload, as its controller would make it."""
    for manifest in manifests:
        if manifest["kind"] == "Pod":
            yield manifest
        elif "template" in manifest.get("spec", {}):
            template = manifest["spec"]["template"]
            spec = dict(template["spec"])
            claimed = [claim["metadata"]["name"] for claim in manifest["spec"].get("volumeClaimTemplates", [])]
            spec["volumes"] = [
                *spec.get("volumes", []),
                *({"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claimed),
            ]
            name = f"{manifest['kind'].lower()}-{manifest['metadata']['name']}"
            metadata = template.get("metadata", {}) | {"name": name}
            yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def admit(api: ApiServer, namespace: str, manifests: list[Manifest]) -> list[str]:
    """Make the pods; what the server had against them."""
    for account in {pod["spec"].get("serviceAccountName", "default") for pod in pods(manifests)}:
        if account not in [each["metadata"]["name"] for each in of_kind(manifests, "ServiceAccount")]:
            api.create(namespace, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}})
    answers = [api.create(namespace, pod) for pod in pods(manifests)]
    return [
        *(each.body["message"] for each in answers if each.status != 201),
        *(warning for each in answers for warning in each.warnings),
    ]


def _place(namespace: str, manifest: Manifest) -> str:
    return f"{_collection(namespace, manifest)}/{quote(manifest['metadata']['name'])}"


def _collection(namespace: str, manifest: Manifest) -> str:
    version, kind = manifest["apiVersion"], manifest["kind"].lower()
    group = f"/apis/{version}" if "/" in version else f"/api/{version}"
    plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
    return f"{group}/namespaces/{namespace}/{plural}"
