"""docs/guarantees.md is right: the tests it names exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guarantees.md").read_text("utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)(?:::(test_\w+))?`", PAGE)
ROWS = [row for row in PAGE.splitlines() if row.startswith("| ") and not row.startswith("| promise")]


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_every_named_test_exists(file: str, test: str) -> None:
    path = ROOT / file
    assert path.is_file()
    functions = {getattr(node, "name", "") for node in ast.walk(ast.parse(path.read_text("utf-8")))}
    assert not test or test in functions


@pytest.mark.parametrize("row", ROWS)
def test_every_promise_names_a_test(row: str) -> None:
    assert re.search(r"`tests/[\w/]+\.py", row)
