"""Sends records to a syslog server or SIEM: RFC 5424 or RFC 3164 over TCP, TLS, UDP or a Unix socket.

Syslog has no acknowledgements, but one thing proves that a server has read everything: it ends the connection in
order behind our own end. So a connection carries at most one batch until it has been ended that way; when it
breaks, what it carried is sent again over the next one. UDP promises nothing. See docs/syslog.md.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from shipper.core.component import Component, Context, Exported, Window
from shipper.core.errors import Rejected, Unavailable
from shipper.exporters.syslog_config import Config, check
from shipper.net import oneway
from shipper.net.faults import explained
from shipper.net.tls import client_context, stamp
from shipper.wire import otlp
from shipper.wire.syslog import Formatter, frame, wrapped

log = logging.getLogger(__name__)

_GOODBYE: Final = 3.0
"""Seconds to wait for the server to end the connection too: it may have a batch to read before it sees our end.

A server that stalls for a second or two must not be taken for one that never answers; nor may one that never does
keep a stop waiting until the usual `--drain-timeout` is over.
"""


class SyslogExporter:
    """Keeps one connection, and what was sent over it until the server has shown that it read it."""

    def __init__(self, config: Config, context: Context) -> None:
        self._config = config
        self._context = context
        self._formatter = Formatter(config.style)
        self._sequence = 1
        self._turn = asyncio.Lock()
        self._link: oneway.Link | None = None
        self._sent: list[bytes] = []
        self._again = False
        """Whether the connection that carried these broke, so that they are to be sent again."""
        self._confirms = False
        """Whether the server has ended a connection behind our end: silence then means that it stalls."""
        self._mute = False
        """Whether the server is known to let us wait for that end, so that it is asked no more until a break."""
        self._tls: tuple[object, oneway.TLS] | None = None
        self._most = config.max_message_size if config.on_oversize == "dead_letter" else None
        self.doubtful = 0
        """Records that were sent, and of which it is not known whether the server has read them."""

    def __repr__(self) -> str:
        return f"syslog({self._config.address})"

    async def __aenter__(self) -> "SyslogExporter":
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._link:
            await self._link.close(0.0)

    async def export(self, window: Window) -> None:
        """Send the window over the connection at hand, or over a new one where that has ended.

        Raises:
            Unavailable: the server's system does not have all of it.
            Rejected: messages are too long, and `on_oversize` is `dead_letter`.
        """
        async with self._turn, explained(self._config.address, self._config.timeout):
            await self._send_again()
            await self._send(window.records, self._most)
            if isinstance(self._link, oneway.Stream):
                self._sent.append(window.otlp)
                self.doubtful += window.count

    async def settled(self) -> None:
        """Return when nothing is in doubt: find out, by ending the connection.

        Raises:
            Unavailable: the server broke off, or is gone; the next call, or `export`, sends it all again.
        """
        async with self._turn:
            async with explained(self._config.address, self._config.timeout):
                await self._send_again()
            if isinstance(self._link, oneway.Stream) and self._sent and not self._mute:
                await self._part(self._link)
            else:
                self._forget()
        if self._again:
            raise Unavailable(f"{self._config.address} did not show that it has read everything")

    async def check(self) -> str:
        """Connect as an export would, and hang up."""
        async with explained(self._config.address, self._config.timeout):
            link = await self._connect()
            await link.close(0.0)
            if self._config.network == "udp":
                return f"UDP to {self._config.address}: nobody answers datagrams, so no more is known"
            return f"{link.name} to {self._config.address}"

    async def _send(self, records: Sequence[Exported], most: int | None = None) -> None:
        """Send these, over a connection that is whole; where none may be longer than `most`, or none of them."""
        link = self._link = self._link or await self._connect()
        messages = self._messages(records, most)
        if isinstance(link, oneway.Stream):
            messages = [frame(messages, self._config.framing)]
        try:
            await link.deliver(messages)
        except oneway.TooLong as fault:
            raise Rejected("longer than the socket takes", indexes=[fault.index]) from None
        except BaseException:  # a part of a message may be under way, and nothing may follow it
            await self._drop(link)
            raise

    def _messages(self, records: Sequence[Exported], most: int | None) -> list[bytes]:
        messages = self._formatter.messages(records, self._sequence)
        long = [index for index, message in enumerate(messages) if most is not None and message.size > most]
        if long:
            raise Rejected(f"longer than max_message_size ({most} bytes)", indexes=long)
        self._sequence = wrapped(self._sequence + len(messages))
        return [message.data for message in messages]

    async def _send_again(self) -> None:
        """Send what a connection that broke may have lost, which is then in doubt again.

        It was not too long before; where a longer `sequenceId` makes it so, it is cut.
        """
        if self._link and self._link.broken():
            await self._drop(self._link)
        if self._again:
            await self._send(otlp.decode(b"".join(self._sent)))
            self._again = False

    async def _drop(self, link: oneway.Link) -> None:
        """Let go of a connection that broke; what it carried is sent again, read or not."""
        self._link, self._mute = None, False
        await link.abort()
        if self._sent:
            self._again = True
            self._say("the connection broke; what it carried is sent again")

    async def _part(self, link: oneway.Stream) -> None:
        """End the connection, and judge by how the server ends it."""
        self._link, self._again = None, True  # until it is known, also where this is cancelled
        match await link.close(_GOODBYE):
            case oneway.Parting.BROKEN:
                self._say("the server broke off before it had read everything; that is sent again")
            case oneway.Parting.SILENT if self._confirms:
                self._confirms = False
                self._say("the server stalls: it does not end the connection as it did before; that is sent again")
            case oneway.Parting.SILENT:
                self._say("the server does not end a connection when we do: nobody can know what it has read")
                self._mute = True
                self._forget()
            case oneway.Parting.IN_ORDER:
                self._confirms = True
                self._forget()

    def _forget(self) -> None:
        """Nothing is in doubt, or nothing more can be known."""
        self._sent.clear()
        self.doubtful, self._again = 0, False

    def _say(self, message: str) -> None:
        log.info(message, extra={"component": self._context.id, "endpoint": self._config.address})

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


component = Component(kind="exporter", config=Config, build=SyslogExporter, check=check)
