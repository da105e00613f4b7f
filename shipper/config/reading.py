"""Reads YAML into nodes that know their line and column."""

from collections.abc import Iterator
from typing import Any, Final

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

from shipper.config.diagnostics import Mark
from shipper.config.nodes import MAX_VALUES, Fault, Item, Malformed, Mapping, Node, Scalar, Sequence, resolve
from shipper.config.syntax import mark_of, odd_character, syntax
from shipper.core.errors import Loc

#: Deeper files are not written by people.
MAX_DEPTH: Final = 64

_TAG: Final = "tag:yaml.org,2002:"
_MERGE: Final = "<<"


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
            raise Malformed(odd_character(self._text, odd.start()))
        try:
            return self._document()
        except yaml.MarkedYAMLError as error:
            raise Malformed(syntax(error, self._text)) from None

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
        return Malformed(Fault(mark_of(event.start_mark), code, loc, message))

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
            said = "no anchor of this name stands before; put quotes around a text that starts with *"
            raise self._fatal(event, "yaml-alias", loc, said)
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
        message = "a tag that is not understood here; write the value without it"
        self.faults.append(Fault(mark_of(event.start_mark), "yaml-tag", loc, message))

    def _sequence(self, loc: Loc) -> Sequence:
        node = Sequence()
        for event in self._events:
            if isinstance(event, SequenceEndEvent):
                break
            inner = self._node(event, (*loc, len(node.items)))
            node.items.append(Item(inner, mark_of(event.start_mark)))
        return node

    def _mapping(self, loc: Loc) -> Mapping:
        node = Mapping()
        merges: list[tuple[Mark, Item]] = []
        for event in self._events:
            if isinstance(event, MappingEndEvent):
                break
            key, mark = self._key(event, loc), mark_of(event.start_mark)
            following = next(self._events)
            item = Item(self._node(following, (*loc, key)), mark_of(following.start_mark), mark)
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
            said = "a key must be a text, not a list or a map; a text that starts with { or [ needs quotes"
            raise self._fatal(event, "yaml-key", loc, said)
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
