"""A page's bytes become events, and no event harms its neighbours."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.wire.github_page import MAX_DEPTH, BadPage, canonical, parse_page, printable

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(json_values, max_size=5))
def test_what_json_can_say_arrives_unaltered(events):
    assert parse_page(json.dumps(events).encode()) == events


@given(st.lists(json_values, max_size=5))
def test_neighbours_of_what_is_nested_too_deeply_arrive_unaltered(events):
    deep = "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)
    text = ", ".join([*map(json.dumps, events), deep])
    assert parse_page(f" [ {text} ] ".encode()) == [*events, deep]


@given(json_values)
def test_the_canonical_text_does_not_depend_on_the_order_of_keys(value):
    text = json.dumps([value], sort_keys=True)
    assert canonical(parse_page(text.encode())[0]) == canonical(parse_page(json.dumps([value]).encode())[0])


@given(st.binary(max_size=200))
def test_any_bytes_are_a_page_or_a_bad_page(body):
    with contextlib.suppress(BadPage):
        assert isinstance(parse_page(body), list)


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (b"[]", []),
        (b"\xef\xbb\xbf[1]", [1]),
        (b"[18446744073709551616]", [2**64]),
        (b"[-9223372036854775809]", [-(2**63) - 1]),
        (b"[NaN, -Infinity, Infinity, 1e400]", ["NaN", "-Infinity", "Infinity", "1e400"]),
        (b'["\\ud800"]', ["\ud800"]),
        (b'["\xff"]', ["\udcff"]),
        (b'["a\nb\x00"]', ["a\nb\x00"]),
        (b"[" + b"1" * 5000 + b"]", ["1" * 5000]),
        (b'["12345678901234567890"]', ["12345678901234567890"]),
        (b'[{"a": "]}{["}]', [{"a": "]}{["}]),
    ],
)
def test_what_parsers_stumble_over_is_kept(body, events):
    assert parse_page(body) == events


@pytest.mark.parametrize("blanks", range(4))
def test_long_integers_are_found_wherever_they_stand(blanks):
    """One too long for 64 bits is altered by the fast parser, whatever stands around it."""
    for number in (2**64, -(2**63) - 1, 10**19, -(10**19), 2**64 - 1, 10**18):
        body = b"[" + b" " * blanks + b'{"n": %d}, 1760000000000]' % number
        assert parse_page(body) == [{"n": number}, 1760000000000]


def test_a_field_of_ten_megabytes_is_kept():
    assert parse_page(json.dumps([{"a": "x" * 10**7}, 1]).encode()) == [{"a": "x" * 10**7}, 1]


def test_brackets_inside_strings_are_no_nesting():
    events = [{"a": "[" * 500, "b": '\\"[[[{{{'}]
    assert parse_page(json.dumps(events).encode()) == events


def test_nesting_without_end_costs_no_stack():
    deep = "[" * 100_000 + "]" * 100_000
    assert parse_page(f'[{{"a": 1}}, {deep}, "b"]'.encode()) == [{"a": 1}, deep, "b"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "nothing instead of JSON"),
        (b" \n", "nothing instead of JSON"),
        (b'[{"a": 1}, {"b"', "cut short or broken"),
        (b"[1,]", "cut short or broken"),
        (b"[1] [2]", "cut short or broken"),
        (b"[" * 100_000, "cut short or broken"),
        (b"[1, " + b"[" * 200 + b"]" * 199 + b"]", "cut short or broken"),
        (b"{" * 200 + b"}" * 200, "cut short or broken"),
        (b"<!DOCTYPE html>", "an HTML page"),
        (b"Bad gateway", "text instead of JSON"),
        (
            b'{"message": "Something\\u001b[31m went wrong"}',
            "an error instead of a list: Something [31m went wrong",
        ),
        (b"{}", "a JSON object instead of a list"),
        (b'"text"', "a JSON string instead of a list"),
        (b"17", "a JSON number instead of a list"),
        (b"null", "a JSON null instead of a list"),
    ],
)
def test_what_is_no_page_says_why(body, said):
    with pytest.raises(BadPage) as caught:
        parse_page(body)
    assert said in str(caught.value)


def test_printable_is_one_line_of_limited_length():
    assert printable("a\r\nb\t\x1b[0m  c\u202e") == "a b [0m c"
    assert printable("x" * 500) == "x" * 199 + "…"
