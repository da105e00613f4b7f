"""The shipper in other people's pods: by two complete parent charts, and without helm."""

import pytest
import yaml
from click.testing import CliRunner
from helm_charts import (
    CHART,
    KUBERNETES,
    Helm,
    Refused,
    containers,
    not_restricted,
    of_kind,
    pipelines_of,
    pod_specs,
    shipper_of,
    the,
)
from test_helm_render import faults

from shipper.cli import main

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("kubernetes", ["1.28.5", *KUBERNETES])
def test_the_examples_are_sound_on_every_cluster(helm: Helm, parent, kubernetes):
    helm.run("lint", "--strict", parent)
    manifests = helm.template(chart=parent, kubernetes=kubernetes)
    assert [fault for manifest in manifests for fault in faults(manifest, kubernetes)] == []
    for name, pod in pod_specs(manifests):
        assert (name, not_restricted(pod)) == (name, [])
        volumes = [volume["name"] for volume in pod["volumes"]]
        assert len(volumes) == len(set(volumes))
        for container in containers(pod):
            assert {mount["name"] for mount in container.get("volumeMounts", [])} <= set(volumes)
    assert len(of_kind(manifests, "Deployment")) == 1
    assert of_kind(manifests, "StatefulSet") == []


@pytest.mark.parametrize("parent", ["workload-with-shipper"], indirect=True)
@pytest.mark.parametrize("kubernetes", ["1.28.5", "1.29.0"])
def test_the_sidecar_is_native_where_the_cluster_can(helm: Helm, parent, kubernetes):
    manifests = helm.template(chart=parent, kubernetes=kubernetes)
    shipper = shipper_of(manifests)
    pod = the(manifests, "Deployment")["spec"]["template"]["spec"]
    native = kubernetes == "1.29.0"
    assert (shipper.get("restartPolicy") == "Always") is native
    assert (shipper in pod["initContainers"]) is native
    assert "startupProbe" in shipper
    assert pod["initContainers"][0]["args"][0] == "validate"


def test_a_workload_with_replicas_elects_one_that_polls(helm: Helm, parent):
    manifests = helm.template(chart=parent)
    deployment = the(manifests, "Deployment")
    elected = pipelines_of(manifests)["extensions"].get("k8s_leader_elector")
    if parent.name == "workload-with-shipper":
        assert deployment["spec"]["replicas"] == 3
        assert elected["lease_name"] == the(manifests, "Role")["rules"][1]["resourceNames"][0]
        account = the(manifests, "RoleBinding")["subjects"][0]["name"]
        assert account == deployment["spec"]["template"]["spec"]["serviceAccountName"]
    else:
        assert (deployment["spec"]["replicas"], deployment["spec"]["strategy"]) == (1, {"type": "Recreate"})
        assert elected is None


def test_the_shippers_trouble_does_not_take_the_workload_out_of_service(helm: Helm, parent):
    """A pod is ready when all its containers are: so the sidecar has no readiness probe unless asked for."""
    ready = "readinessProbe" in shipper_of(helm.template(chart=parent))
    assert ready is (parent.name == "collector-with-shipper")


def test_the_containers_of_a_pod_share_no_port(helm: Helm, parent):
    (pod,) = [pod for name, pod in pod_specs(helm.template(chart=parent)) if name.startswith("Deployment/")]
    taken = [port["containerPort"] for container in containers(pod) for port in container.get("ports", [])]
    taken += [
        container["livenessProbe"]["httpGet"]["port"]
        for container in containers(pod)
        if isinstance(container.get("livenessProbe", {}).get("httpGet", {}).get("port"), int)
    ]
    assert len(taken) == len(set(taken))


def test_only_the_shipper_has_the_token_and_the_credential(helm: Helm, parent):
    (pod,) = [pod for name, pod in pod_specs(helm.template(chart=parent)) if name.startswith("Deployment/")]
    assert pod["automountServiceAccountToken"] is False
    secret = {volume["name"] for volume in pod["volumes"] if "secret" in volume or "projected" in volume}
    assert secret
    for container in containers(pod):
        mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
        assert not mounted & secret or container["name"].startswith("shipper")


def test_a_native_sidecar_on_an_old_cluster_is_refused_with_the_alternative(helm: Helm, parent):
    file = parent / "templates" / "native.yaml"
    file.write_text('{{ include "shipper.sidecar.initContainer" . }}')
    with pytest.raises(Refused, match=r"include shipper\.sidecar\.container in containers instead"):
        helm.template(chart=parent, kubernetes="1.28.5")


def test_the_templates_refuse_a_chart_that_also_makes_its_own_pod(helm: Helm, parent):
    with pytest.raises(Refused, match="set mode: sidecar for the shipper"):
        helm.template({"shipper": {"mode": "statefulset"}}, chart=parent)


def test_a_wrong_key_below_shipper_is_refused(helm: Helm, parent):
    with pytest.raises(Refused, match="poll_intervall"):
        helm.template({"shipper": {"config": {"receivers": {"github": {"poll_intervall": "1m"}}}}}, chart=parent)


def test_a_dependency_under_another_name_is_passed_itself(helm: Helm, parent):
    chart = parent / "Chart.yaml"
    chart.write_text(
        chart.read_text().replace("version: 0.1.0\n    repo", "version: 0.1.0\n    alias: audit\n    repo")
    )
    values = yaml.safe_load((parent / "values.yaml").read_text())
    (parent / "values.yaml").write_text(yaml.safe_dump({**values, "audit": values.pop("shipper")}))
    for file in (parent / "templates").glob("*.yaml"):
        text = file.read_text()
        for name in (
            "annotations",
            "terminationGracePeriodSeconds",
            "preflight",
            "initContainer",
            "container",
            "volumes",
            "configMap",
        ):
            text = text.replace(f'"shipper.sidecar.{name}" .', f'"shipper.sidecar.{name}" .Subcharts.audit')
        file.write_text(text)
    assert shipper_of(helm.template(chart=parent))["name"] == "shipper"


def test_a_changed_configuration_starts_the_pod_anew_where_it_is_not_reloaded(helm: Helm, parent):
    def annotations(organization):
        values = {
            "configReload": {"enabled": False},
            "config": {"receivers": {"github": {"organizations": [organization]}}},
        }
        template = the(helm.template({"shipper": values}, chart=parent), "Deployment")["spec"]["template"]
        return template["metadata"]["annotations"]["checksum/shipper-config"]

    assert annotations("a") != annotations("b")


PIPELINES = """
receivers: {github: {organizations: ["acme-corp"], auth: {token_file: /var/run/secrets/shipper/token}}}
exporters: {debug: {verbosity: basic}}
service: {pipelines: {logs/github: {receivers: [github], exporters: [debug]}}}
"""


@pytest.mark.parametrize("native", [True, False])
def test_the_sidecar_without_helm_is_that_of_the_chart(helm: Helm, tmp_path, native):
    """What two ways to the same thing print differs in names of volumes and objects only."""
    (tmp_path / "pipelines.yaml").write_text(PIPELINES)
    arguments = ["k8s", "sidecar", "-c", str(tmp_path / "pipelines.yaml"), *(["--native"] if native else [])]
    printed = list(yaml.safe_load_all(CliRunner().invoke(main, arguments).stdout))
    mine = next(each for each in containers(printed[-1]) if each["args"][0] == "run")

    parent = tmp_path / "parent"
    (parent / "templates").mkdir(parents=True)
    (parent / "Chart.yaml").write_text(
        "apiVersion: v2\nname: parent\nversion: 0.1.0\n"
        f"dependencies: [{{name: shipper, version: 0.1.0, repository: 'file://{CHART}'}}]\n"
    )
    template = "initContainer" if native else "container"
    (parent / "templates" / "pod.yaml").write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: pod}\nspec:\n  containers:\n"
        f'    {{{{- include "shipper.sidecar.{template}" . | nindent 4 }}}}\n'
    )
    helm.run("dependency", "build", parent)
    values = {"mode": "sidecar", "serviceAccount": {"name": "web"}, "github": {"existingSecret": "shipper"}}
    charts = shipper_of(helm.template({"shipper": values}, chart=parent))
    charts.pop("imagePullPolicy")

    def mounts(container):
        return sorted((each["mountPath"], each.get("readOnly", False)) for each in container.pop("volumeMounts"))

    assert mounts(mine) == mounts(charts)
    assert mine.pop("args") == charts.pop("args")
    assert mine == charts


@pytest.mark.parametrize("kubernetes", KUBERNETES)
@pytest.mark.parametrize("native", [True, False])
def test_what_is_printed_without_helm_is_sound(tmp_path, native, kubernetes):
    (tmp_path / "pipelines.yaml").write_text(PIPELINES)
    (tmp_path / "web.yaml").write_text(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n"
        "spec: {template: {spec: {containers: [{name: web, image: nginx}]}}}\n"
    )
    arguments = ["-c", str(tmp_path / "pipelines.yaml"), "--patch", str(tmp_path / "web.yaml")]
    result = CliRunner().invoke(main, ["k8s", "sidecar", *arguments, *(["--native"] if native else [])])
    *objects, patch = yaml.safe_load_all(result.stdout)
    assert [fault for each in objects for fault in faults(each, kubernetes)] == []
    pod = patch["spec"]["template"]["spec"]
    assert not_restricted(pod) == []
    whole = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": pod | {"containers": [*pod.get("containers", []), {"name": "web", "image": "nginx"}]},
    }
    assert faults(whole, kubernetes) == []
