"""Which components there are: ours from a plain table, those of others by entry points.

Nothing is imported before a configuration names it.
"""

import importlib
import logging
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, cast

from shipper.core.component import Component, Kind

log = logging.getLogger(__name__)

BUILTIN: Final[dict[Kind, dict[str, str]]] = {
    "receiver": {
        "github": "shipper.receivers.github:component",
    },
    "processor": {
        "normalize": "shipper.processors.normalize:component",
        "rules": "shipper.processors.rules:component",
        "schema": "shipper.processors.schema:component",
        "redact": "shipper.processors.redact:component",
    },
    "exporter": {
        "otlp": "shipper.exporters.otlp_grpc:component",
        "otlphttp": "shipper.exporters.otlp_http:component",
        "syslog": "shipper.exporters.syslog:component",
        "file": "shipper.exporters.file:component",
        "debug": "shipper.exporters.debug:component",
    },
}


@cache
def _plugins(kind: Kind) -> dict[str, EntryPoint]:
    """The components of other packages; a name of ours is never taken over."""
    found = entry_points(group=f"shipper.{kind}s")
    return {point.name: point for point in found if point.name not in BUILTIN[kind]}


def names(kind: Kind) -> list[str]:
    """The types of a kind, ours first."""
    return [*BUILTIN[kind], *_plugins(kind)]


def find(kind: Kind, type_name: str) -> Component[Any, Any] | None:
    """The component of this type, None where there is none.

    Raises:
        ImportError: it is there but does not load, as where an optional package is missing.
    """
    reference = BUILTIN[kind].get(type_name)
    if reference is not None:
        module, _, attribute = reference.partition(":")
        return cast("Component[Any, Any]", getattr(importlib.import_module(module), attribute))
    if type_name not in _plugins(kind):
        return None
    component = _plugins(kind)[type_name].load()
    if not isinstance(component, Component) or component.kind != kind:
        raise ImportError(f"the entry point {type_name} of shipper.{kind}s is no {kind} component")
    return component


def working(*, plugins: bool = True) -> Iterator[tuple[Kind, str, Component[Any, Any]]]:
    """Every component, in the order of the data; one of others that does not load is told and left out."""
    for kind, types in BUILTIN.items():
        for name in names(kind) if plugins else types:
            try:
                component = find(kind, name)
            except ImportError as error:
                if name in types:
                    raise
                log.warning("the %s %s can't be loaded: %s", kind, name, error)
                continue
            if component:
                yield kind, name, component


def docstring(kind: Kind, type_name: str) -> str:
    """What the component's module says to its users."""
    reference = BUILTIN[kind].get(type_name)
    module = reference.partition(":")[0] if reference else _plugins(kind)[type_name].module
    importlib.import_module(module)
    return sys.modules[module].__doc__ or ""
