"""The chart by the real helm, 3 and 4: goldens, the schemas of three Kubernetes versions, what holds always."""

import json
import os
import re
import shutil

import kubernetes_validate
import promql_parser
import pytest
import yaml
from helm_charts import (
    CHART,
    GOLDENS,
    KUBERNETES,
    VALUES,
    Helm,
    Manifest,
    Refused,
    containers,
    not_restricted,
    of_kind,
    pipelines_of,
    pod_specs,
    shipper_of,
    the,
)
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.interop

MONITORS = {
    "ServiceMonitor": {"jobLabel", "namespaceSelector", "selector", "endpoints"},
    "PodMonitor": {"namespaceSelector", "selector", "podMetricsEndpoints"},
    "PrometheusRule": {"groups"},
}


def faults(manifest: Manifest, kubernetes: str) -> list[str]:
    """What a strict API server would refuse."""
    if manifest["kind"] in MONITORS:
        return sorted(set(manifest["spec"]) - MONITORS[manifest["kind"]])
    try:
        kubernetes_validate.validate(manifest, kubernetes, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{manifest['kind']} {list(error.path)}: {error.message}"]
    return []


def sound(manifests: list[Manifest], kubernetes: str = "1.32.0") -> None:
    """What holds for everything the chart renders."""
    assert [fault for manifest in manifests for fault in faults(manifest, kubernetes)] == []
    for name, pod in pod_specs(manifests):
        assert (name, not_restricted(pod)) == (name, [])
        volumes = {volume["name"] for volume in pod.get("volumes", [])}
        claimed = {
            claim["metadata"]["name"]
            for each in of_kind(manifests, "StatefulSet")
            for claim in each["spec"].get("volumeClaimTemplates", [])
        }
        for container in containers(pod):
            mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
            assert mounted <= volumes | claimed
            assert container["resources"]["limits"]["memory"] if "resources" in container else True
    for manifest in manifests:
        assert manifest["metadata"]["namespace"] == "ops"
        assert len(manifest["metadata"]["name"]) <= 63


@pytest.mark.parametrize("file", VALUES, ids=lambda file: file.stem)
def test_what_is_rendered_is_the_golden(helm: Helm, file):
    """A change shows in the diff of tests/helm/goldens; UPDATE_GOLDENS=1 writes them."""
    manifests = helm.template(file)
    golden = GOLDENS / file.name
    text = yaml.safe_dump_all(manifests, width=110)
    if "UPDATE_GOLDENS" in os.environ:
        golden.write_text(text)
    assert list(yaml.safe_load_all(golden.read_text())) == manifests


@pytest.mark.parametrize("kubernetes", KUBERNETES)
@pytest.mark.parametrize("file", VALUES, ids=lambda file: file.stem)
def test_kubernetes_takes_it_strictly(helm: Helm, file, kubernetes):
    manifests = helm.template(file, kubernetes=kubernetes)
    if file.stem == "extras":  # its own containers are the user's matter
        assert [fault for manifest in manifests for fault in faults(manifest, kubernetes)] == []
    else:
        sound(manifests, kubernetes)


def test_lint_is_content(helm: Helm):
    for file in VALUES:
        assert "0 chart(s) failed" in helm.run("lint", "--strict", CHART, "--values", file)


def test_it_packages(helm: Helm, tmp_path):
    helm.run("package", CHART, "--destination", tmp_path)
    (package,) = tmp_path.glob("shipper-*.tgz")
    assert helm.template(chart=package) == helm.template()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"replicaCount": 2, "leaderElection": {"enabled": False}}, "would poll GitHub once per replica"),
        ({"mode": "deployment", "replicaCount": 3, "leaderElection": {"enabled": False}}, "once per replica"),
        ({"mode": "sidecar", "leaderElection": {"enabled": False}}, "once per replica of its workload"),
        (
            {"mode": "sidecar", "replicaCount": 2, "serviceAccount": {"name": "a"}},
            "your workload has the replicas",
        ),
        ({"mode": "deployment", "strategy": {"type": "RollingUpdate"}}, "a rolling update has two pods that poll"),
        ({"replicaCount": 2, "persistence": {"existingClaim": "one"}}, "shared by all replicas"),
        (
            {"existingConfigMap": "a", "replicaCount": 2, "networkPolicy": {"enabled": False}},
            "can't add the leader election to it",
        ),
        ({"existingConfigMap": "a"}, "can't see where its exporters send to"),
        ({"config": {"extensions": {"k8s_leader_elector": {"lease_name": "a"}}}}, "written by the chart"),
        ({"mode": "sidecar"}, "name the service account of the pod"),
        ({"replicaCount": 2, "leaderElection": {"renewDeadlineSeconds": 10}}, "two could lead at once"),
        ({"replicaCount": 2, "leaderElection": {"retryPeriodSeconds": 7}}, "must be below renewDeadlineSeconds"),
        ({"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}, "scrape every pod: enable one"),
        (
            {"mode": "sidecar", "sidecar": {"singleReplica": True}, "serviceMonitor": {"enabled": True}},
            "podMonitor",
        ),
        (
            {"mode": "sidecar", "sidecar": {"singleReplica": True}, "podMonitor": {"enabled": True}},
            "give the labels",
        ),
        ({"ca": {"existingSecret": "a", "existingConfigMap": "b"}}, "not both"),
        ({"adminPort": 8888}, "must differ"),
        ({"config": {"receivers": {"github": {"poll_intervall": "5m"}}}}, "poll_intervall"),
        ({"config": {"receivers": {"github": {"auth": {"token": "ghp_x"}}}}}, "token"),
        ({"mod": "deployment"}, "mod"),
        ({"mode": None}, "set statefulset, deployment or sidecar"),
        ({"autoscaling": {"enabled": True}}, "autoscaling"),
        ({"fullnameOverride": "my.shipper"}, "fullnameOverride"),
        ({"proxy": {"url": "http://a:1"}, "env": {"HTTPS_PROXY": "b"}}, "set proxy.url alone"),
        ({"proxy": {"noProxy": "a"}, "env": {"NO_PROXY": "b"}}, "say the same"),
        ({"files": {"large.yml": "x" * 2**20}}, "a ConfigMap takes 1048576: mount large files by extraVolumes"),
    ],
)
def test_what_would_not_work_is_refused_with_the_remedy(helm: Helm, values, says):
    with pytest.raises(Refused, match=re.escape(says)):
        helm.template(values)


@pytest.mark.parametrize("code", ["x7f", "x85", "x9b", "u2028", "u2029"])
@pytest.mark.parametrize(
    "where", ["files: {a.yml: TEXT}", "commonAnnotations: {a: TEXT}", "config: {exporters: {file: {path: TEXT}}}"]
)
def test_characters_that_helm_would_lose_are_refused(helm: Helm, tmp_path, code, where):
    """Helm reads them where they are escaped, writes them plainly, and then can't read them any more."""
    (tmp_path / "values.yaml").write_text(where.replace("TEXT", f'"\\{code}"'))
    with pytest.raises(Refused, match="control character"):
        helm.template(tmp_path / "values.yaml")


def test_a_wrong_key_fails_lint(helm: Helm):
    with pytest.raises(Refused, match="poll_intervall"):
        helm.run("lint", CHART, "--set", "config.receivers.github.poll_intervall=5m")


def test_one_replica_has_no_token_and_no_role(helm: Helm):
    manifests = helm.template()
    assert of_kind(manifests, "Role") == of_kind(manifests, "RoleBinding") == []
    assert "k8s_leader_elector" not in pipelines_of(manifests)["extensions"]
    for _, pod in pod_specs(manifests):
        assert pod["automountServiceAccountToken"] is False
        assert not [volume for volume in pod.get("volumes", []) if "projected" in volume]


def test_several_replicas_elect_one_with_the_least_rights(helm: Helm):
    manifests = helm.template({"replicaCount": 3})
    assert pipelines_of(manifests)["extensions"]["k8s_leader_elector"] == {
        "auth_type": "serviceAccount",
        "lease_name": "r-shipper",
        "lease_namespace": "ops",
        "lease_duration": "10s",
        "renew_deadline": "7s",
        "retry_period": "2s",
    }
    assert the(manifests, "Role")["rules"] == [
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "resourceNames": ["r-shipper"],
            "verbs": ["get", "update"],
        },
    ]
    (subject,) = the(manifests, "RoleBinding")["subjects"]
    pod = the(manifests, "StatefulSet")["spec"]["template"]["spec"]
    assert subject["name"] == pod["serviceAccountName"] == "r-shipper"
    assert pod["automountServiceAccountToken"] is False
    mounts = [mount["mountPath"] for mount in shipper_of(manifests)["volumeMounts"]]
    assert "/var/run/secrets/kubernetes.io/serviceaccount" in mounts


def test_the_credential_is_a_file_and_no_secret_is_in_the_configuration(helm: Helm):
    token = pipelines_of(helm.template({"github": {"existingSecret": "gh"}}))["receivers"]["github"]["auth"]
    assert token == {"token_file": "/var/run/secrets/shipper/token"}
    app = {"clientId": "Iv1", "installationId": 51234567, "privateKeyKey": "k.pem"}
    auth = pipelines_of(helm.template({"github": {"existingSecret": "gh", "app": app}}))["receivers"]["github"][
        "auth"
    ]
    assert auth == {
        "app": {
            "client_id": "Iv1",
            "private_key_file": "/var/run/secrets/shipper/k.pem",
            "installation_id": 51234567,
        }
    }


def test_a_receivers_own_auth_stays(helm: Helm):
    values = {
        "github": {"existingSecret": "gh"},
        "config": {"receivers": {"github": {"auth": {"token": "${env:OTHER}"}}}},
    }
    assert pipelines_of(helm.template(values))["receivers"]["github"]["auth"] == {"token": "${env:OTHER}"}


def test_values_that_look_like_others_stay_what_they_are(helm: Helm):
    """Large numbers, strings of digits and dates survive helm's own reading and writing."""
    config = {
        "receivers": {"github": {"api_version": "2022-11-28", "organizations": ["0123"]}},
        "extensions": {"storage": {"max_size": 10737418240}},
    }
    found = pipelines_of(helm.template({"config": config}))
    assert found["receivers"]["github"] == config["receivers"]["github"]
    assert found["extensions"]["storage"] == {
        "type": "sqlite", "path": "/var/lib/shipper/shipper.db", "max_size": 10737418240,
    }  # fmt: skip


HOSTILE = [
    "{{ .Values }}", '{{ fail "x" }}', "$", "$$", "${env:X}", "$(X)", "'\"", "#c", "a #b", "- x", ": y", "a: b",
    "|", "&a", "*a", "%", "@", "`", "\\n", "~", "null", "true", "0123", "1e3", "0x1f", "2026-11-28", "!!binary x",
    "---\na", "...\n", "a\nb", "a\r\nb", "\n\n  a", "  a\n b", "\ta\n\tb", "a \n", "a\n\n\n", "\x1b[31m",
    "\\u2028", "\u00a0", "\ufeffa",
]  # fmt: skip


def test_texts_that_mean_something_elsewhere_arrive_as_they_are(helm: Helm):
    """Templates, YAML, lines, and what looks like another type."""
    match = {f"field{number}": text for number, text in enumerate(HOSTILE)}
    values = {
        "config": {
            "processors": {"rules/severity": {"rules": [{"name": "a", "match": match, "severity": "high"}]}}
        },
        "files": {f"file{number}": text for number, text in enumerate(HOSTILE)},
        "env": {f"VARIABLE{number}": text for number, text in enumerate(HOSTILE)},
        "podAnnotations": {f"annotation{number}": text for number, text in enumerate(HOSTILE)},
    }
    manifests = helm.template(values)
    config = pipelines_of(manifests)
    assert config["processors"]["rules/severity"]["rules"][0]["match"] == match
    assert config["service"]["pipelines"]
    data = the(manifests, "ConfigMap")["data"]
    assert {name: text for name, text in data.items() if name.startswith("file")} == values["files"]
    assert {each["name"]: each["value"] for each in shipper_of(manifests)["env"]} == values["env"]
    pod = the(manifests, "StatefulSet")["spec"]["template"]
    assert pod["metadata"]["annotations"] == values["podAnnotations"]


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ("a.b.c", "a-b-c-shipper"),
        ("null", "null-shipper"),
        ("my-shipper", "my-shipper"),
        ("x" * 53, "x" * 52),
        ("a" + "b" * 43 + "-7" * 4, "a" + "b" * 43 + "-7" * 4),
        ("a" * 50 + "-b", "a" * 50 + "-b"),
    ],
)
def test_releases_of_unusual_names_have_sound_ones(helm: Helm, release, name):
    manifests = helm.template(release=release)
    sound(manifests)
    assert the(manifests, "Service")["metadata"]["name"] == name


@pytest.mark.parametrize("release", ["1st", "0123", "1e3"])
def test_a_release_that_starts_with_a_digit_is_told_how_to_call_its_service(helm: Helm, release):
    with pytest.raises(Refused, match="starts with a letter: set fullnameOverride"):
        helm.template(release=release)
    assert helm.template({"fullnameOverride": "audit"}, release=release)


def test_labels_of_yours_never_replace_those_that_pods_are_selected_by(helm: Helm):
    mine = {"app.kubernetes.io/name": "mine", "app.kubernetes.io/instance": "mine", "team": "security"}
    workload = the(helm.template({"podLabels": mine, "commonLabels": mine}), "StatefulSet")
    labels = workload["spec"]["template"]["metadata"]["labels"]
    assert {key: labels[key] for key in workload["spec"]["selector"]["matchLabels"]} == {
        "app.kubernetes.io/name": "shipper",
        "app.kubernetes.io/instance": "r",
        "app.kubernetes.io/component": "shipper",
    }
    assert labels["team"] == workload["metadata"]["labels"]["team"] == "security"


def test_components_of_the_chart_that_no_pipeline_names_are_left_out(helm: Helm):
    config = {
        "receivers": {"github/acme": {"organizations": ["acme"]}},
        "exporters": {"otlp": {"endpoint": "a:4317"}},
        "service": {
            "pipelines": {"logs/github": None, "logs": {"receivers": ["github/acme"], "exporters": ["otlp"]}}
        },
    }
    found = pipelines_of(helm.template({"config": config}))
    assert {key: list(found[key]) for key in ("receivers", "processors", "exporters")} == {
        "receivers": ["github/acme"],
        "processors": [],
        "exporters": ["otlp"],
    }


def test_a_changed_configuration_is_reloaded_or_starts_the_pod_anew(helm: Helm):
    def annotations(reload, organization):
        values = {
            "configReload": {"enabled": reload},
            "config": {"receivers": {"github": {"organizations": [organization]}}},
        }
        template = the(helm.template(values), "StatefulSet")["spec"]["template"]
        return template["metadata"].get("annotations", {})

    assert annotations(True, "a") == annotations(True, "b") == {}
    assert annotations(False, "a") != annotations(False, "b")
    assert "--watch" in shipper_of(helm.template())["args"]
    assert "--watch" not in shipper_of(helm.template({"configReload": {"enabled": False}}))["args"]
    (volume,) = [
        volume
        for volume in the(helm.template(), "StatefulSet")["spec"]["template"]["spec"]["volumes"]
        if "configMap" in volume
    ]
    (mount,) = [each for each in shipper_of(helm.template())["volumeMounts"] if each["name"] == volume["name"]]
    assert "subPath" not in mount  # a mounted file would never be swapped


def test_the_grace_period_covers_the_drain(helm: Helm):
    manifests = helm.template({"drainTimeoutSeconds": 45})
    assert "--drain-timeout=45s" in shipper_of(manifests)["args"]
    assert the(manifests, "StatefulSet")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 55


def test_probes_ask_the_admin_port(helm: Helm):
    manifests = helm.template({"adminPort": 14000})
    container = shipper_of(manifests)
    assert pipelines_of(manifests)["service"]["admin"] == {"endpoint": "0.0.0.0:14000"}
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    asked = {
        probe: (container[probe]["httpGet"]["path"], ports[container[probe]["httpGet"]["port"]])
        for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    assert asked == {
        "startupProbe": ("/livez", 14000),
        "livenessProbe": ("/livez", 14000),
        "readinessProbe": ("/readyz", 14000),
    }


def test_the_hook_checks_the_new_configuration_before_an_upgrade(helm: Helm):
    """At that moment the ConfigMap of the release is still the old one, so the hook brings its own."""
    manifests = helm.template({"preflight": {"test": True}})
    hooks = {
        each["kind"]: each
        for each in manifests
        if each["metadata"].get("annotations", {}).get("helm.sh/hook") == "pre-upgrade"
    }
    config_map, job = hooks["ConfigMap"], hooks["Job"]
    weights = [int(each["metadata"]["annotations"]["helm.sh/hook-weight"]) for each in (config_map, job)]
    assert weights == sorted(weights)
    assert config_map["data"] == the(manifests, "ConfigMap")["data"]
    pod = job["spec"]["template"]["spec"]
    assert [each["args"][0] for each in pod["initContainers"]] == ["validate", "test"]
    assert pod["volumes"][0]["configMap"]["name"] == config_map["metadata"]["name"]
    assert (job["spec"]["backoffLimit"], pod["restartPolicy"]) == (0, "Never")


def test_egress_is_to_dns_github_and_the_exporters_only(helm: Helm):
    config = {
        "exporters": {
            "otlp": {"endpoint": "collector:4317"},
            "syslog": {"endpoint": "siem", "tls": {"ca_file": "/a"}},
            "syslog/plain": {"endpoint": "siem", "network": "udp"},
            "otlphttp": {"endpoint": "https://otlp.example.com/base"},
        },
    }
    rules = the(helm.template({"config": config}), "NetworkPolicy")["spec"]["egress"]
    ports = [sorted(f"{port['port']}/{port['protocol']}" for port in rule["ports"]) for rule in rules]
    assert ports == [["53/TCP", "53/UDP"], ["443/TCP"], ["4317/TCP", "443/TCP", "514/UDP", "6514/TCP"]]
    (block,) = rules[1]["to"]
    assert "169.254.0.0/16" in block["ipBlock"]["except"]


@pytest.mark.parametrize(
    ("values", "port"),
    [
        ({"config": {"receivers": {"github": {"base_url": "https://github.acme.internal:8443/api/v3"}}}}, 8443),
        ({"config": {"receivers": {"github": {"base_url": "https://github.acme.internal/api/v3"}}}}, 443),
        ({"proxy": {"url": "http://proxy:3128"}}, 3128),
    ],
)
def test_a_private_github_or_proxy_may_be_reached(helm: Helm, values, port):
    rule = the(helm.template(values), "NetworkPolicy")["spec"]["egress"][1]
    assert port in [each["port"] for each in rule["ports"]]
    assert rule["to"] == [{"ipBlock": {"cidr": "0.0.0.0/0"}}]


def test_data_residency_is_public_github(helm: Helm):
    values = {"config": {"receivers": {"github": {"base_url": "https://api.acme.ghe.com"}}}}
    assert "except" in the(helm.template(values), "NetworkPolicy")["spec"]["egress"][1]["to"][0]["ipBlock"]


def test_an_image_is_named_by_digest_where_one_is_given(helm: Helm):
    digest = "sha256:" + "0" * 64
    values = {"image": {"repository": "mirror/shipper", "tag": "1", "digest": digest}}
    for _, pod in pod_specs(helm.template(values)):
        assert {container["image"] for container in containers(pod)} == {f"mirror/shipper@{digest}"}


def test_alerts_are_promql_about_this_release(helm: Helm):
    rule = the(helm.template({"prometheusRule": {"enabled": True}}), "PrometheusRule")
    alerts = [alert for group in rule["spec"]["groups"] for alert in group["rules"]]
    assert [alert["alert"] for alert in alerts] == [
        "ShipperDown",
        "ShipperNothingArriving",
        "ShipperCheckpointLag",
        "ShipperRateLimitLow",
        "ShipperExporterFailing",
        "ShipperDeadLettersGrowing",
        "ShipperJournalFilling",
        "ShipperJournalDamaged",
        "ShipperReloadRefused",
    ]
    for alert in alerts:
        promql_parser.parse(alert["expr"])
        assert 'namespace="ops"' in alert["expr"]
        assert {"summary", "description"} == set(alert["annotations"])


def test_panels_are_promql(helm: Helm):
    (dashboard,) = [
        each
        for each in of_kind(helm.template({"dashboard": {"enabled": True}}), "ConfigMap")
        if "shipper.json" in each["data"]
    ]
    panels = json.loads(dashboard["data"]["shipper.json"])["panels"]
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    assert len(expressions) > 15
    for expression in expressions:
        promql_parser.parse(expression.replace("$__rate_interval", "5m").replace("$namespace", ".*"))


@pytest.mark.parametrize(
    ("values", "says", "silent"),
    [
        ({}, ["no token is set", "no organization is set", "the only exporter is `debug`"], ["get lease"]),
        (
            {"github": {"existingSecret": "a"}, "env": {"GITHUB_ORG": "a"}, "replicaCount": 2},
            ["get lease r-shipper", "rollout status statefulset/r-shipper"],
            ["no token", "no organization"],
        ),
        ({"mode": "deployment"}, ["This mode has no volume"], []),
        ({"mode": "sidecar", "sidecar": {"singleReplica": True}}, ["in the pods that include its templates"], []),
    ],
)
def test_the_notes_say_what_to_do_next(helm: Helm, tmp_path, values, says, silent):
    """Helm prints notes only with a cluster, so they are rendered as a manifest of a copy."""
    chart = tmp_path / "shipper"
    shutil.copytree(CHART, chart)
    text = (chart / "templates" / "NOTES.txt").rename(chart / "templates" / "_notes.tpl").read_text()
    (chart / "templates" / "_notes.tpl").write_text('{{- define "notes" -}}\n' + text + "{{- end }}")
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "notes"}}
    body = yaml.safe_dump(config_map) + 'data: {notes: {{ include "notes" . | quote }}}\n'
    (chart / "templates" / "shown.yaml").write_text(body)
    (shown,) = [each for each in helm.template(values, chart=chart) if each["metadata"]["name"] == "notes"]
    notes = shown["data"]["notes"]
    assert [line for line in says if line not in notes] == []
    assert [line for line in silent if line in notes] == []


# Properties

NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,60}[a-z0-9])?", fullmatch=True)
LABELS = st.sampled_from(["team", "app.kubernetes.io/name", "app.kubernetes.io/version", "helm.sh/chart"])
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=20)
VALUES_OF_ALL_KINDS = st.fixed_dictionaries(
    {},
    optional={
        "mode": st.sampled_from(["statefulset", "deployment", "sidecar"]),
        "replicaCount": st.integers(0, 3),
        "leaderElection": st.fixed_dictionaries({}, optional={"enabled": st.sampled_from(["auto", True, False])}),
        "fullnameOverride": NAMES,
        "serviceAccount": st.fixed_dictionaries(
            {}, optional={"name": NAMES, "create": st.sampled_from(["auto", True, False])}
        ),
        "sidecar": st.fixed_dictionaries(
            {}, optional={"singleReplica": st.booleans(), "name": NAMES.filter(lambda n: len(n) < 50)}
        ),
        "persistence": st.fixed_dictionaries({}, optional={"existingClaim": NAMES}),
        "configReload": st.fixed_dictionaries({"enabled": st.booleans()}),
        "github": st.fixed_dictionaries({}, optional={"existingSecret": NAMES}),
        "files": st.dictionaries(NAMES, TEXT, max_size=2),
        "env": st.dictionaries(st.from_regex(r"[A-Z_]{1,9}", fullmatch=True), TEXT, max_size=2),
        "podAnnotations": st.dictionaries(NAMES, TEXT, max_size=2),
        "podLabels": st.dictionaries(LABELS, NAMES, max_size=2),
        "commonLabels": st.dictionaries(LABELS, NAMES, max_size=2),
    },
)


@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.reuse, Phase.generate],  # helm runs for each: shrinking takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(values=VALUES_OF_ALL_KINDS)
def test_whatever_the_values_it_is_refused_or_sound_and_polls_once(helm: Helm, values):
    try:
        manifests = helm.template(values)
    except Refused as refusal:
        reason = str(refusal)
    else:
        reason = ""
    if reason:
        assert re.search("poll|replica|service account|lead", reason), reason
        return
    sound(manifests)
    workloads = [each for each in manifests if each["kind"] in ("StatefulSet", "Deployment")]
    if values.get("mode") == "sidecar":
        assert workloads == []
        return
    (workload,) = workloads
    selected = workload["spec"]["selector"]["matchLabels"]
    assert selected.items() <= workload["spec"]["template"]["metadata"]["labels"].items()
    elects = "k8s_leader_elector" in pipelines_of(manifests)["extensions"]
    assert elects or workload["spec"]["replicas"] <= 1
    assert elects == bool(of_kind(manifests, "Role"))
    if workload["kind"] == "Deployment" and not elects:
        assert workload["spec"]["strategy"] == {"type": "Recreate"}
    data = the(manifests, "ConfigMap")["data"]
    assert {name: data[name] for name in values.get("files", {})} == values.get("files", {})
    given_env = {each["name"]: each["value"] for each in shipper_of(manifests).get("env", [])}
    assert given_env == values.get("env", {})
