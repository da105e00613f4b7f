"""Streams: TCP, TLS and Unix."""

import asyncio
import contextlib
import fcntl
import socket
import ssl
import struct
import sys
import termios
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shipper.net.faults import HungUp
from shipper.net.oneway.link import Broken, Parting

_PLATFORM: Final[str] = sys.platform
_CHUNK: Final = 65536
_READS: Final = 16
"""Reads in a row: a peer that chatters must not keep us from everything else."""
_SO_NWRITE: Final = 0x1024
"""macOS: bytes that the peer has not acknowledged."""
# A server of TLS 1.3 judges our certificate after the handshake is over for us. It then refuses, or sends a
# session ticket; from one that sends neither, a second of silence counts as consent.
_REFUSAL_WAIT: Final = 1.0
_SETTLE: Final = 0.02
"""Seconds that a connection must outlive what was sent over it, for that to count as delivered."""


@dataclass(frozen=True, slots=True)
class TLS:
    """How to secure a connection."""

    context: ssl.SSLContext
    server_name: str


class Stream:
    """A connected stream, with TLS or without."""

    def __init__(self, connected: socket.socket, name: str) -> None:
        self.socket = connected
        self.name = name
        self._loop = asyncio.get_running_loop()
        self._tls: ssl.SSLObject | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._broken: Broken | None = None
        self._listening: asyncio.Task[None] | None = None

    async def secure(self, tls: TLS) -> None:
        """Shake hands, and wait until the peer had its chance to refuse."""
        self._tls = tls.context.wrap_bio(self._incoming, self._outgoing, server_hostname=tls.server_name)
        while not await self._shake_hands(self._tls):
            pass
        self.name = f"TCP with {self._tls.version()}"
        if self._tls.version() == "TLSv1.3":
            await self._consent(self._tls)

    def broken(self) -> Broken | None:
        """How the connection ended, if it did by this moment."""
        try:
            for _ in range(0 if self._broken else _READS):
                self._take(self.socket.recv(_CHUNK))
        except (BlockingIOError, InterruptedError):
            pass
        except (HungUp, OSError) as fault:
            self._broken = Broken(fault, self._loop.time())
        return self._broken

    async def deliver(self, data: Sequence[bytes]) -> None:
        """Send and return when the peer's system has all of it; raises what broke the connection."""
        self._raise_if_broken()
        self._listening = self._listening or asyncio.create_task(self._listen())
        try:
            await self._loop.sock_sendall(self.socket, self._sealed(b"".join(data)))
        except OSError as fault:
            self._broken = self._broken or Broken(fault, self._loop.time())
            raise
        wait = 0.0
        while _unacknowledged(self.socket):
            self._raise_if_broken()
            await asyncio.sleep(wait)
            wait = min(wait + 0.001, 0.02)
        # A peer that goes away leaves unread what its system had acknowledged: most do so at once.
        await asyncio.wait([self._listening], timeout=_SETTLE)
        self._raise_if_broken()

    async def close(self, patience: float) -> Parting:
        """Say goodbye, wait so many seconds for the peer's, and let go."""
        try:
            if self.broken():  # before we had said anything: that is no answer
                return Parting.BROKEN
            self._say_goodbye()
            self._listening = self._listening or asyncio.create_task(self._listen())
            await asyncio.wait([self._listening], timeout=patience)
            if broken := self.broken():
                return Parting.IN_ORDER if isinstance(broken.fault, HungUp) else Parting.BROKEN
            return Parting.BROKEN if _unacknowledged(self.socket) else Parting.SILENT
        finally:
            await self.abort()

    async def abort(self) -> None:
        """Let go without a word."""
        if self._listening:
            self._listening.cancel()
            await asyncio.wait([self._listening])
        self.socket.close()

    def _say_goodbye(self) -> None:
        with contextlib.suppress(OSError):  # broken off this moment, which is noticed in a moment
            if self._tls:
                with contextlib.suppress(ssl.SSLError):
                    self._tls.unwrap()
                self.socket.send(self._outgoing.read())
            self.socket.shutdown(socket.SHUT_WR)

    async def _listen(self) -> None:
        """Notice the end when it comes, so that its time is known."""
        while not self.broken():
            try:
                self._take(await self._loop.sock_recv(self.socket, _CHUNK))
            except (HungUp, OSError) as fault:
                self._broken = self._broken or Broken(fault, self._loop.time())

    def _take(self, data: bytes) -> None:
        """What the peer sent says nothing, except for its end and TLS's own messages."""
        if not data:
            raise HungUp("hung up")
        if self._tls:
            self._incoming.write(data)
            self._read(self._tls)

    def _read(self, tls: ssl.SSLObject) -> None:
        with contextlib.suppress(ssl.SSLZeroReturnError):
            try:
                while tls.read(_CHUNK):
                    pass
            except ssl.SSLWantReadError:
                return
        raise HungUp("hung up")

    async def _shake_hands(self, tls: ssl.SSLObject) -> bool:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            await self._flush()
            data = await self._loop.sock_recv(self.socket, _CHUNK)
            if not data:
                raise HungUp("hung up in the TLS handshake") from None
            self._incoming.write(data)
            return False
        finally:
            await self._flush()  # the alert that says why we refuse, too
        return True

    async def _consent(self, tls: ssl.SSLObject) -> None:
        until = self._loop.time() + _REFUSAL_WAIT
        self._read(tls)  # what came with the end of the handshake
        while self._loop.time() < until and not (tls.session and tls.session.has_ticket):
            await asyncio.sleep(0.005)
            if (broken := self.broken()) and isinstance(broken.fault, HungUp):
                raise HungUp("hung up in the TLS handshake")
            self._raise_if_broken()

    async def _flush(self) -> None:
        if self._outgoing.pending:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # why, is yet to be read
                await self._loop.sock_sendall(self.socket, self._outgoing.read())

    def _sealed(self, data: bytes) -> bytes:
        if not self._tls:
            return data
        left = memoryview(data)
        while left:
            left = left[self._tls.write(left) :]
        return self._outgoing.read()

    def _raise_if_broken(self) -> None:
        if broken := self.broken():
            raise broken.fault


def _unacknowledged(connected: socket.socket) -> int:
    """Bytes that the peer's system has not acknowledged; of a Unix socket, that the peer has not read."""
    if _PLATFORM == "linux":
        answer = fcntl.ioctl(connected.fileno(), termios.TIOCOUTQ, bytes(4))
        return int(struct.unpack("i", answer)[0])
    if _PLATFORM == "darwin" and connected.family != socket.AF_UNIX:
        return connected.getsockopt(socket.SOL_SOCKET, _SO_NWRITE)
    return 0
