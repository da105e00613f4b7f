"""Text of strangers for terminals: no control character, no bidirectional override, no lone surrogate gets out."""

import json
from typing import Any

import orjson

from shipper.wire.text import escaped


def safe(text: str) -> str:
    """The text, on the lines it has, with all that is not printable escaped."""
    return "\n".join(escaped(line) for line in text.split("\n"))


def safe_json(value: Any) -> str:
    r"""Indented JSON in which all that is not printable is written as `\uXXXX`, which means the same."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    except (TypeError, ValueError, RecursionError):
        text = json.dumps(value, indent=2, default=str)
    return "\n".join(harmless(line) for line in text.split("\n"))


def harmless(line: str) -> str:
    r"""A line of JSON in which all that is not printable is written as `\uXXXX`, which means the same."""
    if line.isprintable():
        return line
    return "".join(char if char.isprintable() else _escaped(char) for char in line)


def _escaped(char: str) -> str:
    return json.dumps(char)[1:-1] if ord(char) > 0x7F else f"\\u{ord(char):04x}"
