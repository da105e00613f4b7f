"""`shipper k8s sidecar`: what it prints fits a pod, holds no secret, and polls once."""

import pytest
import yaml
from click.testing import CliRunner

from shipper.cli import main

PIPELINES = """
receivers:
  github:
    organizations: ["${env:ORG}"]
    api_version: "2022-11-28"
    auth: {token_file: /run/github/token}
exporters:
  otlphttp:
    endpoint: ${env:OTLP:-http://127.0.0.1:4318}
    headers: {authorization: "Bearer ${env:OTLP_TOKEN}", x-tenant: "0123"}
service:
  pipelines:
    logs/github: {receivers: [github], exporters: [otlphttp]}
"""

DEPLOYMENT = """
apiVersion: v1
kind: Service
metadata: {name: web}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: prod, labels: {app: web}}
spec:
  replicas: 3
  template:
    spec:
      serviceAccountName: web
      terminationGracePeriodSeconds: 5
      containers: [{name: web, image: nginx}]
"""


@pytest.fixture
def sidecar(tmp_path, monkeypatch):
    """Runs the command in a folder with the two files above; gives the documents."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipelines.yaml").write_text(PIPELINES)
    (tmp_path / "deployment.yaml").write_text(DEPLOYMENT)

    def run(*arguments: str) -> list[dict]:
        result = CliRunner().invoke(main, ["k8s", "sidecar", *arguments])
        assert result.exit_code == 0, result.output
        return list(yaml.safe_load_all(result.output))

    return run


def test_it_prints_configuration_permissions_container_and_volumes(sidecar):
    config_map, role, binding, pod = sidecar()
    assert [each["kind"] for each in (config_map, role, binding)] == ["ConfigMap", "Role", "RoleBinding"]
    assert list(pod) == ["initContainers", "containers", "volumes"]
    (container,) = pod["containers"]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_the_configuration_stays_what_it_was_but_for_what_the_pod_decides(sidecar):
    """Scalars keep their quotes, as a version that looks like a date and a number with a zero do."""
    shown = yaml.safe_load(sidecar()[0]["data"]["pipelines.yaml"])
    assert shown == yaml.safe_load(PIPELINES) | {
        "extensions": {
            "storage": {"path": "/var/lib/shipper/shipper.db"},
            "k8s_leader_elector": {"lease_name": "shipper"},
        },
        "service": {
            "pipelines": {"logs/github": {"receivers": ["github"], "exporters": ["otlphttp"]}},
            "admin": {"endpoint": "0.0.0.0:13133"},
            "telemetry": {"metrics": {"endpoint": "0.0.0.0:8888"}},
        },
    }


def test_variables_and_secret_files_come_from_the_secret(sidecar):
    pod = sidecar("--secret", "github")[-1]
    variables = {each["name"]: each["valueFrom"]["secretKeyRef"] for each in pod["containers"][0]["env"]}
    assert variables == {
        "ORG": {"name": "github", "key": "ORG"},
        "OTLP": {"name": "github", "key": "OTLP", "optional": True},
        "OTLP_TOKEN": {"name": "github", "key": "OTLP_TOKEN"},
    }
    (files,) = [volume for volume in pod["volumes"] if "secret" in volume]
    assert files["secret"] == {"secretName": "github", "items": [{"key": "token", "path": "token"}]}
    assert {"name": files["name"], "mountPath": "/run/github", "readOnly": True} in pod["containers"][0][
        "volumeMounts"
    ]


def test_a_native_sidecar_is_an_init_container_that_stays(sidecar):
    pod = sidecar("--native")[-1]
    assert "containers" not in pod
    validation, shipper = pod["initContainers"]
    assert validation["args"][0] == "validate"
    assert (shipper["restartPolicy"], shipper["args"][0]) == ("Always", "run")
    assert shipper["startupProbe"]["httpGet"] == {"path": "/livez", "port": "shipper-admin"}


def test_a_patch_names_the_workload_and_holds_only_what_is_ours(sidecar):
    *objects, patch = sidecar("--patch", "deployment.yaml")
    assert {each["metadata"]["namespace"] for each in objects} == {"prod"}
    assert objects[2]["subjects"] == [{"kind": "ServiceAccount", "name": "web", "namespace": "prod"}]
    assert (patch["kind"], patch["metadata"]) == ("Deployment", {"name": "web", "namespace": "prod"})
    assert list(patch["spec"]) == ["template"]
    template = patch["spec"]["template"]
    assert template["metadata"] == {"annotations": {"kubectl.kubernetes.io/default-container": "web"}}
    pod = template["spec"]
    assert [each["name"] for each in pod["containers"]] == ["shipper"]
    assert pod["terminationGracePeriodSeconds"] == 30


def test_with_a_single_replica_nobody_is_elected_and_no_token_mounted(sidecar):
    config_map, pod = sidecar("--single-replica")
    assert "k8s_leader_elector" not in config_map["data"]["pipelines.yaml"]
    assert not [volume for volume in pod["volumes"] if "projected" in volume]


WEB = {"apiVersion": "apps/v1", "metadata": {"name": "web"}}
POD = {"template": {"spec": {"containers": [{"name": "web", "image": "nginx"}]}}}


@pytest.mark.parametrize(
    ("kind", "spec", "fault"),
    [
        ("DaemonSet", {}, "a DaemonSet has a pod on every node"),
        ("StatefulSet", {"replicas": 2}, "it has 2 replicas"),
        ("Deployment", {"replicas": 3, "strategy": {"type": "Recreate"}}, "it has 3 replicas"),
        ("Deployment", {"replicas": 1}, "a rolling update has two pods; or set strategy.type to Recreate"),
        ("Deployment", {"strategy": {"type": "RollingUpdate"}}, "a rolling update has two pods"),
        ("Deployment", {"strategy": {"type": "Recreate"}}, ""),
        ("StatefulSet", {"replicas": 1}, ""),
        ("StatefulSet", {}, ""),
    ],
)
def test_a_workload_that_may_have_two_pods_is_no_single_replica(tmp_path, monkeypatch, kind, spec, fault):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipelines.yaml").write_text(PIPELINES)
    (tmp_path / "web.yaml").write_text(yaml.safe_dump(WEB | {"kind": kind, "spec": POD | spec}))
    result = CliRunner().invoke(main, ["k8s", "sidecar", "--patch", "web.yaml", "--single-replica"])
    assert result.exit_code == (1 if fault else 0)
    refusal = f"{kind} web would poll twice, leave out --single-replica: {fault}"
    assert (refusal in result.stderr) is bool(fault)


@pytest.mark.parametrize("name", ["", "Shipper", "a.b", "-a", "a-", "a" * 51, "a\nb", "a\n"])
def test_names_that_kubernetes_would_refuse_are_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipelines.yaml").write_text(PIPELINES)
    result = CliRunner().invoke(main, ["k8s", "sidecar", "--name", name])
    assert result.exit_code == 2
    assert "at most 50 of a-z, 0-9 and -" in result.stderr


def test_what_a_configmap_cannot_hold_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipelines.yaml").write_text(PIPELINES)
    (tmp_path / "large.yml").write_text("x" * 2**20)
    result = CliRunner().invoke(main, ["k8s", "sidecar", "--file", "large.yml"])
    assert result.exit_code == 1
    assert "a ConfigMap takes 1048576" in result.stderr


def test_the_role_names_the_lease_of_the_configuration(sidecar, tmp_path):
    (tmp_path / "own.yaml").write_text(PIPELINES + "extensions: {k8s_leader_elector: {lease_name: mine}}\n")
    _, role, _, _ = sidecar("-c", "own.yaml")
    assert role["rules"][1]["resourceNames"] == ["mine"]


def test_files_beside_the_configuration_keep_their_folders(sidecar, tmp_path):
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.yml").write_text("title: a\n")
    config_map, *_, pod = sidecar("--file", "rules/a.yml")
    assert config_map["data"]["rules__a.yml"] == "title: a\n"
    volume = next(volume for volume in pod["volumes"] if "configMap" in volume)
    assert {"key": "rules__a.yml", "path": "rules/a.yml"} in volume["configMap"]["items"]


def test_a_secret_that_is_written_out_is_refused_at_its_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = PIPELINES.replace("{token_file: /run/github/token}", "{token: ghp_abcdef}")
    (tmp_path / "pipelines.yaml").write_text(text.replace("${env:OTLP_TOKEN}", "secret-value"))
    result = CliRunner().invoke(main, ["k8s", "sidecar"])
    assert result.exit_code == 78
    assert "pipelines.yaml:6:19: error[literal-secret]: receivers.github.auth.token:" in result.stderr
    assert (
        "pipelines.yaml:10:30: error[literal-secret]: exporters.otlphttp.headers.authorization:" in result.stderr
    )
    assert "ghp_abcdef" not in result.output
    assert "secret-value" not in result.output


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param("a: [", "pipelines.yaml:2:1: error[yaml-syntax]", id="no YAML"),
        pytest.param("- a\n", "error[yaml-syntax]: the file must be a map", id="no map"),
    ],
)
def test_what_is_no_configuration_is_said(tmp_path, monkeypatch, content, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipelines.yaml").write_text(content + "\n")
    result = CliRunner().invoke(main, ["k8s", "sidecar"])
    assert result.exit_code == 78
    assert says in result.stderr


@pytest.mark.parametrize(
    "content", ["kind: Service\n", "apiVersion: apps/v1\nkind: Deployment\nspec: {}\n", "a: ["]
)
def test_what_is_no_workload_is_said(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipelines.yaml").write_text(PIPELINES)
    (tmp_path / "web.yaml").write_text(content)
    result = CliRunner().invoke(main, ["k8s", "sidecar", "--patch", "web.yaml"])
    assert result.exit_code == 1
    assert "web.yaml" in result.stderr
