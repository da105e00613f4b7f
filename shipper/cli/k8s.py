"""`shipper k8s`: the shipper in a Kubernetes cluster, without Helm."""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import yaml

from shipper import __version__
from shipper.cli.options import config_option, tell
from shipper.config import Invalid
from shipper.service.deploy.portable import Portable
from shipper.service.deploy.sidecar import ADMIN_PORT, DATA, METRICS_PORT, Sidecar

#: Kinds that have a pod template where a Deployment has it.
_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")
#: Containers, volumes and objects are called so, with up to 13 characters behind it.
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,48}[a-z0-9])?")
#: What a ConfigMap takes.
_MAX_CONFIG = 2**20


def _named(_context: click.Context, _option: click.Parameter, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise click.BadParameter("at most 50 of a-z, 0-9 and -, with no - at an end")
    return name


@click.group(epilog="Start with: shipper k8s sidecar -c pipelines.yaml")
def k8s() -> None:
    """Run beside a workload in Kubernetes."""


@k8s.command(
    epilog="\b\nExample:\n  shipper k8s sidecar --patch deployment.yaml |\n"
    "    kubectl apply --server-side --field-manager=shipper -f -"
)
@config_option
@click.option("--native", is_flag=True, help="A native sidecar, for Kubernetes 1.29 and newer.")
@click.option(
    "--patch",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Print a patch of the workload in FILE instead of a part of a pod's spec.",
)
@click.option(
    "--image", default=f"github-log-shipper:{__version__}", show_default=True, help="The shipper's image."
)
@click.option(
    "--name", default="shipper", show_default=True, callback=_named, help="Of the container and its objects."
)
@click.option("--namespace", help="Of the objects; by default that of FILE, if it says.")
@click.option(
    "--secret",
    default="shipper",
    show_default=True,
    help="The Secret with the configuration's variables and secret files.",
)
@click.option("--service-account", help="Of the pod; by default that of FILE, else default.")
@click.option("--single-replica", is_flag=True, help="The workload never has two pods: elect no leader.")
@click.option(
    "--file",
    "files",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    metavar="PATH",
    help="A schema or rule file that the configuration reads; may be repeated.",
)
def sidecar(
    config: Path, patch: Path | None, files: tuple[Path, ...], *, single_replica: bool, **named: Any
) -> None:
    """Print what makes the shipper a sidecar: ConfigMap, permissions, and container and volumes or a patch.

    Secrets stay out of it: variables come from a Secret. Exit code: 78 where a secret is written out.
    """
    try:
        portable = Portable(config.read_text(encoding="utf-8-sig"), str(config))
    except Invalid as invalid:
        tell(invalid.diagnostics)
        sys.exit(os.EX_CONFIG)
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{config} can't be read: {error}") from None
    workload = _workload(patch) if patch else None
    if workload and single_replica:
        _never_twice(workload)
    _fit(portable, named["name"], elects=not single_replica)
    given = {key: value for key, value in named.items() if value is not None}
    made = Sidecar(
        **_of_workload(workload) | given,
        lease=portable.lease,
        variables=portable.variables,
        secret_files=portable.secret_files,
        files=_texts(portable, files),
    )
    documents = [made.config_map(), *made.permissions(), made.patch(workload) if workload else made.pod()]
    click.echo(yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110), nl=False)


def _fit(portable: Portable, name: str, *, elects: bool) -> None:
    """Let it listen where probes look, keep its journal on the volume, and elect a leader."""
    portable.set(("service", "admin", "endpoint"), f"0.0.0.0:{ADMIN_PORT}")
    portable.set(("service", "telemetry", "metrics", "endpoint"), f"0.0.0.0:{METRICS_PORT}")
    portable.set(("extensions", "storage", "path"), f"{DATA}/shipper.db", keep=True)
    if elects:
        portable.set(("extensions", "k8s_leader_elector", "lease_name"), name, keep=True)


def _texts(portable: Portable, files: tuple[Path, ...]) -> dict[str, str]:
    """What goes into the ConfigMap, by path."""
    texts = {"pipelines.yaml": portable.text()} | {str(path): path.read_text(encoding="utf-8") for path in files}
    size = sum(len(text.encode()) for text in texts.values())
    if size > _MAX_CONFIG:
        raise click.ClickException(f"the files hold {size} bytes, and a ConfigMap takes {_MAX_CONFIG}")
    return texts


def _workload(path: Path) -> dict[str, Any]:
    """The workload to patch."""
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path} is no YAML: {error}") from None
    found = [each for each in documents if isinstance(each, dict) and each.get("kind") in _WORKLOADS]
    if len(found) != 1 or "template" not in found[0].get("spec", {}) or "name" not in found[0].get("metadata", {}):
        raise click.ClickException(
            f"{path} must hold one workload ({', '.join(_WORKLOADS)}) with a name and a template"
        )
    return dict(found[0])


def _never_twice(workload: Mapping[str, Any]) -> None:
    """Refuse to do without a leader where two pods would poll."""
    spec, kind = workload["spec"], workload["kind"]
    strategy = (spec.get("strategy") or {}).get("type", "RollingUpdate")
    faults = {
        "a DaemonSet has a pod on every node": kind == "DaemonSet",
        f"it has {spec.get('replicas')} replicas": (spec.get("replicas") or 1) > 1,
        "a rolling update has two pods; or set strategy.type to Recreate": (kind, strategy)
        == ("Deployment", "RollingUpdate"),
    }
    for fault, there in faults.items():
        if there:
            name = workload["metadata"]["name"]
            raise click.ClickException(f"{kind} {name} would poll twice, leave out --single-replica: {fault}")


def _of_workload(workload: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the workload says of the pod and its place."""
    if workload is None:
        return {}
    spec = workload["spec"]["template"].get("spec") or {}
    said = {
        "namespace": workload["metadata"].get("namespace"),
        "service_account": spec.get("serviceAccountName"),
    }
    return {key: value for key, value in said.items() if value}


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, and nothing as a reference to something above."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - yaml's interface
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
