"""The parser's errors in words for people who do not know YAML's grammar."""

import re
from typing import Any, Final

import yaml

from shipper.config.diagnostics import START, Mark
from shipper.config.nodes import Fault


def mark_of(mark: Any) -> Mark:
    """A parser's mark, counted from 1."""
    return Mark(mark.line + 1, mark.column + 1) if mark else START


def odd_character(text: str, position: int) -> Fault:
    """A character that YAML does not allow."""
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


def syntax(error: yaml.MarkedYAMLError, text: str) -> Fault:
    """The parser's error in words for people who do not know its grammar."""
    raw = f"{error.context or ''}: {error.problem or ''}"
    at, began = mark_of(error.problem_mark or error.context_mark), mark_of(error.context_mark)
    line = "".join(text.splitlines()[at.line - 1 : at.line])
    if "cannot start any token" in raw:
        character = line[at.column - 1]
        tab = "a tab; YAML is indented with spaces"
        said = tab if character == "\t" else f"a value can't start with {character}; put it in quotes"
        return Fault(at, "yaml-syntax", (), said)
    if "expected ','" in raw and line[: at.column].endswith("${"):
        said = "${…} needs quotes around it inside {} and [], since its own braces would end them"
        return Fault(at, "yaml-syntax", (), said)
    for pattern, said, at_beginning in _SAYINGS:
        if re.search(pattern, raw):
            return Fault(began if at_beginning else at, "yaml-syntax", (), said.format(line=began.line))
    return Fault(at, "yaml-syntax", (), f"not YAML: {error.problem or error.context}")
