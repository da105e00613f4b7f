"""What the tests of commands share: a configuration in a folder of its own, and the command called in process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from shipper.cli import main

Shipper = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def configure(folder: Path) -> Callable[..., Path]:
    """Writes pipelines.yaml with these sections, the usual ones where they are left out."""

    def write(**sections: Any) -> Path:
        whole = {
            "receivers": {"github": {"organizations": ["acme-corp"], "auth": {"token": "t"}}},
            "processors": {"normalize": {}, "rules": {}},
            "exporters": {"debug": {}},
        } | sections
        uses = {key: list(whole[key]) for key in ("receivers", "processors", "exporters")}
        whole.setdefault("service", {"pipelines": {"logs/github": uses}})
        path = folder / "pipelines.yaml"
        path.write_text(yaml.safe_dump(whole, sort_keys=False))
        return path

    return write


@pytest.fixture
def shipper(folder: Path) -> Shipper:
    """Calls `shipper` with these arguments."""

    def call(*arguments: str, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(main, list(arguments), input=stdin)

    return call
