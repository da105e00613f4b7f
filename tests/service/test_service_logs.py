"""The shipper's own log: one line each, never a secret, nothing that steers a terminal."""

import io
import json
import logging

import pytest

from shipper.service.observe.logs import Mask, set_up


@pytest.fixture
def logged():
    """Set the process's log up on a buffer; give a function that returns what was written."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    shipper_level = logging.getLogger("shipper").level
    stream = io.StringIO()

    def start(style: str, *secrets: str) -> io.StringIO:
        mask = Mask()
        mask.learn(set(secrets))
        set_up("info", style, mask, stream)
        return stream

    yield start
    root.handlers[:] = before
    root.setLevel(level)
    logging.getLogger("shipper").setLevel(shipper_level)


def test_json_lines_carry_what_extra_gave(logged):
    stream = logged("json")
    logging.getLogger("shipper.x").warning("page refused", extra={"component": "github", "stream": "audit_log"})
    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "warning",
        "logger": "shipper.x",
        "message": "page refused",
        "component": "github",
        "stream": "audit_log",
    }


@pytest.mark.parametrize("style", ["json", "console"])
def test_a_secret_is_never_written_whatever_part_of_the_line_it_is_in(logged, style):
    stream = logged(style, "ghp_very-classified", "ghp_very")
    log = logging.getLogger("shipper.x")
    log.info("token ghp_very-classified", extra={"header": "ghp_very-classified"})
    try:
        raise ValueError("ghp_very-classified")
    except ValueError:
        log.exception("failed")
    assert "classified" not in stream.getvalue()
    assert "***" in stream.getvalue()


@pytest.mark.parametrize("style", ["json", "console"])
def test_a_key_of_several_lines_is_masked_line_by_line(logged, style):
    stream = logged(style, "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\n-----END KEY-----")
    logging.getLogger("shipper.x").info("key %s", "MIIEvQIBADANBgkq")
    assert "MIIE" not in stream.getvalue()


@pytest.mark.parametrize("style", ["json", "console"])
def test_a_line_stays_one_line_whatever_others_wrote(logged, style):
    stream = logged(style)
    logging.getLogger("shipper.x").info("said %s", "a\nb\x1b[31m\u2028", extra={"reason": "c\r\nd\x85\u202e"})
    shown = stream.getvalue()
    assert len(shown.splitlines()) == 1
    assert shown.removesuffix("\n").isprintable()


@pytest.mark.parametrize("style", ["json", "console"])
def test_a_traceback_steers_no_terminal(logged, style):
    stream = logged(style)
    try:
        raise ValueError("a\x1b[31m\x9b\r")
    except ValueError:
        logging.getLogger("shipper.x").exception("failed")
    assert all(char.isprintable() or char == "\n" for char in stream.getvalue())


def test_other_libraries_speak_from_warning_on(logged):
    stream = logged("console")
    logging.getLogger("aiohttp").info("chatter")
    logging.getLogger("aiohttp").warning("something")
    assert "chatter" not in stream.getvalue()
    assert "something" in stream.getvalue()
