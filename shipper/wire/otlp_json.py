"""OTLP/JSON: the protobuf JSON mapping with OTLP's own rules (64-bit integers as strings, enums as numbers)."""

import base64
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from shipper.core.component import Exported
from shipper.core.record import UID
from shipper.wire import jsontext


def encode(records: Sequence[Exported]) -> bytes:
    """One JSON object on one line, `{"resourceLogs": […]}`; neighbours of one resource and scope share it."""
    return jsontext.dumps({"resourceLogs": [*_resource_logs(records)]})


def encode_value(value: Any) -> dict[str, Any]:
    """An AnyValue."""
    if isinstance(value, dict):
        return {"kvlistValue": {"values": _attributes(value)}}
    if isinstance(value, (list, tuple)):
        return {"arrayValue": {"values": [encode_value(item) for item in value]}}
    if isinstance(value, bytes):
        return {"bytesValue": base64.b64encode(value).decode()}
    return _scalar(jsontext.scalar(value))


def _scalar(value: str | int | float | bool | None) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {} if value is None else {"stringValue": value}


def _resource_logs(records: Sequence[Exported]) -> Iterable[dict[str, Any]]:
    for resource, group in groupby(records, key=lambda exported: exported.resource):
        yield {
            "resource": {"attributes": _attributes(resource)},
            "scopeLogs": [
                {
                    "scope": {"name": scope[0], "version": scope[1]},
                    "logRecords": [_record(exported) for exported in members],
                }
                for scope, members in groupby(group, key=lambda exported: exported.scope)
            ],
        }


def _attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": encode_value(value)} for key, value in values.items()]


def _record(exported: Exported) -> dict[str, Any]:
    record = exported.record
    numbers = {"timeUnixNano": record.timestamp, "observedTimeUnixNano": record.observed}
    fields: dict[str, Any] = {name: str(number) for name, number in numbers.items() if number}
    given = {
        "severityNumber": record.severity_number,
        "severityText": record.severity_text,
        "eventName": record.event_name,
    }
    fields |= {name: value for name, value in given.items() if value}
    fields["body"] = encode_value(record.body)
    fields["attributes"] = _attributes({UID: record.uid} | record.attributes)
    return fields
