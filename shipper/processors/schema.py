"""Checks each record's event against the JSON Schema of its stream, and marks those that fail.

A failing record gets `shipper.schema.valid` = false and `shipper.schema.errors` (JSON pointers and messages, never
values). What becomes of it says `on_invalid`: `tag` ships it marked, `dead_letter` keeps it from the exporters,
`drop` forgets it. GitHub's events break GitHub's own schema, so `tag` is the default. Schemas are of draft 2020-12
or 7 and may refer to files beside them; nothing is fetched. Without a body the shipper's own schemas are used.

    processors:
      schema:
        schemas:
          audit_log: schemas/github-audit-log.schema.json
        on_invalid: tag

Behind `redact` it checks what is left of the event. All of it: docs/schemas.md.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import unquote, urlsplit

import jsonschema_rs
from pydantic import Field

import shipper
from shipper.core.component import Component, ConfigModel, Context, Paths
from shipper.core.errors import ConfigError, Loc, Problem
from shipper.core.record import Record

log = logging.getLogger(__name__)

PACKAGED: Final = {
    "audit_log": "github-audit-log.schema.json",
    "code_scanning": "github-code-scanning-alert.schema.json",
    "secret_scanning": "github-secret-scanning-alert.schema.json",
    "dependabot": "github-dependabot-alert.schema.json",
}
"""The shipper's own schemas by stream."""

_MOST_ERRORS: Final = 10
_LONGEST_MESSAGE: Final = 300
_SAMPLE: Final = 100
"""One failure of so many is said in the log."""
_MOST_FIELDS: Final = 200
"""Fields a processor counts by name; the others together."""


class Config(ConfigModel):
    """Which schema each stream has, and what becomes of records that fail it."""

    schemas: dict[str, str] | None = Field(default=None)
    """JSON Schema file of each stream (draft 2020-12 or 7). Without it, the shipper's own for GitHub's streams."""
    on_invalid: Literal["tag", "dead_letter", "drop"] = "tag"
    """tag: ship it, marked; dead_letter: keep it as a dead letter; drop: forget it, counted."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One way in which an event breaks its schema."""

    pointer: str
    """JSON Pointer (RFC 6901) to what is wrong; `/` for the event itself."""
    message: str
    field: str
    """The pointer with array indexes as `*`, or the property that is missing: for counting."""


def packaged(stream: str) -> Path | None:
    """The shipper's own schema of a stream: in the installed package, or beside it in a checkout."""
    if stream not in PACKAGED:
        return None
    package = Path(shipper.__file__).parent
    places = [package / "schemas" / PACKAGED[stream], package.parent / "schemas" / PACKAGED[stream]]
    return next((place for place in places if place.is_file()), places[0])


class UnusableError(Exception):
    """A schema file that can't be used; carries the code of the problem."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Validator:
    """One compiled schema.

    Raises:
        UnusableError: the file is missing, is no JSON, is no schema, or refers to what is not on this machine.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        document = _load(path)
        try:
            self._validator = jsonschema_rs.validator_for(
                document,
                base_uri=path.absolute().as_uri(),
                retriever=_retriever(path),
                mask="the value",
                pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=100_000),
            )
        except jsonschema_rs.ValidationError as error:
            raise _unusable(error) from None
        except (jsonschema_rs.ReferencingError, ValueError) as error:
            raise UnusableError("bad-schema", _cut(str(error))) from None

    def failures(self, event: Any) -> list[Failure]:
        """In which ways an event breaks the schema, at most ten of them; none if it is valid."""
        try:
            return self._failures(event)
        except (ValueError, RecursionError):  # lone surrogates, which the engine does not take
            pass
        try:
            return self._failures(json.loads(json.dumps(event, ensure_ascii=False).encode("utf-8", "replace")))
        except (ValueError, RecursionError):
            return [Failure("/", "the event can't be checked", "/")]

    def _failures(self, event: Any) -> list[Failure]:
        if self._validator.is_valid(event):
            return []
        return [_failure(error) for error in islice(self._validator.iter_errors(event), _MOST_ERRORS)]


def _failure(error: jsonschema_rs.ValidationError) -> Failure:
    path = [str(step).replace("~", "~0").replace("/", "~1") for step in error.instance_path]
    field = ["*" if isinstance(step, int) else str(step) for step in error.instance_path]
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Required):
        field.append(str(error.kind.property))
    return Failure(_cut("/" + "/".join(path)), _cut(error.message), _cut("/" + "/".join(field)))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 1] + "…"


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        hint = "; without `schemas` the shipper's own are used" if path.name in PACKAGED.values() else ""
        raise UnusableError("unreadable-file", f"can't read {path}: {error.strerror}{hint}") from None
    except json.JSONDecodeError as error:
        message = f"{path}:{error.lineno}:{error.colno}: no JSON: {error.msg}"
        raise UnusableError("bad-schema", message) from None
    except (ValueError, RecursionError):
        raise UnusableError("bad-schema", f"{path} is no JSON in UTF-8") from None


class _RemoteError(KeyError):
    """A reference that leads to another machine."""


def _retriever(path: Path) -> Any:
    """Finds what a schema refers to among the files of this machine.

    A reference is relative to the file, or to its `$id`: then the file beside it is taken that has the reference's
    name and says with its `$id` that it is meant.
    """

    def retrieve(uri: str) -> Any:
        parts = urlsplit(uri)
        if parts.scheme == "file":
            return _load(Path(unquote(parts.path)))
        beside = path.parent / Path(unquote(parts.path)).name
        if beside.is_file():
            document = _load(beside)
            if isinstance(document, Mapping) and str(document.get("$id", "")).rstrip("#") == uri:
                return document
        raise _RemoteError(uri)

    return retrieve


def _unusable(error: jsonschema_rs.ValidationError) -> UnusableError:
    """What the engine says of a schema, in an operator's words."""
    message = str(error.message)
    if "_RemoteError" in message:
        target = message.split("'")[1] if "'" in message else "a schema"
        reason = (
            f"refers to {target}, which is not on this machine and is not fetched; put the file beside this one"
        )
        return UnusableError("remote-reference", f"{reason} and refer to it by its name")
    if "Resource" in message or "Pointer" in message:
        return UnusableError("bad-reference", _cut(message))
    where = "/" + "/".join(map(str, error.instance_path))
    return UnusableError("bad-schema", f"is no JSON Schema at {where}: {_cut(message)}")


def _files(config: Config, paths: Paths) -> Iterator[tuple[str, Path, Loc]]:
    """Each stream with its file, and the place of that in the configuration."""
    if config.schemas is None:
        for stream in PACKAGED:
            if place := packaged(stream):
                yield stream, place, ()
    else:
        for stream, file in config.schemas.items():
            yield stream, paths.input(file), ("schemas", stream)


class Schema:
    """The processor; schemas are compiled when it is made."""

    def __init__(self, config: Config, validators: Mapping[str, Validator], context: Context) -> None:
        self._on_invalid = config.on_invalid
        self._validators = dict(validators)
        self._context = context
        self._failed: Counter[str] = Counter()
        self._fields: set[tuple[str, str]] = set()
        for stream in self._validators:
            context.meter.count("shipper_schema_invalid_log_records", 0, processor=context.id, stream=stream)
        context.meter.count("shipper_dropped_log_records", 0, processor=context.id, reason="schema")

    def __call__(self, records: list[Record]) -> list[Record]:
        """Mark, refuse or leave out the records that fail."""
        kept = []
        broken: dict[str, list[list[Failure]]] = {}
        for record in records:
            validator = self._validators.get(record.stream)
            failures = validator.failures(record.body) if validator else None
            if failures:
                broken.setdefault(record.stream, []).append(failures)
                if self._on_invalid == "drop" and not record.refusal:
                    continue
                self._mark(record, failures)
            kept.append(record)
        for stream, found in broken.items():
            self._report(stream, found)
        if len(kept) < len(records):
            dropped = len(records) - len(kept)
            self._context.meter.count(
                "shipper_dropped_log_records", dropped, processor=self._context.id, reason="schema"
            )
        return kept

    def explain(self, record: Record) -> dict[str, Any]:
        """Which schema the record's stream has, and how its event breaks it."""
        validator = self._validators.get(record.stream)
        failures = validator.failures(record.body) if validator else []
        return {
            "schema": str(validator.path) if validator else None,
            "valid": not failures if validator else None,
            "errors": [f"{failure.pointer}: {failure.message}" for failure in failures],
            "on_invalid": self._on_invalid,
        }

    def _mark(self, record: Record, failures: list[Failure]) -> None:
        errors = [f"{failure.pointer}: {failure.message}" for failure in failures]
        record.attributes["shipper.schema.valid"] = False
        record.attributes["shipper.schema.errors"] = errors
        if self._on_invalid == "dead_letter" and not record.refusal:
            record.refusal = f"fails the schema of {record.stream}: {'; '.join(errors[:3])}"

    def _report(self, stream: str, broken: list[list[Failure]]) -> None:
        """Count the failures of a batch, and say one in a hundred, the first of all included."""
        meter, processor = self._context.meter, self._context.id
        meter.count("shipper_schema_invalid_log_records", len(broken), processor=processor, stream=stream)
        for field, count in Counter(failure.field for failures in broken for failure in failures).items():
            if (stream, field) not in self._fields and len(self._fields) >= _MOST_FIELDS:
                field = "other"  # noqa: PLW2901 - events choose the names of their fields
            self._fields.add((stream, field))
            meter.count("shipper_schema_invalid_fields", count, processor=processor, stream=stream, field=field)
        before = self._failed[stream]
        self._failed[stream] += len(broken)
        if before == 0 or before // _SAMPLE != self._failed[stream] // _SAMPLE:
            first = broken[0][0]
            log.warning(
                "%s events fail their schema; compare them with it, or correct it (one in %s is said here)",
                stream,
                _SAMPLE,
                extra={"component": processor, "stream": stream, "field": first.field}
                | {"error": first.message, "failed": self._failed[stream]},
            )


def _compile(config: Config, paths: Paths) -> tuple[dict[str, Validator], list[Problem]]:
    validators, problems = {}, []
    for stream, path, loc in _files(config, paths):
        try:
            validators[stream] = Validator(path)
        except UnusableError as error:
            problems.append(Problem(loc, error.code, str(error)))
    return validators, problems


def _check(config: Config, paths: Paths) -> Iterable[Problem]:
    return _compile(config, paths)[1]


def _build(config: Config, context: Context) -> Schema:
    validators, problems = _compile(config, context.paths)
    if problems:
        raise ConfigError(problems)
    return Schema(config, validators, context)


component = Component(kind="processor", config=Config, build=_build, check=_check)
