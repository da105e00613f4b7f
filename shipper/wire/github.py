"""What GitHub sends, as records: identity, time, name, and the neighbours that `Link` names.

Pure: the receivers that poll and those that are pushed to make the same record of the same event.
"""

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

from shipper.core.record import Record
from shipper.wire.github_page import canonical

AlertStream: TypeAlias = Literal["code_scanning", "secret_scanning", "dependabot"]

AUDIT_LOG: Final = "audit_log"
HIDDEN: Final = "[hidden]"
"""What stands in the place of a secret's value."""

_MAX_ID: Final = 256
_MAX_MS: Final = 2**63 // 1_000_000
_NANOS: Final = 1_000_000
_LINK: Final = re.compile(r'<([^<>]*)>((?:\s*;\s*[^;,="]+(?:=(?:"[^"]*"|[^;,"]*))?)*)')
_REL: Final = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^;,"\s]+))', re.IGNORECASE)


def milliseconds(value: Any) -> int | None:
    """A time as GitHub writes it (ms since the epoch, seldom as text; ISO 8601) in ms; None if it is none."""
    if type(value) is int:
        return value if 0 <= value < _MAX_MS else None
    if isinstance(value, str):
        value = int(value) if value.isascii() and value.isdigit() and len(value) < 20 else _iso(value)
    elif isinstance(value, float):
        value = int(value)
    return value if type(value) is int and 0 <= value < _MAX_MS else None


def _iso(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def audit_time(event: Any) -> int | None:
    """`@timestamp` in ms: what listings are ordered by."""
    return milliseconds(event.get("@timestamp")) if isinstance(event, dict) else None


def audit_uid(event: Any) -> str:
    """`_document_id`, else a hash of the event."""
    given = event.get("_document_id") if isinstance(event, dict) else None
    if isinstance(given, str) and 0 < len(given) <= _MAX_ID:
        return given
    return hashlib.sha256(canonical(event)).hexdigest()


def audit_record(event: Any, observed: int, organization: str | None, uid: str | None = None) -> Record:
    """The record of an audit event, whatever shape it has. `observed` is ns since the epoch."""
    fields = event if isinstance(event, dict) else {}
    action = fields.get("action")
    time = milliseconds(fields.get("@timestamp"))
    if time is None:
        time = milliseconds(fields.get("created_at"))
    return Record(
        audit_uid(event) if uid is None else uid,
        AUDIT_LOG,
        f"github.audit_log.{action}" if action and isinstance(action, str) else "github.audit_log.unknown",
        observed if time is None else time * _NANOS,
        observed,
        event,
        {},
        0,
        "",
        organization,
    )


def alert_time(alert: Any) -> int | None:
    """`updated_at`, else `created_at`, in ms: what listings by `sort=updated` are ordered by."""
    if not isinstance(alert, dict):
        return None
    updated = milliseconds(alert.get("updated_at"))
    return milliseconds(alert.get("created_at")) if updated is None else updated


#: When an alert was last changed; old servers have no `updated_at`.
_CHANGES: Final = ("updated_at", "dismissed_at", "fixed_at", "resolved_at", "auto_dismissed_at")


def alert_uid(alert: Any, stream: AlertStream) -> str:
    """A hash of stream, repository, number, state and `updated_at`: numbers repeat in each repository."""
    if not isinstance(alert, dict):
        return hashlib.sha256(canonical([stream, alert])).hexdigest()
    repository = alert.get("repository")
    place = repository
    if isinstance(repository, dict):
        place = repository.get("id") or repository.get("full_name")
    changed = next((alert[key] for key in _CHANGES if alert.get(key) is not None), None)
    identity = [stream, place, alert.get("number"), alert.get("state"), changed]
    return hashlib.sha256(canonical(identity)).hexdigest()


def alert_record(
    alert: Any, stream: AlertStream, observed: int, organization: str | None, uid: str | None = None
) -> Record:
    """The record of an alert. The value of a secret never gets into it, even if it was sent."""
    fields = alert if isinstance(alert, dict) else {}
    state = fields.get("state")
    time = alert_time(fields)
    return Record(
        uid=alert_uid(alert, stream) if uid is None else uid,
        stream=stream,
        event_name=f"github.{stream}_alert.{state if state and isinstance(state, str) else 'unknown'}",
        timestamp=observed if time is None else time * _NANOS,
        observed=observed,
        body=without_secret(alert) if stream == "secret_scanning" else alert,
        organization=organization,
    )


def without_secret(alert: Any) -> Any:
    """The alert without the secret it found. Text that no parser took is withheld: it may hold the secret."""
    if isinstance(alert, str):
        digest = hashlib.sha256(alert.encode("utf-8", "surrogatepass")).hexdigest()
        return f"unreadable alert, withheld because it may hold the secret; sha256 {digest}"
    if isinstance(alert, list):
        return [without_secret(item) if isinstance(item, (dict, list)) else item for item in alert]
    if not isinstance(alert, dict):
        return alert
    return {
        key: HIDDEN
        if key == "secret" and value is not None
        else without_secret(value)
        if isinstance(value, (dict, list))
        else value
        for key, value in alert.items()
    }


def links(header: str) -> dict[str, str]:
    """Addresses by relation of a `Link` header (RFC 8288); several headers are joined by commas first."""
    return {rel: address for address, rels in _links(header) for rel in rels}


def _links(header: str) -> Iterator[tuple[str, list[str]]]:
    for link in _LINK.finditer(header):
        rel = _REL.search(link[2])
        yield link[1].strip(), (rel[1] or rel[2] or "").lower().split() if rel else []
