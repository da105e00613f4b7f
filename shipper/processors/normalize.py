"""Gives GitHub's records the attributes that every backend can search by.

Each record gets `source` (`github`), `category` (`vcs`) and `stream`, and from the event, where the field is there
and is a string, `vcs.owner.name`, `vcs.repository.name`, `user.name`, `client.address` and `url.full`
(OpenTelemetry semantic conventions). The body stays as GitHub sent it. There is nothing to configure:

    processors:
      normalize: {}
"""

from typing import Any

from shipper.core.component import Component, ConfigModel, Context
from shipper.core.record import Record


class Config(ConfigModel):
    """Nothing to configure."""


def _audit_log(event: dict[str, Any], attributes: dict[str, Any]) -> None:
    if isinstance(owner := event.get("org"), str):
        attributes["vcs.owner.name"] = owner
    if isinstance(repository := event.get("repo"), str):
        attributes["vcs.repository.name"] = repository.split("/", 1)[-1]
    if isinstance(actor := event.get("actor"), str):
        attributes["user.name"] = actor
    if isinstance(address := event.get("actor_ip"), str):
        attributes["client.address"] = address


def _text_at(value: Any, *path: str) -> str | None:
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value if isinstance(value, str) else None


def _alert(event: dict[str, Any], attributes: dict[str, Any]) -> None:
    dismisser = _text_at(event, "dismissed_by", "login")
    found = {
        "vcs.owner.name": _text_at(event, "repository", "owner", "login"),
        "vcs.repository.name": _text_at(event, "repository", "name"),
        "user.name": dismisser if dismisser is not None else _text_at(event, "resolved_by", "login"),
        "url.full": _text_at(event, "html_url"),
    }
    attributes.update((name, text) for name, text in found.items() if text is not None)


def _describe(record: Record, attributes: dict[str, Any]) -> None:
    attributes["source"] = "github"
    attributes["category"] = "vcs"
    attributes["stream"] = record.stream
    if isinstance(record.body, dict):
        (_audit_log if record.stream == "audit_log" else _alert)(record.body, attributes)


class Normalize:
    """Adds the attributes; drops and refuses nothing."""

    def __call__(self, records: list[Record]) -> list[Record]:
        """Describe each record."""
        for record in records:
            _describe(record, record.attributes)
        return records

    def explain(self, record: Record) -> dict[str, Any]:
        """The attributes the record would get."""
        attributes: dict[str, Any] = {}
        _describe(record, attributes)
        return {"attributes": attributes}


def _build(_config: Config, _context: Context) -> Normalize:
    return Normalize()


component = Component(kind="processor", config=Config, build=_build)
