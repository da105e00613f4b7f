"""The receiver: each stream of each organization polled in a task of its own."""

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from shipper.core.component import Context, Intake
from shipper.core.errors import ConfigError, Problem, Unavailable
from shipper.core.past import Finding, Past
from shipper.net.http import Session
from shipper.net.tls import session_tls
from shipper.receivers.github.addresses import place_path
from shipper.receivers.github.alerts import Alert, AlertState
from shipper.receivers.github.audit_log import AuditEvent, AuditLog
from shipper.receivers.github.auth import AppKey, Credentials, InstallationTokens, Token, TokenFile
from shipper.receivers.github.client import Api, Lane
from shipper.receivers.github.config import Config, private_key
from shipper.receivers.github.conversation import ONCE, RUNNING, Conversation, Patience
from shipper.receivers.github.history import PATIENCE, Unused, histories
from shipper.receivers.github.kin import Kin
from shipper.receivers.github.ledger import Ledger, Shape
from shipper.receivers.github.probe import Probe
from shipper.receivers.github.remedies import Kind, Subject
from shipper.receivers.github.sweep import Stream
from shipper.wire.github import AlertStream

log = logging.getLogger(__name__)

_ALERTS: Final[tuple[AlertStream, ...]] = ("code_scanning", "secret_scanning", "dependabot")
_JITTER: Final = random.Random()  # noqa: S311 - spreads polls, keeps no secret
_EMPTY: Final = {
    "code_scanning": "no repository has CodeQL or another tool that uploads SARIF, or none is visible to the "
    "token",
    "secret_scanning": "no repository has secret scanning switched on, or none is visible to the token",
    "dependabot": "no repository has Dependabot alerts switched on, or none is visible to the token",
}


@dataclass(frozen=True)
class Source:
    """A stream of an organization or enterprise: the listings that make it up."""

    subject: Subject
    conversation: Conversation
    listings: Sequence[Stream]

    async def poll(self) -> None:
        """Poll each listing; one that fails doesn't keep the others from being read.

        Raises:
            Unavailable: some could not be read.
        """
        failures = []
        for listing in self.listings:
            try:
                await listing.poll()
            except Unavailable as failure:
                failures.append(failure)
                if failure.blocked:
                    break
        if failures:
            raise failures[0]

    def complete_until(self) -> int | None:
        """The time (ms) up to which everything that was listed is in the journal."""
        times = [listing.complete_until for listing in self.listings]
        return min((time for time in times if time is not None), default=None) if None not in times else None


class GitHub:
    """Polls organizations and enterprises."""

    def __init__(self, config: Config, context: Context) -> None:
        self._config = config
        self._context = context

    def __repr__(self) -> str:
        return f"github({', '.join(self._stream_names())})"

    async def run(self, intake: Intake, *, once: bool = False) -> None:
        """Poll until cancelled; with `once`, poll each stream once.

        Raises:
            Unavailable: with `once` only: some stream could not be read; the others were.
        """
        async with AsyncExitStack() as stack:
            sources = await self.sources(intake, stack, ONCE if once else RUNNING)
            if once:
                await self._run_once(sources)
            else:
                async with asyncio.TaskGroup() as tasks:
                    for source in sources:
                        tasks.create_task(self._keep_polling(source), name=f"{self._context.id} {source.subject}")

    async def sources(self, intake: Intake, stack: AsyncExitStack, patience: Patience) -> list[Source]:
        """Every stream that is switched on, ready to be polled; connections are closed with the stack."""
        session = await stack.enter_async_context(self._session())
        api = Api(session, self._config.base_url, self._config.api_version, self._context.clock)
        lane_of = self._lanes(api)
        kin: defaultdict[str, Kin] = defaultdict(Kin)
        sources = []
        for kind, slug in self._places():
            lane = lane_of(kind, slug)
            namesake = kind == "enterprise" and slug in self._config.all_organizations
            sources += [
                self._source(
                    lane,
                    Subject(slug, name, kind, lane.app, namesake),
                    partial(self._ledger, intake, kin),
                    patience,
                )
                for name in self._stream_names()
            ]
        for source in sources:
            self._context.health.starting(self._context.id, source.conversation.part)
        return sources

    async def past(self, stack: AsyncExitStack) -> Sequence[Past]:
        """Every stream that is switched on, to be listed again; connections are closed with the stack."""
        sources = await self.sources(Unused(), stack, PATIENCE)
        return list(histories((each for source in sources for each in source.listings), self._context.clock))

    async def probe(self) -> Sequence[Finding]:
        """Ask each organization and each stream once, and say what was found."""
        async with AsyncExitStack() as stack:
            sources = await self.sources(Unused(), stack, ONCE)
            return await Probe(sources, self._context.clock).findings()

    def _session(self) -> Session:
        host = urlsplit(self._config.base_url).hostname or ""
        tls = session_tls(self._config.tls, self._context.paths, host)
        return Session(self._config.base_url, tls=tls, proxy_url=self._config.proxy_url)

    def _places(self) -> Iterator[tuple[Kind, str]]:
        for organization in self._config.all_organizations:
            yield "organization", organization
        if self._config.enterprise:
            yield "enterprise", self._config.enterprise

    def _stream_names(self) -> list[str]:
        return [name for name, settings in self._config.streams if settings]

    def _lanes(self, api: Api) -> Callable[[Kind, str], Lane]:
        """A lane for each token: one in all, or one for each installation of an App."""
        auth, clock = self._config.auth, self._context.clock
        floor = self._config.rate_limit.min_remaining
        if auth.app is None:
            lane = Lane(api, self._token(), floor, clock)
            return lambda _kind, _slug: lane
        app = auth.app
        try:
            key = AppKey(app.issuer, private_key(app, self._context.paths))
        except OSError as error:
            message = f"cannot read {app.private_key_file}: {error.strerror}"
            raise ConfigError(
                [Problem(("auth", "app", "private_key_file"), "unreadable-file", message)]
            ) from error

        def installation(kind: Kind, slug: str) -> Lane:
            tokens = InstallationTokens(api, key, place_path(kind, slug), app.installation_id, clock)
            return Lane(api, tokens, floor, clock)

        return installation

    def _token(self) -> Credentials:
        auth = self._config.auth
        if auth.token_file is not None:
            return TokenFile(self._context.paths.input(auth.token_file))
        return Token(auth.token.get_secret_value() if auth.token else "")

    def _source(
        self, lane: Lane, subject: Subject, ledger: Callable[[Shape, str, str], Ledger], patience: Patience
    ) -> Source:
        conversation = Conversation(lane, subject, self._context, patience)
        streams = self._config.streams
        if subject.stream == "audit_log" and streams.audit_log:
            events = ledger(AuditEvent(subject.slug), subject.place, subject.stream)
            audit_log = AuditLog(conversation, events, streams.audit_log, self._config.poll_interval)
            return Source(subject, conversation, [audit_log])
        listings: list[Stream] = []
        for name in _ALERTS:
            settings = getattr(streams, name)
            if name == subject.stream and settings:
                alert = Alert(name, subject.slug)
                listings += [
                    AlertState(conversation, ledger(alert, subject.place, f"{name}/{state}"), state)
                    for state in dict.fromkeys(settings.states)
                ]
        return Source(subject, conversation, listings)

    def _ledger(self, intake: Intake, kin: Mapping[str, Kin], shape: Shape, place: str, listing: str) -> Ledger:
        resource = {
            "service.name": "github",
            "vcs.provider.name": "github",
            "server.address": urlsplit(self._config.base_url).hostname or "",
        }
        source = f"{self._context.id}/{place.lower()}/{listing}"  # GitHub's names are the same in any case
        body, family = self._config.body, kin[listing]
        return Ledger(source, shape, intake, self._context, resource, body=body, kin=family)

    async def _run_once(self, sources: Sequence[Source]) -> None:
        outcomes = await asyncio.gather(*(self._poll(source) for source in sources))
        failures = [failure for failure in outcomes if failure is not None]
        if failures:
            raise Unavailable(
                "; ".join(dict.fromkeys(failure.reason for failure in failures)),
                blocked=any(failure.blocked for failure in failures),
            )

    async def _keep_polling(self, source: Source) -> None:
        clock, conversation = self._context.clock, source.conversation
        told = False
        while True:
            started = clock.monotonic()
            failure = await self._poll(source)
            pause = conversation.spacing(self._config.poll_interval) * _JITTER.uniform(0.95, 1.05)
            pause = max(pause - (clock.monotonic() - started), 0.0)
            if failure is None:
                conversation.works(seconds=pause)
                told = told or self._tell_empty(source)
            else:
                pause = max(pause, failure.retry_after or 0.0)
                conversation.failed(failure.reason, blocked=failure.blocked, seconds=pause)
            await clock.sleep(pause)

    async def _poll(self, source: Source) -> Unavailable | None:
        """Poll once; what went wrong, if anything did. A fault of ours must not stop the other streams."""
        try:
            await source.poll()
        except Unavailable as failure:
            source.conversation.failed(failure.reason, blocked=failure.blocked, seconds=failure.retry_after or 0.0)
            return failure
        except Exception as error:
            log.exception("polling %s failed", source.subject, extra={"component": self._context.id})
            return Unavailable(
                f"polling {source.subject} failed with {type(error).__name__}; this is a fault of the shipper"
            )
        finally:
            self._watch_lag(source)
        source.conversation.works()
        return None

    def _watch_lag(self, source: Source) -> None:
        clock = self._context.clock

        def lag() -> float:
            until = source.complete_until()
            return 0.0 if until is None else max(clock.now() / 1e9 - until / 1000, 0.0)

        if source.complete_until() is not None:
            subject = source.subject
            self._context.meter.watch(
                "shipper_checkpoint_lag_seconds",
                lag,
                receiver=self._context.id,
                organization=subject.place,
                stream=subject.stream,
            )

    @staticmethod
    def _tell_empty(source: Source) -> bool:
        """Say once why a stream of alerts may be empty; whether no more needs to be said."""
        counts = [listing.listed for listing in source.listings if isinstance(listing, AlertState)]
        if counts and not any(counts) and None not in counts:
            log.info("%s: GitHub lists no alert: %s", source.subject, _EMPTY[source.subject.stream])
        return True
