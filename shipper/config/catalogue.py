"""What can be written into a configuration: every key with its type, default and description."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from shipper.config import shapes, values
from shipper.core.component import Component, Kind


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a component, with its way through the component's body: `streams.audit_log.overlap`."""

    key: str
    type: str
    required: bool
    default: Any
    """As it would be written; None where it is required or where null is the default."""
    description: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One component type as its users see it."""

    kind: Kind
    type: str
    stability: str
    description: str
    """The module's docstring."""
    keys: list[Key]

    @property
    def summary(self) -> str:
        """Its first sentence, what it is for."""
        return shapes.summary(self.description)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def describe(kind: Kind, type_name: str, component: Component[Any, Any], docstring: str) -> Entry:
    """What there is to know of a component."""
    return Entry(kind, type_name, component.stability, docstring.strip(), list(keys(component.config)))


def keys(model: type[BaseModel], prefix: str = "", seen: tuple[type, ...] = ()) -> Iterator[Key]:
    """The keys of a model and of the models inside, each after the one it belongs to."""
    described = shapes.descriptions(model)
    for name, info in shapes.keys(model).items():
        yield _key(prefix + name, info, described.get(name, info.description or ""))
        annotation = values.annotation_of(info)
        for inner in shapes.models(info.annotation):
            if inner not in (*seen, model):
                yield from keys(inner, f"{prefix}{name}{_step(annotation)}", (*seen, model))


def _key(path: str, info: FieldInfo, description: str) -> Key:
    default = values.default_of(info)
    required = default is PydanticUndefined
    annotation = values.annotation_of(info)
    return Key(path, values.type_name(annotation), required, None if required else _shown(default), description)


def _shown(default: Any) -> Any:
    """A default that is a whole model is told by the model's own keys."""
    return {} if isinstance(default, dict) else default


def _step(annotation: Any) -> str:
    name = values.type_name(annotation)
    if name.startswith("list of"):
        return "[]."
    return ".*." if name.startswith("map of") else "."
