"""Checks what the parts of a file say about each other: ids, pipelines, tests."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from shipper.config import nodes
from shipper.config.suggestions import listed, nearest, suggest
from shipper.core.component import Kind
from shipper.core.errors import Loc, Problem

#: The section of the file where components of a kind are defined.
SECTIONS: Final[dict[Kind, str]] = {"receiver": "receivers", "processor": "processors", "exporter": "exporters"}

#: Where a pipeline names components, and of which kind they are.
USES: Final[dict[str, Kind]] = {
    "receivers": "receiver",
    "processors": "processor",
    "exporters": "exporter",
    "dead_letter": "exporter",
}

#: A component's or pipeline's id: a type, and a name after a slash where there are several.
ID: Final = re.compile(r"(?P<type>[A-Za-z][A-Za-z0-9_]{0,62})(/(?P<name>[^\s/]{1,200}))?")

_REQUIRED: Final = ("receivers", "exporters")

Known = Callable[[Kind], Iterable[str]]


def ids(root: nodes.Node, section: str) -> list[str]:
    """The ids that a section defines."""
    return nodes.keys(root, (section,))


def frame(root: nodes.Node) -> nodes.Node:
    """The file without the bodies of its components, whose models check them."""
    for section in SECTIONS.values():
        defined = nodes.find(root, (section,))
        if isinstance(defined, nodes.Mapping):
            bare = {
                name: item._replace(node=nodes.Scalar("", plain=True)) for name, item in defined.entries.items()
            }
            root = nodes.replaced(root, (section,), nodes.Mapping(bare))
    return root


def wrong_id(name: str) -> str | None:
    """What is wrong with an id, if anything."""
    if ID.fullmatch(name) and name.isprintable():
        return None
    if name.endswith("/"):
        return "an id is TYPE or TYPE/NAME; a name is missing after the slash"
    return "an id is TYPE or TYPE/NAME: a type of letters, digits and _, a name without spaces and slashes"


def check(root: nodes.Node, known: Known) -> Iterator[Problem]:
    """Every fault of pipelines, references and tests."""
    pipelines = nodes.find(root, ("service", "pipelines"))
    if isinstance(pipelines, nodes.Mapping):
        yield from _Pipelines(root, known).check(pipelines)
        yield from check_tests(root, list(pipelines.entries))
    if _holds_nothing(pipelines):
        yield Problem(("service", "pipelines"), "empty-pipeline", "no pipeline is defined", at_key=True)


def _holds_nothing(node: nodes.Node | None) -> bool:
    if isinstance(node, nodes.Scalar):
        return node.value is None
    return isinstance(node, nodes.Mapping) and not node.entries


class _Pipelines:
    """The pipelines of a file against the components it defines.

    Args:
        root: the file.
        known: the types there are.
    """

    def __init__(self, root: nodes.Node, known: Known) -> None:
        self._root = root
        self._known = known
        self._used: set[tuple[str, str]] = set()
        self._open: set[str] = set()  # sections of which some pipeline does not say what it uses

    def check(self, pipelines: nodes.Mapping) -> Iterator[Problem]:
        """Faults of each, then the components that none uses."""
        for name, item in pipelines.entries.items():
            yield from _pipeline_id(name, set(pipelines.entries))
            yield from self._pipeline(name, item.node)
        if pipelines.entries:
            yield from self._unused()

    def _unused(self) -> Iterator[Problem]:
        for section in SECTIONS.values():
            for name in ids(self._root, section) if section not in self._open else ():
                if (section, name) not in self._used:
                    said = "no pipeline uses it; name it in service.pipelines or remove it"
                    yield Problem((section, name), "unused-component", said, at_key=True, severity="warning")

    def _pipeline(self, name: str, node: nodes.Node) -> Iterator[Problem]:
        for key, kind in USES.items():
            loc = ("service", "pipelines", name, key)
            uses = nodes.find(node, (key,))
            if isinstance(uses, nodes.Sequence) and uses.items:
                yield from self._uses(loc, uses, kind)
            elif isinstance(uses, nodes.Scalar) and uses.value is not None:
                self._used.add((SECTIONS[kind], uses.text))
            elif key in _REQUIRED and isinstance(node, (nodes.Mapping, nodes.Scalar)):
                self._open.add(SECTIONS[kind])
                yield Problem(loc, "empty-pipeline", f"the pipeline has no {key}; name at least one", at_key=True)
            elif isinstance(uses, nodes.Mapping) or not isinstance(node, nodes.Mapping):
                self._open.add(SECTIONS[kind])

    def _uses(self, loc: tuple[str, ...], uses: nodes.Sequence, kind: Kind) -> Iterator[Problem]:
        section = SECTIONS[kind]
        seen: set[str] = set()
        for index, item in enumerate(uses.items):
            node = item.node
            if not isinstance(node, nodes.Scalar) or node.failed:
                continue
            name = node.value if isinstance(node.value, str) else node.text
            if name in seen:
                yield Problem((*loc, index), "duplicate-reference", f"{name} stands in this list already")
            seen.add(name)
            self._used.add((section, name))
            if name not in ids(self._root, section) and not self._misshapen(section):
                yield Problem((*loc, index), "undefined-component", self._undefined(name, kind))

    def _misshapen(self, section: str) -> bool:
        """Whether the section is no map: that is the fault, and nothing follows from it."""
        node = nodes.find(self._root, (section,))
        return node is not None and not isinstance(node, nodes.Mapping) and not _holds_nothing(node)

    def _undefined(self, name: str, kind: Kind) -> str:
        section = SECTIONS[kind]
        said = f"{section} defines no {name}"
        for other, place in SECTIONS.items():
            if place != section and name in ids(self._root, place):
                return f"{said}; it is {'an' if other == 'exporter' else 'a'} {other}"
        near = nearest(name, ids(self._root, section))
        if near:
            self._used.add((section, near))
            return f"{said} (did you mean {near}?)"
        if name.partition("/")[0] in self._known(kind):
            return f"{said}; add `{name}:` under {section}"
        meant = nearest(name.partition("/")[0], self._known(kind))
        if meant:
            return f"{said} (did you mean {meant}? add `{meant}:` under {section})"
        return f"{said}; defined are {listed(ids(self._root, section)) or 'none'}"


def _pipeline_id(name: str, all_names: set[str]) -> Iterator[Problem]:
    loc = ("service", "pipelines", name)
    match = ID.fullmatch(name)
    if not match or not name.isprintable():
        yield Problem(loc, "bad-id", wrong_id(name) or "", at_key=True)
    elif match["type"] != "logs":
        said = f"only logs flow here; call it logs or logs/{match['name'] or match['type']}"
        yield Problem(loc, "bad-id", said, at_key=True)
    elif match["name"] == "dead_letter" and "logs" in all_names:
        said = "logs/dead_letter is where the dead letters of the pipeline logs wait; choose another name"
        yield Problem(loc, "bad-id", said, at_key=True)


def check_tests(root: nodes.Node, pipelines: list[str]) -> Iterator[Problem]:
    """Faults of `tests:` against the pipelines there are: names that stand twice, pipelines that do not exist."""
    tests = nodes.find(root, ("tests",))
    names: set[str] = set()
    for index, item in enumerate(tests.items if isinstance(tests, nodes.Sequence) else []):
        loc: Loc = ("tests", index)
        name = nodes.find(item.node, ("name",))
        if isinstance(name, nodes.Scalar) and isinstance(name.value, str):
            if name.value in names:
                yield Problem((*loc, "name"), "duplicate-name", "another test has this name already")
            names.add(name.value)
        pipeline = nodes.find(item.node, ("pipeline",))
        if isinstance(pipeline, nodes.Scalar) and isinstance(pipeline.value, str):
            if pipeline.value not in pipelines:
                said = f"there is no pipeline {pipeline.value}{suggest(pipeline.value, pipelines)}"
                yield Problem((*loc, "pipeline"), "undefined-pipeline", said)
        elif len(pipelines) > 1 and isinstance(item.node, nodes.Mapping) and not pipeline:
            said = f"there are several pipelines; name one of {listed(pipelines)}"
            yield Problem((*loc, "pipeline"), "missing-key", said, at_key=True)
