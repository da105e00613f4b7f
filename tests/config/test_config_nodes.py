"""YAML with positions."""

import math
from typing import Any

import pytest
import yaml

from shipper.config import nodes, reading
from shipper.config.diagnostics import Mark


def composed(text: str) -> tuple[nodes.Node, list[nodes.Fault]]:
    composer = reading.Composer(text)
    root = composer.compose()
    assert root is not None
    return root, composer.faults


def value(text: str) -> Any:
    return nodes.value(composed(text)[0])


def fatal(text: str) -> nodes.Fault:
    with pytest.raises(nodes.Malformed) as caught:
        nodes.value(composed(text)[0])
    return caught.value.fault


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("+4", 4),
        ("0", 0),
        ("0123", "0123"),
        ("00", "00"),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("-.inf", -math.inf),
        ("2026-01-02", "2026-01-02"),
        ("1.2.3", "1.2.3"),
        ("0123.5", "0123.5"),
        ("300s", "300s"),
        ("9" * 400, int("9" * 400)),
        ("9" * 5000, "9" * 5000),
        ('"true"', "true"),
        ("'12'", "12"),
        ("!!str 12", "12"),
        ("!!int 12", 12),
        ("!!float 1", 1),
        ("! x", "x"),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(text: str, meaning: Any) -> None:
    """No octal numbers, no sexagesimal ones, no yes and no; what has leading zeros stays as it is written."""
    found = value(f"a: {text}")["a"]
    assert found == meaning
    assert type(found) is type(meaning)


def test_not_a_number_is_understood() -> None:
    assert math.isnan(value("a: .nan")["a"])


def test_positions_are_those_of_keys_and_values() -> None:
    """Lines and columns count from 1; a block map's value starts at its first key."""
    root, _ = composed("a:\n  b: [x, {c: 1}]\n  d:\n")
    assert nodes.locate(root, ("a",), at_key=True) == Mark(1, 1)
    assert nodes.locate(root, ("a",)) == Mark(2, 3)
    assert nodes.locate(root, ("a", "b", 0)) == Mark(2, 7)
    assert nodes.locate(root, ("a", "b", 1, "c"), at_key=True) == Mark(2, 11)
    assert nodes.locate(root, ("a", "b", 1, "c")) == Mark(2, 14)


def test_what_is_missing_is_located_at_its_parent() -> None:
    """The parent's key; the item itself in a list; the start of the file at the top."""
    root, _ = composed("a:\n  b: 1\nl:\n  - x: 1\n")
    assert nodes.locate(root, ("a", "missing", "deeper")) == Mark(1, 1)
    assert nodes.locate(root, ("a", "b", "missing")) == Mark(2, 3)
    assert nodes.locate(root, ("l", 0, "missing")) == Mark(4, 5)
    assert nodes.locate(root, ("missing",)) == Mark(1, 1)


def test_columns_count_characters() -> None:
    root, _ = composed('{"\U0001f600é": 1, b: 2}')
    assert nodes.locate(root, ("b",), at_key=True) == Mark(1, 11)


def test_anchors_and_merge_keys() -> None:
    """Keys beside `<<` win over merged ones, earlier merged maps over later ones."""
    text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz:\n  <<: [*x, *y]\n  a: 0\nl: [*x]\n"
    assert value(text) == {
        "x": {"a": 1, "b": 1},
        "y": {"b": 2, "c": 2},
        "z": {"a": 0, "b": 1, "c": 2},
        "l": [{"a": 1, "b": 1}],
    }


def test_aliased_values_are_copies() -> None:
    """Repairing one place must not change the other."""
    found = value("a: &a {k: 1}\nb: *a\n")
    assert found["a"] is not found["b"]


def test_duplicate_keys_are_all_reported() -> None:
    _, faults = composed("a: 1\nb: 2\na: 3\nc: {d: 1, d: 2}\n")
    assert [(fault.mark, fault.code, fault.loc) for fault in faults] == [
        (Mark(3, 1), "duplicate-key", ("a",)),
        (Mark(4, 11), "duplicate-key", ("c", "d")),
    ]
    assert faults[0].message == "duplicate key; it stands in line 1 already"


def test_keys_are_text_as_written() -> None:
    assert value("on: 1\n1: 2\n0123: 3\nnull: 4\n") == {"on": 1, "1": 2, "0123": 3, "null": 4}


@pytest.mark.parametrize(
    ("text", "code", "mark"),
    [
        ("a:\n\tb: 1\n", "yaml-syntax", Mark(2, 1)),
        ("a: 'x\nb: 1\n", "yaml-syntax", Mark(1, 4)),
        ("a: [1, 2\nb: 3\n", "yaml-syntax", Mark(2, 2)),
        ("a: b: c\n", "yaml-syntax", Mark(1, 5)),
        ("a: @x\n", "yaml-syntax", Mark(1, 4)),
        ("a: 1\n  b: 2\n", "yaml-syntax", Mark(2, 4)),
        ("a:\n  b: 1\n c: 2\n", "yaml-syntax", Mark(3, 2)),
        ("a: 1\nb\n", "yaml-syntax", Mark(2, 1)),
        ("a: 1\n---\nb: 2\n", "yaml-documents", Mark(2, 1)),
        ("a: *nowhere\n", "yaml-alias", Mark(1, 4)),
        ("a: &a [*a]\n", "yaml-alias", Mark(1, 8)),
        ("? [a]\n: 1\n", "yaml-key", Mark(1, 3)),
        ("a: " + "[" * 80 + "]" * 80, "yaml-too-deep", Mark(1, 68)),
    ],
)
def test_text_that_can_not_be_read_on(text: str, code: str, mark: Mark) -> None:
    fault = fatal(text)
    assert (fault.code, fault.mark) == (code, mark)


def test_a_control_character_is_named_with_its_position() -> None:
    fault = fatal("a: 1\nb: x\x07y\n")
    assert (fault.code, fault.mark) == ("yaml-character", Mark(2, 5))
    assert "U+0007" in fault.message


def test_alias_bombs_end_early() -> None:
    """Nine levels of nine aliases would be 387 million values."""
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    assert fatal("\n".join(levels)).code == "yaml-too-large"


def test_merge_bombs_end_early() -> None:
    wide = ", ".join(f"k{i}: 1" for i in range(1000))
    lines = [f"base: &base {{{wide}}}"] + [f"m{i}: {{<<: *base}}" for i in range(250)]
    assert fatal("\n".join(lines)).code == "yaml-too-large"


def test_deep_nesting_can_not_exhaust_the_stack() -> None:
    assert fatal("[" * 100_000).code in ("yaml-too-deep", "yaml-syntax")


def test_only_maps_are_merged() -> None:
    _, faults = composed("a: {<<: 1}\n")
    assert [fault.code for fault in faults] == ["yaml-merge"]


@pytest.mark.parametrize("tag", ["!!python/object:os.system", "!!binary", "!custom", "!!int"])
def test_tags_that_are_not_understood_are_faults(tag: str) -> None:
    _, faults = composed(f"a: {tag} x\n")
    assert [fault.code for fault in faults] == ["yaml-tag"]


NO_LIBYAML = pytest.mark.skipif(not yaml.__with_libyaml__, reason="this PyYAML has no libyaml")


@NO_LIBYAML
def test_both_parsers_give_the_same_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """With libyaml, which is used where it is there, without it: nothing changes, positions included."""
    text = "a: &x {b: [1, 'two', \"th\\nree\"]}\né: |\n    block\nc: *x\n? d\n: - e\n  - f: g # comment\n"

    def everything() -> list[Any]:
        root, _ = composed(text)
        places = [loc for loc, _ in nodes.scalars(root)]
        marks = [(loc, nodes.locate(root, loc), nodes.locate(root, loc, at_key=True)) for loc in places]
        return [*marks, nodes.value(root)]

    fast = everything()
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    assert everything() == fast


@NO_LIBYAML
@pytest.mark.parametrize(
    "text",
    [
        "a:\n\tb: 1\n",
        "a: 'x\n",
        "a: [1\nb: 2\n",
        "a: {b: 1\nc: 2",
        "a: b: c\n",
        "a: %x\n",
        "a:\n  b: 1\n c: 2\n",
        "a: 1\nb\n",
        'a: "\\d"\n',
        "a: - b\n",
        "a: ]\n",
        "a: &\n",
        "a: | x\n",
        "a: !x!y z\n",
        "- a\nb: 1\n",
    ],
)
def test_both_parsers_faults_are_told_alike(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fast = fatal(text)
    assert "not YAML" not in fast.message
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    slow = fatal(text)
    assert (slow.code, slow.message, slow.mark.line) == (fast.code, fast.message, fast.mark.line)
