"""One aiohttp listener: loopback unless told otherwise, with limits, started on an endpoint `HOST:PORT`."""

from aiohttp import web

from shipper.core.errors import ShipperError

#: Bytes of one header line a client may send, and of a request's body.
MAX_HEADER = 8190
MAX_BODY = 64 * 2**10


class ListenError(ShipperError):
    """The address can't be listened on."""


def split_endpoint(endpoint: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT` or `[IPV6]:PORT`; raises ValueError that says what is wanted."""
    host, separator, port = endpoint.rpartition(":")
    if not separator or not port.isdigit() or int(port) > 65535:
        raise ValueError("not an endpoint; write HOST:PORT, such as 127.0.0.1:13133")
    return host.strip("[]"), int(port)


class Listener:
    """A server for one application, closed by `async with` or `close`."""

    def __init__(self, app: web.Application, endpoint: str) -> None:
        self.host, self.port = split_endpoint(endpoint)
        self._runner = web.AppRunner(app, access_log=None, max_line_size=MAX_HEADER, max_field_size=MAX_HEADER)

    async def start(self) -> None:
        """Listen; `port` is the real one afterwards.

        Raises:
            ListenError: the address is in use, not allowed, or not of this machine.
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self.host or None, self.port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise ListenError(f"cannot listen on {self.host}:{self.port}: {error.strerror or error}") from error
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()
