"""One aiohttp listener: loopback unless told otherwise, with limits, started on an endpoint `HOST:PORT`."""

import asyncio
from typing import Final

from aiohttp import web

from shipper.core.errors import ShipperError

MAX_HEADER: Final = 8190
"""Bytes of one header line a client may send; how large a body may be is the application's."""

PATIENCE: Final = 10.0
"""Seconds for which a connection may be open without a whole request; whoever is slower is hung up on."""

_LINGER: Final = 1.0
"""Seconds for which the rest of a body that nobody wants is read, so that its sender sees the answer."""


class ListenError(ShipperError):
    """The address can't be listened on."""


def cannot_listen(host: str, port: int, error: OSError) -> ListenError:
    """Why not, in the system's words alone: asyncio writes address and number in front of them again."""
    reason = (error.strerror or str(error)).rpartition("): ")[2].removeprefix(f"[errno {error.errno}] ")
    return ListenError(f"cannot listen on {host}:{port}: {reason}")


def split_endpoint(endpoint: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT` or `[IPV6]:PORT`; raises ValueError that says what is wanted."""
    host, separator, port = endpoint.rpartition(":")
    if not separator or not port.isdigit() or int(port) > 65535:
        raise ValueError("not an endpoint; write HOST:PORT, such as 127.0.0.1:13133")
    return host.strip("[]"), int(port)


class Listener:
    """A server for one application, closed by `async with` or `close`."""

    def __init__(self, app: web.Application, endpoint: str, *, patience: float = PATIENCE) -> None:
        self.host, self.port = split_endpoint(endpoint)
        self._patience = patience
        self._silent: dict[asyncio.Protocol, asyncio.TimerHandle] = {}
        app.on_response_prepare.append(self._heard)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            max_line_size=MAX_HEADER,
            max_field_size=MAX_HEADER,
            keepalive_timeout=patience,
            lingering_time=_LINGER,
            auto_decompress=False,  # who reads a body inflates it, within limits
        )
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; `port` is the real one afterwards.

        Raises:
            ListenError: the address is in use, not allowed, or not of this machine.
        """
        await self._runner.setup()
        try:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._protocol, self.host or None, self.port)
        except OSError as error:
            await self._runner.cleanup()
            raise cannot_listen(self.host, self.port, error) from error
        self.port = self._server.sockets[0].getsockname()[1]

    def _protocol(self) -> asyncio.Protocol:
        """For a new connection: aiohttp itself would wait for its first request for ever."""
        assert self._runner.server  # noqa: S101 - it was set up
        protocol = self._runner.server()
        loop = asyncio.get_running_loop()
        self._silent[protocol] = loop.call_later(self._patience, self._hang_up, protocol)
        return protocol

    def _hang_up(self, protocol: web.RequestHandler) -> None:
        del self._silent[protocol]
        protocol.force_close()

    async def _heard(self, request: web.Request, _response: web.StreamResponse) -> None:
        """A whole request has come: from now on the time between two requests is limited by aiohttp."""
        if timer := self._silent.pop(request.protocol, None):
            timer.cancel()

    async def close(self) -> None:
        """Stop listening."""
        if self._server:
            self._server.close()
        for timer in self._silent.values():
            timer.cancel()
        self._silent.clear()
        await self._runner.cleanup()
