"""Events of a file as the records that a receiver would have made of them, for tests and explanations."""

from typing import Any, Final, cast

from shipper import __version__
from shipper.core.batch import Scope
from shipper.core.errors import ShipperError
from shipper.core.record import Record
from shipper.wire.github import AUDIT_LOG, AlertStream, alert_record, audit_record
from shipper.wire.github_page import BadPage, parse_page

ALERT_STREAMS: Final = ("code_scanning", "secret_scanning", "dependabot")
STREAMS: Final = (AUDIT_LOG, *ALERT_STREAMS)
SCOPE: Final = Scope("shipper.receiver.github", __version__)


class UnusableEventsError(ShipperError):
    """What was given holds no events, or events of a stream that does not exist."""


def read_events(content: bytes) -> list[Any]:
    """The events of a file: one event, a page (a JSON array), or one event a line.

    Raises:
        UnusableEventsError: it is neither; says in which line.
    """
    text = content.removeprefix(b"\xef\xbb\xbf").strip()
    if not text:
        raise UnusableEventsError("nothing is in there; give one event, an array of events, or one event a line")
    if text.startswith(b"["):
        return _parse(text)
    try:
        return _parse(b"[%b]" % text)
    except UnusableEventsError:
        lines = [(number, line) for number, line in enumerate(content.splitlines(), 1) if line.strip()]
        if len(lines) == 1 or _opens_only(lines[0][1]):
            raise
    return [_line(number, line) for number, line in lines]


def _opens_only(line: bytes) -> bool:
    """Whether this is the first line of an object that is written over several lines."""
    return line.strip().endswith((b"{", b",", b":", b"["))


def _parse(text: bytes) -> list[Any]:
    try:
        events = parse_page(text)
    except BadPage as error:
        raise UnusableEventsError(f"no event is in there, but {error}") from None
    if not events:
        raise UnusableEventsError("no event is in there, but an empty list")
    return events


def _line(number: int, line: bytes) -> Any:
    try:
        [event] = parse_page(b"[%b]" % line.strip())
    except (BadPage, ValueError) as error:
        raise UnusableEventsError(f"line {number} is not one JSON value: {error}") from None
    return event


def guess_stream(event: Any) -> str:
    """Which stream an event is of, by the fields that only such events have; the audit log in doubt."""
    if not isinstance(event, dict) or "action" in event or "number" not in event:
        return AUDIT_LOG
    if "secret_type" in event or "locations_url" in event:
        return "secret_scanning"
    if "security_advisory" in event or "security_vulnerability" in event or "dependency" in event:
        return "dependabot"
    return "code_scanning"


def as_record(event: Any, stream: str, organization: str | None, observed: int) -> Record:
    """The record of an event. `observed` is ns since the epoch.

    Raises:
        UnusableEventsError: there is no such stream.
    """
    if stream not in STREAMS:
        raise UnusableEventsError(f"there is no stream {stream}; there are {', '.join(STREAMS)}")
    if organization is None:
        organization = _owner(event)
    if stream == AUDIT_LOG:
        return audit_record(event, observed, organization)
    return alert_record(event, cast("AlertStream", stream), observed, organization)


def _owner(event: Any) -> str | None:
    """The organization an event says it is of."""
    fields = event if isinstance(event, dict) else {}
    repository = fields.get("repository")
    owner = repository.get("owner") if isinstance(repository, dict) else None
    found = fields.get("org") or (owner.get("login") if isinstance(owner, dict) else None)
    return found if isinstance(found, str) else None
