"""What a flat format tells of a record beside its body: a few well-known fields, as text."""

import re
from typing import Any, Final, NamedTuple

from shipper.core.component import Exported

_AUDIT: Final = "github.audit_log."
_ALERT: Final = re.compile(r"github\.(\w+)_alert\.(.*)", re.DOTALL)


class Summary(NamedTuple):
    """The fields; empty where the record does not have them."""

    uid: str
    action: str
    """The audit action, or `<stream>.<state>` of an alert."""
    severity: str
    rule: str
    stream: str
    actor: str
    repo: str
    org: str
    address: str
    url: str


def summarize(exported: Exported) -> Summary:
    """The well-known fields of a record."""
    record = exported.record
    text = _Texts(record.attributes)
    return Summary(
        uid=record.uid,
        action=action(record.event_name),
        severity=text["severity"] or record.severity_text,
        rule=text["shipper.rule"],
        stream=record.stream or text["stream"],
        actor=text["user.name"],
        repo=text["vcs.repository.name"],
        org=text["vcs.owner.name"],
        address=text["client.address"],
        url=text["url.full"],
    )


def action(event_name: str) -> str:
    """`repo.access` for `github.audit_log.repo.access`, `dependabot.open` for `github.dependabot_alert.open`."""
    if event_name.startswith(_AUDIT):
        return event_name[len(_AUDIT) :]
    alert = _ALERT.fullmatch(event_name)
    return f"{alert[1]}.{alert[2]}" if alert else event_name.removeprefix("github.")


class _Texts:
    """Attributes as text: whatever is no string does not count as present."""

    def __init__(self, attributes: dict[str, Any]) -> None:
        self._attributes = attributes

    def __getitem__(self, key: str) -> str:
        value = self._attributes.get(key)
        return value if isinstance(value, str) else ""
