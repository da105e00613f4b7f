"""The shipper as a container in somebody's pod, without Helm: the objects that `shipper k8s sidecar` prints.

They are those of the chart's templates `shipper.sidecar.*`; a test compares them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

CONFIG: Final = "/etc/shipper"
DATA: Final = "/var/lib/shipper"
ADMIN_PORT: Final = 13133
METRICS_PORT: Final = 8888
DRAIN: Final = 20
GRACE: Final = DRAIN + 10
_USER: Final = 65532

_SECURITY: Final[dict[str, Any]] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsGroup": _USER,
    "runAsNonRoot": True,
    "runAsUser": _USER,
    "seccompProfile": {"type": "RuntimeDefault"},
}
#: Those of helm/shipper/values.yaml, which says how they were measured.
RESOURCES: Final[dict[str, Any]] = {
    "limits": {"ephemeral-storage": "3Gi", "memory": "256Mi"},
    "requests": {"cpu": "20m", "ephemeral-storage": "64Mi", "memory": "128Mi"},
}


@dataclass(frozen=True)
class Sidecar:
    """What the container needs to know of its configuration and its pod."""

    image: str
    name: str = "shipper"
    namespace: str | None = None
    secret: str = "shipper"  # noqa: S105 - an object's name
    """The Secret with the variables of the configuration, and with the files it reads by absolute path."""
    service_account: str = "default"
    lease: str = ""
    """The Lease by which the replicas elect one that polls; empty: there is never more than one."""
    native: bool = False
    variables: Mapping[str, bool] = field(default_factory=dict)
    """Variables of the configuration; true: it has no default."""
    secret_files: Sequence[str] = ()
    """Absolute paths that the configuration reads."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Texts beside pipelines.yaml by path, pipelines.yaml included."""

    def config_map(self) -> dict[str, Any]:
        """The configuration, and the files beside it."""
        data = {_key(path): text for path, text in self.files.items()}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": self._metadata("config"), "data": data}

    def permissions(self) -> list[dict[str, Any]]:
        """The Role for the one Lease, and its binding; nothing where no leader is elected."""
        if not self.lease:
            return []
        group = "coordination.k8s.io"
        rules = [
            {"apiGroups": [group], "resources": ["leases"], "verbs": ["create"]},
            {
                "apiGroups": [group],
                "resources": ["leases"],
                "resourceNames": [self.lease],
                "verbs": ["get", "update"],
            },
        ]
        namespace = self.namespace or "default"
        subject = {"kind": "ServiceAccount", "name": self.service_account, "namespace": namespace}
        api, metadata = "rbac.authorization.k8s.io", self._metadata("lease")
        return [
            {"apiVersion": f"{api}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
            {
                "apiVersion": f"{api}/v1",
                "kind": "RoleBinding",
                "metadata": metadata,
                "roleRef": {"apiGroup": api, "kind": "Role", "name": metadata["name"]},
                "subjects": [subject],
            },
        ]

    def pod(self) -> dict[str, Any]:
        """What is added to a pod's spec."""
        first = [self._validation()]
        if self.native:
            return {"initContainers": [*first, self._container()], "volumes": list(self._volumes())}
        return {"initContainers": first, "containers": [self._container()], "volumes": list(self._volumes())}

    def patch(self, workload: Mapping[str, Any]) -> dict[str, Any]:
        """The part of a workload that is ours, for server-side apply or as a strategic merge patch."""
        metadata = workload["metadata"]
        pod = self.pod()
        given = workload["spec"]["template"].get("spec", {}).get("terminationGracePeriodSeconds", GRACE)
        if given < GRACE:
            pod["terminationGracePeriodSeconds"] = GRACE
        template = {"spec": pod} | ({} if self.native else _default_container(workload["spec"]["template"]))
        return {
            "apiVersion": workload["apiVersion"],
            "kind": workload["kind"],
            "metadata": {key: metadata[key] for key in ("name", "namespace") if key in metadata},
            "spec": {"template": template},
        }

    def _metadata(self, what: str) -> dict[str, Any]:
        metadata = {"name": f"{self.name}-{what}"}
        return metadata | ({"namespace": self.namespace} if self.namespace else {})

    def _container(self) -> dict[str, Any]:
        ports = {"shipper-admin": ADMIN_PORT, "shipper-metrics": METRICS_PORT}
        alive = {"httpGet": {"path": "/livez", "port": "shipper-admin"}, "timeoutSeconds": 5}
        container = self._common(self.name, ["run", f"--config={CONFIG}/pipelines.yaml"]) | {
            "workingDir": DATA,
            "ports": [{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in ports.items()],
            "startupProbe": alive | {"periodSeconds": 2, "failureThreshold": 60},
            "livenessProbe": alive | {"periodSeconds": 10, "failureThreshold": 6},
        }
        container["args"] += [f"--drain-timeout={DRAIN}s", "--watch"]
        container["volumeMounts"].insert(0, {"name": f"{self.name}-data", "mountPath": DATA})
        if self.lease:
            account = "/var/run/secrets/kubernetes.io/serviceaccount"
            container["volumeMounts"].append(
                {"name": f"{self.name}-lease", "mountPath": account, "readOnly": True}
            )
        return container | ({"restartPolicy": "Always"} if self.native else {})

    def _validation(self) -> dict[str, Any]:
        """A wrong configuration keeps the pod from starting, and its errors are the pod's message."""
        args = ["validate", f"--config={CONFIG}/pipelines.yaml"]
        return self._common(f"{self.name}-validate", args) | {"workingDir": "/tmp"}  # noqa: S108 - a mount

    def _common(self, name: str, args: list[str]) -> dict[str, Any]:
        mounts = [
            {"name": f"{self.name}-config", "mountPath": CONFIG, "readOnly": True},
            {"name": f"{self.name}-tmp", "mountPath": "/tmp"},  # noqa: S108 - a mount of the pod's
        ]
        mounts += [
            {"name": volume, "mountPath": folder, "readOnly": True} for volume, folder, _ in self._secret_volumes()
        ]
        variables = [
            {
                "name": variable,
                "valueFrom": {
                    "secretKeyRef": {"name": self.secret, "key": variable} | ({} if needed else {"optional": True})
                },
            }
            for variable, needed in self.variables.items()
        ]
        return {
            "name": name,
            "image": self.image,
            "command": ["shipper"],
            "args": args,
            **({"env": variables} if variables else {}),
            "resources": RESOURCES,
            "securityContext": _SECURITY,
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "volumeMounts": mounts,
        }

    def _volumes(self) -> Iterator[dict[str, Any]]:
        items = [{"key": _key(path), "path": path} for path in self.files]
        config = {"name": f"{self.name}-config"}
        nested = any("/" in path for path in self.files)
        yield {"name": f"{self.name}-config", "configMap": config | ({"items": items} if nested else {})}
        yield {"name": f"{self.name}-tmp", "emptyDir": {"sizeLimit": "64Mi"}}
        for volume, _, names in self._secret_volumes():
            keys = [{"key": name, "path": name} for name in names]
            yield {"name": volume, "secret": {"secretName": self.secret, "items": keys}}
        if self.lease:
            yield {"name": f"{self.name}-lease", "projected": {"sources": _account()}}
        yield {"name": f"{self.name}-data", "emptyDir": {"sizeLimit": "2Gi"}}

    def _secret_volumes(self) -> Iterator[tuple[str, str, list[str]]]:
        """Volume, folder and file names: a mount for each folder the configuration reads secrets from."""
        folders: dict[str, list[str]] = {}
        for path in self.secret_files:
            folders.setdefault(str(PurePosixPath(path).parent), []).append(PurePosixPath(path).name)
        for number, (folder, names) in enumerate(folders.items(), 1):
            yield f"{self.name}-files-{number}", folder, names


def _default_container(template: Mapping[str, Any]) -> dict[str, Any]:
    """Server-side apply puts what it adds first; `kubectl exec` and `logs` take the first unless it is said."""
    key = "kubectl.kubernetes.io/default-container"
    said = (template.get("metadata") or {}).get("annotations") or {}
    names = [each.get("name") for each in (template.get("spec") or {}).get("containers") or []]
    return {"metadata": {"annotations": {key: names[0]}}} if names and key not in said else {}


def _account() -> list[dict[str, Any]]:
    """What the election needs of the service account, mounted into our container only."""
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    return [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [namespace]}},
    ]


def _key(path: str) -> str:
    """A file's key in the ConfigMap, which takes no slash."""
    return path.replace("/", "__")
