"""`shipper init`: a configuration to start from."""

import pytest

from shipper.cli.offline import load_offline
from shipper.service.deploy.starting import BACKENDS


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_writes_a_configuration_that_validates_at_once(shipper, folder, backend):
    result = shipper("init", "--backend", backend, "--org", "acme-corp", "--org", "tidewatch")
    assert result.exit_code == 0, result.output
    assert "wrote pipelines.yaml: valid" in result.stdout
    loaded, unset = load_offline(folder / "pipelines.yaml", {})
    assert loaded.receivers["github"].config.organizations == ["acme-corp", "tidewatch"]
    assert loaded.warnings == []
    assert "GITHUB_ORG" not in unset
    assert shipper("test").exit_code == 0


@pytest.mark.parametrize("backend", ["collector", "splunk"])
def test_it_leaves_its_usual_port_to_a_collector_on_the_same_machine(shipper, folder, backend):
    shipper("init", "--backend", backend)
    loaded, _ = load_offline(folder / "pipelines.yaml", {})
    assert loaded.telemetry.metrics.endpoint == "127.0.0.1:8889"


def test_its_pipelines_can_be_drawn_before_a_token_is_set(shipper, folder, monkeypatch):
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    shipper("init", "--backend", "file", "--org", "acme-corp")
    assert shipper("graph").exit_code == 0


def test_it_says_which_variables_to_set(shipper, folder, monkeypatch):
    for name in ("GITHUB_TOKEN", "GITHUB_ORG", "DD_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert "set DD_API_KEY, GITHUB_ORG, GITHUB_TOKEN\n" in shipper("init", "--backend", "datadog").stdout


def test_it_replaces_nothing_unless_told_so(shipper, folder):
    (folder / "pipelines.yaml").write_text("mine")
    result = shipper("init")
    assert result.exit_code == 73
    assert "pipelines.yaml exists; --force replaces it" in result.stderr
    assert (folder / "pipelines.yaml").read_text() == "mine"
    assert shipper("init", "--force").exit_code == 0
    assert "receivers:" in (folder / "pipelines.yaml").read_text()


def test_it_writes_to_stdout(shipper, folder):
    result = shipper("init", "--backend", "file", "-o", "-")
    assert result.stdout.startswith("# From GitHub to file")
    assert list(folder.iterdir()) == []


def test_a_place_that_cannot_be_written_is_73(shipper, folder):
    result = shipper("init", "-o", "gone/pipelines.yaml")
    assert result.exit_code == 73
    assert "can't be written" in result.stderr


@pytest.mark.parametrize("login", ["", "a b", "x]", "${env:HOME}", "-a", "a\n"])
def test_what_is_no_login_is_refused(shipper, folder, login):
    assert shipper("init", "--org", login).exit_code == 2
    assert list(folder.iterdir()) == []
