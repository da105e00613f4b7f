"""Values that a place of the file might hold, made from the type that is wanted there."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr

from shipper.config import shapes, values
from shipper.core.errors import Loc

_TEXTS: Final = ("sample", "https://sample.invalid", "sample:4317", "127.0.0.1:4317", "2022-11-28")
_NUMBERS: Final = (1, 0, 10, 500)
_UNITS: Final = {"duration": ("1s", "1h", "0s"), "size": ("1KiB", "1MiB")}
_DEEPEST: Final = 5


def types_at(annotation: Any, loc: Loc) -> list[Any]:
    """What may stand at a path below a value of this type; nothing where no such path is known."""
    current = [annotation]
    for step in loc:
        current = [inner for each in current for member in _members(each) for inner in _inner(member, step)]
    return [member for each in current for member in _members(each)]


def samples(annotation: Any, depth: int = 0) -> Iterator[Any]:
    """Plain values of a type; whether a validator refuses some is not known here."""
    unit = values.unit_of(annotation)
    bare = values.bare(annotation)
    origin = get_origin(bare)
    if unit:
        yield from _UNITS[unit]
    elif origin is Literal:
        yield from get_args(bare)
    elif origin in (list, tuple, set, frozenset):
        yield []
        yield from ([each] for each in islice(samples(get_args(bare)[0], depth + 1), len(_TEXTS)))
    elif origin is dict:
        yield {}
    elif _members(bare) != [bare]:
        for member in _members(bare):
            yield from samples(member, depth)
    elif isinstance(bare, type) and issubclass(bare, BaseModel):
        yield from _bodies(bare, depth)
    else:
        yield from _scalars(bare)


def _scalars(bare: Any) -> tuple[Any, ...]:
    if bare in (str, SecretStr, Any):
        return _TEXTS
    if bare is bool:
        return (False, True)
    return _NUMBERS if bare in (int, float) else ()


def _bodies(model: type[BaseModel], depth: int) -> Iterator[dict[str, Any]]:
    """What the model requires, and that with one more key."""
    if depth > _DEEPEST:
        return
    fields = shapes.keys(model)
    first = {
        key: next(samples(values.annotation_of(info), depth + 1), None)
        for key, info in fields.items()
        if info.is_required()
    }
    yield first
    for key, info in fields.items():
        yield from ({**first, key: each} for each in islice(samples(values.annotation_of(info), depth + 1), 2))


def _members(annotation: Any) -> list[Any]:
    if values.unit_of(annotation):
        return [annotation]
    return [member for member in shapes.union_members(values.bare(annotation)) if member is not type(None)]


def _inner(member: Any, step: str | int) -> Iterator[Any]:
    bare = values.bare(member)
    origin = get_origin(bare)
    if bare is Any:
        yield Any
    elif origin is dict and isinstance(step, str):
        yield get_args(bare)[1]
    elif origin in (list, tuple, set, frozenset) and isinstance(step, int):
        yield get_args(bare)[0]
    elif isinstance(bare, type) and issubclass(bare, BaseModel) and step in shapes.keys(bare):
        yield values.annotation_of(shapes.keys(bare)[str(step)])
