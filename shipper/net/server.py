"""One HTTP listener: loopback unless told otherwise, with limits, started on an endpoint `HOST:PORT`.

It stands on aiohttp's server itself. An `aiohttp.web.Application` would bring routes with patterns, files and a
command line that nobody here asks for, and 2 MB with them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, Self, TypeAlias

from aiohttp.web_exceptions import HTTPMethodNotAllowed, HTTPNotFound
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import StreamResponse
from aiohttp.web_server import Server

from shipper.core.errors import ShipperError

MAX_HEADER: Final = 8190
"""Bytes of one header line a client may send; how large a body may be is the site's."""

PATIENCE: Final = 10.0
"""Seconds for which a connection may be open without a whole request; whoever is slower is hung up on."""

_LINGER: Final = 1.0
"""Seconds for which the rest of a body that nobody wants is read, so that its sender sees the answer."""

_FINISH: Final = 60.0
"""Seconds in which answers that are under way may end when the listener closes."""

Handler: TypeAlias = Callable[[BaseRequest], Awaitable[StreamResponse]]


class ListenError(ShipperError):
    """The address can't be listened on."""


@dataclass(frozen=True, slots=True)
class Site:
    """What a listener serves: a handler for each path, all of them by one method."""

    handlers: Mapping[str, Handler]
    method: Literal["GET", "POST"] = "GET"
    max_body: int = 2**20
    """Bytes of a body, as it is sent; what a GET sends is not read."""
    end: Callable[[], None] = lambda: None
    """Called when the listener closes, to end answers that would go on."""

    def handler(self, request: BaseRequest) -> Handler:
        """Who answers; raises the answer where nobody does."""
        handler = self.handlers.get(request.path)
        if handler is None:
            raise HTTPNotFound
        if request.method != self.method and (request.method, self.method) != ("HEAD", "GET"):
            raise HTTPMethodNotAllowed(request.method, [self.method])
        return handler


def split_endpoint(endpoint: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT` or `[IPV6]:PORT`; raises ValueError that says what is wanted."""
    host, separator, port = endpoint.rpartition(":")
    if not separator or not port.isdigit() or int(port) > 65535:
        raise ValueError("not an endpoint; write HOST:PORT, such as 127.0.0.1:13133")
    return host.strip("[]"), int(port)


class Listener:
    """A server for one site, closed by `async with` or `close`."""

    def __init__(self, site: Site, endpoint: str, *, patience: float = PATIENCE) -> None:
        self.host, self.port = split_endpoint(endpoint)
        self._site = site
        self._patience = patience
        self._silent: dict[asyncio.BaseProtocol, asyncio.TimerHandle] = {}
        self._open: tuple[asyncio.Server, Server] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Listen; `port` is the real one afterwards.

        Raises:
            ListenError: the address is in use, not allowed, or not of this machine.
        """
        loop = asyncio.get_running_loop()
        http = Server(
            self._answer,
            request_factory=partial(BaseRequest, loop=loop, client_max_size=self._site.max_body),
            access_log=None,
            max_line_size=MAX_HEADER,
            max_field_size=MAX_HEADER,
            keepalive_timeout=self._patience,
            lingering_time=_LINGER,
            auto_decompress=False,  # who reads a body inflates it, within limits
        )
        try:
            server = await loop.create_server(lambda: self._protocol(http), self.host or None, self.port)
        except OSError as error:
            raise ListenError(f"cannot listen on {self.host}:{self.port}: {error.strerror or error}") from error
        self._open = server, http
        self.port = server.sockets[0].getsockname()[1]

    def _protocol(self, http: Server) -> RequestHandler:
        """For a new connection: aiohttp itself would wait for its first request for ever."""
        protocol = http()
        loop = asyncio.get_running_loop()
        self._silent[protocol] = loop.call_later(self._patience, self._hang_up, protocol)
        return protocol

    def _hang_up(self, protocol: RequestHandler) -> None:
        del self._silent[protocol]
        protocol.force_close()

    async def _answer(self, request: BaseRequest) -> StreamResponse:
        try:
            handler = self._site.handler(request)
            if self._site.method == "POST":
                await _body(request)
        finally:
            self._heard(request)
        return await handler(request)

    def _heard(self, request: BaseRequest) -> None:
        """A whole request has come: from now on the time between two requests is limited by aiohttp."""
        if timer := self._silent.pop(request.protocol, None):
            timer.cancel()

    async def close(self) -> None:
        """Stop listening; answers that are under way end first."""
        if not self._open:
            return
        server, http = self._open
        self._open = None
        server.close()
        for timer in self._silent.values():
            timer.cancel()
        self._silent.clear()
        await asyncio.sleep(0)  # requests that have come are begun
        http.pre_shutdown()
        self._site.end()
        await http.shutdown(_FINISH)


async def _body(request: BaseRequest) -> None:
    """Read the body, which the request then keeps; some clients wait until they are told to send it."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    await request.read()
