"""Checks a part of the file against its model, and says what is wrong as people see it.

pydantic decides; this module gives it what was written (an unquoted `8080` is a text where a text is wanted, a
`null` body means the defaults) and turns its errors into problems: one for a union, never with a value in it that
may be a secret.
"""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from shipper.config import nodes, shapes, wording
from shipper.config.mismatch import MAPS, SHAPES, TEXTS, Mismatch, mismatch, settle
from shipper.core.errors import Loc, Problem

M = TypeVar("M", bound=BaseModel)


def validate(model: type[M], node: nodes.Node) -> tuple[M | None, list[Problem]]:
    """The model's value for a node of the file, or what is wrong with it; paths are relative to the node."""
    data = nodes.value(node)
    if data is None:
        data = {}
    found = list(_taken_for_another(model, node))
    repaired: set[Loc] = set()
    while True:
        try:
            value = model.model_validate(data)
        except ValidationError as invalid:
            errors = [mismatch(node, detail) for detail in invalid.errors(include_url=False, include_input=False)]
        else:
            return (None, found) if found else (value, [])
        if not _repair(data, node, errors, repaired):
            said = [*found, *(wording.problem(model, node, error) for error in settle(errors))]
            return None, list(dict.fromkeys(problem for problem in said if problem))


def _repair(data: Any, root: nodes.Node, errors: Iterable[Mismatch], repaired: set[Loc]) -> bool:
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
        if kinds & MAPS:
            parent[loc[-1]] = {}
        elif isinstance(parent, dict):
            del parent[loc[-1]]
        else:
            return False
        return True
    if node.value is True and kinds & MAPS and kinds & TEXTS:
        parent[loc[-1]] = {}  # what may be `false` may be `true`: the defaults
        return True
    if not isinstance(node.value, str) and kinds & TEXTS:
        parent[loc[-1]] = node.text
        return True
    if node.plain and node.sources and kinds & SHAPES.keys():
        meaning = nodes.resolve(node.value)
        if not isinstance(meaning, str):
            parent[loc[-1]] = {} if meaning is None and kinds & MAPS else meaning
            return True
    return False


def _taken_for_another(model: type[BaseModel], node: nodes.Node) -> Iterator[Problem]:
    """Where pydantic would make 1 of `true`, or true of `yes` or 1, which YAML 1.2 does not mean by them."""
    for loc, scalar in nodes.scalars(node):
        names = [step for step in loc if isinstance(step, str)]
        if not names or scalar.value is None or scalar.failed:
            continue
        last = names[-1]
        parents = shapes.models_at(model, loc[: len(loc) - 1 - loc[::-1].index(last)])
        kinds = {leaf for each in parents if last in shapes.keys(each) for leaf in shapes.leaves(each, last)}
        if isinstance(scalar.value, bool):
            if kinds & {int, float} and not kinds & {bool, True, False, Any}:
                yield Problem(loc, "wrong-type", "expected a number, found true or false")
        elif kinds - {type(None)} == {bool} and not isinstance(nodes.resolve(str(scalar.value)), bool):
            yield Problem(loc, "wrong-type", f"expected true or false, found {wording.found(scalar)}")
