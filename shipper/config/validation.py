"""Checks a part of the file against its model, and says what is wrong as people see it.

pydantic decides; this module gives it what was written (an unquoted `8080` is a text where a text is wanted, a
`null` body means the defaults) and turns its errors into problems: one for a union, never with a value in it that
may be a secret.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from shipper.config import nodes, shapes, values
from shipper.config.expansion import is_secret
from shipper.config.suggestions import listed, suggest
from shipper.core.errors import Loc, Problem
from shipper.core.units import format_duration, format_size

M = TypeVar("M", bound=BaseModel)

#: Errors that say that the value is not of the member of a union that complains.
_SHAPES: Final = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "dict_type": "a map",
    "mapping_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
    "none_required": "null",
    "literal_error": "",
    "enum": "",
}
_MAPS: Final = {"dict_type", "mapping_type", "model_type", "model_attributes_type"}
_TEXTS: Final = {"string_type", "literal_error", "enum"}


@dataclass(frozen=True, slots=True)
class _Error:
    """One of pydantic's errors, its path split into what is in the file and the names of union members."""

    loc: Loc
    """The path as far as the file has it, and the missing key."""
    tags: tuple[tuple[int, str], ...]
    """Union members on the way: how long `loc` was there, and their names."""
    missing: bool
    detail: ErrorDetails

    @property
    def type(self) -> str:
        return self.detail["type"]


def validate(model: type[M], node: nodes.Node) -> tuple[M | None, list[Problem]]:
    """The model's value for a node of the file, or what is wrong with it; paths are relative to the node."""
    data = nodes.value(node)
    if data is None:
        data = {}
    found = list(_booleans_taken_for_numbers(model, node))
    repaired: set[Loc] = set()
    while True:
        try:
            value = model.model_validate(data)
        except ValidationError as invalid:
            errors = [_error(node, detail) for detail in invalid.errors(include_url=False, include_input=False)]
        else:
            return (None, found) if found else (value, [])
        if not _repair(data, node, errors, repaired):
            said = [*found, *(_problem(model, node, error) for error in _settle(errors))]
            return None, list(dict.fromkeys(problem for problem in said if problem))


def _error(root: nodes.Node, detail: ErrorDetails) -> _Error:
    loc: list[str | int] = []
    tags: list[tuple[int, str]] = []
    node = root
    missing = False
    steps = detail["loc"]
    for number, step in enumerate(steps):
        inner = nodes.child(node, step)
        if inner is not None:
            loc.append(step)
            node = inner.node
        elif number == len(steps) - 1 and detail["type"] == "missing":
            loc.append(step)
            missing = True
        else:
            tags.append((len(loc), str(step)))
    return _Error(tuple(loc), tuple(tags), missing, detail)


# What was written, where the model wants it otherwise


def _repair(data: Any, root: nodes.Node, errors: Iterable[_Error], repaired: set[Loc]) -> bool:
    """Put what the model may want for what YAML or an expansion made of a scalar; False where nothing is left."""
    changed = False
    types: dict[Loc, set[str]] = {}
    for error in errors:
        types.setdefault(error.loc, set()).add(error.type)
    for loc, kinds in types.items():
        node = nodes.find(root, loc)
        given_up = not loc or loc in repaired or kinds == {"extra_forbidden"}
        if not given_up and isinstance(node, nodes.Scalar) and _repair_one(data, loc, node, kinds):
            repaired.add(loc)
            changed = True
    return changed


def _repair_one(data: Any, loc: Loc, node: nodes.Scalar, kinds: set[str]) -> bool:
    parent = data
    for step in loc[:-1]:
        parent = parent[step]
    if node.value is None:
        if kinds & _MAPS:
            parent[loc[-1]] = {}
        elif isinstance(parent, dict):
            del parent[loc[-1]]
        else:
            return False
        return True
    if node.value is True and kinds & _MAPS and kinds & _TEXTS:
        parent[loc[-1]] = {}  # what may be `false` may be `true`: the defaults
        return True
    if not isinstance(node.value, str) and kinds & _TEXTS:
        parent[loc[-1]] = node.text
        return True
    if node.plain and node.sources and kinds & _SHAPES.keys():
        meaning = nodes.resolve(node.value)
        if not isinstance(meaning, str):
            parent[loc[-1]] = {} if meaning is None and kinds & _MAPS else meaning
            return True
    return False


def _booleans_taken_for_numbers(model: type[BaseModel], node: nodes.Node) -> Iterator[Problem]:
    """Where pydantic would make 1 of `true`, which nobody means."""
    for loc, scalar in nodes.scalars(node):
        names = [step for step in loc if isinstance(step, str)]
        if not names or not isinstance(scalar.value, bool):
            continue
        last = names[-1]
        parents = shapes.models_at(model, loc[: len(loc) - 1 - loc[::-1].index(last)])
        kinds = {leaf for each in parents if last in shapes.keys(each) for leaf in shapes.leaves(each, last)}
        if kinds & {int, float} and not kinds & {bool, True, False, Any}:
            yield Problem(loc, "wrong-type", "expected a number, found true or false")


# One error for a union


def _settle(errors: list[_Error]) -> list[_Error]:
    """The errors people care about: of a union only those of the member that was meant."""
    settled = [error for error in errors if not error.tags]
    unions: dict[tuple[Loc, int], dict[str, list[_Error]]] = {}
    for error in errors:
        if error.tags:
            depth, tag = error.tags[0]
            members = unions.setdefault((error.loc[:depth], depth), {})
            members.setdefault(tag, []).append(replace(error, tags=error.tags[1:]))
    for (loc, _), members in unions.items():
        meant = [found for found in members.values() if not any(_other_shape(error, loc) for error in found)]
        if meant:
            settled += _settle(min(meant, key=len))
        else:
            settled.append(_merged(loc, [error for found in members.values() for error in found]))
    return settled


def _other_shape(error: _Error, loc: Loc) -> bool:
    return error.loc == loc and error.type in _SHAPES


def _merged(loc: Loc, errors: list[_Error]) -> _Error:
    """One error in place of one for each member of a union, none of which fits."""
    expected: dict[str, None] = {}
    for error in errors:
        if error.loc == loc:
            expected.update(dict.fromkeys(_expected(error.detail).split(", ")))
    first = errors[0]
    detail = ErrorDetails(
        type="union",
        loc=first.detail["loc"],
        msg="",
        input=None,
        ctx={"expected": list(expected)},
    )
    return _Error(loc, (), missing=False, detail=detail)


def _expected(detail: ErrorDetails) -> str:
    if detail["type"] in ("literal_error", "enum"):
        return ", ".join(_choices(detail))
    return _SHAPES.get(detail["type"], "")


def _choices(detail: ErrorDetails) -> list[str]:
    """The words of a literal, from pydantic's `'a', 'b' or 'c'`."""
    said = str(detail.get("ctx", {}).get("expected", ""))
    words = said.replace(" or ", ", ").split(", ")
    return [{"True": "true", "False": "false", "None": "null"}.get(word, word.strip("'")) for word in words]


# In words


def _problem(model: type[BaseModel], root: nodes.Node, error: _Error) -> Problem | None:
    """What to say; None where an expansion failed and that is the fault."""
    node = nodes.find(root, error.loc)
    if isinstance(node, nodes.Scalar) and node.failed:
        return None
    if error.missing:
        return Problem(error.loc, "missing-key", "required key is missing", at_key=True)
    if error.type == "missing":
        return Problem(error.loc, "missing-value", "a value is required here", at_key=True)
    if error.type in ("extra_forbidden", "unexpected_keyword_argument"):
        return _unknown_key(model, error)
    code, message = _said(model, node, error)
    empty = _holds_nothing(node)
    whole = not isinstance(node, nodes.Scalar) and code != "wrong-type"
    return Problem(error.loc, code, message, at_key=empty or whole)


def _unknown_key(model: type[BaseModel], error: _Error) -> Problem:
    key = str(error.loc[-1])
    known = {each for found in shapes.models_at(model, error.detail["loc"][:-1]) for each in shapes.keys(found)}
    near = suggest(key, sorted(known))
    if not near:
        near = f"; known keys are {listed(sorted(known))}" if known else "; no keys are known here"
    return Problem(error.loc, "unknown-key", f"unknown key{near}", at_key=True)


def _holds_nothing(node: nodes.Node | None) -> bool:
    return isinstance(node, nodes.Scalar) and node.value is None


def _said(model: type[BaseModel], node: nodes.Node | None, error: _Error) -> tuple[str, str]:
    """Code and message of an error about a value."""
    kind, detail = error.type, error.detail
    context = detail.get("ctx", {})
    if kind == "union":
        return "wrong-type", f"expected {_either(context['expected'])}, found {_found(node)}"
    if kind in ("literal_error", "enum"):
        return _bad_choice(node, error, _choices(detail))
    if kind in _SHAPES:
        expected = _SHAPES[kind]
        advice = "; write it as [value]" if expected == "a list" and isinstance(node, nodes.Scalar) else ""
        return "wrong-type", f"expected {expected}, found {_found(node)}{advice}"
    if kind in ("value_error", "assertion_error"):
        code = "wrong-combination" if isinstance(node, nodes.Mapping) or _holds_nothing(node) else "bad-value"
        return code, str(context.get("error", detail["msg"]))
    if "-" in kind:
        return kind, detail["msg"]
    return _limit(kind, detail, _unit(model, error))


_LIMITS: Final = {
    "greater_than": ("gt", "must be greater than {}"),
    "greater_than_equal": ("ge", "must be at least {}"),
    "less_than": ("lt", "must be less than {}"),
    "less_than_equal": ("le", "must be at most {}"),
    "multiple_of": ("multiple_of", "must be a multiple of {}"),
    "too_short": ("min_length", "needs at least {} entries"),
    "too_long": ("max_length", "takes at most {} entries"),
    "string_too_short": ("min_length", "needs at least {} characters"),
    "string_too_long": ("max_length", "takes at most {} characters"),
    "string_pattern_mismatch": ("pattern", "does not match {}"),
}


def _unit(model: type[BaseModel], error: _Error) -> str:
    """Whether the value is a duration or a size."""
    key = error.loc[-1] if error.loc else ""
    parents = shapes.models_at(model, error.detail["loc"][:-1])
    fields = [
        shapes.keys(parent)[key] for parent in parents if isinstance(key, str) and key in shapes.keys(parent)
    ]
    return next((values.unit_of(values.annotation_of(field)) for field in fields), "")


def _limit(kind: str, detail: ErrorDetails, unit: str) -> tuple[str, str]:
    if kind in _LIMITS:
        name, text = _LIMITS[kind]
        limit = detail.get("ctx", {}).get(name, "")
        if kind.endswith("too_short") and limit == 1:
            return "out-of-range", "must not be empty"
        code = "bad-value" if kind == "string_pattern_mismatch" else "out-of-range"
        if unit and isinstance(limit, (int, float)):
            limit = format_duration(limit) if unit == "duration" else format_size(int(limit))
        return code, text.format(f"{limit:g}" if isinstance(limit, float) else limit)
    return "bad-value", detail["msg"][:1].lower() + detail["msg"][1:]


def _bad_choice(node: nodes.Node | None, error: _Error, choices: list[str]) -> tuple[str, str]:
    shown = _shown(node, error.loc)
    if shown is None:
        return "unknown-value", f"expected {_either(choices)}, found {_found(node)}"
    near = suggest(shown, choices)
    return "unknown-value", f"{shown} is not known here{near}; expected {_either(choices)}"


def _shown(node: nodes.Node | None, loc: Loc) -> str | None:
    """What is written there, where that can't be a secret."""
    if not isinstance(node, nodes.Scalar) or node.sources or not node.text or len(node.text) > 60:
        return None
    return None if any(isinstance(step, str) and is_secret(step) for step in loc) else node.text


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _found(node: nodes.Node | None) -> str:
    if isinstance(node, nodes.Mapping):
        return "a map"
    if isinstance(node, nodes.Sequence):
        return "a list"
    if node is None:
        return "nothing"
    if node.sources:
        return f"what {node.sources[0]} holds"
    value = node.value
    names = {bool: "true or false", int: "a number", float: "a number", str: "text"}
    return names.get(type(value), "nothing")
