"""Loading a text with the components of `config_parts`."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from config_parts import find, names

from shipper.config import Diagnostic, Invalid, Loaded, load


@pytest.fixture
def load_text(tmp_path: Path) -> Callable[..., Loaded]:
    """Loads a text as `pipelines.yaml` with the components above."""

    def load_it(text: str, env: Mapping[str, str] | None = None) -> Loaded:
        path = tmp_path / "pipelines.yaml"
        path.write_text(text, encoding="utf-8")
        return load(path, find, env or {}, tmp_path, names=names)

    return load_it


@pytest.fixture
def faults(load_text: Callable[..., Loaded]) -> Callable[..., list[Diagnostic]]:
    """What is wrong with a text; its warnings where nothing is."""

    def of(text: str, env: Mapping[str, str] | None = None) -> list[Diagnostic]:
        try:
            return load_text(text, env).warnings
        except Invalid as invalid:
            return invalid.diagnostics

    return of
