"""A record: one event on its way from a receiver to the exporters."""

from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

Severity: TypeAlias = Literal["critical", "high", "medium", "low", "info"]

#: The words of the product and their OpenTelemetry severity numbers.
SEVERITY_NUMBERS: Final[dict[str, int]] = {"critical": 18, "high": 17, "medium": 13, "low": 10, "info": 9}

UID: Final = "log.record.uid"
"""Attribute that carries `Record.uid` (OpenTelemetry semantic conventions, `log.record.uid`)."""


@dataclass(slots=True)
class Record:
    """One event. Receivers make it, processors change it, the journal stores it as an OTLP LogRecord.

    `body` is the event as the source sent it: whatever JSON can hold, mostly a dict. Processors replace it
    rather than change it in place, since pipelines share it.
    """

    uid: str
    """The same for the same event, whichever poll, replica or restart shipped it."""
    stream: str
    """`audit_log`, `code_scanning`, …: what the source calls this kind of event."""
    event_name: str
    """OTLP EventName, such as `github.audit_log.repo.access`."""
    timestamp: int
    """When it happened, in nanoseconds since the epoch."""
    observed: int
    """When it was received, in nanoseconds since the epoch."""
    body: Any
    attributes: dict[str, Any] = field(default_factory=dict)
    severity_number: int = 0
    """OTLP SeverityNumber; 0 is unspecified."""
    severity_text: str = ""
    organization: str | None = None
    """The organization (or enterprise) that was asked for it; for rules, not exported as such."""
    refusal: str = ""
    """Why a processor refused the record: if set, it goes to the pipeline's dead letters."""

    def copy(self) -> "Record":
        """A record of its own for another pipeline; the body is shared."""
        return Record(
            self.uid,
            self.stream,
            self.event_name,
            self.timestamp,
            self.observed,
            self.body,
            dict(self.attributes),
            self.severity_number,
            self.severity_text,
            self.organization,
            self.refusal,
        )


def changes(before: Record, after: Record) -> dict[str, Any]:
    """What became of a record: attributes set and removed, severity, event name, and whether the body changed."""
    found: dict[str, Any] = {
        "set": {
            k: v for k, v in after.attributes.items() if k not in before.attributes or before.attributes[k] != v
        },
        "removed": [key for key in before.attributes if key not in after.attributes],
    }
    if (before.severity_number, before.severity_text) != (after.severity_number, after.severity_text):
        found["severity"] = after.severity_text
    if before.event_name != after.event_name:
        found["event_name"] = after.event_name
    if before.body is not after.body and before.body != after.body:
        found["body"] = True
    return {key: value for key, value in found.items() if value not in ({}, [])}
