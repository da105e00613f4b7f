"""docs/errors.md is complete, and says what the program says."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import shipper

ROOT = Path(__file__).parents[2]
CATALOGUE = (ROOT / "docs" / "errors.md").read_text()
BROKEN = Path(__file__).parent / "broken"

CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
#: What makes faults of a configuration, all over the product.
MAKERS = re.compile(
    r"(Problem|PydanticCustomError|\w*Fault|FaultError|UnusableError|_Failed|_?fault|_fatal|_?unusable)"
)
#: Codes that `shipper.config.wording` finds for pydantic's own errors.
TRANSLATED = {"bad-value", "out-of-range", "unknown-value", "wrong-combination", "wrong-type"}


def codes_in(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for argument in node.args if MAKERS.fullmatch(name) else []:
            if isinstance(argument, ast.Constant) and CODE.fullmatch(str(argument.value)):
                yield str(argument.value)


def sources() -> list[Path]:
    package = Path(shipper.__file__).parent
    rooms = ("config", "core", "exporters", "net", "processors", "receivers", "service")
    return [path for room in rooms for path in sorted((package / room).rglob("*.py"))]


CODES = TRANSLATED | {code for path in sources() for code in codes_in(path)}
ENTRIES = re.findall(r"^### (\S+)$", CATALOGUE, re.MULTILINE)


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_has_its_entry(code: str) -> None:
    assert code in ENTRIES


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_entry_is_a_code(entry: str) -> None:
    assert entry in CODES
    assert ENTRIES.count(entry) == 1


def test_every_code_of_the_broken_files_has_its_entry() -> None:
    told = "\n".join(path.read_text() for path in BROKEN.glob("*.yaml"))
    assert set(re.findall(r"^#> .*?(?:error|warning)\[(\S+)\]:", told, re.MULTILINE)) <= set(ENTRIES)


@pytest.mark.parametrize("example", re.findall(r"^> (.*)$", CATALOGUE, re.MULTILINE))
def test_every_example_is_what_is_told(example: str) -> None:
    """Word by word, in one of the broken files."""
    told = {
        line.split(": ", 1)[1]
        for path in BROKEN.glob("*.yaml")
        for line in path.read_text().splitlines()
        if line.startswith("#> ")
    }
    assert example in told
