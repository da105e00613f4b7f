"""Components of our own, so that these tests hold whatever the real ones look like."""

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from shipper.core.component import Component, ConfigModel, Kind, Paths
from shipper.core.errors import Problem
from shipper.core.units import Duration, Size


class Auth(ConfigModel):
    """How to sign in."""

    token: SecretStr | None = None
    """A token."""
    token_file: str | None = None

    @model_validator(mode="after")
    def _one(self) -> "Auth":
        if (self.token is None) == (self.token_file is None):
            raise PydanticCustomError("wrong-combination", "give exactly one of token and token_file")
        return self


class Stream(ConfigModel):
    """One stream."""

    include: Literal["web", "git", "all"] = "all"
    overlap: Duration = 600.0


class Source(ConfigModel):
    """A source of events."""

    organizations: list[str] = Field(default_factory=list)
    """Login slugs.

    One or several.
    """
    enterprise: str | None = None
    base_url: str = "https://api.example.com"
    auth: Auth
    poll_interval: Duration = 300.0
    """How often to ask."""
    page: int = Field(100, ge=1, le=100)
    ratio: float = 1.5
    audit_log: Stream | Literal[False] = Stream()
    alerts: Stream | Literal[False] = False
    facility: int | str = 13


class Rule(ConfigModel):
    name: str
    match: dict[str, Any] = Field(default_factory=dict)
    drop: bool = False
    set_: dict[str, Any] = Field(default_factory=dict, alias="set")


class Rules(ConfigModel):
    rules: list[Rule] = Field(default_factory=list)
    files: list[str] = Field(default_factory=list)
    default_severity: Literal["high", "medium", "info"] = "info"


def _check_rules(config: Rules, paths: Paths) -> Iterable[Problem]:
    for index, rule in enumerate(config.rules):
        if "bad" in str(rule.match):
            yield Problem(("rules", index, "match", "action"), "bad-pattern", f"no pattern: {rule.match}")
        if rule.name == "shadowed":
            yield Problem(
                ("rules", index, "name"), "rule-shadowed", "never matches", at_key=True, severity="warning"
            )
    for index, file in enumerate(config.files):
        if not paths.input(file).is_file():
            yield Problem(("files", index), "missing-file", f"there is no file {file}")


class Tls(ConfigModel):
    insecure: bool = False
    min_version: Literal["1.2", "1.3"] = "1.2"


class Sink(ConfigModel):
    endpoint: str
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    tls: Tls = Tls()
    max_message_size: Size = 8192


class Plain(ConfigModel):
    path: str = "out.jsonl"
    verbosity: Literal["basic", "normal", "detailed"] = "normal"


def _build(_config: Any, _context: Any) -> Any:
    raise AssertionError("loading builds nothing")


COMPONENTS: dict[tuple[Kind, str], Component[Any, Any]] = {
    ("receiver", "source"): Component("receiver", Source, _build),
    ("processor", "rules"): Component("processor", Rules, _build, _check_rules),
    ("processor", "normalize"): Component("processor", Plain, _build),
    ("exporter", "sink"): Component("exporter", Sink, _build),
    ("exporter", "debug"): Component("exporter", Plain, _build),
}


def find(kind: Kind, name: str) -> Component[Any, Any] | None:
    if name == "needs_more":
        raise ImportError("No module named 'more'")
    return COMPONENTS.get((kind, name))


def names(kind: Kind) -> list[str]:
    return [name for each, name in COMPONENTS if each == kind]
