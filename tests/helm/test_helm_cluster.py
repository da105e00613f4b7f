"""The chart in a real kube-apiserver: what it admits, what the Role gives, and who leads by its Lease."""

import asyncio
import json
import re
import shutil
import sys
import threading
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from helm_charts import CHART, ROOT, VALUES, Helm, Manifest, Refused, the
from helm_cluster import PROGRAMS, ApiServer, admit, install, is_there
from helm_pods import Pod, can_run_pods
from test_helm_process import TOKEN, shipped, stopped, until, values
from test_helm_sidecar import PIPELINES

from shipper.cli import main
from shipper.core.clock import SystemClock
from shipper.core.telemetry import Health
from shipper.net.kubernetes import Api, Cluster, Conflict
from shipper.net.lease import Lease
from shipper.net.lease_config import LeaseConfig
from shipper.simulator import Options, Simulator

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.interop,
    pytest.mark.skipif(not is_there(), reason="no kube-apiserver: `make interop-kubernetes` builds it"),
]

PAGES = (ROOT / "docs" / "kubernetes.md").read_text() + (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"^\$ ((?:helm|kubectl|shipper k8s) .*)$", PAGES, re.MULTILINE)


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    with ApiServer(tmp_path_factory.mktemp("cluster")) as server:
        yield server


@pytest.fixture
def newest(tmp_path):
    return Helm("helm4", tmp_path)


def place(api: ApiServer, *names: str, level: str = "restricted") -> str:
    """A namespace of the test's own."""
    return api.namespace("-".join(name.replace(".", "-") for name in names), level)


# What it admits


@pytest.mark.parametrize("file", VALUES, ids=lambda file: file.stem)
def test_it_is_installed_and_its_pods_are_admitted_where_only_restricted_ones_are(api, helm: Helm, file):
    """By the real validation: fields, names, selectors, Pod Security; and nothing is left when it goes."""
    extras = file.stem == "extras"  # its own containers are the user's matter
    namespace = place(api, "values", helm.name, file.stem, level="privileged" if extras else "restricted")
    there = [f"--namespace={namespace}", "--values", file]
    manifests = helm.template(file, f"--namespace={namespace}")
    strictly = [api.create(namespace, each, "fieldValidation=Strict&dryRun=All") for each in manifests]
    assert [each.body["message"] for each in strictly if each.status != 201] == []
    install(api, helm, "install", "r", CHART, *there, "--dry-run=server")
    install(api, helm, "install", "r", CHART, *there, "--no-hooks")  # nobody runs their Jobs here
    assert admit(api, namespace, manifests) == []
    install(api, helm, "uninstall", "r", f"--namespace={namespace}", "--no-hooks")
    lasting = [each for each in manifests if "annotations" not in each["metadata"]]
    assert {api.get(namespace, each).status for each in lasting} <= {404}


def test_pods_with_more_rights_than_restricted_ones_are_refused(api):
    """What the other tests rest on."""
    namespace = place(api, "refused")
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a"},
        "spec": {"containers": [{"name": "a", "image": "a"}]},
    }
    (refusal,) = admit(api, namespace, [pod])
    assert 'violates PodSecurity "restricted:latest"' in refusal


def test_the_examples_for_parents_are_installed_and_their_pods_admitted(api, helm: Helm, parent):
    namespace = place(api, "parent", helm.name, parent.name)
    install(api, helm, "install", "r", parent, f"--namespace={namespace}")
    manifests = helm.template(None, f"--namespace={namespace}", chart=parent)
    assert admit(api, namespace, manifests) == []


def web(namespace: str) -> Manifest:
    """A workload of somebody's, which would be admitted."""
    labels = {"app": "web"}
    outer = {"runAsNonRoot": True, "runAsUser": 101, "seccompProfile": {"type": "RuntimeDefault"}}
    inner = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    pod = {"securityContext": outer, "containers": [{"name": "web", "image": "nginx", "securityContext": inner}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


@pytest.mark.parametrize("native", [True, False], ids=["native", "container"])
def test_a_sidecar_without_helm_joins_a_workload_by_server_side_apply(api, tmp_path, native):
    """The workload keeps what is its own, and its pod stays `restricted`."""
    namespace = place(api, "patched", "native" if native else "container")
    deployment = web(namespace)
    assert api.create(namespace, deployment).status == 201
    (tmp_path / "web.yaml").write_text(yaml.safe_dump(deployment))
    (tmp_path / "pipelines.yaml").write_text(PIPELINES)
    arguments = ["-c", str(tmp_path / "pipelines.yaml"), "--patch", str(tmp_path / "web.yaml")]
    printed = CliRunner().invoke(main, ["k8s", "sidecar", *arguments, *(["--native"] if native else [])])
    answers = [api.apply(namespace, each) for each in yaml.safe_load_all(printed.stdout)]
    assert [each.body.get("message") for each in answers if each.status >= 300] == []
    patched = api.get(namespace, deployment).body
    template = patched["spec"]["template"]
    assert {each["name"] for each in template["spec"]["containers"]} >= {"web"}
    default = template["metadata"].get("annotations", {}).get("kubectl.kubernetes.io/default-container", "web")
    assert default == "web"
    assert admit(api, namespace, [patched]) == []


async def test_every_command_of_the_pages_does_what_it_says(api, tmp_path):
    """docs/kubernetes.md and README.md from the top, in an empty cluster, in a clone, with kubectl and helm."""
    assert len(COMMANDS) > 10
    namespace = place(api, "audit")
    for folder in ("helm", "examples"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("charts", "Chart.lock"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "helm").symlink_to(Helm("helm4", tmp_path).command()[0])
    (tmp_path / "bin" / "kubectl").symlink_to(PROGRAMS / "kubectl")
    (tmp_path / "kubeconfig").write_text(json.dumps(api.kubeconfig()))
    (tmp_path / "pipelines.yaml").write_text(PIPELINES)
    workload = web(place(api, "prod"))
    (tmp_path / "deployment.yaml").write_text(yaml.safe_dump(workload))
    assert api.create("prod", workload).status == 201
    assert api.create(namespace, lease("shipper")).status == 201  # as the first of the pods would

    env = {
        "PATH": f"{tmp_path / 'bin'}:{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
    }
    for command in COMMANDS:
        running = await asyncio.create_subprocess_exec(
            "/bin/bash", "-o", "pipefail", "-c", command,
            cwd=tmp_path, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said = asyncio.create_task(running.communicate())
        async with asyncio.timeout(60):
            while not said.done():
                api.end_what_runs(namespace)
                await asyncio.wait([said], timeout=0.2)
        assert running.returncode == 0, (command, said.result()[0].decode())
    assert (
        api.get(namespace, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "github-token"}}).status
        == 200
    )


# What replaces a working pod


@pytest.mark.parametrize("pattern", ["a+", "["], ids=["good", "bad"])
def test_an_upgrade_waits_for_the_check_of_its_configuration(api, newest: Helm, tmp_path, pattern):
    """The hook's Job is done as in a cluster; where it fails, the upgrade does, and all stays as it was."""
    good = pattern != "["
    namespace = place(api, "upgrade", "good" if good else "bad")
    there = ["r", CHART, f"--namespace={namespace}", "--values=-"]
    before = {"config": {"receivers": {"github": {"organizations": ["acme-corp"], "auth": {"token": "${env:T}"}}}}}
    install(api, newest, "install", *there, stdin=json.dumps(before))
    config_map = the(newest.template(before, f"--namespace={namespace}"), "ConfigMap")
    was = api.get(namespace, config_map).body["data"]

    rules = {"rules": [{"name": "a", "match": {"action|re": pattern}, "severity": "high"}]}
    after = {"config": before["config"] | {"processors": {"rules/severity": rules}}}
    upgrade = threading.Thread(target=lambda: outcome.append(attempt(api, newest, there, after)))
    outcome: list[str] = []
    upgrade.start()
    valid = run_preflight(api, namespace, tmp_path)
    upgrade.join(90)
    assert valid is good
    assert ("pre-upgrade hooks failed" in outcome[0]) is not good, outcome
    assert (api.get(namespace, config_map).body["data"] != was) is good


def attempt(api: ApiServer, helm: Helm, there: list[str | Path], given: Manifest) -> str:
    """What helm says to an upgrade."""
    try:
        return install(api, helm, "upgrade", *there, "--timeout=60s", stdin=json.dumps(given))
    except Refused as refusal:
        return str(refusal)


def run_preflight(api: ApiServer, namespace: str, folder: Path) -> bool:
    """Do what the hook's Job says, on the ConfigMap that is mounted there; whether that went well."""
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "r-shipper-preflight"}}
    while (found := api.get(namespace, job)).status != 200:
        time.sleep(0.1)
    spec = found.body["spec"]["template"]["spec"]
    mounted = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": spec["volumes"][0]["configMap"]["name"]},
    }
    (folder / "pipelines.yaml").write_text(api.get(namespace, mounted).body["data"]["pipelines.yaml"])
    checks = [each["args"][0] for each in spec["initContainers"]]
    assert checks == ["validate"]
    done = CliRunner(env={"T": "t"}).invoke(main, ["validate", "-c", str(folder / "pipelines.yaml")])
    api.end_job(namespace, "r-shipper-preflight", succeeded=done.exit_code == 0)
    return done.exit_code == 0


# Who may do what


@pytest.fixture
def replicas(api, newest, request):
    """The chart with two replicas in a namespace; what it made, and a token of its service account."""
    namespace = place(api, request.function.__name__.removeprefix("test_").replace("_", "-")[:50].strip("-"))
    given = json.dumps({"replicaCount": 2, "config": {"receivers": {"github": {"organizations": ["acme"]}}}})
    install(api, newest, "install", "r", CHART, f"--namespace={namespace}", "--values=-", stdin=given)
    return namespace, api.token(namespace, "r-shipper")


def lease(name: str) -> Manifest:
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name}, "spec": {}}


def test_the_role_allows_what_the_election_does_and_nothing_else(api, replicas):
    namespace, token = replicas
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    core = f"/api/v1/namespaces/{namespace}"
    assert api.ask("POST", leases, lease("another")).status == 201
    made = api.ask("POST", leases, lease("r-shipper"), token=token)
    allowed = [
        made,
        api.ask("GET", f"{leases}/r-shipper", token=token),
        api.ask("PUT", f"{leases}/r-shipper", made.body, token=token),
    ]
    assert [each.status for each in allowed] == [201, 200, 200]
    asked = [
        ("GET", leases, None),
        ("GET", f"{leases}?watch=true", None),
        ("DELETE", leases, None),
        ("DELETE", f"{leases}/r-shipper", None),
        ("PATCH", f"{leases}/r-shipper", {}),
        ("GET", f"{leases}/another", None),
        ("PUT", f"{leases}/another", lease("another")),
        ("DELETE", f"{leases}/another", None),
        ("POST", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases", lease("r-shipper")),
        ("GET", "/apis/coordination.k8s.io/v1/leases", None),
        ("GET", f"{core}/secrets", None),
        ("GET", f"{core}/configmaps/r-shipper-config", None),
        ("GET", f"{core}/pods", None),
        ("POST", f"{core}/serviceaccounts/r-shipper/token", {"spec": {}}),
        ("GET", "/api/v1/namespaces", None),
        ("GET", "/api/v1/nodes", None),
    ]
    refused = {
        (method, path): api.ask(
            method, path, body, token=token, kind="merge-patch+json" if method == "PATCH" else "json"
        )
        for method, path, body in asked
    }
    assert {key: each.status for key, each in refused.items() if each.status != 403} == {}


def test_the_other_pods_of_the_namespace_may_not_touch_the_lease(api, replicas):
    namespace, _ = replicas
    theirs = api.token(namespace, "default")
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    assert api.ask("POST", path, lease("r-shipper"), token=theirs).status == 403
    assert api.ask("GET", f"{path}/r-shipper", token=theirs).status == 403


# Who leads


@pytest.mark.skipif(not can_run_pods(), reason="needs root and mount namespaces")
@pytest.mark.skipif(ROOT.parts[1] == "tmp", reason="a pod has a /tmp of its own that hides the tree")
@pytest.mark.parametrize("end", ["kill", "terminate"])
async def test_of_two_pods_one_polls_and_the_other_takes_over(api, newest, tmp_path, end):
    """Within 15 s of a kill -9, 5 s of SIGTERM; each verb of the Role is needed, and no other is tried."""
    namespace = place(api, "pods", end)
    async with Simulator(Options.quiet(organizations=("acme-corp",), backlog=30)) as github:
        both = [two_pods(api, newest, namespace, values(github, replicaCount=2), tmp_path, n) for n in range(2)]
        with stopped(*both):
            await both[0].start()
            await both[0].logged("leads")
            await both[1].start()
            await both[1].logged("standing by")
            await both[1].until_probe("readinessProbe", 200)
            await until(lambda: len(shipped(tmp_path / "data-0")) == 30)
            assert shipped(tmp_path / "data-1") == []

            started = time.monotonic()
            await getattr(both[0], end)()
            github.happen("repo.access", visibility="public")
            await both[1].logged("leads")
            assert time.monotonic() - started < (15 if end == "kill" else 5)
            await until(lambda: len(set(shipped(tmp_path / "data-0")) | set(shipped(tmp_path / "data-1"))) == 31)
            assert await both[1].terminate() == 0
    held = api.get(namespace, lease("r-shipper")).body["spec"]
    assert (held.get("holderIdentity", ""), held["leaseTransitions"]) == ("", 1)
    asked = api.asked(f"system:serviceaccount:{namespace}:r-shipper")
    assert {(verb, status) for verb, _, status in asked if status < 500} <= {  # 5xx: a slow etcd
        ("get", 200), ("get", 404), ("create", 201), ("create", 409), ("update", 200), ("update", 409),
    }  # fmt: skip
    assert {verb for verb, _, _ in asked} == {"get", "create", "update"}


def two_pods(api: ApiServer, helm: Helm, namespace: str, given: Manifest, folder: Path, number: int) -> Pod:
    """One of the two, with a token for its own service account."""
    there = f"--namespace={namespace}"
    if not number:
        install(api, helm, "install", "r", CHART, there, "--values=-", stdin=json.dumps(given))
    account = {"token": api.token(namespace, "r-shipper"), "ca.crt": api.ca, "namespace": namespace}
    secrets = TOKEN | {"shipper-lease": account}
    manifests = helm.template(given, there)
    return Pod(manifests, folder / f"pod-{number}", secrets, data=folder / f"data-{number}", env=api.env)


@pytest.fixture
def account(api, replicas, tmp_path):
    """The service account as it is mounted, and what its token is bound to."""
    namespace, _ = replicas
    bound = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "bound"}}
    api.create(namespace, bound)
    (tmp_path / "token").write_text(api.token(namespace, "r-shipper", bound))
    (tmp_path / "ca.crt").write_text(api.ca)
    url = f"https://{api.env['KUBERNETES_SERVICE_HOST']}:{api.env['KUBERNETES_SERVICE_PORT']}"
    return Cluster(url, tmp_path / "token", tmp_path / "ca.crt", namespace), bound


async def test_writes_are_locked_by_the_version_they_are_made_on(account):
    cluster, _ = account
    collection = f"/apis/coordination.k8s.io/v1/namespaces/{cluster.namespace}/leases"
    async with Api(cluster) as client:
        assert await client.get(f"{collection}/r-shipper") is None
        made = await client.create(collection, lease("r-shipper"))
        with pytest.raises(Conflict):
            await client.create(collection, lease("r-shipper"))
        made["spec"] = {"holderIdentity": "a"}
        await client.update(f"{collection}/r-shipper", made)
        made["spec"] = {"holderIdentity": "b"}
        with pytest.raises(Conflict):
            await client.update(f"{collection}/r-shipper", made)
        now = await client.get(f"{collection}/r-shipper")
        assert now
        assert now["spec"] == {"holderIdentity": "a"}


async def test_of_many_candidates_exactly_one_leads_whoever_stops(account):
    cluster, _ = account
    config = LeaseConfig(lease_name="r-shipper", retry_period="100ms")
    health = Health(SystemClock())
    async with asyncio.timeout(60), AsyncExitStack() as stack:
        left = {
            name: await stack.enter_async_context(
                Lease(config, SystemClock(), health, cluster=cluster, identity=name)
            )
            for name in "abcd"
        }
        while left:
            waiting = [asyncio.create_task(each.acquired(), name=name) for name, each in left.items()]
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            (first,) = [task.get_name() for task in done]
            assert [name for name, each in left.items() if each.leading] == [first]
            await left.pop(first).__aexit__(None, None, None)
            for task in waiting:
                task.cancel()


async def test_a_leader_whose_token_ended_reads_the_renewed_one_and_goes_on(api, account):
    """Nothing but the file changes, as when the kubelet renews it; the server forgets the old one in 10 s."""
    cluster, bound = account
    config = LeaseConfig(lease_name="r-shipper", lease_duration="60s", renew_deadline="50s", retry_period="200ms")
    health = Health(SystemClock())
    async with asyncio.timeout(60), Lease(config, SystemClock(), health, cluster=cluster) as candidate:
        await candidate.acquired()
        api.delete(cluster.namespace, bound)
        await until(lambda: [state.status for state in health.states()] == ["blocked"])
        assert "does not know our token" in health.states()[0].error
        cluster.token_file.write_text(api.token(cluster.namespace, "r-shipper"))
        await until(lambda: [state.status for state in health.states()] == ["ok"])
        assert candidate.leading
    assert api.get(cluster.namespace, lease("r-shipper")).body["spec"]["leaseTransitions"] == 0
