"""Which components there are."""

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

import pytest

from shipper.core.component import Component, ConfigModel
from shipper.service import registry


class Config(ConfigModel):
    """Nothing to configure."""


def build(_config: Config, _context: Any) -> Any:
    raise NotImplementedError


@pytest.fixture
def _plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package with a receiver, one that is no component, one that does not import, and one named like ours."""
    module = ModuleType("acme_shipper")
    module.__doc__ = "Receives from Acme."
    vars(module).update(component=Component("receiver", Config, build), nothing=None)
    monkeypatch.setitem(sys.modules, "acme_shipper", module)
    references = {
        "acme": "acme_shipper:component",
        "nothing": "acme_shipper:nothing",
        "absent": "acme_shipper_absent:component",
        "github": "acme_shipper:component",
    }

    def found(group: str) -> list[EntryPoint]:
        points = [EntryPoint(name, reference, group) for name, reference in references.items()]
        return points if group == "shipper.receivers" else []

    monkeypatch.setattr(registry, "entry_points", found)
    registry._plugins.cache_clear()
    yield
    registry._plugins.cache_clear()


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, names in registry.BUILTIN.items() for name in names]
)
def test_what_is_built_in_loads_and_says_what_it_is_for(kind: Any, name: str) -> None:
    component = registry.find(kind, name)
    assert component
    assert component.kind == kind
    assert registry.docstring(kind, name).strip()


def test_what_is_not_there_is_none() -> None:
    assert registry.find("receiver", "carrier_pigeon") is None
    assert registry.find("exporter", "github") is None


@pytest.mark.usefixtures("_plugins")
def test_other_packages_add_theirs_by_entry_points() -> None:
    component = registry.find("receiver", "acme")
    assert component
    assert component.config is Config
    assert registry.names("receiver") == ["github", "acme", "nothing", "absent"]
    assert registry.docstring("receiver", "acme") == "Receives from Acme."


@pytest.mark.usefixtures("_plugins")
def test_a_name_of_ours_is_never_taken_over() -> None:
    component = registry.find("receiver", "github")
    assert component
    assert component.config is not Config


@pytest.mark.usefixtures("_plugins")
@pytest.mark.parametrize("name", ["nothing", "absent"])
def test_what_does_not_load_is_an_import_error(name: str) -> None:
    with pytest.raises(ImportError):
        registry.find("receiver", name)


@pytest.mark.usefixtures("_plugins")
def test_lists_leave_out_what_does_not_load(caplog: pytest.LogCaptureFixture) -> None:
    kinds = [name for kind, name, _ in registry.working() if kind == "receiver"]
    assert kinds == ["github", "acme"]
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "the receiver nothing can't be loaded",
        "the receiver absent can't be loaded",
    ]
    assert [name for kind, name, _ in registry.working(plugins=False) if kind == "receiver"] == ["github"]
