"""Every configuration and every fragment of one in the documentation is what the shipper takes."""

from collections import defaultdict
from typing import Any

import pytest
import yaml
from docs_pages import REPOSITORY, all_blocks, blocks, merged

from shipper.config import Invalid, load
from shipper.config.cases import read
from shipper.service import registry

SECTIONS = ("receivers", "processors", "exporters", "extensions", "service", "tests")
#: The files that examples name are not here.
ELSEWHERE = {"missing-file", "unreadable-file", "no-sigma-files"}


class Everything(dict):
    """An environment in which every variable is set."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> str:
        return "http://localhost:1" if "ENDPOINT" in name or "URL" in name else "set"


def framed(value: Any) -> dict[str, Any] | None:
    """A whole configuration around a fragment; None where it is none of ours."""
    if isinstance(value, list):
        value = (
            {"processors": {"rules": {"rules": value, "use": []}}}
            if all("match" in each for each in value)
            else None
        )
    if not isinstance(value, dict):
        return None
    if set(value) <= {"rules", "use", "sigma", "lists", "default_severity"}:
        value = {"processors": {"rules": value}}
    if not set(value) <= {*SECTIONS, *(key for key in value if key.startswith("x-"))}:
        return None
    base = {
        "receivers": {} if value.get("receivers") else {"github": None},
        "exporters": {} if value.get("exporters") else {"debug": None},
    }
    whole = merged(base, value)
    for name, body in whole["receivers"].items():
        if name.split("/")[0] == "github":
            needed = {} if "auth" in (body or {}) else {"auth": {"token": "t"}}
            if not {"organization", "organizations", "enterprise"} & set(body or {}):
                needed["organizations"] = ["acme-corp"]
            whole["receivers"][name] = merged(needed, body or {})
    uses = {key: list(whole.get(key) or {}) for key in ("receivers", "processors", "exporters")}
    pipelines = (whole.get("service") or {}).get("pipelines") or {"logs/github": {}}
    whole["service"] = merged(
        whole.get("service") or {}, {"pipelines": {n: merged(uses, p) for n, p in pipelines.items()}}
    )
    return whole


@pytest.mark.parametrize(
    "block", [each for each in all_blocks("yaml") if not each.note.startswith("of ")], ids=str
)
def test_every_yaml_block_is_valid(block, tmp_path, monkeypatch):
    """Whole as it stands; a fragment inside a frame. `<!-- of the Collector -->` marks what is not ours."""
    value = yaml.safe_load(block.text)
    if isinstance(value, dict) and set(value) == {"tests"}:
        file = tmp_path / "tests.yaml"
        file.write_text(block.text)
        assert read(file, ["logs/github"], {})
        return
    if isinstance(value, dict) and "detection" in value:
        (tmp_path / "rule.yml").write_text(block.text)
        value = {"processors": {"rules": {"sigma": [str(tmp_path / "rule.yml")]}}}
    whole = value if isinstance(value, dict) and {"receivers", "service"} <= set(value) else framed(value)
    assert whole is not None, f"{block} is no configuration; say whose it is by <!-- of … --> above it"
    file = tmp_path / "pipelines.yaml"
    file.write_text(block.text if whole is value else yaml.safe_dump(whole, sort_keys=False))
    monkeypatch.chdir(REPOSITORY)
    try:
        found = load(file, registry.find, Everything(), names=registry.names).warnings
    except Invalid as invalid:
        found = invalid.diagnostics
    assert [str(each) for each in found if each.code not in ELSEWHERE and each.code != "unused-component"] == []


def test_the_collectors_halves_name_only_what_they_define():
    """What is not ours is at least sound: pipelines use what the sections define."""
    halves = [each for each in all_blocks("yaml") if each.note == "of the Collector"]
    assert len(halves) >= 2
    for block in halves:
        value = yaml.safe_load(block.text)
        for pipeline in value["service"]["pipelines"].values():
            assert set(pipeline["receivers"]) <= set(value["receivers"]), block
            assert set(pipeline["exporters"]) <= set(value["exporters"]), block


@pytest.mark.parametrize("block", [*all_blocks("json")], ids=str)
def test_every_json_block_is_json(block):
    assert yaml.safe_load(block.text)


def test_the_readme_shows_a_whole_configuration():
    whole = [each for each in blocks(REPOSITORY / "README.md") if each.kind == "yaml" and "service:" in each.text]
    assert len(whole) == 1


def test_blocks_are_found():
    kinds = defaultdict(int)
    for kind in ("yaml", "console", "json"):
        kinds[kind] = len(all_blocks(kind))
    assert kinds["yaml"] > 30
    assert kinds["console"] > 15
