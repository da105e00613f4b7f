"""How a value of a configuration is written, and how its type is called, for people."""

import re
from collections.abc import Set as AbstractSet
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import orjson
from pydantic import BaseModel, BeforeValidator, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typing_extensions import TypeAliasType

from shipper.config import shapes
from shipper.config.expansion import is_secret
from shipper.core.units import format_duration, format_size, parse_duration, parse_size
from shipper.wire.text import file_name, looks_secret, masked

MASK: Final = "***"

_WORDS: Final = {str: "text", int: "whole number", float: "number", bool: "true or false", SecretStr: "secret"}

_PLAIN: Final = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./:+-]*(?<!:)")

_UNITS: Final[dict[Any, str]] = {parse_duration: "duration", parse_size: "size"}


def annotation_of(info: FieldInfo) -> Any:
    """A field's type with the validators that give it a meaning."""
    annotation: Any = info.annotation
    for part in info.metadata:
        annotation = Annotated[annotation, part]
    return annotation


def unit_of(annotation: Any) -> str:
    """`duration`, `size`, or nothing."""
    if get_origin(annotation) is not Annotated:
        return ""
    inner, *metadata = get_args(annotation)
    for part in metadata:
        if isinstance(part, BeforeValidator):
            unit = _UNITS.get(part.func)
            if unit:
                return unit
    return unit_of(inner)


def bare(annotation: Any) -> Any:
    """A type without what is annotated to it."""
    if isinstance(annotation, TypeAliasType):
        return bare(annotation.__value__)
    return bare(get_args(annotation)[0]) if get_origin(annotation) is Annotated else annotation


def type_name(annotation: Any) -> str:  # noqa: PLR0911 - a table of the forms a type has
    """A type in words: `list of text`, `duration`, `web | git | all`."""
    unit = unit_of(annotation)
    if unit:
        return unit
    annotation = bare(annotation)
    members = [member for member in shapes.union_members(annotation) if member is not type(None)]
    if len(members) > 1 or members != [annotation]:
        return " or ".join(dict.fromkeys(type_name(member) for member in members))
    origin = get_origin(annotation)
    if origin is Literal:
        return " | ".join(written(choice) for choice in get_args(annotation))
    if origin in (list, tuple, set, frozenset):
        return f"list of {type_name(get_args(annotation)[0])}"
    if origin is dict:
        return f"map of {type_name(get_args(annotation)[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "map"
    return _WORDS.get(annotation, "anything")


def default_of(info: FieldInfo) -> Any:
    """A field's default as plain data; `PydanticUndefined` where it is required."""
    default = info.get_default(call_default_factory=True, validated_data={})
    return default if default is PydanticUndefined else plain(default, annotation_of(info))


def plain(value: Any, annotation: Any = Any, *, key: str = "", secrets: AbstractSet[str] = frozenset()) -> Any:
    """A validated value as it would be written in the file, secrets masked.

    Args:
        value: of a model, or a model.
        annotation: its type, which tells durations from numbers.
        key: where it stands; a text under `authorization` is a secret whatever its type.
        secrets: texts that are masked wherever they appear.
    """
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, BaseModel):
        return {
            shapes.key_of(name, info): plain(
                getattr(value, name), annotation_of(info), key=shapes.key_of(name, info), secrets=secrets
            )
            for name, info in type(value).model_fields.items()
        }
    if isinstance(value, dict):
        inner = _inner(annotation, 1)
        return {
            MASK if looks_secret(str(each)) else str(each): plain(v, inner, key=str(each), secrets=secrets)
            for each, v in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(each, _inner(annotation, 0), key=key, secrets=secrets) for each in value]
    return _scalar(value, annotation, key, secrets)


def _scalar(value: Any, annotation: Any, key: str, secrets: AbstractSet[str]) -> Any:
    if isinstance(value, str):
        shown = file_name(value) if key.endswith("_file") else masked(value)
        return MASK if shown and (is_secret(key) or any(secret in shown for secret in secrets)) else shown
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        units = {unit_of(member) for member in _members(annotation)}
        if "duration" in units:
            return format_duration(value)
        return format_size(int(value)) if "size" in units else value
    return value


def _members(annotation: Any) -> list[Any]:
    return [annotation, *shapes.union_members(bare(annotation))]


def _inner(annotation: Any, index: int) -> Any:
    """The type of a list's items or a map's values, `Any` where nobody says."""
    for member in _members(annotation):
        arguments = get_args(bare(member))
        if get_origin(bare(member)) in (list, tuple, set, frozenset, dict) and len(arguments) > index:
            return arguments[index]
    return Any


def written(value: Any) -> str:
    """Plain data on one line, as YAML takes it."""
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    return orjson.dumps(value, default=str).decode()
