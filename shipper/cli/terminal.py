"""Text of strangers for terminals: no control character, no bidirectional override, no lone surrogate gets out."""

import json
from typing import Any

import orjson

from shipper.wire.text import escaped


def safe(text: str) -> str:
    """The text for a part of one line, whoever wrote it: no line of its own begins in it."""
    return escaped(text)


def safe_lines(text: str) -> str:
    """Text of ours that has several lines, such as a format that ends its own; each is safe."""
    return "\n".join(map(escaped, text.split("\n")))


def safe_json(value: Any) -> str:
    r"""Indented JSON in which all that is not printable is written as `\uXXXX`, which means the same."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    except (TypeError, ValueError, RecursionError):
        text = json.dumps(value, indent=2, default=str)
    return safe_lines(text)
