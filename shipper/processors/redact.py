r"""Deletes, hashes or masks personal and secret values before anything is stored or sent.

A rule names fields by path, or texts by pattern, and what becomes of them. Body and attributes are treated, so
that no copy stays behind in `client.address` or `user.name`. Hashes are HMAC-SHA256 with your key: the same value
always gives the same hash, and nobody without the key finds the value by trying.

    processors:
      redact:
        key: ${env:REDACT_KEY}
        rules:
          - {path: actor_ip, action: hash}
          - {path: [hashed_token, token_id, "data.*.email"], action: delete}
          - {pattern: [email, ip], action: mask}
          - {pattern: 'ACME-\d{6}', action: mask}

Paths are keys with dots between; `*` is any key, and arrays are passed through. Patterns are email, ip, or regular
expressions (RE2), looked for in every string. Put it behind `rules`, which are about the event as it was sent, and
before `schema`, whose dead letters hold the record as it was when it was refused. All of it: docs/redact.md.
"""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Any, Final, Literal, TypeAlias

from pydantic import Field, SecretStr

from shipper.core.component import Component, ConfigModel, Context, Paths
from shipper.core.errors import ConfigError, Loc, Problem
from shipper.core.record import Record
from shipper.processors.personal import PATTERNS, Finder
from shipper.processors.regex import BadPatternError, Pattern
from shipper.processors.rewriting import MASK, Change, Path, differences, everywhere, text_of, wherever, within

Action: TypeAlias = Literal["delete", "hash", "mask"]

_STRUCTURE: Final = frozenset({"source", "category", "stream", "severity"})
"""Attributes that never hold anything of a person, and would be spoiled by a value that looks like them."""

#: Attributes made of a part of a field, or of a field whose value they do not show as it is.
_DERIVED: Final = {
    "org": ("vcs.owner.name",),
    "repo": ("vcs.repository.name",),
    "actor": ("user.name",),
    "actor_ip": ("client.address",),
    "repository.owner.login": ("vcs.owner.name",),
    "repository.name": ("vcs.repository.name",),
    "dismissed_by.login": ("user.name",),
    "resolved_by.login": ("user.name",),
    "html_url": ("url.full",),
}


class RuleConfig(ConfigModel):
    """What to look for, by path or by pattern, and what becomes of it."""

    path: str | list[str] = Field(default_factory=list)
    """Fields of the event, keys with dots between; * is any key, arrays are passed through."""
    pattern: str | list[str] = Field(default_factory=list)
    """Texts inside any string: email, ip, or a regular expression."""
    action: Action
    """delete: take it out; hash: HMAC-SHA256 with the key; mask: put [redacted] in its place."""


class Config(ConfigModel):
    """What must not leave, and the key of its hashes."""

    key: SecretStr | None = None
    """Key of the hashes; needed where a rule hashes."""
    rules: list[RuleConfig] = Field(min_length=1)
    """What to do, in this order."""


def _derived(steps: list[str]) -> list[str]:
    """The attributes that are made of what a path leads to."""
    found: list[str] = []
    for path, names in _DERIVED.items():
        parts = path.split(".")
        leads = all(step in (part, "*") for step, part in zip(steps, parts, strict=False))
        if leads and len(steps) <= len(parts):
            found += names
    return found


class Redact:
    """The processor. It gives records of its own, so that what it was given stays as it was."""

    def __init__(self, config: Config) -> None:
        self._changes = [_change(rule.action, config.key) for rule in config.rules]
        paths = [[path.split(".") for path in _several(rule.path)] for rule in config.rules]
        self._paths = [[(steps, _derived(steps)) for steps in several] for several in paths]
        self._finders = [[_finder(pattern) for pattern in _several(rule.pattern)] for rule in config.rules]

    def __call__(self, records: list[Record]) -> list[Record]:
        """Treat each record."""
        return [self._redact(record) for record in records]

    def explain(self, record: Record) -> dict[str, Any]:
        """Which parts of the record would change."""
        after = self._redact(record)
        changed = [*differences("body", record.body, after.body)]
        changed += differences("attributes", record.attributes, after.attributes)
        return {"changed": changed}

    def _redact(self, record: Record) -> Record:
        record = record.copy()
        for paths, change, finders in zip(self._paths, self._changes, self._finders, strict=True):
            for steps, derived in paths:
                _by_path(record, Path(steps, change), derived)
            for finder in finders:
                apply = within(finder, change)
                record.body = everywhere(record.body, apply)
                for name in _personal(record):
                    record.attributes[name] = everywhere(record.attributes[name], apply)
        return record


def _by_path(record: Record, path: Path, derived: list[str]) -> None:
    """Change what a path leads to in the body, and the copies of it in the attributes and the event's name."""
    record.body = path.apply(record.body)
    if not path.taken:
        return
    for name in derived:
        if isinstance(value := record.attributes.get(name), str):
            path.taken.add(value)
    copies = wherever(path.taken, path.change)
    for name in _personal(record):
        value = record.attributes[name]
        if text_of(value) in path.taken and path.change("") is None:
            del record.attributes[name]
        elif isinstance(value, (int, float)) and text_of(value) in path.taken:
            record.attributes[name] = path.change(text_of(value))
        else:
            record.attributes[name] = everywhere(value, copies)
    record.event_name = copies(record.event_name)


def _personal(record: Record) -> list[str]:
    return [name for name in record.attributes if name not in _STRUCTURE and not name.startswith("shipper.")]


def _several(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _change(action: Action, key: SecretStr | None) -> Change:
    match action:
        case "delete":
            return lambda _text: None
        case "mask":
            return lambda _text: MASK
        case "hash":
            secret = (key.get_secret_value() if key else "").encode()
            return lambda text: hmac.new(secret, text.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()


def _finder(pattern: str) -> Finder:
    return PATTERNS[pattern]() if pattern in PATTERNS else Finder(Pattern(pattern).finder())


def _check(config: Config, _paths: Paths) -> Iterable[Problem]:
    for place, rule in enumerate(config.rules):
        loc: Loc = ("rules", place)
        if bool(rule.path) == bool(rule.pattern):
            yield Problem(loc, "path-or-pattern", "wants either path or pattern")
        if rule.action == "hash" and not (config.key and config.key.get_secret_value()):
            yield Problem(
                (*loc, "action"), "missing-key", "hash wants a `key` beside `rules`, such as ${env:REDACT_KEY}"
            )
        for number, path in enumerate(_several(rule.path)):
            if not all(path.split(".")):
                where = (*loc, "path", number) if isinstance(rule.path, list) else (*loc, "path")
                yield Problem(
                    where, "bad-path", f"{path!r} is no path; write keys with dots between, such as a.*.b"
                )
        for number, pattern in enumerate(_several(rule.pattern)):
            where = (*loc, "pattern", number) if isinstance(rule.pattern, list) else (*loc, "pattern")
            try:
                _finder(pattern)
            except BadPatternError as error:
                yield Problem(where, "bad-regex", f"bad regular expression: {error}")


def _build(config: Config, context: Context) -> Redact:
    problems = list(_check(config, context.paths))
    if problems:
        raise ConfigError(problems)
    return Redact(config)


component = Component(kind="processor", config=Config, build=_build, check=_check)
