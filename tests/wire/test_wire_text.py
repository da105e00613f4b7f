"""Text of strangers on one line of a terminal."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.wire.text import escaped


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü 漢", "plain ü 漢"),
        ("\x1b[2J", r"\u001b[2J"),
        ("a\r\nb\tc", r"a\u000d\u000ab\u0009c"),
        ("\x85\u2028\u2029\x0b\x0c\x1c", r"\u0085\u2028\u2029\u000b\u000c\u001c"),
        ("\u202eexe.txt", r"\u202eexe.txt"),
        ("\x9b31m\x7f", r"\u009b31m\u007f"),
        ("\ud800", r"\ud800"),
        ("\U000e0001", r"\udb40\udc01"),
    ],
)
def test_what_is_not_printable_is_escaped(text: str, shown: str) -> None:
    assert escaped(text) == shown


@given(st.text())
def test_a_line_of_json_means_the_same_afterwards(text: str) -> None:
    line = escaped(json.dumps(text, ensure_ascii=False))
    assert line.isprintable()
    assert json.loads(line) == text
