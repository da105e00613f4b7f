"""The fault plan: which request meets which fault.

A fault is written `STREAM[@LOGIN]:KIND[=VALUE][#NTH][%SHARE]`, for example `audit_log:403-permission` (always),
`code_scanning@acme-corp:503#1-3` (the first three that match), `audit_log:429-retry-after=30#2` (the second one),
`*:reset%5` (five in a hundred, drawn from the seed). Pure: what a kind does stands in `mischief`.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

#: What can be hit: the streams, and the other endpoints by these names.
TARGETS: Final = (
    "audit_log", "code_scanning", "secret_scanning", "dependabot",
    "org", "rate_limit", "meta", "user", "app", "token", "repositories", "*",
)  # fmt: skip

#: Every kind of fault and what it is; `=VALUE` is described where there is one.
KINDS: Final = {
    "401": "Bad credentials",
    "403-permission": "the token lacks a permission; X-Accepted-GitHub-Permissions names it",
    "403-integration": "the App lacks a permission",
    "403-quota": "primary limit used up; VALUE seconds until it is reset (60)",
    "429-quota": "the same with status 429",
    "403-secondary": "secondary limit, no headers that say how long",
    "429-secondary": "the same with status 429",
    "403-retry-after": "secondary limit with Retry-After: VALUE seconds (60)",
    "429-retry-after": "the same with status 429",
    "404": "not there, or not for you",
    "410": "gone",
    "422": "the query is not understood",
    "500": "server error",
    "502-html": "a page of HTML from a proxy",
    "503": "service unavailable",
    "504": "gateway timeout",
    "sso": "403, the organization enforces SAML single sign-on",
    "ip-allow-list": "403, the address is not on the organization's list",
    "suspended": "403, the App's installation is suspended",
    "301": "moved permanently to the numeric address",
    "302-other-host": "found on another host",
    "truncated": "JSON that ends midway",
    "200-error-body": "status 200 with an error's body",
    "200-html": "status 200 with a page of HTML",
    "200-empty": "status 200 with no body",
    "page-is-object": "the page is an object",
    "string-event": "one more event, which is a string",
    "nan": "a field that is NaN, another that is Infinity",
    "huge-field": "a field of VALUE bytes (10 MB)",
    "huge-integer": "an integer beyond 64 bits",
    "deep": "a field nested VALUE levels deep (500)",
    "lone-surrogate": "a field with half a surrogate pair",
    "invalid-utf8": "a field with bytes that are no UTF-8",
    "link-other-host": "Link: rel=next on another host",
    "link-loop": "Link: rel=next leads back to the same page",
    "hang": "no answer, ever",
    "slow": "the answer comes VALUE seconds late (5)",
    "reset": "the connection breaks in the middle of the answer",
}

_SPEC: Final = re.compile(
    r"(?P<target>[a-z_]+|\*)(?:@(?P<login>[\w.-]+))?:(?P<kind>[a-z0-9-]+)(?:=(?P<value>[\d.]+))?"
    r"(?:#(?P<first>\d+)(?P<dash>-)?(?P<last>\d+)?)?(?:%(?P<share>[\d.]+))?"
)


class FaultError(ValueError):
    """A fault that is not understood; the message says what would be."""


@dataclass(slots=True)
class Fault:
    """One line of the plan. `first` and `last` count the requests that match; `since`, `until` are ms."""

    target: str
    kind: str
    login: str | None = None
    value: float | None = None
    first: int = 1
    last: int | None = None
    share: float = 1.0
    since: int | None = None
    until: int | None = None
    seen: int = field(default=0, init=False)
    """Matching requests so far."""
    hits: int = field(default=0, init=False)
    """Requests it spoiled."""

    def matches(self, target: str, login: str | None, now: int) -> bool:
        """Whether a request is of its kind."""
        return (
            self.target in {"*", target}
            and (self.login is None or (login or "").lower() == self.login.lower())
            and (self.since is None or now >= self.since)
            and (self.until is None or now < self.until)
        )

    def strikes(self, draw: Callable[[], float]) -> bool:
        """Count a matching request; whether this one is hit."""
        self.seen += 1
        due = self.first <= self.seen and (self.last is None or self.seen <= self.last)
        hit = due and (self.share >= 1 or draw() < self.share)
        self.hits += hit
        return hit


def parse(text: str) -> Fault:
    """Read one fault. Raises `FaultError`."""
    match = _SPEC.fullmatch(text.strip())
    if match is None:
        raise FaultError(
            f"{text!r} is no fault; write STREAM[@LOGIN]:KIND[=VALUE][#NTH][%SHARE], such as audit_log:503#1-3"
        )
    if match["target"] not in TARGETS:
        raise FaultError(f"{match['target']!r} can't be hit; one of {', '.join(TARGETS)}")
    if match["kind"] not in KINDS:
        raise FaultError(f"{match['kind']!r} is no kind of fault; one of {', '.join(KINDS)}")
    first = int(match["first"] or 1)
    last = int(match["last"]) if match["last"] else (first if match["first"] and not match["dash"] else None)
    return Fault(
        match["target"],
        match["kind"],
        match["login"],
        float(match["value"]) if match["value"] else None,
        first,
        last,
        float(match["share"]) / 100 if match["share"] else 1.0,
    )


class FaultPlan:
    """All faults; the first that strikes wins."""

    def __init__(self, specs: tuple[str, ...] = (), seed: int = 0) -> None:
        self._rng = random.Random(f"{seed}/faults")  # noqa: S311 - reproducible on purpose
        self.faults: list[Fault] = [parse(spec) for spec in specs]

    def add(self, fault: Fault | str, *, since: int | None = None, until: int | None = None) -> Fault:
        """Add a fault, for all time or from `since` until `until` (ms of simulated time)."""
        one = parse(fault) if isinstance(fault, str) else fault
        one.since, one.until = since if since is not None else one.since, until if until is not None else one.until
        self.faults.append(one)
        return one

    def remove(self, fault: Fault) -> None:
        """Take one back."""
        self.faults.remove(fault)

    def clear(self) -> None:
        """Take all back."""
        self.faults.clear()

    def choose(self, target: str, login: str | None, now: int) -> Fault | None:
        """The fault this request meets; counts it."""
        struck = [f for f in self.faults if f.matches(target, login, now) and f.strikes(self._rng.random)]
        return struck[0] if struck else None
