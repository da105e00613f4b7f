"""Sends records to a syslog server or SIEM: RFC 5424 or RFC 3164 over TCP, TLS, UDP or a Unix socket.

Syslog has no acknowledgements. Over TCP and TLS, records count as sent when the server's system has acknowledged
every byte and the server has neither hung up nor refused us; when a connection breaks soon after that, the last
batch is sent again over the next one. UDP promises nothing. See docs/syslog.md.
"""

import asyncio
import logging
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from shipper.core.component import Component, Context, Exported, Paths, Window
from shipper.core.delivery import DeliveryConfig
from shipper.core.errors import Problem, Rejected, Unavailable
from shipper.core.units import Size
from shipper.net import oneway
from shipper.net.faults import explained
from shipper.net.tls import TLSConfig, check_tls, client_context, stamp
from shipper.wire import otlp
from shipper.wire.syslog import (
    FACILITIES,
    LEAST_SIZE,
    Formatter,
    Framing,
    MessageFormat,
    Protocol,
    Style,
    frame,
    wrapped,
)

log = logging.getLogger(__name__)

_LARGEST_DATAGRAM: Final = 65507
_DOUBT: Final = 5.0
"""Seconds: whoever hangs up so soon behind a batch may not have taken it from its system's hands."""

_GOODBYE: Final = 2.0
"""Seconds to wait at the end for the server to end the connection too."""

_GLANCE: Final = 0.1
"""Seconds between two looks at whether what was in doubt has been sent again."""


def _facility(value: Any) -> Any:
    """The number of a facility given by its name, its number or its number as text."""
    if isinstance(value, str):
        if value in FACILITIES:
            return FACILITIES[value]
        if not value.isdecimal():
            raise ValueError(f"not a facility; write one of {', '.join(FACILITIES)}, or a number from 0 to 23")
        return int(value)
    return value


def _host(value: str) -> str:
    if "://" in value or re.fullmatch(r"[^:/]+:\d+|\[.*\]:\d+", value):
        raise ValueError("write the host alone, and its port as `port:`")
    return value.removeprefix("[").removesuffix("]")


class Config(DeliveryConfig):
    """Where messages go and how they are written."""

    concurrency: Literal[1] = 1
    """One batch at a time, since they share one stream."""
    endpoint: Annotated[str, Field(min_length=1), AfterValidator(_host)]
    """The server's host name or address; the path of the socket for `network: unix`."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """The server's port; 6514 with TLS, 514 without."""
    network: Literal["tcp", "udp", "unix"] = "tcp"
    """How to reach the server; `unix` takes stream and datagram sockets such as `/dev/log`."""
    protocol: Protocol = "rfc5424"
    """How messages are written; RFC 3164 has neither structured data nor a year."""
    enable_octet_counting: bool | None = None
    """Each message behind its length (RFC 6587, 3.4.1), true by default for tcp; else each on its own line."""
    facility: Annotated[
        int,
        BeforeValidator(_facility),
        Field(ge=0, le=23),
        WithJsonSchema({"anyOf": [{"enum": list(FACILITIES)}, {"type": "integer", "minimum": 0, "maximum": 23}]}),
    ] = FACILITIES["log_audit"]
    """RFC 5424 name or number."""
    tls: TLSConfig | None = None
    """Encrypts the connection (RFC 5425); for tcp."""
    enterprise_number: Annotated[int, Field(ge=0, le=2**32 - 1)] = 32473
    """The private enterprise number in the SD-ID `github@NUMBER`; 32473 is the one for documentation."""
    message_format: MessageFormat = "json"
    """What follows the header: the event as JSON, or CEF for ArcSight, or LEEF for QRadar around it."""
    bom: bool = False
    """Puts a byte order mark in front of the message, which RFC 5424 wants and many servers keep as text."""
    max_message_size: Annotated[Size, Field(ge=LEAST_SIZE)] = 8192
    """Longer messages are shortened or refused. Raise it here and at the server, never here alone."""
    on_oversize: Literal["truncate", "dead_letter"] = "truncate"
    """What becomes of longer messages: cut with a mark that tells their length, or sent to the dead letters."""

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self.tls is not None and not self.tls.insecure

    @property
    def address(self) -> str:
        """Where messages go, for people."""
        return self.endpoint if self.network == "unix" else f"{self.endpoint}:{self.target_port}"

    @property
    def target_port(self) -> int:
        """The port, or its default."""
        return self.port or (6514 if self.secure else 514)

    @property
    def framing(self) -> Framing:
        """How messages are told apart in a stream."""
        counting = self.enable_octet_counting
        return Framing.OCTETS if counting or (counting is None and self.network == "tcp") else Framing.LINES

    @property
    def style(self) -> Style:
        """How messages are written."""
        return Style(
            protocol=self.protocol,
            message_format=self.message_format,
            facility=self.facility,
            enterprise_number=self.enterprise_number,
            bom=self.bom,
            max_size=self.max_message_size,
        )


class SyslogExporter:
    """Keeps one connection, and remembers the last batch until the next one has arrived."""

    def __init__(self, config: Config, context: Context) -> None:
        self._config = config
        self._context = context
        self._formatter = Formatter(config.style)
        self._sequence = 1
        self._turn = asyncio.Lock()
        self._link: oneway.Link | None = None
        self._sent = b""
        self._sent_over: oneway.Link | None = None
        self._sent_at = 0.0
        self._repeated = False
        self._again = b""
        self._repeating: asyncio.Task[None] | None = None
        self._tls: tuple[object, oneway.TLS] | None = None

    def __repr__(self) -> str:
        return f"syslog({self._config.address})"

    async def __aenter__(self) -> "SyslogExporter":
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stop_repeating()
        try:
            await self.settled(at_once=True)
        except Unavailable:
            log.warning(
                "the server broke off and is not back: the last batch may be lost there, and is sent again",
                extra={"component": self._context.id, "records": otlp.count(self._sent)},
            )
        await self._drop()
        await self._stop_repeating()

    async def settled(self, *, at_once: bool) -> None:
        """Return when the last window is beyond doubt; `at_once`: ask the server, by saying goodbye.

        Raises:
            Unavailable: the server broke off and does not come back.
        """
        if at_once:
            async with self._turn, explained(self._config.address, self._config.timeout):
                await self._part()
                await self._send_again()
                await self._part()
                if self._again:
                    raise Unavailable(f"{self._config.address} broke off before it had read everything")
            return
        while (left := self._sent_at + _DOUBT - _now()) > 0 or self._again:  # noqa: ASYNC110 - each window moves it
            await asyncio.sleep(max(left, _GLANCE))

    async def export(self, window: Window) -> None:
        """Send the window over the connection at hand, or over a new one where that has ended.

        Raises:
            Unavailable: it is not known that the server has all of it.
            Rejected: messages are too long, and `on_oversize` is `dead_letter`.
        """
        async with self._turn, explained(self._config.address, self._config.timeout):
            await self._send_again()
            await self._send(window.records)
            self._sent, self._sent_over, self._sent_at = window.otlp, self._link, _now()
            self._repeated = False

    async def check(self) -> str:
        """Connect as an export would, and hang up."""
        async with explained(self._config.address, self._config.timeout):
            link = await self._connect()
            await link.close(patience=0.0)
            if self._config.network == "udp":
                return f"UDP to {self._config.address}: nobody answers datagrams, so no more is known"
            return f"{link.name} to {self._config.address}"

    def _messages(self, records: Sequence[Exported]) -> list[bytes]:
        messages = self._formatter.messages(records, self._sequence)
        limit = self._config.max_message_size
        if self._config.on_oversize == "dead_letter":
            long = [index for index, message in enumerate(messages) if message.size > limit]
            if long:
                raise Rejected(f"longer than max_message_size ({limit} bytes)", indexes=long)
        self._sequence = wrapped(self._sequence + len(messages))
        return [message.data for message in messages]

    async def _send(self, records: Sequence[Exported]) -> None:
        """Send these, over a connection that is whole."""
        if self._link and self._link.broken():
            await self._drop()
        link = self._link = self._link or await self._connect()
        messages = self._messages(records)
        if isinstance(link, oneway.Stream):
            link.on_end = self._ended
            messages = [frame(messages, self._config.framing)]
        try:
            await link.deliver(messages)
        except oneway.TooLong as fault:
            raise Rejected("longer than the socket takes", indexes=[fault.index]) from None
        except BaseException:  # a part of a message may be under way, and nothing may follow it
            await self._drop()
            raise

    async def _send_again(self) -> None:
        """Send what is in doubt, which is then in doubt again: a server may reset any number of connections."""
        if self._link and self._link.broken():
            await self._drop()
        if self._again:
            await self._send(otlp.decode(self._again))
            self._again = b""
            self._sent_over, self._sent_at, self._repeated = self._link, _now(), True

    async def _drop(self) -> None:
        """Let go of the connection; note whether the batch before may have been lost with it."""
        link, self._link = self._link, None
        if not link:
            return
        if link is self._sent_over and (broken := link.broken()) and self._in_doubt(broken):
            log.info(
                "the connection broke; the batch before is sent again",
                extra={"component": self._context.id, "endpoint": self._config.address},
            )
            self._again = self._sent
        await link.abort()

    async def _part(self) -> None:
        """End the connection; a server that does the same has read everything, else the last batch is in doubt."""
        link, self._link = self._link, None
        if link:
            answers = link is self._sent_over
            quick = _now() - self._sent_at < _DOUBT
            read = False
            try:
                read = await link.close(min(_GOODBYE, self._config.timeout / 4) if answers and quick else 0.0)
            finally:  # also where the time for it is over: nothing is known then
                if answers and not read:
                    self._again = self._sent
                    await link.abort()

    def _ended(self) -> None:
        """The server ended the connection between two windows."""
        if self._repeating is None or self._repeating.done():
            self._repeating = asyncio.create_task(self._repeat())

    async def _repeat(self) -> None:
        """Send what is in doubt without waiting for the next window: it may be hours away."""
        retry = self._config.retry_on_failure
        wait = retry.initial_interval
        while not await self._repeat_once():
            await self._context.clock.sleep(wait)
            wait = min(wait * retry.multiplier, retry.max_interval)

    async def _stop_repeating(self) -> None:
        if self._repeating:
            self._repeating.cancel()
            await asyncio.wait([self._repeating])

    async def _repeat_once(self) -> bool:
        try:
            async with self._turn, explained(self._config.address, self._config.timeout):
                await self._send_again()
        except (Unavailable, Rejected):
            return False
        return True

    def _in_doubt(self, broken: oneway.Broken) -> bool:
        """A server that resets has left bytes unread; one that ends in order has read them, unless in a hurry.

        After an orderly end once is enough, lest a server that always hangs up gets the same for ever.
        """
        if not isinstance(broken.fault, oneway.HungUp):
            return True
        return not self._repeated and broken.time - self._sent_at < _DOUBT

    async def _connect(self) -> oneway.Link:
        config = self._config
        if config.network == "unix":
            return await oneway.connect_unix(str(self._context.paths.output(config.endpoint)))
        if config.network == "udp":
            return await oneway.connect_udp(config.endpoint, config.target_port)
        return await oneway.connect_tcp(config.endpoint, config.target_port, self._security())

    def _security(self) -> oneway.TLS | None:
        """How to secure a new connection; made anew when the files have changed."""
        tls = self._config.tls
        if tls is None or tls.insecure:
            return None
        version = stamp(tls, self._context.paths)
        if self._tls is None or self._tls[0] != version:
            name = tls.server_name_override or self._config.endpoint
            self._tls = version, oneway.TLS(client_context(tls, self._context.paths), name)
        return self._tls[1]


def _now() -> float:
    """The event loop's time, which connections tell."""
    return asyncio.get_running_loop().time()


def _check(config: Config, paths: Paths) -> Iterator[Problem]:
    if config.network != "tcp" and config.secure:
        yield Problem(("tls",), "tls-needs-tcp", f"TLS needs network: tcp, not {config.network}")
    if config.network == "udp" and config.enable_octet_counting:
        message = "over udp each message is a datagram and has no frame"
        yield Problem(("enable_octet_counting",), "framing-needs-stream", message)
    if config.network == "udp" and config.max_message_size > _LARGEST_DATAGRAM:
        message = f"a datagram holds at most {_LARGEST_DATAGRAM} bytes"
        yield Problem(("max_message_size",), "datagram-size", message)
    if config.tls and config.secure:
        yield from check_tls(config.tls, paths)


component = Component(kind="exporter", config=Config, build=SyslogExporter, check=_check)
