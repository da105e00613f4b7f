"""The report of a reconciliation: what an auditor can keep."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from shipper import __version__
from shipper.config import Loaded
from shipper.config.effective import effective
from shipper.service.visits.reconcile import STATES, Period, Stream


def evidence(
    loaded: Loaded, streams: Sequence[Stream], period: Period, now: int, *, repair: bool
) -> dict[str, Any]:
    """The whole report as plain data. `now` is ns."""
    return {
        "report": "shipper reconcile",
        "version": __version__,
        "created": moment(now // 1_000_000),
        "period": {"since": moment(period.since), "until": moment(period.until)},
        "configuration": {"sha256": fingerprint(loaded)},
        "storage": {"path": loaded.storage.path, "retention_seconds": loaded.storage.retention},
        "repair": repair,
        "complete": all(stream.complete for stream in streams),
        "counts": totals(streams),
        "streams": [_stream(stream) for stream in streams],
    }


def totals(streams: Sequence[Stream]) -> dict[str, int]:
    """Events by state, with their sum as `listed`."""
    counts: dict[str, int] = {state: sum(stream.counts[state] for stream in streams) for state in STATES}
    return {"listed": sum(counts.values()), **counts, "repaired": sum(stream.repaired for stream in streams)}


def fingerprint(loaded: Loaded) -> str:
    """SHA-256 of the effective configuration, secrets masked."""
    text = orjson.dumps(effective(loaded), option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return hashlib.sha256(text).hexdigest()


def moment(ms: int) -> str:
    """RFC 3339 in UTC, to the millisecond; the number itself where no calendar has it."""
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return f"{ms} ms"


def _stream(stream: Stream) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "receiver": stream.receiver,
        "source": stream.past.source,
        "organization": stream.past.organization,
        "stream": stream.past.stream,
        "complete": stream.complete,
        "counts": {"listed": len(stream.events), **stream.counts, "repaired": stream.repaired},
        "hours": {moment(hour): counts for hour, counts in stream.hours().items()},
        "ids_sha256": stream.fingerprint(),
    }
    for state in ("missing", "waiting", "unknown", "dead_letter"):
        shown[state] = stream.uids(state)
    if stream.failure:
        shown["failure"] = stream.failure
    return shown
