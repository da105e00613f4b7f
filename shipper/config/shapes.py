"""What a configuration model looks like from outside: its keys, the models inside, what is said of them."""

import ast
import inspect
import textwrap
import types
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo
from typing_extensions import TypeAliasType

from shipper.core.errors import Loc


def key_of(name: str, info: FieldInfo) -> str:
    """The key a field has in the file."""
    alias = info.validation_alias if isinstance(info.validation_alias, str) else info.alias
    return alias or name


def keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The keys of a model, in the order of its source."""
    return {key_of(name, info): info for name, info in model.model_fields.items()}


def models(annotation: Any) -> dict[type[BaseModel], None]:
    """Every model that a value of this type may hold directly: through unions, lists and the values of maps."""
    return dict.fromkeys(_models(annotation))


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, TypeAliasType):
        yield from _models(annotation.__value__)
    elif isinstance(annotation, type) and not get_args(annotation):
        if issubclass(annotation, BaseModel):
            yield annotation
    elif get_origin(annotation) is Annotated:
        yield from _models(get_args(annotation)[0])
    else:
        for inner in get_args(annotation):
            yield from _models(inner)


def models_at(model: type[BaseModel], loc: Loc) -> list[type[BaseModel]]:
    """The models whose keys may stand at a path of pydantic's, which holds names of union members too."""
    current = [model]
    for step in loc:
        named = [each for each in current if each.__name__ == step]
        inner = [
            found for each in current if step in keys(each) for found in models(keys(each)[str(step)].annotation)
        ]
        if inner:
            current = inner
        elif named:
            current = named
    return current


def leaves(model: type[BaseModel], key: str) -> Iterator[Any]:
    """What a key's value may be in the end: types without arguments, and the values of literals."""
    info = keys(model)[key]
    if any(isinstance(part, BeforeValidator) for part in info.metadata):
        return
    stack: list[Any] = [info.annotation]
    while stack:
        annotation = stack.pop()
        if isinstance(annotation, TypeAliasType):
            stack.append(annotation.__value__)
        elif get_args(annotation):
            stack += get_args(annotation)
        else:
            yield annotation


def union_members(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, or the type alone."""
    if isinstance(annotation, TypeAliasType):
        return union_members(annotation.__value__)
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


@cache
def descriptions(model: type[BaseModel]) -> dict[str, str]:
    """What the string below each field says, in the bases too; read from the source when it is asked for."""
    found: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if issubclass(cls, BaseModel) and cls is not BaseModel:
            found.update(_described(cls))
    return {key_of(name, info): found[name] for name, info in model.model_fields.items() if name in found}


def _described(cls: type) -> Iterator[tuple[str, str]]:
    try:
        source = textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError):
        return
    definition = ast.parse(source).body[0]
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    for field, below in pairwise(body):
        if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
            continue
        if (
            isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            yield field.target.id, " ".join(inspect.cleandoc(below.value.value).split())


def summary(docstring: str | None) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join(inspect.cleandoc(docstring or "").partition("\n\n")[0].split())
