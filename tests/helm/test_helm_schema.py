"""What of the chart can be held against the product without helm."""

import json
import re
import runpy

import jsonschema
import pytest
import yaml
from helm_charts import CHART, ROOT, VALUES

from shipper import __version__
from shipper.core.telemetry import METRICS
from shipper.service.deploy.sidecar import ADMIN_PORT, DRAIN, METRICS_PORT, RESOURCES
from shipper.service.observe.metrics import PROCESS

_NAME = re.compile(r"\b(?:otelcol|shipper)_[a-z0-9_]+")
_SCRIPT = runpy.run_path(str(ROOT / "helm" / "values_schema.py"))


def exposed() -> set[str]:
    """Every metric as Prometheus has it: counters end in `_total`."""
    metrics = METRICS | PROCESS
    return {name + ("_total" if metric.kind == "counter" else "") for name, metric in metrics.items()}


@pytest.fixture(scope="module")
def schema():
    return json.loads((CHART / "values.schema.json").read_text())


def test_the_values_schema_is_fresh():
    """Where it is not: python helm/values_schema.py, and commit what it wrote."""
    assert (CHART / "values.schema.json").read_text() == _SCRIPT["made"]()


def test_the_values_schema_is_one(schema):
    jsonschema.Draft7Validator.check_schema(schema)


def test_every_default_has_a_place_in_the_schema_and_the_other_way_round(schema):
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert set(schema["properties"]) - set(values) == {"enabled"}
    assert set(values) - set(schema["properties"]) == set()


def _merged(base, over):
    if isinstance(base, dict) and isinstance(over, dict):
        return {key: _merged(base.get(key), over[key]) if key in over else base[key] for key in {*base, *over}}
    return over


@pytest.mark.parametrize("file", VALUES, ids=lambda file: file.stem)
def test_values_are_taken(schema, file):
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    merged = _merged(values, yaml.safe_load(file.read_text()))
    assert [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(merged)] == []


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({"mod": "statefulset"}, ""),
        ({"mode": "daemonset"}, "mode"),
        ({"image": {"digest": "latest"}}, "image.digest"),
        ({"config": {"receivers": {"github": {"poll_intervall": "5m"}}}}, "config.receivers.github"),
        ({"config": {"receivers": {"gitlab": {}}}}, "config.receivers"),
        (
            {"config": {"receivers": {"github": {"auth": {"token": "ghp_1"}}}}},
            "config.receivers.github.auth.token",
        ),
        (
            {
                "config": {
                    "exporters": {"otlphttp": {"endpoint": "http://a", "headers": {"Authorization": "Bearer x"}}}
                }
            },
            "config.exporters.otlphttp.headers",
        ),
        ({"files": {"pipelines.yaml": ""}}, "files"),
        ({"networkPolicy": {"github": {"cidrs": ["everywhere"]}}}, "networkPolicy.github.cidrs.0"),
    ],
)
def test_values_are_refused(schema, values, where):
    merged = _merged(yaml.safe_load((CHART / "values.yaml").read_text()), values)
    found = [
        ".".join(map(str, error.absolute_path)) for error in jsonschema.Draft7Validator(schema).iter_errors(merged)
    ]
    assert found
    assert all(path.startswith(where) for path in found)


@pytest.mark.parametrize("value", ["${env:TOKEN}", "Bearer ${env:TOKEN}", "${file:/run/token}"])
def test_secrets_may_come_from_elsewhere(schema, value):
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    values["config"]["exporters"]["otlphttp"] = {
        "endpoint": "http://a",
        "headers": {"authorization": value, "x-tenant": "acme"},
    }
    jsonschema.Draft7Validator(schema).validate(values)


@pytest.mark.parametrize("file", ["dashboards/shipper.json", "templates/prometheusrule.yaml"])
def test_every_metric_that_is_looked_at_exists(file):
    named = set(_NAME.findall((CHART / file).read_text()))
    assert named
    assert named - exposed() == set()


def test_every_label_that_is_grouped_by_exists():
    """Labels of the metrics, and those that Prometheus adds."""
    text = (CHART / "dashboards/shipper.json").read_text() + (CHART / "templates/prometheusrule.yaml").read_text()
    known = {label for metric in METRICS.values() for label in metric.labels} | {"pod"}
    used = {label.strip() for group in re.findall(r"by \(([a-z_, ]+)\)", text) for label in group.split(",")}
    assert used - known == set()


def test_the_panels_of_the_dashboard_do_not_overlap():
    taken = set()
    for panel in json.loads((CHART / "dashboards/shipper.json").read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_versions_are_those_of_the_product():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == __version__
    assert f"ARG VERSION={__version__}\n" in (ROOT / "Dockerfile").read_text()


def test_the_sidecar_without_helm_has_the_charts_defaults():
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert (values["adminPort"], values["metricsPort"]) == (ADMIN_PORT, METRICS_PORT)
    assert values["drainTimeoutSeconds"] == DRAIN
    assert values["resources"] == RESOURCES
