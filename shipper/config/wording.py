"""What is wrong with a value, in words for people: never a value in it that may be a secret."""

from typing import Final

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from shipper.config import nodes, shapes, values
from shipper.config.expansion import is_secret
from shipper.config.mismatch import SHAPES, Mismatch, choices
from shipper.config.suggestions import listed, suggest
from shipper.core.errors import Loc, Problem
from shipper.core.units import format_duration, format_size


def problem(model: type[BaseModel], root: nodes.Node, error: Mismatch) -> Problem | None:
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
    inside = code in ("wrong-type", "unknown-value") or code.startswith("bad-")
    whole = not isinstance(node, nodes.Scalar) and not inside
    return Problem(error.loc, code, message, at_key=empty or whole)


def _unknown_key(model: type[BaseModel], error: Mismatch) -> Problem:
    key = str(error.loc[-1])
    around = shapes.models_at(model, error.detail["loc"][:-1])
    known = {each for found in around for each in shapes.keys(found)}
    deeper = [
        name
        for found in around
        for name, info in shapes.keys(found).items()
        if any(key in shapes.keys(inner) for inner in shapes.models(info.annotation))
    ]
    if len(deeper) == 1:
        return Problem(error.loc, "unknown-key", f"unknown key; it belongs under {deeper[0]}", at_key=True)
    near = suggest(key, sorted(known))
    if not near:
        near = f"; known keys are {listed(sorted(known))}" if known else "; no keys are known here"
    return Problem(error.loc, "unknown-key", f"unknown key{near}", at_key=True)


def _holds_nothing(node: nodes.Node | None) -> bool:
    return isinstance(node, nodes.Scalar) and node.value is None


def _said(model: type[BaseModel], node: nodes.Node | None, error: Mismatch) -> tuple[str, str]:
    """Code and message of an error about a value."""
    kind, detail = error.type, error.detail
    context = detail.get("ctx", {})
    if kind == "union":
        return "wrong-type", f"expected {_either(context['expected'])}, found {found(node)}"
    if kind in ("literal_error", "enum"):
        return _bad_choice(node, error, choices(detail))
    if kind in SHAPES:
        expected = SHAPES[kind]
        advice = "; write it as [value]" if expected == "a list" and isinstance(node, nodes.Scalar) else ""
        if expected == "a map" and isinstance(node, nodes.Sequence):
            advice = "; write its keys without dashes and brackets"
        return "wrong-type", f"expected {expected}, found {found(node)}{advice}"
    if kind in ("value_error", "assertion_error"):
        code = "wrong-combination" if isinstance(node, nodes.Mapping) or _holds_nothing(node) else "bad-value"
        return code, str(context.get("error", detail["msg"]))
    if "-" in kind:
        return kind, detail["msg"]
    return _limit(kind, detail, _unit(model, error))


#: Booleans of YAML 1.1.
_WORDS: Final = ("yes", "no", "on", "off", "y", "n")

#: What patterns of ours want, in words.
_FORMS: Final = {
    "^[a-z0-9-]+$": "takes small letters, digits and dashes only, such as org-admin-granted",
    "^https?://": "wants an address that starts with http:// or https://",
    r"^\d{4}-\d{2}-\d{2}$": "wants a date such as 2022-11-28",
}

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


def _unit(model: type[BaseModel], error: Mismatch) -> str:
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
        if limit in _FORMS:
            return "bad-value", _FORMS[limit]
        if kind.endswith("too_short") and limit == 1:
            return "out-of-range", "must not be empty"
        code = "bad-value" if kind == "string_pattern_mismatch" else "out-of-range"
        if unit and isinstance(limit, (int, float)):
            limit = format_duration(limit) if unit == "duration" else format_size(int(limit))
        return code, text.format(f"{limit:g}" if isinstance(limit, float) else limit)
    return "bad-value", detail["msg"][:1].lower() + detail["msg"][1:]


def _bad_choice(node: nodes.Node | None, error: Mismatch, words: list[str]) -> tuple[str, str]:
    shown = _shown(node, error.loc)
    if shown is None:
        return "unknown-value", f"expected {_either(words)}, found {found(node)}"
    near = suggest(shown, words)
    return "unknown-value", f"{shown} is not known here{near}; expected {_either(words)}"


def _shown(node: nodes.Node | None, loc: Loc) -> str | None:
    """What is written there, where that can't be a secret."""
    if not isinstance(node, nodes.Scalar) or node.sources or not node.text or len(node.text) > 60:
        return None
    return None if any(step == "headers" or is_secret(str(step)) for step in loc) else node.text


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def found(node: nodes.Node | None) -> str:
    """What kind of thing a node is; for texts that mean true or false elsewhere, that they don't here."""
    if isinstance(node, nodes.Mapping):
        return "a map"
    if isinstance(node, nodes.Sequence):
        return "a list"
    if node is None:
        return "nothing"
    if node.sources:
        return f"what {node.sources[0]} holds"
    value = node.value
    if node.plain and node.text.lower() in _WORDS:
        return f"the text {node.text} (YAML 1.2 has only true and false)"
    names = {bool: "true or false", int: "a number", float: "a number", str: "text"}
    return names.get(type(value), "nothing")
