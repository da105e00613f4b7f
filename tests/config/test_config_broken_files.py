"""A table of mistakes: each file of `broken/` is told exactly what the `#>` lines at its end say.

`SHIPPER_ACCEPT=1 pytest tests/config/test_config_broken_files.py` writes what is told now into the files, for a
look at the difference.
"""

import os
from pathlib import Path

import pytest

from shipper.config import Diagnostic, Invalid, load
from shipper.service import registry

BROKEN = Path(__file__).parent / "broken"
ENVIRONMENT = {"TOKEN": "ghp_0123456789abcdef", "WORD": "word"}
SECRETS = ("ghp_", "hunter2", "nonsense")


def told(name: str) -> list[str]:
    """Every diagnostic of a file, without the file's name and this machine's folders."""
    found: list[Diagnostic]
    try:
        found = load(Path(name), registry.find, ENVIRONMENT, names=registry.names).warnings
    except Invalid as invalid:
        found = invalid.diagnostics
    lines = [diagnostic.format().removeprefix(f"{name}:") for diagnostic in found]
    return [line.replace(str(BROKEN), "WORKING") for line in lines]


def split(text: str) -> tuple[str, list[str]]:
    """The configuration, and what is expected."""
    lines = text.splitlines(keepends=True)
    return (
        "".join(line for line in lines if not line.startswith("#> ")),
        [line.removeprefix("#> ").rstrip("\n") for line in lines if line.startswith("#> ")],
    )


@pytest.mark.parametrize("path", sorted(BROKEN.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_mistake_is_told_at_its_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BROKEN)
    for variable in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(variable)
    written, expected = split(path.read_text())
    found = told(path.name)
    if os.environ.get("SHIPPER_ACCEPT"):
        path.write_text(written + "".join(f"#> {line}\n" for line in found))
    else:
        assert found == expected
    assert not [line for line in found if any(secret in line for secret in SECRETS)]


def test_there_are_at_least_sixty() -> None:
    assert len(list(BROKEN.glob("*.yaml"))) >= 60
