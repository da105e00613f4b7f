"""OTLP encoding an event: ours against the protobuf library and the SDK, and what compression adds.

All of them run interleaved, so that the ratios hold on a noisy machine; least and median of the rounds, in
microseconds of CPU time an event.
"""

import argparse
import gzip
import statistics
import time
from collections.abc import Callable
from typing import Any

import orjson
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from bench.pipeline import page
from shipper.core.batch import Scope
from shipper.core.record import Record
from shipper.wire import otlp, otlp_json
from shipper.wire.compress import compress

_RESOURCE = {"service.name": "github", "vcs.provider.name": "github", "server.address": "api.github.com"}
_SCOPE = Scope("shipper.receiver.github", "1.0.0")


def described(event: dict[str, Any]) -> Record:
    """A record of an event as the processors would leave it."""
    attributes = {
        "source": "github",
        "category": "vcs",
        "stream": "audit_log",
        "vcs.owner.name": event["org"],
        "vcs.repository.name": event["repo"],
        "user.name": event["actor"],
        "shipper.rule": "default",
        "severity": "info",
    }
    name, time_unix = f"github.audit_log.{event['action']}", event["@timestamp"] * 10**6
    return Record(event["_document_id"], "audit_log", name, time_unix, time_unix, event, attributes, 9, "info")


def _any_value(value: Any) -> AnyValue:  # noqa: PLR0911 - one return a kind
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case str():
            return AnyValue(string_value=value)
        case dict():
            found = AnyValue()
            found.kvlist_value.values.extend(KeyValue(key=k, value=_any_value(v)) for k, v in value.items())
            return found
        case list():
            found = AnyValue()
            found.array_value.values.extend(_any_value(item) for item in value)
            return found
    return AnyValue()


def _protobuf(records: list[Record], body: Callable[[Any], Any]) -> bytes:
    request = ExportLogsServiceRequest()
    logs = request.resource_logs.add()
    logs.resource.attributes.extend(KeyValue(key=k, value=_any_value(v)) for k, v in _RESOURCE.items())
    scope = logs.scope_logs.add()
    scope.scope.name, scope.scope.version = _SCOPE
    for record in records:
        out = scope.log_records.add()
        out.time_unix_nano, out.observed_time_unix_nano = record.timestamp, record.observed
        out.severity_number, out.severity_text = record.severity_number, record.severity_text
        out.event_name = record.event_name
        out.body.CopyFrom(_any_value(body(record.body)))
        pairs = {"log.record.uid": record.uid, **record.attributes}
        out.attributes.extend(KeyValue(key=k, value=_any_value(v)) for k, v in pairs.items())
    return request.SerializeToString()


def sdk(records: list[Record], body: Callable[[Any], Any]) -> bytes:
    """Records to bytes by the OpenTelemetry SDK."""
    resource, scope = Resource(_RESOURCE), InstrumentationScope(*_SCOPE)
    logs = [
        ReadableLogRecord(
            LogRecord(
                timestamp=record.timestamp,
                observed_timestamp=record.observed,
                severity_number=SeverityNumber(record.severity_number),
                severity_text=record.severity_text,
                event_name=record.event_name,
                body=body(record.body),
                attributes={"log.record.uid": record.uid, **record.attributes},
            ),
            resource,
            scope,
        )
        for record in records
    ]
    return encode_logs(logs).SerializeToString()


def _text(body: Any) -> str:
    return orjson.dumps(body).decode()


def _steps(records: list[Record]) -> dict[str, Callable[[], Any]]:
    payload = otlp.encode(records, _RESOURCE, _SCOPE)
    decoded = otlp.decode(payload)
    raw = orjson.dumps([record.body for record in records])
    return {
        "orjson.loads": lambda: orjson.loads(raw),
        "body map: ours": lambda: otlp.encode(records, _RESOURCE, _SCOPE),
        "body map: protobuf": lambda: _protobuf(records, lambda body: body),
        "body map: SDK": lambda: sdk(records, lambda body: body),
        "body json: ours": lambda: otlp.encode(records, _RESOURCE, _SCOPE, "json"),
        "body json: protobuf": lambda: _protobuf(records, _text),
        "body json: SDK": lambda: sdk(records, _text),
        "gzip: isal 2": lambda: compress(payload, "gzip"),
        "gzip: zlib 6": lambda: gzip.compress(payload, 6),
        "zstd 1": lambda: compress(payload, "zstd"),
        "count": lambda: otlp.count(payload),
        "cut in half": lambda: otlp.cut(payload, 0, len(records) // 2),
        "decode": lambda: otlp.decode(payload),
        "OTLP/JSON of decoded": lambda: otlp_json.encode(decoded),
    }


def main(argv: list[str]) -> int:
    """Measure and print a table; the ratio is to ours of the same group."""
    parser = argparse.ArgumentParser(prog="bench otlp_encoding", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args(argv).rounds
    records = [described(event) for event in orjson.loads(page(1))]
    assert otlp.encode(records, _RESOURCE, _SCOPE) == _protobuf(records, lambda body: body)
    steps = _steps(records)
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            started = time.process_time()
            for _ in range(3):
                step()
            times[name].append((time.process_time() - started) / 3 / len(records) * 1e6)
    print(f"{'us an event':24}{'least':>8}{'median':>8}{'ratio':>8}")
    for name, found in times.items():
        group = name.split(":")[0]
        base = min(times.get(f"{group}: ours", found))
        print(f"{name:24}{min(found):8.1f}{statistics.median(found):8.1f}{min(found) / base:8.1f}")
    return 0
