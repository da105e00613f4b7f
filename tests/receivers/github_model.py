"""A GitHub in a few lines, a clock and a journal, for tests that want to know every request and every moment."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from shipper.core.batch import Batch
from shipper.core.component import Context, Paths
from shipper.core.telemetry import Health, Meter
from shipper.net.http import Answer
from shipper.receivers.github.audit_log import AuditEvent, AuditLog
from shipper.receivers.github.auth import Token
from shipper.receivers.github.client import Api, Lane
from shipper.receivers.github.config import AuditLogConfig
from shipper.receivers.github.conversation import RUNNING, Conversation, Patience
from shipper.receivers.github.ledger import Ledger
from shipper.receivers.github.remedies import Subject
from shipper.wire.github import milliseconds

START = 1_700_000_000_000
"""ms since the epoch: when the tests' time begins."""
BASE = "https://api.github.com"


DEFAULT = AuditLogConfig()


class Crash(BaseException):
    """The process is gone: nothing may catch this."""


class VirtualClock:
    """Time that passes only where somebody lets it."""

    def __init__(self, ms: int = START) -> None:
        self.ms = ms
        self.slept: list[float] = []

    def now(self) -> int:
        return self.ms * 1_000_000

    def monotonic(self) -> float:
        return self.ms / 1000

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.ms += int(seconds * 1000)
        await asyncio.sleep(0)


class FakeIntake:
    """A journal that keeps what was committed; `trouble` is called before and after each commit."""

    def __init__(self, trouble: Callable[[str], None] = lambda _moment: None) -> None:
        self.batches: list[Batch] = []
        self.checkpoints: dict[str, bytes] = {}
        self.rows: dict[str, list[tuple[int, bytes]]] = {}
        self.trouble = trouble

    async def emit(self, batch: Batch) -> None:
        self.trouble("before commit")
        self.batches.append(batch)
        commit = batch.commit
        if commit is not None:
            rows = self.rows.setdefault(commit.source, [])
            if commit.checkpoint is not None:
                self.checkpoints[commit.source] = commit.checkpoint
            if commit.seen is not None:
                rows.append((commit.seen.newest, commit.seen.digests + commit.seen.shared))
            if commit.forget_before is not None:
                self.rows[commit.source] = [row for row in rows if row[0] >= commit.forget_before]
        self.trouble("after commit")

    async def checkpoint(self, source: str) -> bytes | None:
        return self.checkpoints.get(source)

    async def seen(self, source: str, since: int) -> bytes:
        return b"".join(digests for newest, digests in self.rows.get(source, []) if newest >= since)

    @property
    def records(self):
        return [record for batch in self.batches for record in batch.records]

    @property
    def uids(self) -> list[str]:
        return [record.uid for record in self.records]

    @property
    def place(self) -> dict:
        (stored,) = self.checkpoints.values()
        return json.loads(stored)


@dataclass
class Row:
    """An event of the model: when it happened, and when it can first be listed (ms)."""

    id: str
    time: int
    visible: int
    deleted: bool = False
    more: dict = field(default_factory=dict)

    @property
    def event(self) -> dict:
        return {"@timestamp": self.time, "_document_id": self.id, "action": "repo.create", **self.more}


class ModelGitHub:
    """An audit log that is listed as GitHub lists it, in pages of `size`.

    `numbered`: page numbers instead of cursors. `deaf`: `phrase` is ignored; `falling`: `order` is. `step` is
    called before each request: the place to let time pass, rows come and go, or the process die.
    """

    def __init__(self, clock: VirtualClock, rows: list[Row], size: int = 3) -> None:
        self.clock = clock
        self.rows = rows
        self.size = size
        self.numbered = self.deaf = self.falling = False
        self.date = True
        self.headers: dict[str, str] = {}
        self.asked: list[str] = []
        self.step: Callable[[], None] = lambda: None
        self.answers: list[Answer | BaseException] = []
        """Given before anything else, in order."""

    def owns(self, url: str) -> bool:
        return url.startswith(f"{BASE}/")

    async def request(self, method, url, headers, body=None) -> Answer:
        self.step()
        self.asked.append(url)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, BaseException):
                raise answer
            return answer
        return self.serve(url)

    def serve(self, url: str) -> Answer:
        query = {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
        rows = sorted(
            (row for row in self.rows if row.visible <= self.clock.ms and not row.deleted),
            key=lambda row: (row.time, row.id),
            reverse=self.falling,
        )
        if not self.deaf:
            since, _, until = query["phrase"].removeprefix("created:").removeprefix(">=").partition("..")
            last = milliseconds(until) + 999 if until else max((row.time for row in rows), default=0)
            rows = [row for row in rows if milliseconds(since) <= row.time <= last]
        size = min(self.size, int(query["per_page"]))
        start = self._start(rows, query, size)
        page, rest = rows[start : start + size], rows[start + size :]
        next_url = None
        if rest and self.numbered:
            next_url = f"{url.split('&page=', maxsplit=1)[0]}&page={int(query.get('page', 1)) + 1}"
        elif rest:
            next_url = f"{url.split('&after=', maxsplit=1)[0]}&after={page[-1].time}|{page[-1].id}"
        return self.answer([row.event for row in page], next_url)

    def answer(self, events, next_url: str | None = None) -> Answer:
        headers = dict(self.headers)
        if self.date:
            headers["date"] = formatdate(self.clock.ms // 1000, usegmt=True)
        if next_url:
            headers["link"] = f'<{next_url}>; rel="next"'
        return Answer(200, headers, json.dumps(events).encode())

    def _start(self, rows: list[Row], query: dict, size: int) -> int:
        if self.numbered:
            return (int(query.get("page", 1)) - 1) * size
        if "after" not in query:
            return 0
        time, _, name = query["after"].partition("|")
        place = (int(time), name)
        return sum((row.time, row.id) >= place if self.falling else (row.time, row.id) <= place for row in rows)


def context(clock: VirtualClock) -> Context:
    return Context("github", Meter(), Health(clock), clock, Paths(Path(), Path()))


def audit_log(
    github: ModelGitHub,
    intake: FakeIntake,
    context: Context,
    config: AuditLogConfig = DEFAULT,
    patience: Patience = RUNNING,
    interval: float = 300.0,
) -> AuditLog:
    """The stream of a process that has just started."""
    clock = context.clock
    lane = Lane(Api(github, BASE, "2022-11-28", clock), Token("t"), 100, clock)
    conversation = Conversation(lane, Subject("acme", "audit_log"), context, patience)
    ledger = Ledger("github/acme/audit_log", AuditEvent("acme"), intake, context, {}, body="map")
    return AuditLog(conversation, ledger, config, interval)
