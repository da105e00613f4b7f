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

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field

import shipper
from shipper.core.component import Component, ConfigModel, Context, Paths
from shipper.core.errors import ConfigError, Loc, Problem
from shipper.core.record import Record
from shipper.processors.json_schema import Failure, UnusableError, Validator

log = logging.getLogger(__name__)

PACKAGED: Final = {
    "audit_log": "github-audit-log.schema.json",
    "code_scanning": "github-code-scanning-alert.schema.json",
    "secret_scanning": "github-secret-scanning-alert.schema.json",
    "dependabot": "github-dependabot-alert.schema.json",
}
"""The shipper's own schemas by stream."""

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


def packaged(stream: str) -> Path | None:
    """The shipper's own schema of a stream: in the installed package, or beside it in a checkout."""
    if stream not in PACKAGED:
        return None
    package = Path(shipper.__file__).parent
    places = [package / "schemas" / PACKAGED[stream], package.parent / "schemas" / PACKAGED[stream]]
    return next((place for place in places if place.is_file()), places[0])


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
        if self._all_valid(records):
            return records
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

    def _all_valid(self, records: list[Record]) -> bool:
        """Whether the records are of one stream, as a page's are, and all valid."""
        stream = records[0].stream if records else ""
        bodies = [record.body for record in records if record.stream == stream]
        validator = self._validators.get(stream)
        return validator is not None and len(bodies) == len(records) and validator.all_valid(bodies)

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
            own = error.code == "unreadable-file" and path.name in PACKAGED.values()
            hint = "; without `schemas` the shipper's own are used" if own else ""
            problems.append(Problem(loc, error.code, f"{error}{hint}"))
    return validators, problems


def _check(config: Config, paths: Paths) -> Iterator[Problem]:
    yield from _compile(config, paths)[1]
    for stream in set(config.schemas or ()) - set(PACKAGED):
        import difflib  # noqa: PLC0415 - only where a stream is none of GitHub's

        if near := difflib.get_close_matches(stream.lower(), PACKAGED, 1):
            said = f"no stream of GitHub's has this name, so nothing is checked (did you mean {near[0]}?)"
            yield Problem(("schemas", stream), "unknown-stream", said, at_key=True, severity="warning")


def _build(config: Config, context: Context) -> Schema:
    validators, problems = _compile(config, context.paths)
    if problems:
        raise ConfigError(problems)
    return Schema(config, validators, context)


component = Component(kind="processor", config=Config, build=_build, check=_check)
