"""docs/otlp.md is right: its rules have the tests it names, its examples and the modules' have no faults."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from shipper.core.component import Paths
from shipper.exporters import debug, file, otlp_grpc, otlp_http

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "otlp.md").read_text()
COMPONENTS: dict[str, Any] = {
    "otlp": otlp_grpc.component,
    "otlphttp": otlp_http.component,
    "file": file.component,
    "debug": debug.component,
}
ROWS = re.findall(r"^\| .* \| `(test_\w+)` \| (exporters|delivery) `(\w+)` \|$", PAGE, re.MULTILINE)
MODULES = [otlp_grpc.__doc__ or "", otlp_http.__doc__ or "", file.__doc__ or "", debug.__doc__ or ""]


def names_in(path: Path) -> list[str]:
    found = [getattr(node, "name", "") for node in ast.walk(ast.parse(path.read_text()))]
    return [name for name in found if name.startswith("test_")]


def examples() -> Iterator[tuple[str, Any]]:
    texts = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    texts += ["\n".join(re.findall(r"^    .*$", text, re.MULTILINE)) for text in MODULES]
    for text in texts:
        for name, body in yaml.safe_load(text)["exporters"].items():
            yield name.partition("/")[0], body or {}


@pytest.mark.parametrize(("test", "room", "module"), ROWS)
def test_every_rule_has_its_test(test: str, room: str, module: str) -> None:
    assert test in names_in(ROOT / "tests" / room / f"test_{room}_{module}.py")


def test_every_test_of_a_rule_is_listed() -> None:
    """In the file of the rules there is nothing else."""
    listed = {test for test, _, module in ROWS if module == "otlp_rules"}
    assert listed == set(names_in(Path(__file__).with_name("test_exporters_otlp_rules.py")))


@pytest.mark.parametrize(("kind", "body"), list(examples()))
def test_examples_have_no_faults(tmp_path: Path, kind: str, body: dict[str, Any]) -> None:
    ca = trustme.CA()
    leaf = ca.issue_cert("shipper@example.com")
    (tmp_path / "tls").mkdir()
    ca.cert_pem.write_to_path(str(tmp_path / "tls/ca.pem"))
    leaf.cert_chain_pems[0].write_to_path(str(tmp_path / "tls/client.pem"))
    leaf.private_key_pem.write_to_path(str(tmp_path / "tls/client.key"))
    component = COMPONENTS[kind]
    assert list(component.check(component.config.model_validate(body), Paths(tmp_path, tmp_path))) == []
