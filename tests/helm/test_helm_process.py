"""The rendered containers as processes: probes, reload by a symlink swap, handover, SIGTERM."""

import asyncio
import json
import os
import ssl
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
import yaml
from helm_charts import ROOT, Helm, pipelines_of
from helm_pods import InitFailed, Pod, ProjectedVolume, can_run_pods, free_ports

from shipper.simulator import Options, Simulator
from shipper.testing.kubernetes import FakeLeases

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not can_run_pods(), reason="needs root and mount namespaces"),
    pytest.mark.skipif(ROOT.parts[1] == "tmp", reason="a pod has a /tmp of its own that hides the tree"),
]

TOKEN = {"shipper-github": {"token": "made-up-token\n"}}


@pytest.fixture
def newest(tmp_path):
    return Helm("helm4", tmp_path)


@pytest.fixture
async def github():
    async with Simulator(Options.quiet(organizations=("acme-corp",), backlog=257)) as simulator:
        yield simulator


def values(github: Simulator, **more):
    admin, metrics = free_ports(2)
    return {
        "adminPort": admin,
        "metricsPort": metrics,
        "github": {"existingSecret": "github-token"},
        "config": {
            "receivers": {
                "github": {
                    "organizations": ["acme-corp"],
                    "base_url": github.url,
                    "poll_interval": "200ms",
                    "streams": {"code_scanning": False},
                }
            },
            "exporters": {"file": {"path": "out/events.jsonl"}},
            "service": {"pipelines": {"logs/github": {"processors": ["normalize"], "exporters": ["file"]}}},
        },
    } | more


@contextmanager
def stopped(*pods: Pod):
    """Whatever the test does, no process outlives it."""
    try:
        yield
    finally:
        for pod in pods:
            if pod.process and pod.process.returncode is None:
                pod.process.kill()


async def until(condition, within: float = 30.0):
    """Return when files that another process writes say so."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - files have no events here
            await asyncio.sleep(0.05)


def shipped(data: Path) -> list[str]:
    """The ids that the shipper's file exporter wrote, in order."""
    return ids(data / "out" / "events.jsonl")


def ids(file: Path) -> list[str]:
    """The ids in a file of OTLP/JSON, in order."""
    if not file.exists():
        return []
    return [
        next(each["value"]["stringValue"] for each in record["attributes"] if each["key"] == "log.record.uid")
        for line in file.read_text().rpartition("\n")[0].splitlines()
        for resource in json.loads(line)["resourceLogs"]
        for scope in resource["scopeLogs"]
        for record in scope["logRecords"]
    ]


async def test_a_pod_starts_ships_reloads_and_stops(newest, github, tmp_path):
    pod = Pod(newest.template(values(github)), tmp_path / "pod", TOKEN)
    with stopped(pod):
        await pod.start()
        await pod.until_probe("livenessProbe", 200)
        await pod.until_probe("readinessProbe", 200)
        data = tmp_path / "pod" / "shipper-data"
        await until(lambda: len(shipped(data)) == 257)

        config = yaml.safe_load((pod.config.path / "pipelines.yaml").read_text())
        pod.config.write({"pipelines.yaml": yaml.safe_dump(config | {"exporters": {"file": {"pfad": "x"}}})})
        refused = await pod.logged("the new configuration is refused")
        assert "unknown key" in json.dumps(refused)
        assert await pod.probe("livenessProbe") == 200

        config["exporters"]["file"]["path"] = "out/other.jsonl"
        pod.config.write({"pipelines.yaml": yaml.safe_dump(config)})
        await pod.logged("reloaded the configuration")
        github.happen("repo.access", visibility="public")
        await until((data / "out" / "other.jsonl").exists)

        started = time.monotonic()
        assert await pod.terminate() == 0
        assert time.monotonic() - started < pod.spec["terminationGracePeriodSeconds"]
        assert "records drained" in json.dumps(pod.log[-1])
    assert len(set(shipped(data))) == 257


async def test_a_wrong_configuration_never_starts_the_shipper(newest, github, tmp_path):
    manifests = newest.template(values(github))
    pod = Pod(manifests, tmp_path / "pod", TOKEN)
    config = pipelines_of(manifests)
    config["receivers"]["github"]["poll_intervall"] = "5m"
    pod.config.write({"pipelines.yaml": yaml.safe_dump(config)})
    with pytest.raises(InitFailed, match=r"pipelines.yaml:\d+:\d+: error\[unknown-key\]: .*poll_intervall"):
        await pod.start()


async def test_a_bad_token_makes_the_pod_unready_and_a_new_one_mends_it(newest, tmp_path):
    options = Options.quiet(organizations=("acme-corp",), backlog=3, tokens=("good-token",))
    async with Simulator(options) as github:
        pod = Pod(newest.template(values(github)), tmp_path / "pod", {})
        secret = ProjectedVolume(tmp_path / "pod" / "shipper-github", {"token": "bad-token"})
        with stopped(pod):
            await pod.start()
            await pod.until_probe("readinessProbe", 503)
            assert await pod.probe("livenessProbe") == 200
            secret.write({"token": "good-token"})
            await pod.until_probe("readinessProbe", 200)
            assert await pod.terminate() == 0


def collector() -> Path:
    """The OpenTelemetry Collector that tests/interop/install.sh builds."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    program = cache / "github-log-shipper-interop" / "bin" / "otelcol"
    if not program.exists():
        pytest.skip("no Collector was built here")
    return program


@pytest.mark.parametrize("parent", ["collector-with-shipper"], indirect=True)
@pytest.mark.parametrize("helm", ["helm4"], indirect=True)
async def test_the_example_feeds_the_collector_of_its_pod(helm, parent, github, tmp_path):
    """The shipper's container as rendered, the Collector by its own program, over localhost."""
    grpc = free_ports(1)[0]
    base = values(github)
    config = base.pop("config")
    config["exporters"] = {"otlp": {"endpoint": f"127.0.0.1:{grpc}"}}
    config["service"] = {"pipelines": {"logs/github": {"processors": ["normalize"]}}}
    out = tmp_path / "logs.jsonl"
    settings = {
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"127.0.0.1:{grpc}"}}}},
        "exporters": {"file": {"path": str(out), "flush_interval": "50ms"}},
        "service": {
            "pipelines": {"logs": {"receivers": ["otlp"], "exporters": ["file"]}},
            "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "error"}},
        },
    }
    (tmp_path / "collector.json").write_text(json.dumps(settings))
    pod = Pod(helm.template({"shipper": base | {"config": config}}, chart=parent), tmp_path / "pod", TOKEN)
    beside = await asyncio.create_subprocess_exec(collector(), "--config", tmp_path / "collector.json")
    try:
        with stopped(pod):
            await pod.start()
            await until(lambda: len(ids(out)) == 257)
            assert len(set(ids(out))) == 257
            assert await pod.terminate() == 0
    finally:
        beside.terminate()
        await beside.wait()


@pytest.fixture
async def api_server(tmp_path):
    """An API server with TLS, and the service account that a pod has there."""
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    async with FakeLeases(tokens={"account"}, lease="r-shipper", tls=tls) as server:
        account = {
            "token": "account",
            "ca.crt": authority.cert_pem.bytes().decode(),
            "namespace": "ops",
        }
        yield server, account


@pytest.mark.parametrize("shared", [False, True], ids=["storage of their own", "shared storage"])
@pytest.mark.parametrize("end", ["kill", "terminate"])
async def test_of_two_replicas_one_polls_and_the_other_takes_over(
    newest, github, api_server, tmp_path, shared, end
):
    """Within 15 s of a kill -9, sooner after SIGTERM; nothing is lost, and what is doubled has the same id."""
    server, account = api_server
    env = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": server.url.rpartition(":")[2]}
    data = [tmp_path / "shared"] * 2 if shared else [tmp_path / "data-0", tmp_path / "data-1"]
    pods = [
        Pod(
            newest.template(values(github, replicaCount=2)),
            tmp_path / f"pod-{number}",
            TOKEN | {"shipper-lease": account},
            data=data[number],
            env=env,
        )
        for number in range(2)
    ]
    with stopped(*pods):
        await pods[0].start()
        await pods[0].logged("leads")
        await pods[1].start()
        await pods[1].logged("standing by")
        await pods[1].until_probe("readinessProbe", 200)
        await until(lambda: len(shipped(data[0])) == 257)
        assert "leads" not in json.dumps(pods[1].log)

        started = time.monotonic()
        await getattr(pods[0], end)()
        missed = github.happen("repo.access", visibility="public")
        await pods[1].logged("leads")
        assert time.monotonic() - started < (15 if end == "kill" else 5)
        assert missed
        await until(lambda: len(set(shipped(data[0])) | set(shipped(data[1]))) == 258)
        if shared:
            assert len(shipped(data[0])) == 258
        assert await pods[1].terminate() == 0
    assert server.holder("ops", "r-shipper") == ""
