"""The configuration of the processor `rules`: its model, and the rules that it makes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Annotated, Any, Final, Literal, TypeAlias

import yaml
from pydantic import Field

from shipper.core.component import ConfigModel, Paths
from shipper.core.errors import Loc, Problem
from shipper.core.record import UID, Severity
from shipper.processors.rules.coverage import covered_by
from shipper.processors.rules.detection import Reader
from shipper.processors.rules.rule import Rule, filtered
from shipper.processors.rules.sigma import LOADER, read_sigma_files

Detection: TypeAlias = dict[str, Any] | list[dict[str, Any]]
AttributeValue: TypeAlias = str | int | float | bool

BUILT_IN: Final = ("github-default", "github-recommended")
"""The sets of rules that come with the shipper."""

ALLOWED_OAUTH_APPLICATIONS: Final = "allowed_oauth_applications"
"""The list of names that the built-in rule unknown-oauth-application lets pass; empty where none is given."""


class RuleConfig(ConfigModel):
    """One rule: what it matches, and the severity it gives or that it drops."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    """Its name, unique among the rules; on each record it matches, as the attribute shipper.rule."""
    match: Detection
    """The events it is for, in Sigma's words: field or field|modifier, and the value or list of values."""
    unless: Detection | None = Field(default=None, alias="not")
    """A filter: events that match this too are left to the later rules."""
    severity: Severity | None = None
    """The severity it gives. A rule has either this or drop."""
    drop: bool = False
    """Whether its records go no further."""
    attributes: dict[str, AttributeValue] = Field(default_factory=dict, alias="set")
    """Attributes to set on its records."""
    mode: Literal["enforce", "shadow"] = "enforce"
    """shadow: only counted, and named in shipper.rule.shadow; later rules still run."""


class Config(ConfigModel):
    """Rules that give each record its severity, or drop it; the first that matches wins."""

    default_severity: Severity = "info"
    """The severity of records that no rule matches."""
    use: list[str] | None = None
    """Built-in sets of rules, tried after the others: github-default (in force where there are neither rules nor
    sigma), github-recommended."""
    rules: list[RuleConfig] = Field(default_factory=list)
    """Rules of your own, in order; they come first."""
    sigma: list[str] = Field(default_factory=list)
    """Files of Sigma rules (* and ** are wildcards); after the rules, before the built-in sets."""
    lists: dict[str, str] = Field(default_factory=dict)
    """Files of names, one a line, for values such as "%name%" of fields with the modifier expand."""

    @property
    def sets(self) -> list[str]:
        """The built-in sets in force."""
        if self.use is not None:
            return self.use
        return [] if self.rules or self.sigma else ["github-default"]


@dataclass
class Ruleset:
    """The rules of a configuration in the order in which they are tried, and the faults found on the way."""

    rules: list[Rule] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    locs: list[Loc] = field(default_factory=list)
    """Where each rule comes from."""

    names: dict[str, Loc] = field(default_factory=dict)
    """Where each name stands first; rules with faults have theirs, too."""

    def add(self, rule: Rule, loc: Loc) -> None:
        """Append a rule."""
        self.rules.append(rule)
        self.locs.append(loc)

    def claim(self, name: str, loc: Loc, built_in_set: str = "") -> None:
        """Take a name for a rule; nothing but the built-in sets may share one."""
        if name not in self.names:
            self.names[name] = loc
        elif not built_in_set:
            message = f"there is a rule {name} already; names are unique"
            self.problems.append(Problem(_place(loc), "duplicate-rule", message))
        elif self.names[name][0] != "use":
            message = (
                f"{built_in_set}, which is in use, has a rule {name} too, and their hits are counted as one; "
                f"this one comes first, also under a name of its own, such as own-{name}"
            )
            self.problems.append(Problem(_place(self.names[name]), "built-in-name", message, severity="warning"))

    def check_order(self) -> None:
        """Warn of each of the user's rules that can't match because of earlier ones."""
        for place, (rule, loc) in enumerate(zip(self.rules, self.locs, strict=True)):
            if loc[0] == "use":
                continue
            names = [other.name for other in covered_by(rule, self.rules[:place])]
            if names and rule.name not in names:
                message = f"{rule.name} can never match: {', '.join(names)} before it always does"
                self.problems.append(Problem(loc, "rule-never-matches", message, severity="warning"))


def read_rules(config: Config, paths: Paths) -> Ruleset:
    """The rules of a configuration with all their problems."""
    found = Ruleset()
    lists = {ALLOWED_OAUTH_APPLICATIONS: [], **dict(_read_lists(config, paths, found.problems))}
    for place, rule in enumerate(config.rules):
        found.claim(rule.name, ("rules", place))
        _add(found, rule, ("rules", place), lists)
    sigma = read_sigma_files(config.sigma, paths, lists, config.default_severity)
    found.problems += sigma.problems
    for made, loc in sigma.rules:
        found.claim(made.name, loc)
        found.add(made, loc)
    for place, name in enumerate(config.sets):
        if name not in BUILT_IN:
            message = f"no built-in set is named {name}; there are {' and '.join(BUILT_IN)}"
            found.problems.append(Problem(("use", place), "unknown-set", message))
            continue
        for rule in built_in(name):
            found.claim(rule.name, ("use", place), name)
            _add(found, rule, ("use", place), lists)
    return found


def _place(loc: Loc) -> Loc:
    """Where a rule's name stands."""
    return (*loc, "name") if loc[0] == "rules" else loc


def _add(found: Ruleset, config: RuleConfig, loc: Loc, lists: dict[str, list[str]]) -> None:
    rule = _read_rule(config, loc, lists, found.problems)
    if rule:
        found.add(rule, loc)


@cache
def built_in(name: str) -> Sequence[RuleConfig]:
    """The rules of a built-in set, as their file has them."""
    text = resources.files(__package__).joinpath(f"{name}.yml").read_text("utf-8")
    rules = yaml.load(text, LOADER)  # noqa: S506 - it is a safe one
    return [RuleConfig.model_validate(rule) for rule in rules]


def _read_lists(config: Config, paths: Paths, problems: list[Problem]) -> Iterator[tuple[str, list[str]]]:
    for name, file in config.lists.items():
        path = paths.input(file)
        try:
            lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            problems.append(Problem(("lists", name), "unreadable-file", f"can't read {file}: {reason}"))
            lines = []
        yield name, [line for line in lines if line and not line.startswith("#")]


def _read_rule(config: RuleConfig, loc: Loc, lists: dict[str, list[str]], problems: list[Problem]) -> Rule | None:
    faults = list(_contradictions(config, loc))
    reader = Reader(lists)
    match = reader.read(config.match, (*loc, "match"))
    unless = None if config.unless is None else reader.read(config.unless, (*loc, "not"))
    problems += [*faults, *reader.problems]
    if faults or reader.problems:
        return None
    severity = None if config.drop else config.severity
    return Rule(config.name, filtered(match, unless), severity, config.attributes, config.mode == "shadow")


def _contradictions(config: RuleConfig, loc: Loc) -> Iterator[Problem]:
    if config.severity and config.drop:
        yield Problem((*loc, "drop"), "severity-and-drop", "a rule has severity or drop, not both", at_key=True)
    if not config.severity and not config.drop:
        yield Problem(loc, "no-effect", "the rule has neither severity nor drop; add one of them")
    if config.attributes and config.drop:
        yield Problem((*loc, "set"), "set-and-drop", "a dropped record has no attributes to set", at_key=True)
    for name in config.attributes:
        if not name:
            yield Problem((*loc, "set", name), "bad-value", "an attribute needs a name", at_key=True)
        if name in (UID, "severity") or name.startswith("shipper."):
            yield Problem((*loc, "set", name), "reserved-attribute", f"{name} is the shipper's own", at_key=True)
