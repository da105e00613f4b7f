"""A configuration as a pod can have it: what it takes from its surroundings, and no secret in it.

It is not loaded, since variables and files of the pod are not those of this machine; `shipper validate` does that
in the pod, before the shipper starts.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, get_args

import yaml
from pydantic import BaseModel, SecretStr
from typing_extensions import TypeAliasType
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from shipper.config import Diagnostic, Invalid, shapes
from shipper.config.models import FileConfig
from shipper.config.references import SECTIONS
from shipper.service import registry

_VARIABLE: Final = re.compile(r"(?<!\$)\$\{env:([A-Za-z_][A-Za-z0-9_]*)(:-[^}]*)?\}")
_FILE: Final = re.compile(r"(?<!\$)\$\{file:([^}]+)\}")
_EXPANSION: Final = re.compile(r"\$\{(env|file):")
_CREDENTIAL: Final = re.compile("auth|token|key|secret|password|cookie", re.IGNORECASE)

Loc = tuple[str, ...]


class Portable:
    """A configuration file's text, taken apart.

    Raises:
        Invalid: it is no YAML map, or a secret is written out in it.
    """

    def __init__(self, text: str, name: str) -> None:
        self._name = name
        try:
            root = yaml.compose(text, yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            where = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            raise Invalid([self._fault(where, "yaml-syntax", "", error.problem or "no YAML")]) from None
        if not isinstance(root, MappingNode):
            raise Invalid([self._fault((1, 1), "yaml-syntax", "", "the file must be a map")])
        self._root = root
        literal = [self._literal(loc, node) for loc, node in self._secrets()]
        if literal:
            raise Invalid(literal)

    @property
    def variables(self) -> dict[str, bool]:
        """The variables it expands; true: at least once without a default."""
        found: dict[str, bool] = {}
        for _, node in _scalars(self._root):
            for name, default in _VARIABLE.findall(node.value):
                found[name] = found.get(name, False) or not default
        return found

    @property
    def secret_files(self) -> list[str]:
        """Absolute paths it reads: those are mounted; others lie beside it."""
        named = [node.value for loc, node in _scalars(self._root) if loc[-1].endswith("_file")]
        expanded = [path for _, node in _scalars(self._root) for path in _FILE.findall(node.value)]
        return list(dict.fromkeys(path for path in [*named, *expanded] if re.fullmatch(r"/[^$]+", path)))

    @property
    def lease(self) -> str:
        """The Lease by which it elects a leader; empty if it does not."""
        node = _at(self._root, ("extensions", "k8s_leader_elector", "lease_name"))
        return node.value if isinstance(node, ScalarNode) else ""

    def set(self, loc: Loc, value: str, *, keep: bool = False) -> None:
        """Write a value, making the maps on the way; with `keep`, only where there is none."""
        node = self._root
        for key in loc[:-1]:
            inner = _at(node, (key,))
            if not isinstance(inner, MappingNode):
                inner = MappingNode("tag:yaml.org,2002:map", [])
                _put(node, key, inner)
            node = inner
        if not (keep and _at(node, loc[-1:]) is not None):
            _put(node, loc[-1], ScalarNode("tag:yaml.org,2002:str", value))

    def text(self) -> str:
        """The YAML, every scalar as it was written; comments are gone."""
        return yaml.serialize(self._root, Dumper=yaml.SafeDumper, allow_unicode=True, width=110)

    def _secrets(self) -> Iterator[tuple[Loc, ScalarNode]]:
        yield from _secret_nodes(FileConfig, self._root, ())
        for kind, section in SECTIONS.items():
            for name, body in _items(_at(self._root, (section,))):
                component = registry.find(kind, name.partition("/")[0])
                if component is not None:
                    yield from _secret_nodes(component.config, body, (section, name))

    def _literal(self, loc: Loc, node: ScalarNode) -> Diagnostic:
        where = (node.start_mark.line + 1, node.start_mark.column + 1)
        message = "a secret does not belong into a ConfigMap; write ${env:NAME}, ${file:PATH} or a *_file key"
        return self._fault(where, "literal-secret", ".".join(loc), message)

    def _fault(self, where: tuple[int, int], code: str, path: str, message: str) -> Diagnostic:
        return Diagnostic(self._name, *where, "error", code, path, message)


def _secret_nodes(model: type[BaseModel], node: Node, loc: Loc) -> Iterator[tuple[Loc, ScalarNode]]:
    """The secrets of a model that are written out."""
    fields = shapes.keys(model)
    for key, inner in _items(node):
        if key not in fields:
            continue
        annotation = fields[key].annotation
        if _holds_secret(annotation):
            yield from _written_out(inner, (*loc, key))
        for each in shapes.models(annotation):
            yield from _secret_nodes(each, inner, (*loc, key))


def _holds_secret(annotation: Any) -> bool:
    if isinstance(annotation, TypeAliasType):
        return _holds_secret(annotation.__value__)
    return annotation is SecretStr or any(_holds_secret(each) for each in get_args(annotation))


def _written_out(node: Node, loc: Loc) -> Iterator[tuple[Loc, ScalarNode]]:
    """A secret, or those headers of a map that carry one, as other headers are nobody's secret."""
    if isinstance(node, ScalarNode):
        if node.tag != "tag:yaml.org,2002:null" and node.value and not _EXPANSION.search(node.value):
            yield loc, node
        return
    for key, inner in _items(node):
        if _CREDENTIAL.search(key):
            yield from _written_out(inner, (*loc, key))


def _scalars(node: Node, loc: Loc = ()) -> Iterator[tuple[Loc, ScalarNode]]:
    if isinstance(node, ScalarNode):
        yield loc, node
    elif isinstance(node, SequenceNode):
        for inner in node.value:
            yield from _scalars(inner, loc)
    else:
        for key, inner in _items(node):
            yield from _scalars(inner, (*loc, key))


def _items(node: Node | None) -> list[tuple[str, Any]]:
    """The entries of a map; of anything else, none."""
    if not isinstance(node, MappingNode):
        return []
    return [(key.value, inner) for key, inner in node.value if isinstance(key, ScalarNode)]


def _at(node: Node | None, loc: Loc) -> Node | None:
    for key in loc:
        node = dict(_items(node)).get(key)
    return node


def _put(node: MappingNode, key: str, value: Node) -> None:
    node.value = [pair for pair in node.value if pair[0].value != key]
    node.value.append((ScalarNode("tag:yaml.org,2002:str", key), value))
