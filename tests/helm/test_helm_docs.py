"""What docs/kubernetes.md has helm do, done without a cluster: an installation is a rendering."""

import re
import shlex
import shutil

import pytest
import yaml
from helm_charts import ROOT, Helm, pod_specs

pytestmark = pytest.mark.interop

PAGE = (ROOT / "docs" / "kubernetes.md").read_text()
COMMANDS = re.findall(r"^\$ (helm .*)$", PAGE, re.MULTILINE)


@pytest.fixture
def tree(tmp_path):
    """A clone, as far as charts go."""
    for folder in ("helm", "examples"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("charts", "Chart.lock"))
    return tmp_path


def test_helm_does_what_the_page_says(helm: Helm, tree, monkeypatch):
    monkeypatch.chdir(tree)
    for command in COMMANDS:
        words = shlex.split(command)[1:]
        if "test" in words:
            continue
        text = " ".join(words).replace("upgrade --install", "template")
        printed = helm.run(*text.split())
        if "template" in text:
            assert list(pod_specs([each for each in yaml.safe_load_all(printed) if each]))


def test_the_values_on_the_page_are_taken(helm: Helm):
    blocks = re.findall(r"<!-- of the chart -->\n```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert blocks
    for block in blocks:
        assert helm.template(yaml.safe_load(block))


def test_every_template_for_parents_is_on_the_page():
    defined = re.findall(
        r'define "(shipper\.sidecar\.\w+)"', (ROOT / "helm/shipper/templates/_sidecar.tpl").read_text()
    )
    assert [name for name in defined if f"`{name}`" not in PAGE] == ["shipper.sidecar.own"]
