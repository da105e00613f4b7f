"""The OpenTelemetry Collector and VictoriaLogs as receivers: what they understood, record by record."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from interop_records import build, records, window
from interop_servers import CACHE, Secrets, free_port, installed, running, until

from shipper.core.component import Exported
from shipper.core.errors import Unavailable
from shipper.exporters import otlp_grpc, otlp_http
from shipper.wire import otlp

pytestmark = pytest.mark.interop


@dataclass(frozen=True)
class Listening:
    """A Collector that listens, and the file its file exporter writes."""

    grpc: int
    http: int
    output: Path


def collector_configuration(place: Path, grpc: int, http: int, tls: dict[str, str]) -> dict[str, Any]:
    def listen(port: int) -> dict[str, Any]:
        return {"endpoint": f"127.0.0.1:{port}"} | ({"tls": tls} if tls else {})

    return {
        "receivers": {"otlp": {"protocols": {"grpc": listen(grpc), "http": listen(http)}}},
        "exporters": {"file": {"path": str(place / "logs.jsonl"), "flush_interval": "50ms"}},
        "service": {
            "pipelines": {"logs": {"receivers": ["otlp"], "exporters": ["file"]}},
            "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "warn"}},
        },
    }


@contextmanager
def collector(place: Path, secrets: Secrets, security: str) -> Iterator[Listening]:
    program = installed("otelcol", CACHE / "bin")
    grpc, http = free_port(), free_port()
    own = {"cert_file": str(secrets.server), "key_file": str(secrets.server)}
    tls = {"plain": {}, "tls": own, "mtls": own | {"client_ca_file": str(secrets.ca)}}[security]
    configuration = place / "collector.json"
    configuration.write_text(json.dumps(collector_configuration(place, grpc, http, tls)))
    with running([program, "--config", str(configuration)], place, [grpc, http]):
        yield Listening(grpc, http, place / "logs.jsonl")


def sending(listening: Listening, transport: str, security: str, secrets: Secrets) -> tuple[Any, dict[str, Any]]:
    """Our exporter for it, and how it is configured."""
    tls: dict[str, Any] = {"ca_file": str(secrets.ca), "server_name_override": "siem.test"}
    if security == "plain":
        tls = {"insecure": True}
    if security == "mtls":
        tls |= {"cert_file": str(secrets.client), "key_file": str(secrets.client)}
    if transport == "grpc":
        return otlp_grpc.component, {"endpoint": f"127.0.0.1:{listening.grpc}", "tls": tls}
    scheme = "http" if security == "plain" else "https"
    endpoint = {"endpoint": f"{scheme}://127.0.0.1:{listening.http}", "tls": tls}
    return otlp_http.component, endpoint | {"encoding": "json" if transport == "http json" else "proto"}


WAYS = [("grpc", "gzip"), ("grpc", "none")]  # gRPC for Python has no zstd
WAYS += [(form, compression) for form in ("http", "http json") for compression in ("gzip", "zstd", "none")]


@pytest.mark.parametrize("security", ["plain", "tls", "mtls"])
@pytest.mark.parametrize(("transport", "compression"), WAYS)
async def test_the_collector_understands_every_record(
    transport: str, compression: str, security: str, place: Path, secrets: Secrets
):
    """Real and hostile events; the Collector's own JSON is held against our decoder's view, field by field."""
    sent = window(records())
    with collector(place, secrets, security) as listening:
        component, config = sending(listening, transport, security, secrets)
        async with build(component, place, compression=compression, **config) as exporter:
            await exporter.export(sent)
            received = await asyncio.to_thread(collected, listening.output, sent.count)
    assert received == [view(exported) for exported in otlp.decode(sent.otlp)]


@pytest.mark.parametrize("transport", ["grpc", "http"])
async def test_a_client_without_certificate_is_refused(transport: str, place: Path, secrets: Secrets):
    """It is an outage, not a verdict on the records."""
    with collector(place, secrets, "mtls") as listening:
        component, config = sending(listening, transport, "tls", secrets)
        async with build(component, place, timeout="5s", **config) as exporter:
            with pytest.raises(Unavailable):
                await exporter.export(window(records()))


def collected(output: Path, count: int) -> list[dict[str, Any]]:
    """The Collector's records, as it wrote them."""

    def complete() -> list[dict[str, Any]]:
        *whole, _ = output.read_bytes().split(b"\n") if output.exists() else [b""]
        found = [each for line in whole for each in flat(json.loads(line))]
        return found if len(found) >= count else []

    return until(complete)


def flat(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for resource_logs in request["resourceLogs"]:
        for scope_logs in resource_logs["scopeLogs"]:
            for each in scope_logs["logRecords"]:
                yield {
                    "time": int(each["timeUnixNano"]),
                    "observed": int(each["observedTimeUnixNano"]),
                    "severity": (each["severityNumber"], each["severityText"]),
                    "event_name": each["eventName"],
                    "body": value(each["body"]),
                    "attributes": values(each["attributes"]),
                    "resource": values(resource_logs["resource"]["attributes"]),
                    "scope": (scope_logs["scope"]["name"], scope_logs["scope"]["version"]),
                }


def value(any_value: dict[str, Any]) -> Any:
    """OTLP's JSON form of a value, read by the specification."""
    if not any_value:
        return None
    ((kind, found),) = any_value.items()
    match kind:
        case "intValue":
            return int(found)
        case "arrayValue":
            return [value(each) for each in found.get("values", [])]
        case "kvlistValue":
            return values(found.get("values", []))
    return found


def values(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    return {pair["key"]: value(pair.get("value", {})) for pair in pairs}


def view(exported: Exported) -> dict[str, Any]:
    """What our own decoder reads."""
    record = exported.record
    return {
        "time": record.timestamp,
        "observed": record.observed,
        "severity": (record.severity_number, record.severity_text),
        "event_name": record.event_name,
        "body": record.body,
        "attributes": record.attributes | {"log.record.uid": record.uid},
        "resource": exported.resource,
        "scope": exported.scope,
    }


@pytest.mark.parametrize("compression", ["gzip", "none"])
async def test_victorialogs_finds_every_record_by_its_attribute(compression: str, place: Path):
    """A database that other people wrote, asked for each record by its uid."""
    program = installed("victoria-logs", CACHE / "bin")
    port = free_port()
    sent = window(records())
    command = [
        program,
        f"-httpListenAddr=127.0.0.1:{port}",
        f"-storageDataPath={place}/data",
        "-retentionPeriod=100y",
    ]
    base = f"http://127.0.0.1:{port}"
    with running(command, place, [port]):
        endpoint = f"{base}/insert/opentelemetry"
        async with build(otlp_http.component, place, endpoint=endpoint, compression=compression) as exporter:
            await exporter.export(sent)
        for exported in sent.records:
            record = exported.record
            (found,) = await asyncio.to_thread(query, base, f'log.record.uid:="{record.uid}"')
            assert found["vcs.owner.name"] == "acme"
            assert found["shipper.rule"] == "some-rule"
            assert found.get("user.name", "") == record.attributes.get("user.name", "")
            assert found["service.name"] == "github"
            assert found["_time"].startswith("2026-01-01T00:00:00.")
        rule = await asyncio.to_thread(query, base, 'shipper.rule:="some-rule"')
    assert sorted(each["log.record.uid"] for each in rule) == sorted(each.record.uid for each in sent.records)


def query(base: str, expression: str) -> list[dict[str, str]]:
    """What VictoriaLogs finds, as soon as it finds something."""

    def ask() -> list[dict[str, str]]:
        with urlopen(f"{base}/select/logsql/query?{urlencode({'query': expression})}", timeout=10) as answer:  # noqa: S310
            return [json.loads(line) for line in answer.read().splitlines()]

    return until(ask)
