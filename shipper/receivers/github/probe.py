"""The connection test: asks for the token's limits, each organization and one event of each stream.

Each is asked once; nothing is retried, nothing is taken.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from shipper.core.clock import Clock
from shipper.core.errors import Unavailable
from shipper.core.past import Finding
from shipper.core.units import format_duration
from shipper.net.http import Answer
from shipper.receivers.github.addresses import place_path
from shipper.receivers.github.answers import Later, Limited, Page, Refused, judge
from shipper.receivers.github.client import Lane
from shipper.receivers.github.listing import address, elsewhere
from shipper.receivers.github.remedies import Subject
from shipper.wire.github_page import printable

if TYPE_CHECKING:
    from shipper.receivers.github.receiver import Source

#: Seconds by which clocks may differ before it is worth a warning: JWTs reach a minute back.
_SKEW: Final = 30.0
#: Days before a token's end from which on it is worth a warning.
_EXPIRES_SOON: Final = 7
_DAY: Final = 86400.0
_EXPIRY: Final = "github-authentication-token-expiration"

#: What to do where no answer came and nothing more is known.
_WAY: Final = "check base_url, the network, and whether a proxy leads there"


class Probe:
    """One connection test."""

    def __init__(self, sources: Sequence["Source"], clock: Clock) -> None:
        self._sources = sources
        self._clock = clock
        self._heard: dict[int, Mapping[str, str]] = {}
        """Headers of the last answer by lane, for what GitHub says of the token."""
        self._refused: set[int] = set()
        """Lanes whose token was answered 401."""

    async def findings(self) -> list[Finding]:
        """Everything that was found: tokens, clock, then organization by organization."""
        lanes = {id(source.conversation.lane): source.conversation.lane for source in self._sources}
        several = len(lanes) > 1
        found = [await self._limits(lane, self._label(lane) if several else "") for lane in lanes.values()]
        places: dict[tuple[str, str], list[Source]] = {}
        for source in self._sources:
            places.setdefault((source.subject.kind, source.subject.slug), []).append(source)
        asked: list[Finding] = []
        for (kind, _), sources in places.items():
            if kind == "organization":
                asked.append(await self._organization(sources[0].conversation.lane, sources[0].subject))
            asked += [await self._stream(source) for source in sources]
        tokens = [self._token(lane, self._label(lane) if several else "") for lane in lanes.values()]
        return [*[each for each in tokens if each], *found, *self._skew(), *asked]

    async def _limits(self, lane: Lane, label: str) -> Finding:
        name = f"{label}rate limit"
        answer = await self._ask(lane, f"{lane.api.base_url}/rate_limit", name)
        if isinstance(answer, Finding):
            return answer
        if answer.status == 404:
            return Finding(name, "ok", "this server has no rate limits")
        if answer.status != 200:
            return _refusal(name, answer, self._sources[0].subject, self._now, "the rate limit")
        return self._quota(name, lane, answer.body)

    def _quota(self, name: str, lane: Lane, body: bytes) -> Finding:
        wanted = {source.conversation.resource for source in self._sources} | {"core"}
        parts, low = [], []
        for resource, limit, remaining, reset in _resources(body):
            if resource in wanted:
                left = max(reset - lane.api.server_time(), 0.0)
                parts.append(f"{resource} {remaining} of {limit} left, new in {left / 60:.0f} min")
                if remaining <= lane.quota.floor(limit):
                    low.append(resource)
        seen = "; ".join(parts) or "GitHub names no limits"
        if not low:
            return Finding(name, "ok", seen)
        return Finding(
            name,
            "warning",
            seen,
            f"polls of {', '.join(low)} wait for the next window; look for other programs that use this token, "
            "or use a GitHub App, which has its own limits",
        )

    async def _organization(self, lane: Lane, subject: Subject) -> Finding:
        name = subject.slug
        answer = await self._ask(lane, lane.api.base_url + place_path(subject.kind, subject.slug), name)
        if isinstance(answer, Finding):
            return answer
        if answer.status == 404:
            return Finding(
                name,
                "failed",
                f"404: there is no organization {subject.slug}, or the token must not see it",
                "check the spelling, and that the token was made for this organization",
            )
        if answer.status != 200:
            return _refusal(name, answer, subject, self._now, f"organization {subject.slug}")
        return Finding(name, "ok", "200")

    async def _stream(self, source: "Source") -> Finding:
        subject, lane = source.subject, source.conversation.lane
        name = f"{subject.slug} {subject.stream}"
        query = {"per_page": "1"}
        if subject.stream == "secret_scanning":
            query["hide_secret"] = "true"  # noqa: S105 - a switch, no secret
        url = address(lane.api.base_url, subject, query)
        answer = await self._ask(lane, url, name)
        if isinstance(answer, Finding):
            return answer
        verdict = judge(answer, subject, self._now, url=url)
        if isinstance(verdict, Page):
            if verdict.next and not lane.api.owns(verdict.next):
                return _failed(name, elsewhere(subject, verdict.next))
            what = "an event" if subject.stream == "audit_log" else "an alert"
            return Finding(name, "ok", f"200, {what} listed" if verdict.events else "200, nothing listed")
        return _refusal(name, answer, subject, self._now)

    async def _ask(self, lane: Lane, url: str, name: str) -> Answer | Finding:
        try:
            turn = await lane.get(url, "probe", {})
        except Unavailable as error:
            return _failed(name, error.reason, _WAY)
        if turn.answer is None:
            return _failed(name, f"the token has to wait {turn.wait:.0f} s; try again then")
        if turn.answer.status == 401:
            self._refused.add(id(lane))
        self._heard[id(lane)] = {**self._heard.get(id(lane), {}), **turn.answer.headers}
        return turn.answer

    def _token(self, lane: Lane, label: str) -> Finding | None:
        headers = self._heard.get(id(lane))
        if headers is None:
            return None
        name = f"{label}token"
        kind = "installation token of a GitHub App" if lane.app else "token"
        if "x-oauth-scopes" in headers:
            scopes = printable(headers["x-oauth-scopes"]) or "none"
            kind = f"classic token, scopes {scopes}"
        if id(lane) in self._refused:
            return Finding(
                name, "failed", f"{kind}, refused with 401", "make a new one and put it where auth points"
            )
        end = _expiry(headers.get(_EXPIRY, ""))
        if end is None:
            return Finding(name, "ok", f"{kind}, no expiry named")
        left = end.timestamp() - lane.api.server_time()
        seen = f"{kind}, expires {end:%Y-%m-%d %H:%M} UTC, in {left / _DAY:.0f} days"
        if left > _EXPIRES_SOON * _DAY:
            return Finding(name, "ok", seen)
        remedy = "make a new one and put it where auth points; with token_file no restart is needed"
        return Finding(name, "warning", seen, remedy)

    def _skew(self) -> list[Finding]:
        if not self._heard:
            return []
        skew = self._sources[0].conversation.lane.api.skew
        if abs(skew) <= _SKEW:
            return [Finding("clock", "ok", "agrees with GitHub's")]
        how = "behind" if skew > 0 else "ahead of"
        seen = f"{format_duration(round(abs(skew)))} {how} GitHub's"
        return [Finding("clock", "warning", seen, "set this machine's time by NTP: a GitHub App's key needs it")]

    def _label(self, lane: Lane) -> str:
        return next(f"{source.subject.slug} " for source in self._sources if source.conversation.lane is lane)

    @property
    def _now(self) -> int:
        return self._clock.now()


def _refusal(name: str, answer: Answer, subject: Subject, now: int, asked: str = "") -> Finding:
    """`asked` is what was asked for, where it is not the subject."""
    verdict = judge(answer, subject, now)
    if isinstance(verdict, (Refused, Later)):
        return _failed(name, verdict.reason.replace(str(subject), asked or str(subject), 1))
    if isinstance(verdict, Limited):
        return _failed(name, f"{answer.status}: {verdict.reason}; it ends in {verdict.seconds:.0f} s")
    return _failed(name, f"GitHub answered {answer.status}; check base_url")


def _failed(name: str, reason: str, remedy: str = "") -> Finding:
    """Reasons say what happened, and behind the first semicolon what to do."""
    seen, _, cure = reason.partition("; ")
    return Finding(name, "failed", seen, cure or remedy)


def _resources(body: bytes) -> list[tuple[str, int, int, int]]:
    """Resource, limit, remaining and reset (s since the epoch) of an answer of `/rate_limit`."""
    try:
        resources: Any = orjson.loads(body)["resources"]
        return [
            (printable(name, 40), int(each["limit"]), int(each["remaining"]), int(each["reset"]))
            for name, each in resources.items()
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def _expiry(text: str) -> datetime | None:
    try:
        return datetime.strptime(text.replace("UTC", "+0000"), "%Y-%m-%d %H:%M:%S %z").astimezone(UTC)
    except ValueError:
        return None
