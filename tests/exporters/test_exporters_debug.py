"""The debug exporter: readable on a terminal, and nothing an event holds can take the terminal over."""

import io
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from otlp_backends import context

from shipper.core.batch import Scope
from shipper.core.component import Exported
from shipper.core.errors import Unavailable
from shipper.core.journal import Chunk
from shipper.core.record import Record
from shipper.delivery.window import Window
from shipper.exporters.debug import Config, DebugExporter, details, line
from shipper.wire import otlp

ATTRIBUTES = {
    "stream": "audit_log",
    "user.name": "mona",
    "vcs.owner.name": "acme",
    "vcs.repository.name": "rocket",
    "shipper.rule": "repository-made-public",
    "severity": "high",
}
hostile = st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp", "Lu"]), max_size=20)


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as zone:
        zone.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


class Terminal(io.TextIOWrapper):
    """A stdout that is, or is not, a terminal."""

    def __init__(self, *, terminal: bool = False, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding, newline="")
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    @property
    def text(self) -> str:
        self.flush()
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode(self.encoding)


def record(**fields: Any) -> Record:
    made: dict[str, Any] = {
        "uid": "doc-1",
        "stream": "audit_log",
        "event_name": "github.audit_log.repo.access",
        "timestamp": 1725456356934000000,
        "observed": 1725456357000000000,
        "body": {"action": "repo.access"},
        "attributes": ATTRIBUTES,
        "severity_number": 17,
        "severity_text": "high",
    }
    return Record(**(made | fields))


async def shown(
    monkeypatch: pytest.MonkeyPatch, out: io.TextIOBase, verbosity: str, *records: Record, name: str = "debug"
) -> None:
    payload = otlp.encode(records, {"service.name": "github"}, Scope("scope", "1"))
    monkeypatch.setattr(sys, "stdout", out)
    exporter = DebugExporter(Config.model_validate({"verbosity": verbosity}), context(name=name))
    async with exporter:
        await exporter.export(Window.of([Chunk(0, payload, 0, len(records), whole=True)]))


async def test_basic_is_a_line_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Terminal()
    await shown(monkeypatch, out, "basic", record(), name="debug/a")
    await shown(monkeypatch, out, "basic", record(), record(), name="debug/a")
    assert out.text == "debug/a: 1 log record\ndebug/a: 2 log records\n"


async def test_normal_is_a_readable_line_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Terminal()
    await shown(monkeypatch, out, "normal", record())
    assert out.text == (
        "2024-09-04 13:25:56  high      github.audit_log.repo.access                  "
        "mona                  acme/rocket  [repository-made-public]\n"
    )


async def test_a_record_that_says_little_is_shown_too(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Terminal()
    await shown(monkeypatch, out, "normal", Record("", "", "", 0, 0, None))
    assert out.text.split() == ["1970-01-01", "00:00:00", "-", "-", "-", "-"]


async def test_detailed_is_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Terminal()
    await shown(monkeypatch, out, "detailed", record(attributes={"a": [1]}, body={"b": {"c": None}}))
    assert out.text == (
        "LogRecord #0\n"
        "  Timestamp: 2024-09-04 13:25:56\n"
        "  ObservedTimestamp: 2024-09-04 13:25:57\n"
        "  Severity: high (17)\n"
        "  EventName: github.audit_log.repo.access\n"
        "  log.record.uid: doc-1\n"
        "  Attributes:\n"
        "    a: [1]\n"
        "  Resource:\n"
        "    service.name: github\n"
        "  Scope: scope 1\n"
        "  Body:\n"
        "    {\n"
        '      "b": {\n'
        '        "c": null\n'
        "      }\n"
        "    }\n"
    )


@pytest.mark.parametrize(
    ("severity", "colour"),
    [("critical", "1;97;41"), ("high", "1;31"), ("medium", "33"), ("low", "36"), ("info", "32")],
)
async def test_severities_are_coloured_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, severity: str, colour: str
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal(terminal=True)
    await shown(monkeypatch, out, "normal", record(attributes={"severity": severity}))
    assert f"\x1b[{colour}m{severity}\x1b[0m" in out.text


@pytest.mark.parametrize(
    ("name", "value", "terminal"), [("NO_COLOR", "1", True), ("TERM", "dumb", True), ("TERM", "xterm", False)]
)
async def test_no_colours_where_they_are_not_wanted(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, terminal: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv(name, value)
    out = Terminal(terminal=terminal)
    await shown(monkeypatch, out, "normal", record())
    assert "\x1b" not in out.text


@given(hostile)
def test_nothing_of_an_event_can_move_the_cursor_or_start_a_line(text: str) -> None:
    """Escape sequences, line breaks, overrides of the direction of writing, surrogates: all are shown escaped."""
    attributes = {"user.name": text, "vcs.owner.name": text, "shipper.rule": text, "severity": text, text: text}
    bad = record(uid=text, event_name=text, attributes=attributes, body={text: [text]}, severity_text=text)
    exported = Exported(bad, {text: text}, (text, text))
    assert line(exported).isprintable()
    assert all(each.isprintable() for each in details([exported]))


def test_long_fields_are_shortened_on_a_line() -> None:
    shown_line = line(Exported(record(attributes={"user.name": "x" * 10_000_000}), {}, ("", "")))
    assert "x" * 80 + "…" in shown_line
    assert len(shown_line) < 300


async def test_a_terminal_without_unicode_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Terminal(encoding="ascii")
    await shown(monkeypatch, out, "normal", record(attributes={"user.name": "zoë"}))
    assert "zo\\xeb" in out.text


async def test_a_closed_stdout_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the program behind a pipe has ended: the records wait in storage."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as out, pytest.raises(Unavailable, match="stdout"):
        await shown(monkeypatch, out, "normal", record())


async def test_a_file_below_stdout_gets_it_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "out"
    with path.open("w") as out:
        out.write("before\n")
        await shown(monkeypatch, out, "basic", record())
    assert path.read_text() == "before\ndebug: 1 log record\n"


async def test_check_has_nothing_to_connect_to() -> None:
    assert await DebugExporter(Config(), context()).check() == "shows records on stdout"
