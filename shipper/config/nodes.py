"""YAML with positions: a file becomes nodes that know their line and column.

The scalars follow the core schema of YAML 1.2: `true` and `false` are booleans, `yes`, `on` and `0123` are text.
Anchors, aliases and merge keys work, within bounds that no configuration reaches and an alias bomb does.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

from shipper.config.diagnostics import START, Mark
from shipper.core.errors import Loc

#: Values in a file after its aliases are followed.
MAX_VALUES: Final = 200_000

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,400})")
_OTHER_BASE: Final = re.compile(r"0o[0-7]{1,40}|0x[0-9a-fA-F]{1,40}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]{0,400})(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class Fault(NamedTuple):
    """Something wrong with the text of the file itself."""

    mark: Mark
    code: str
    loc: Loc
    message: str


class Malformed(Exception):
    """The file can't be read on from here."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


@dataclass(slots=True, eq=False)
class Scalar:
    """A text, number, boolean or null as written, and what it means."""

    text: str
    plain: bool
    """Written without quotes."""
    tag: str = ""
    """`str`, `int`, `float`, `bool`, `null` where the file says so by `!!str`."""
    value: Any = None
    """What it means; expansion changes it."""
    sources: tuple[str, ...] = ()
    """The expansions in it, as written: `${env:NAME}`."""
    failed: bool = False
    """An expansion in it failed, and that was said already."""


class Item(NamedTuple):
    """A value in its place: what an alias stands for has its own position, this is the alias's."""

    node: "Node"
    at: Mark
    key_at: Mark | None = None


@dataclass(slots=True, eq=False)
class Sequence:
    """A list."""

    items: list[Item] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Mapping:
    """A map; its keys are text, as written."""

    entries: dict[str, Item] = field(default_factory=dict)


Node: TypeAlias = Scalar | Sequence | Mapping


def resolve(text: str) -> Any:  # noqa: PLR0911 - a table of the forms a scalar has
    """What an unquoted scalar means by the core schema of YAML 1.2, but numbers with leading zeros stay text."""
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OTHER_BASE.fullmatch(text):
        return int(text[2:], 8 if text[1] == "o" else 16)
    if _FLOAT.fullmatch(text):
        return float(text)
    if match := _NOT_FINITE.fullmatch(text):
        return float("nan") if match[3] else float(f"{match[1]}inf")
    return text


def child(node: Node, step: str | int) -> Item | None:
    """What a key or index leads to."""
    if isinstance(node, Mapping):
        return node.entries.get(str(step)) if isinstance(step, str) else None
    if isinstance(node, Sequence) and isinstance(step, int) and 0 <= step < len(node.items):
        return node.items[step]
    return None


def find(root: Node, loc: Loc) -> Node | None:
    """The node at a path, None where there is none."""
    node: Node = root
    for step in loc:
        item = child(node, step)
        if item is None:
            return None
        node = item.node
    return node


def keys(root: Node, loc: Loc) -> list[str]:
    """The keys of the map at a path, none where no map is."""
    node = find(root, loc)
    return list(node.entries) if isinstance(node, Mapping) else []


def made(value: Any) -> Node:
    """Nodes of plain data, as if it stood in a file."""
    if isinstance(value, dict):
        return Mapping({key: Item(made(inner), START) for key, inner in value.items()})
    if isinstance(value, list):
        return Sequence([Item(made(inner), START) for inner in value])
    return Scalar(str(value), plain=False, value=value)


def replaced(root: Node, loc: Loc, new: Node | None) -> Node:
    """The tree with another node at a path, None for none; what is not on the path is shared."""
    if not loc:
        return new or Mapping()
    step, *rest = loc
    if isinstance(root, Scalar) and root.value is None and not root.failed:  # a body that was left out
        root = Mapping()
    inner = child(root, step)
    if inner is None and (rest or new is None):
        return root
    node = replaced(inner.node, tuple(rest), new) if inner and rest else new
    if isinstance(root, Mapping):
        entries = {key: item for key, item in root.entries.items() if node or key != step}
        return Mapping(entries | ({str(step): Item(node, START)} if node else {}))
    if isinstance(root, Sequence) and isinstance(step, int):
        item = Item(node or Scalar("", plain=True), START)
        return Sequence([*root.items[:step], item, *root.items[step + 1 :]])
    return root


def locate(root: Node, loc: Loc, *, at_key: bool = False) -> Mark:
    """Where to point: the value (or its key); what is not there is pointed at by the nearest key around it."""
    item = Item(root, START)
    for step in loc:
        inner = child(item.node, step)
        if inner is None:
            at_key = True
            break
        item = inner
    return item.key_at if at_key and item.key_at else item.at


def value(node: Node) -> Any:
    """Plain Python data; raises `Malformed` where aliases blow it up."""
    return _value(node, iter(range(MAX_VALUES)))


def _value(node: Node, budget: Iterator[int]) -> Any:
    if next(budget, None) is None:
        raise Malformed(Fault(START, "yaml-too-large", (), f"aliases make more than {MAX_VALUES} values of this"))
    if isinstance(node, Mapping):
        return {key: _value(item.node, budget) for key, item in node.entries.items()}
    if isinstance(node, Sequence):
        return [_value(item.node, budget) for item in node.items]
    return node.value


def scalars(node: Node) -> Iterator[tuple[Loc, Scalar]]:
    """Every scalar once, with the first path to it."""
    seen: set[int] = set()
    stack: list[tuple[Loc, Node]] = [((), node)]
    while stack:
        loc, node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, Scalar):
            yield loc, node
        elif isinstance(node, Mapping):
            stack += [((*loc, key), item.node) for key, item in reversed(node.entries.items())]
        else:
            stack += [((*loc, index), item.node) for index, item in reversed(list(enumerate(node.items)))]


def texts(node: Node) -> Iterator[tuple[Loc, str]]:
    """Every scalar that is a text, with the first path to it."""
    return ((loc, scalar.value) for loc, scalar in scalars(node) if isinstance(scalar.value, str))
