"""Where a value does not fit its model: pydantic's errors by their place in the file, one for a union."""

from dataclasses import dataclass, replace
from typing import Final

from pydantic_core import ErrorDetails

from shipper.config import nodes
from shipper.core.errors import Loc

#: Errors that say that the value is not of the member of a union that complains.
SHAPES: Final = {
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
MAPS: Final = {"dict_type", "mapping_type", "model_type", "model_attributes_type"}
TEXTS: Final = {"string_type", "literal_error", "enum"}


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One of pydantic's errors, its path split into what is in the file and the names of union members."""

    loc: Loc
    """The path as far as the file has it, and the missing key."""
    tags: tuple[tuple[int, str], ...]
    """Union members on the way: how long `loc` was there, and their names."""
    missing: bool
    detail: ErrorDetails

    @property
    def type(self) -> str:
        """Pydantic's name of the kind."""
        return self.detail["type"]


def mismatch(root: nodes.Node, detail: ErrorDetails) -> Mismatch:
    """An error of pydantic's, which knows nothing of the file."""
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
    return Mismatch(tuple(loc), tuple(tags), missing, detail)


def settle(errors: list[Mismatch]) -> list[Mismatch]:
    """The errors people care about: of a union only those of the member that was meant."""
    settled = [error for error in errors if not error.tags]
    unions: dict[tuple[Loc, int], dict[str, list[Mismatch]]] = {}
    for error in errors:
        if error.tags:
            depth, tag = error.tags[0]
            members = unions.setdefault((error.loc[:depth], depth), {})
            members.setdefault(tag, []).append(replace(error, tags=error.tags[1:]))
    for (loc, _), members in unions.items():
        meant = [found for found in members.values() if not any(_other_shape(error, loc) for error in found)]
        if meant:
            settled += settle(min(meant, key=len))
        else:
            settled.append(_merged(loc, [error for found in members.values() for error in found]))
    return settled


def _other_shape(error: Mismatch, loc: Loc) -> bool:
    return error.loc == loc and error.type in SHAPES


def _merged(loc: Loc, errors: list[Mismatch]) -> Mismatch:
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
    return Mismatch(loc, (), missing=False, detail=detail)


def _expected(detail: ErrorDetails) -> str:
    if detail["type"] in ("literal_error", "enum"):
        return ", ".join(choices(detail))
    return SHAPES.get(detail["type"], "")


def choices(detail: ErrorDetails) -> list[str]:
    """The words of a literal, from pydantic's `'a', 'b' or 'c'`."""
    said = str(detail.get("ctx", {}).get("expected", ""))
    words = said.replace(" or ", ", ").split(", ")
    return [{"True": "true", "False": "false", "None": "null"}.get(word, word.strip("'")) for word in words]
