"""Reads files of Sigma rules as SigmaHQ writes them.

`logsource: {product: github, service: audit}` becomes the stream audit_log, the level the severity, the title the
name. Whatever else a rule says about itself is left to its readers.
"""

import glob
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from shipper.core.component import Paths
from shipper.core.errors import Loc, Problem
from shipper.processors.rules.conditions import All, Condition, Field, Some
from shipper.processors.rules.detection import Reader
from shipper.processors.rules.grammar import GrammarError, parse_condition
from shipper.processors.rules.matchers import Literals
from shipper.processors.rules.rule import Rule
from shipper.processors.rules.values import Lists

LEVELS: Final = {"informational": "info", "low": "low", "medium": "medium", "high": "high", "critical": "critical"}
"""Sigma's levels and our severities."""

LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Reads YAML that rules are written in, by libyaml where it is there."""

_LOGSOURCE = "logsource: {product: github, service: audit}"


@dataclass
class SigmaRules:
    """What files of Sigma rules hold, each rule with the place of its file in the configuration."""

    rules: list[tuple[Rule, Loc]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read_sigma_files(patterns: list[str], paths: Paths, lists: Lists, default_severity: str) -> SigmaRules:
    """The rules of all files that the patterns match, in the order of the patterns and then of the names."""
    found = SigmaRules()
    for place, pattern in enumerate(patterns):
        loc: Loc = ("sigma", place)
        files = list(_files(pattern, paths))
        if not files:
            message = f"no file matches {pattern}; relative paths start at {paths.working}"
            found.problems.append(Problem(loc, "missing-file", message))
        for file in files:
            _File(file, loc, lists, default_severity, found).read()
    return found


def _files(pattern: str, paths: Paths) -> Iterator[Path]:
    """The files that match; through `paths`, so that `--watch` sees them change, and others join them."""
    for base in dict.fromkeys((paths.working, paths.config)):
        names = sorted(glob.glob(pattern, root_dir=base, recursive=True))  # noqa: PTH207 - Path refuses absolute ones
        files = [base / name for name in names if (base / name).is_file()]
        if files:
            folders = {file.parent for file in files} if glob.has_magic(pattern) else ()
            for folder in folders:
                paths.input(str(folder))
            yield from (paths.input(str(file)) for file in files)
            return


@dataclass
class _File:
    """One file on its way to rules."""

    path: Path
    loc: Loc
    lists: Lists
    default_severity: str
    found: SigmaRules

    def read(self) -> None:
        """Add the file's rules, or its problems, to what was found."""
        try:
            text = self.path.read_text("utf-8")
            documents = list(yaml.load_all(text, LOADER))
        except OSError as error:
            self._fault("unreadable-file", f"can't read it: {error.strerror}")
        except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            reason = getattr(error, "problem", None) or "it is no YAML in UTF-8"
            self._fault("bad-sigma", str(reason), None if mark is None else mark.line + 1)
        else:
            for place, document in enumerate(documents):
                if document is not None:
                    self._document(document, _Lines(text, place))

    def _fault(self, code: str, message: str, line: int | None = None) -> None:
        where = f"{self.path}:{line}" if line else str(self.path)
        self.found.problems.append(Problem(self.loc, code, f"{where}: {message}"))

    def _document(self, rule: Any, lines: "_Lines") -> None:
        fault = _unusable(rule)
        if fault:
            at, message = fault
            self._fault("bad-sigma", message, lines.of(at))
            return
        condition = self._condition(rule["detection"], lines)
        if condition is None:
            return
        level = rule.get("level")
        severity = self.default_severity if level is None else LEVELS[str(level).lower()]
        self.found.rules.append((Rule(_name(rule), _in_stream(rule["logsource"], condition), severity), self.loc))

    def _condition(self, detection: Mapping[str, Any], lines: "_Lines") -> Condition | None:
        reader = Reader(self.lists)
        named = {
            str(name): reader.read(value, ("detection", name))
            for name, value in detection.items()
            if name != "condition"
        }
        for problem in reader.problems:
            field_name = ".".join(map(str, problem.loc[1:]))
            self._fault(problem.code, f"{field_name}: {problem.message}", lines.of(problem.loc))
        if reader.problems:
            return None
        expressions = detection["condition"]
        try:
            parts = [
                parse_condition(str(expression), named)
                for expression in (expressions if isinstance(expressions, list) else [expressions])
            ]
        except GrammarError as error:
            self._fault("bad-sigma", str(error), lines.of(("detection", "condition")))
            return None
        return parts[0] if len(parts) == 1 else Some(tuple(parts))


def _unusable(rule: Any) -> tuple[Loc, str] | None:  # noqa: PLR0911 - one return a fault
    """Why a document can't be used as a rule, and where that is."""
    if not isinstance(rule, Mapping):
        return (), "is no Sigma rule: a rule is a map with title, logsource and detection"
    if "correlation" in rule or "filter" in rule:
        return (), "Sigma correlations and filters are not supported; only rules are"
    for key in ("title", "logsource", "detection"):
        if key not in rule:
            return (), f"has no {key}"
    logsource, detection = rule["logsource"], rule["detection"]
    if not isinstance(logsource, Mapping) or logsource.get("product") != "github" or "category" in logsource:
        return ("logsource",), f"is not for GitHub's audit log; such rules have {_LOGSOURCE}"
    if logsource.get("service", "audit") != "audit":
        return ("logsource", "service"), f"is for another service; rules for the audit log have {_LOGSOURCE}"
    if not isinstance(detection, Mapping) or len(detection) < 2 or not detection.get("condition"):
        return ("detection",), "detection wants at least one named detection, and a condition"
    if "timeframe" in detection:
        return ("detection", "timeframe"), "rules over several events are not supported"
    level = rule.get("level")
    if level is not None and str(level).lower() not in LEVELS:
        return ("level",), f"{level} is no level; there are {', '.join(LEVELS)}"
    return None


def _name(rule: Mapping[str, Any]) -> str:
    """The title in the form of a rule's name."""
    return re.sub(r"[^a-z0-9]+", "-", str(rule["title"]).lower()).strip("-") or "sigma"


def _in_stream(logsource: Mapping[str, Any], condition: Condition) -> Condition:
    if "service" not in logsource:
        return condition
    stream = Field("stream", Literals.of(["audit_log"]), "audit_log")
    return All((stream, *(condition.parts if isinstance(condition, All) else (condition,))))


class _Lines:
    """Finds the lines of a document's parts; reads the file again, since that is needed for faults only."""

    def __init__(self, text: str, document: int) -> None:
        self._text = text
        self._document = document

    def of(self, loc: Loc) -> int:
        """The line of what is at a path, or of the last part of the path that there is."""
        node = list(yaml.compose_all(self._text, LOADER))[self._document]
        line = int(node.start_mark.line)
        for step in loc:
            if isinstance(node, yaml.MappingNode):
                pairs = [(key, value) for key, value in node.value if key.value == str(step)]
                if not pairs:
                    break
                line, node = pairs[0][0].start_mark.line, pairs[0][1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                line = node.start_mark.line
            else:
                break
        return line + 1
