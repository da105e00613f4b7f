"""docs/simulator.md says what is so."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from shipper.cli.simulate import github, simulate
from shipper.simulator.faults import parse

PAGE = (Path(__file__).parents[2] / "docs/simulator.md").read_text()
ROWS = [re.findall(r"`([^`]+)`", row) for row in re.findall(r"^\|(.+)\|$", PAGE, re.MULTILINE)]
OPTIONS = sorted({code for row in ROWS for code in row if code.startswith("--")})
FAULTS = sorted({row[0].strip("'") for row in ROWS if row and ":" in row[0] and not row[0].startswith("--")})


def test_the_page_has_examples():
    assert len(OPTIONS) > 10
    assert len(FAULTS) == 5


@pytest.mark.parametrize("example", OPTIONS)
def test_every_option_of_the_page_is_understood(example, tmp_path):
    arguments = shlex.split(example)
    for place, word in enumerate(arguments):
        if word.endswith(".json"):
            file = tmp_path / word
            file.write_text("[]")
            arguments[place] = str(file)
    github.make_context("github", arguments)


@pytest.mark.parametrize("example", FAULTS)
def test_every_fault_of_the_page_is_understood(example):
    parse(example)


def test_help_shows_examples():
    result = CliRunner().invoke(simulate, ["github", "--help"])
    assert result.exit_code == 0
    assert "shipper simulate github --port 0 -- shipper run -c pipelines.yaml" in result.output
