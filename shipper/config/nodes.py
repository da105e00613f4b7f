"""YAML with positions: a file becomes nodes that know their line and column.

The scalars follow the core schema of YAML 1.2: `true` and `false` are booleans, `yes`, `on` and `0123` are text.
Anchors, aliases and merge keys work, within bounds that no configuration reaches and an alias bomb does.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

import yaml
from yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

from shipper.config.diagnostics import START, Loc, Mark

#: Deeper files are not written by people.
MAX_DEPTH: Final = 64
#: Values in a file after its aliases are followed.
MAX_VALUES: Final = 200_000

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,400})")
_OTHER_BASE: Final = re.compile(r"0o[0-7]{1,40}|0x[0-9a-fA-F]{1,40}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]{0,400})(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_TAG: Final = "tag:yaml.org,2002:"
_MERGE: Final = "<<"


class Fault(NamedTuple):
    """Something wrong with the text of the file itself."""

    mark: Mark
    code: str
    loc: Loc
    message: str


class Malformed(Exception):  # noqa: N818 - named by what the file is
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


class _Events(Reader, Scanner, Parser):
    """PyYAML's own parser, for where it was built without libyaml."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)


def _events(text: str) -> Iterator[Event]:
    """The events of a text, by libyaml where it is there: ten times faster."""
    parser: Any
    if yaml.__with_libyaml__:
        from yaml.cyaml import CParser  # type: ignore[attr-defined]  # noqa: PLC0415 - not in every build

        parser = CParser(text)
    else:
        parser = _Events(text)
    while (event := parser.get_event()) is not None:
        yield event


class Composer:
    """Makes nodes of a text; what does not keep from reading on is collected in `faults`."""

    def __init__(self, text: str) -> None:
        self.faults: list[Fault] = []
        self._text = text
        self._events = _events(text)
        self._anchors: dict[str, Node | None] = {}
        self._merged = 0

    def compose(self) -> Node | None:
        """The one document of the file, None where there is none."""
        odd = Reader.NON_PRINTABLE.search(self._text)
        if odd:
            raise Malformed(_character(self._text, odd.start()))
        try:
            return self._document()
        except yaml.MarkedYAMLError as error:
            raise Malformed(_syntax(error, self._text)) from None

    def _document(self) -> Node | None:
        root = None
        documents = 0
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._fatal(event, "yaml-documents", (), "a second document; one file holds one")
            elif isinstance(event, (ScalarEvent, CollectionStartEvent, AliasEvent)):
                root = self._node(event, ())
            elif isinstance(event, StreamEndEvent):
                break
        return root

    def _fatal(self, event: Event, code: str, loc: Loc, message: str) -> Malformed:
        return Malformed(Fault(_mark(event.start_mark), code, loc, message))

    def _node(self, event: Event, loc: Loc) -> Node:
        if isinstance(event, AliasEvent):
            return self._alias(event, loc)
        if len(loc) > MAX_DEPTH:
            raise self._fatal(event, "yaml-too-deep", loc[:4], f"more than {MAX_DEPTH} levels deep")
        anchor = getattr(event, "anchor", None)
        if anchor:
            self._anchors[anchor] = None
        node: Node
        if isinstance(event, ScalarEvent):
            node = self._scalar(event, loc)
        elif isinstance(event, MappingStartEvent):
            self._collection_tag(event, "map", loc)
            node = self._mapping(loc)
        else:
            self._collection_tag(event, "seq", loc)
            node = self._sequence(loc)
        if anchor:
            self._anchors[anchor] = node
        return node

    def _alias(self, event: AliasEvent, loc: Loc) -> Node:
        if event.anchor not in self._anchors:
            raise self._fatal(event, "yaml-alias", loc, f"no anchor &{event.anchor} stands before this alias")
        node = self._anchors[event.anchor]
        if node is None:
            raise self._fatal(event, "yaml-alias", loc, f"*{event.anchor} contains itself")
        return node

    def _scalar(self, event: ScalarEvent, loc: Loc) -> Scalar:
        plain = bool(event.implicit[0])
        tag = "" if event.tag in (None, "!") or plain else event.tag.removeprefix(_TAG)
        scalar = Scalar(event.value, plain, tag)
        if not tag:
            scalar.value = resolve(event.value) if plain else event.value
            return scalar
        scalar.value = _tagged(tag, event.value)
        if scalar.value is _WRONG:
            scalar.value, scalar.failed = event.value, True
            self._tag_fault(event, loc)
        return scalar

    def _collection_tag(self, event: Any, kind: str, loc: Loc) -> None:
        if event.tag not in (None, "!", _TAG + kind):
            self._tag_fault(event, loc)

    def _tag_fault(self, event: Any, loc: Loc) -> None:
        tag = str(event.tag).replace(_TAG, "!!")
        message = f"the tag {tag} is not understood here; write the value without it"
        self.faults.append(Fault(_mark(event.start_mark), "yaml-tag", loc, message))

    def _sequence(self, loc: Loc) -> Sequence:
        node = Sequence()
        for event in self._events:
            if isinstance(event, SequenceEndEvent):
                break
            inner = self._node(event, (*loc, len(node.items)))
            node.items.append(Item(inner, _mark(event.start_mark)))
        return node

    def _mapping(self, loc: Loc) -> Mapping:
        node = Mapping()
        merges: list[tuple[Mark, Item]] = []
        for event in self._events:
            if isinstance(event, MappingEndEvent):
                break
            key, mark = self._key(event, loc), _mark(event.start_mark)
            following = next(self._events)
            item = Item(self._node(following, (*loc, key)), _mark(following.start_mark), mark)
            if key == _MERGE and isinstance(event, ScalarEvent) and event.implicit[0]:
                merges.append((mark, item))
            elif key in node.entries:
                first = node.entries[key].key_at
                said = f"duplicate key; it stands in line {first.line if first else 0} already"
                self.faults.append(Fault(mark, "duplicate-key", (*loc, key), said))
            else:
                node.entries[key] = item
        self._merge(node, merges, loc)
        return node

    def _key(self, event: Event, loc: Loc) -> str:
        node = self._node(event, loc) if isinstance(event, (ScalarEvent, AliasEvent)) else None
        if not isinstance(node, Scalar):
            raise self._fatal(event, "yaml-key", loc, "a key must be a text, not a list or a map")
        return node.text

    def _merge(self, node: Mapping, merges: list[tuple[Mark, Item]], loc: Loc) -> None:
        for mark, item in merges:
            sources = [inner.node for inner in item.node.items] if isinstance(item.node, Sequence) else [item.node]
            for source in sources:
                if not isinstance(source, Mapping):
                    self.faults.append(Fault(mark, "yaml-merge", (*loc, _MERGE), "only maps can be merged by <<"))
                    continue
                self._merged += len(source.entries)
                if self._merged > MAX_VALUES:
                    raise Malformed(Fault(mark, "yaml-too-large", loc, f"merges copy more than {MAX_VALUES} keys"))
                for key, inner in source.entries.items():
                    node.entries.setdefault(key, inner)


_WRONG: Final = object()


def _tagged(tag: str, text: str) -> Any:
    """The value of a scalar with an explicit tag of the core schema."""
    if tag == "str":
        return text
    meaning = resolve(text)
    kinds: dict[str, tuple[type, ...]] = {
        "int": (int,),
        "float": (int, float),
        "bool": (bool,),
        "null": (type(None),),
    }
    fits = tag in kinds and isinstance(meaning, kinds[tag]) and (tag == "bool" or not isinstance(meaning, bool))
    return meaning if fits else _WRONG


def _mark(mark: Any) -> Mark:
    return Mark(mark.line + 1, mark.column + 1) if mark else START


def _character(text: str, position: int) -> Fault:
    before = text[:position]
    mark = Mark(before.count("\n") + 1, len(before) - before.rfind("\n"))
    said = f"the character U+{ord(text[position]):04X} can't stand in YAML; write it as an escape in double quotes"
    return Fault(mark, "yaml-character", (), said)


#: What libyaml and PyYAML say, what to say instead, and whether the place is where the trouble begins.
_SAYINGS: Final = (
    (r"tab character that violates", "a tab; YAML is indented with spaces", False),
    (r"quoted scalar: found unexpected end", "the quote that opens here is never closed", True),
    (r"unknown escape", "an unknown escape in double quotes; use single quotes, or \\\\ for a backslash", False),
    (r"mapping values are not", "a second ': ' in one line; put the value in quotes or check the indent", False),
    (r"sequence entries are not", "a list can't start here; put its items on lines of their own", False),
    (r"could not find expected ':'", "a ':' is missing after this key", True),
    (r"expected ',' or ']'", "a ',' or ']' is missing in the list that starts in line {line}", False),
    (r"expected ',' or '}'", "a ',' or '}}' is missing in the map that starts in line {line}", False),
    (r"block mapping", "this does not fit the map that starts in line {line}; check indent and quotes", False),
    (r"block collection", "this does not fit the list that starts in line {line}; check indent and quotes", False),
    (r"undefined tag handle", "an unknown tag; write the value without it", False),
    (r"node content", "a value is missing, or a bracket is too many", False),
    (
        r"expected alphabetic or numeric",
        "a name is missing after & or *; put the value in quotes if it is a text",
        False,
    ),
    (r"block scalar", "only an indentation and a comment may follow | and > in their line", False),
)


def _syntax(error: yaml.MarkedYAMLError, text: str) -> Fault:
    """The parser's error in words for people who do not know its grammar."""
    raw = f"{error.context or ''}: {error.problem or ''}"
    at, began = _mark(error.problem_mark or error.context_mark), _mark(error.context_mark)
    if "cannot start any token" in raw:
        line = text.splitlines()[at.line - 1]
        character = line[at.column - 1]
        tab = "a tab; YAML is indented with spaces"
        said = tab if character == "\t" else f"a value can't start with {character}; put it in quotes"
        return Fault(at, "yaml-syntax", (), said)
    for pattern, said, at_beginning in _SAYINGS:
        if re.search(pattern, raw):
            return Fault(began if at_beginning else at, "yaml-syntax", (), said.format(line=began.line))
    return Fault(at, "yaml-syntax", (), f"not YAML: {error.problem or error.context}")
