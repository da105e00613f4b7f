"""A syslog server for tests: takes RFC 6587 streams and datagrams, and reads RFC 5424 by the letter.

The parser shares nothing with the formatter: it refuses whatever the RFC's grammar does not allow, and control
characters in the message too, which the shipper promises not to send.
"""

import asyncio
import contextlib
import re
import socket
import ssl
import struct
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

_HEADER = re.compile(
    rb"<(0|[1-9]\d{0,2})>1 (-|\S+) (-|[!-~]{1,255}) (-|[!-~]{1,48}) (-|[!-~]{1,128}) (-|[!-~]{1,32}) "
)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")
_NAME = rb"[!#-<>-\\^-~]{1,32}"
_ELEMENT = re.compile(rb"\[(" + _NAME + rb")((?: " + _NAME + rb'="(?:[^"\\\]]|\\["\\\]])*")*)\]')
_PARAM = re.compile(rb" (" + _NAME + rb')="((?:[^"\\\]]|\\["\\\]])*)"')
_ESCAPE = re.compile(r'\\(["\\\]])')
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class SyslogMessage:
    """A message, taken apart."""

    facility: int
    severity: int
    timestamp: datetime | None
    hostname: str
    app_name: str
    procid: str
    msgid: str
    structured_data: dict[str, dict[str, str]] = field(default_factory=dict)
    text: str = ""


def parse_rfc5424(message: bytes) -> SyslogMessage:
    """The parts of a message.

    Raises:
        ValueError: it is not one RFC 5424 message, to the letter.
    """
    header = _HEADER.match(message)
    if not header or int(header[1]) > 191:
        raise ValueError(f"no header: {message[:80]!r}")
    elements, at = _structured_data(message, header.end())
    if at < len(message) and message[at : at + 1] != b" ":
        raise ValueError(f"neither MSG nor the end behind the structured data: {message[at : at + 40]!r}")
    text = message[at + 1 :].decode()
    if found := _CONTROL.search(text):
        raise ValueError(f"control character {found[0]!r} in MSG")
    host, app, procid, msgid = (header[group].decode() for group in (3, 4, 5, 6))
    priority = int(header[1])
    return SyslogMessage(
        priority // 8, priority % 8, _time(header[2].decode()), host, app, procid, msgid, elements, text
    )


def split_octets(stream: bytes) -> list[bytes]:
    """The messages of a stream with octet counting.

    Raises:
        ValueError: a length is missing, wrong, or the stream ends inside a message.
    """
    messages = []
    while stream:
        length = re.match(rb"([1-9]\d*) ", stream)
        if not length or len(stream) < length.end() + int(length[1]):
            raise ValueError(f"no whole frame: {stream[:80]!r}")
        end = length.end() + int(length[1])
        messages.append(stream[length.end() : end])
        stream = stream[end:]
    return messages


def _structured_data(message: bytes, at: int) -> tuple[dict[str, dict[str, str]], int]:
    if message[at : at + 1] == b"-":
        return {}, at + 1
    elements: dict[str, dict[str, str]] = {}
    while message[at : at + 1] == b"[":
        element = _ELEMENT.match(message, at)
        if not element or element[1].decode() in elements:
            raise ValueError(f"no SD-ELEMENT, or one twice: {message[at : at + 80]!r}")
        params = [(param[1].decode(), _value(param[2])) for param in _PARAM.finditer(element[2])]
        elements[element[1].decode()] = dict(params)
        at = element.end()
    if not elements:
        raise ValueError(f"no structured data: {message[at : at + 40]!r}")
    return elements, at


def _value(raw: bytes) -> str:
    text = raw.decode()
    if found := _CONTROL.search(text):
        raise ValueError(f"control character {found[0]!r} in a PARAM-VALUE")
    return _ESCAPE.sub(r"\1", text)


def _time(text: str) -> datetime | None:
    if text == "-":
        return None
    if not _TIME.fullmatch(text):
        raise ValueError(f"no TIMESTAMP: {text!r}")
    return datetime.fromisoformat(text)


class SyslogServer:
    """Listens on a free port of the loopback, over TCP (with TLS where a context is given).

    `cut_after` tells how connections end: the first is cut after `cut_after[0]` messages, the second after
    `cut_after[1]`, and so on; further ones stay. `abrupt` cuts with a reset instead of an orderly end.
    """

    def __init__(
        self,
        *,
        framing: Literal["octets", "lines"] = "octets",
        tls: ssl.SSLContext | None = None,
        cut_after: tuple[int, ...] = (),
        abrupt: bool = False,
        port: int = 0,
    ) -> None:
        self.port = port
        self.received: list[bytes] = []
        """Messages of all connections, in the order of arrival."""
        self.connections = 0
        self.ended = 0
        """Connections that are over."""
        self._framing = framing
        self._tls = tls
        self._cut_after = cut_after
        self._abrupt = abrupt
        self._changed = asyncio.Condition()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> "SyslogServer":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()

    async def wait(self, count: int) -> list[bytes]:
        """Return when so many messages have arrived."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.received) >= count)
        return self.received

    async def hang_up(self) -> None:
        """End the connections that there are."""
        for writer in list(self._writers):
            writer.close()
        await self.wait_ended(self.connections)

    async def wait_ended(self, count: int) -> None:
        """Return when so many connections are over."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.ended >= count)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self.connections = self.connections, self.connections + 1
        left = self._cut_after[number] if number < len(self._cut_after) else None
        self._writers.add(writer)
        try:
            while left is None or left > 0:
                await self._keep(await self._message(reader))
                left = None if left is None else left - 1
            self._end(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
        finally:
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            self._writers.discard(writer)
            await self._count_end()

    async def _message(self, reader: asyncio.StreamReader) -> bytes:
        if self._framing == "lines":
            return (await reader.readuntil(b"\n"))[:-1]
        length = await reader.readuntil(b" ")
        return await reader.readexactly(int(length))

    async def _count_end(self) -> None:
        async with self._changed:
            self.ended += 1
            self._changed.notify_all()

    async def _keep(self, message: bytes) -> None:
        async with self._changed:
            self.received.append(message)
            self._changed.notify_all()

    def _end(self, writer: asyncio.StreamWriter) -> None:
        if not self._abrupt:
            writer.close()
            return
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
