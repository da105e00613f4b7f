"""Datagrams: UDP and Unix."""

import asyncio
import errno
import socket
from collections.abc import Sequence

from shipper.net.oneway.link import Broken, Parting, TooLong


class Datagrams:
    """A connected socket for datagrams. All that can be known is that nobody took them."""

    def __init__(self, connected: socket.socket, name: str) -> None:
        self.name = name
        self._socket = connected
        self._loop = asyncio.get_running_loop()
        self._broken: Broken | None = None

    def broken(self) -> Broken | None:
        """Whether an answer says that nobody takes our datagrams."""
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code and not self._broken:
            self._broken = Broken(OSError(code, errno.errorcode.get(code, "")), self._loop.time())
        return self._broken

    async def deliver(self, data: Sequence[bytes]) -> None:
        """Send each as a datagram; raises where it can be known that nobody takes them."""
        for index, datagram in enumerate(data):
            try:
                await self._send(datagram)
            except OSError as fault:
                if fault.errno == errno.EMSGSIZE:
                    raise TooLong(index) from None
                self._broken = Broken(fault, self._loop.time())
                raise
            if index % 32 == 31:
                await asyncio.sleep(0.001)  # a burst would overrun the receiver's buffer
        await asyncio.sleep(0)
        if broken := self.broken():
            raise broken.fault

    async def close(self, patience: float) -> Parting:  # noqa: ARG002 - nobody says goodbye
        """Let go; nobody knows who read what."""
        self._socket.close()
        return Parting.SILENT

    async def abort(self) -> None:
        """Let go."""
        self._socket.close()

    async def _send(self, datagram: bytes) -> None:
        try:
            self._socket.send(datagram)
        except BlockingIOError:
            await self._loop.sock_sendall(self._socket, datagram)
