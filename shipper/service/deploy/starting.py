"""Configurations to start from: a source and a backend, each a commented part of YAML in `templates/`."""

import re
from collections.abc import Sequence
from importlib import resources
from typing import Final

import yaml

_TEMPLATES: Final = resources.files("shipper.service.deploy") / "templates"
#: Backends that are a Collector on the same machine, which has port 8888 for its own metrics.
_COLLECTORS: Final = ("collector", "splunk")
_ORGANIZATION: Final = '"${env:GITHUB_ORG}"'


def _names(kind: str) -> list[str]:
    files = sorted(file.name for file in _TEMPLATES.iterdir())
    return [match[1] for name in files if (match := re.fullmatch(rf"{kind}-(\w+)\.yaml", name))]


SOURCES: Final = _names("source")
BACKENDS: Final = _names("backend")


def configuration(source: str, backend: str, organizations: Sequence[str] = ()) -> str:
    """The text of a `pipelines.yaml` that ships from a source to a backend.

    Without organizations, the variable GITHUB_ORG names one.
    """
    head, exporters = _part(f"backend-{backend}").split("\n\n", 1)
    receivers = _part(f"source-{source}")
    service = _part("service").replace("RECEIVERS", _ids(receivers)).replace("EXPORTERS", _ids(exporters))
    service = service.replace("METRICS_PORT", "8889" if backend in _COLLECTORS else "8888")
    if organizations:
        receivers = receivers.replace(_ORGANIZATION, ", ".join(organizations))
    title = f"# From {source.title()} to {backend}; made by `shipper init --source {source} --backend {backend}`."
    parts = [
        "\n".join([title.replace("Github", "GitHub"), head]),
        receivers,
        _part("processors"),
        exporters,
        service,
    ]
    return "\n".join(part if part.endswith("\n") else f"{part}\n" for part in parts)


def _part(name: str) -> str:
    return (_TEMPLATES / f"{name}.yaml").read_text("utf-8")


def _ids(section: str) -> str:
    """The ids of the components of a section."""
    [components] = yaml.safe_load(section).values()
    return ", ".join(components)
