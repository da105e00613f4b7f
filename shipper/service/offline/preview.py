"""What an exporter would send of one record, without a connection."""

from dataclasses import dataclass
from typing import Any

from shipper.config import Part
from shipper.core.component import Exported
from shipper.wire import jsontext, otlp_json
from shipper.wire.syslog import Formatter


@dataclass(frozen=True, slots=True)
class Preview:
    """One exporter's text for one record."""

    exporter: str
    format: str
    """`syslog`, `otlp_json`, `json` or `text`."""
    text: str


def preview(part: Part, exported: Exported) -> Preview:
    """The text; what goes over OTLP is shown as OTLP/JSON, whatever its encoding on the way."""
    match part.id.partition("/")[0]:
        case "syslog":
            return Preview(part.id, "syslog", syslog_line(part.config, exported))
        case "file" if part.config.format == "json":
            from shipper.exporters.file import flat  # noqa: PLC0415 - only where the configuration names it

            return Preview(part.id, "json", _text(jsontext.dumps(flat(exported))))
        case "debug":
            return Preview(part.id, "text", _debug(part.config, exported))
        case _:
            return Preview(part.id, "otlp_json", _text(otlp_json.encode([exported])))


def syslog_line(config: Any, exported: Exported) -> str:
    """The message without its frame; its sequenceId is 1, whatever the exporter has sent before."""
    return _text(Formatter(config.style).message(exported, 1).data)


def _debug(config: Any, exported: Exported) -> str:
    from shipper.exporters import debug  # noqa: PLC0415 - only where the configuration names it

    if config.verbosity == "detailed":
        return "\n".join(debug.details([exported]))
    return debug.line(exported) if config.verbosity == "normal" else "1 log record"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
