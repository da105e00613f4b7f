"""Runs the tests of a configuration: events in, and how what became of them differs from what was expected.

Nothing is received, stored or sent, and time stands still (`journey.THEN`), so that results never change by
themselves.
"""

import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from shipper.config import Loaded, TestExpectation
from shipper.config.cases import Case
from shipper.core.component import Exported
from shipper.core.errors import ShipperError
from shipper.core.record import UID, Record
from shipper.service.offline.coverage import Coverage
from shipper.service.offline.events import UnusableEventsError, as_record, read_events
from shipper.service.offline.journey import THEN, Course, FixedClock, Journey
from shipper.service.offline.preview import syslog_line
from shipper.wire import jsontext, otlp_json
from shipper.wire.github import AUDIT_LOG
from shipper.wire.github_page import canonical
from shipper.wire.syslog import Style


@dataclass(frozen=True, slots=True)
class Failure:
    """One expectation that was not met."""

    event: int
    """Which event of the test, from 1; 0: the test as a whole."""
    what: str
    expected: str
    found: str
    diff: tuple[str, ...] = ()
    """Lines of a unified diff, where the values are long."""


@dataclass(frozen=True, slots=True)
class Result:
    """One test that was run."""

    case: Case
    pipeline: str
    events: int
    failures: tuple[Failure, ...]

    @property
    def passed(self) -> bool:
        """Whether everything was as expected."""
        return not self.failures


class Trial:
    """Runs tests against one configuration, and notes which rules they meet.

    Raises:
        ConfigError: a processor can't be built.
    """

    def __init__(self, loaded: Loaded) -> None:
        self.coverage = Coverage(loaded)
        self._loaded = loaded
        self._only = next(iter(loaded.pipelines))

    def run(self, case: Case) -> Result:
        """Run one test. Each has processors of its own, so that none depends on another."""
        pipeline = case.test.pipeline or self._only
        try:
            records = _records(case)
        except ShipperError as error:
            return Result(case, pipeline, 0, (Failure(0, "events", "readable events", str(error)),))
        course = Course(self._loaded, pipeline, FixedClock())
        expected = _paired(case.test.expect, len(records))
        if expected is None:
            said = f"{len(records)} events, but {len(_listed(case.test.expect))} expectations"
            return Result(case, pipeline, len(records), (Failure(0, "expect", "one for each event", said),))
        failures: list[Failure] = []
        for number, (record, expectation) in enumerate(zip(records, expected, strict=True), 1):
            journey = course.follow(record)
            for step in journey.steps:
                self.coverage.see(step.processor, step.before)
            failures += _Judge(self._loaded, course, case, number, expectation).failures(journey)
        return Result(case, pipeline, len(records), tuple(failures))


def _records(case: Case) -> list[Record]:
    source = case.test.source
    if source.file is not None:
        path = case.paths.input(source.file)
        try:
            events = read_events(path.read_bytes())
        except OSError as error:
            raise UnusableEventsError(f"{source.file} can't be read: {error.strerror}") from None
        except UnusableEventsError as error:
            raise UnusableEventsError(f"{source.file}: {error}") from None
    else:
        events = source.events if source.events is not None else [source.event]
    return [as_record(event, source.stream or AUDIT_LOG, source.organization, THEN) for event in events]


def _listed(expect: TestExpectation | list[TestExpectation]) -> list[TestExpectation]:
    return expect if isinstance(expect, list) else [expect]


def _paired(expect: TestExpectation | list[TestExpectation], events: int) -> Sequence[TestExpectation] | None:
    """An expectation for each event; one that is no list is for every event."""
    if not isinstance(expect, list):
        return [expect] * events
    return expect if len(expect) == events else None


@dataclass(frozen=True)
class _Judge:
    """Compares one event's journey with one expectation."""

    loaded: Loaded
    course: Course
    case: Case
    number: int
    expected: TestExpectation

    def failures(self, journey: Journey) -> Iterator[Failure]:
        """Everything that is not as expected."""
        yield from self._end(journey)
        given = self.expected.model_fields_set
        if "rule" in given and journey.rule != self.expected.rule:
            yield self._failure("rule", self.expected.rule, journey.rule)
        about_records = given - {"dropped", "dead_letter", "rule"}
        for record in journey.arrived if about_records else ():
            yield from self._record(record)
        if about_records and not journey.arrived and not self._says_no_record():
            wanted = ", ".join(sorted(about_records))
            yield Failure(self.number, wanted, "a record", _whereabouts(journey))

    def _says_no_record(self) -> bool:
        return bool(self.expected.dropped or self.expected.dead_letter)

    def _end(self, journey: Journey) -> Iterator[Failure]:
        """Whether it was dropped, or refused, as expected."""
        for what, wanted, found in (
            ("dropped", self.expected.dropped, journey.dropped is not None),
            ("dead_letter", self.expected.dead_letter, journey.refused is not None),
        ):
            if wanted is not None and wanted is not found:
                yield Failure(
                    self.number, what, json.dumps(wanted), f"{json.dumps(found)}: {_whereabouts(journey)}"
                )

    def _record(self, record: Record) -> Iterator[Failure]:
        expected, given = self.expected, self.expected.model_fields_set
        attributes = {UID: record.uid, **record.attributes}
        if "severity" in given and record.severity_text != (expected.severity or ""):
            yield self._failure("severity", expected.severity, record.severity_text or None)
        if "event_name" in given and record.event_name != expected.event_name:
            yield self._failure("event_name", expected.event_name, record.event_name)
        for name, value in expected.attributes.items():
            found = attributes.get(name)
            if not _same(value, found):
                yield self._failure(f"attributes.{name}", value, found)
        if "body" in given and not _same(expected.body, record.body):
            yield self._compared("body", expected.body, record.body)
        if expected.otlp is not None or expected.syslog is not None:
            yield from self._exports(self.course.exported(record))

    def _exports(self, exported: Exported) -> Iterator[Failure]:
        if self.expected.otlp is not None:
            yield from self._otlp(self.expected.otlp, exported)
        if self.expected.syslog is not None:
            yield from self._syslog(self.expected.syslog.rstrip("\n"), exported)

    def _otlp(self, file: str, exported: Exported) -> Iterator[Failure]:
        try:
            expected = json.loads(self.case.paths.input(file).read_bytes())
        except OSError as error:
            yield Failure(self.number, "otlp", f"the file {file}", f"it can't be read: {error.strerror}")
            return
        except (ValueError, RecursionError):
            yield Failure(self.number, "otlp", f"OTLP/JSON in {file}", "it is no JSON, or more than one object")
            return
        wanted, found = comparable(expected), comparable(json.loads(otlp_json.encode([exported])))
        if not _same(wanted, found):
            yield self._compared("otlp", wanted, found)

    def _syslog(self, expected: str, exported: Exported) -> Iterator[Failure]:
        exporters = self.loaded.pipelines[self.course.id].exporters
        configs = [self.loaded.exporters[name].config for name in exporters if name.partition("/")[0] == "syslog"]
        lines = [syslog_line(config, exported) for config in configs or [_Plain()]]
        if expected not in lines:
            diff = tuple(_marked(expected, lines[0]))
            yield Failure(self.number, "syslog", expected, lines[0], diff)

    def _failure(self, what: str, expected: Any, found: Any) -> Failure:
        return Failure(self.number, what, _shown(expected), _shown(found))

    def _compared(self, what: str, expected: Any, found: Any) -> Failure:
        wanted, got = _pretty(expected).splitlines(), _pretty(found).splitlines()
        diff = difflib.unified_diff(wanted, got, "expected", "found", lineterm="", n=2)
        return Failure(self.number, what, _shown(expected), _shown(found), tuple(diff))


class _Plain:
    """Stands for a syslog exporter where the pipeline has none: its defaults."""

    style = Style()


def comparable(value: Any) -> Any:
    """OTLP/JSON as it is compared.

    Left out are the observed time and the version of the scope, which change by themselves, and what has the
    default value; attributes are in the order of their keys, 64-bit integers are text, as the mapping has them.
    """
    if isinstance(value, list):
        items = [comparable(item) for item in value]
        named = all(isinstance(item, dict) and isinstance(item.get("key"), str) for item in items)
        return sorted(items, key=lambda item: str(item["key"])) if items and named else items
    if not isinstance(value, dict):
        return value
    found = {}
    for name, inner in value.items():
        if name in _VOLATILE or (name == "version" and "name" in value):
            continue
        number = name in _NUMBERS_AS_TEXT and isinstance(inner, int) and not isinstance(inner, bool)
        found[name] = str(inner) if number else comparable(inner)
    return {name: inner for name, inner in found.items() if name in _KEPT or inner not in ("", 0, "0", [], None)}


_VOLATILE = ("observedTimeUnixNano",)
_NUMBERS_AS_TEXT = ("timeUnixNano", "intValue")
#: Whose default value means something: the values of attributes and bodies.
_KEPT = ("stringValue", "boolValue", "intValue", "doubleValue", "bytesValue", "values", "value", "key")


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: true is not 1."""
    try:
        return canonical(one) == canonical(other)
    except (TypeError, ValueError, RecursionError):
        return bool(one == other)


def _whereabouts(journey: Journey) -> str:
    """Where the record ended."""
    if end := journey.dropped:
        rule = f" by rule {journey.rule}" if journey.rule else ""
        return f"dropped by {end.processor}{rule}"
    if end := journey.refused:
        return f"refused by {end.processor}: {end.refusal}"
    return f"shipped, rule {journey.rule or 'none'}"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else jsontext.dumps(value).decode()


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, default=str)


def _marked(expected: str, found: str) -> Iterator[str]:
    """Two long lines, and from where on they differ."""
    pairs = enumerate(zip(expected, found, strict=False))
    place = next((at for at, (one, other) in pairs if one != other), min(len(expected), len(found)))
    yield f"- {expected}"
    yield f"+ {found}"
    one, other = (text[place : place + 40] for text in (expected, found))
    yield f"  they differ from character {place + 1} on: {one!r}, {other!r}"
