"""Making connections, and keeping them alive through hours of silence."""

import asyncio
import errno
import socket
from typing import Final

from shipper.net.oneway.datagrams import Datagrams
from shipper.net.oneway.link import Link
from shipper.net.oneway.stream import TLS, Stream

_KEEP_ALIVE_IDLE: Final = 60


async def connect_tcp(host: str, port: int, tls: TLS | None = None) -> Stream:
    """Connect to the first address of the host that answers; returns when the peer accepted us."""
    stream = Stream(await _connect(host, port, socket.SOCK_STREAM), "TCP")
    _keep_alive(stream.socket)
    try:
        if tls:
            await stream.secure(tls)
    except BaseException:
        await stream.abort()
        raise
    return stream


async def connect_udp(host: str, port: int) -> Datagrams:
    """A socket that sends datagrams to the host's first address."""
    return Datagrams(await _connect(host, port, socket.SOCK_DGRAM), "UDP")


async def connect_unix(path: str) -> Link:
    """Connect to the socket at `path`, of whichever kind it is."""
    try:
        return Stream(await _connect_unix(path, socket.SOCK_STREAM), "Unix stream")
    except OSError as fault:
        if fault.errno != errno.EPROTOTYPE:
            raise
    return Datagrams(await _connect_unix(path, socket.SOCK_DGRAM), "Unix datagrams")


async def _connect(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    loop = asyncio.get_running_loop()
    faults: list[OSError] = []
    try:
        found = await loop.getaddrinfo(host, port, type=kind)
    except UnicodeError:
        raise socket.gaierror(socket.EAI_NONAME, "it is no host name") from None
    if kind is socket.SOCK_DGRAM:  # every address seems to answer there; receivers mostly listen on IPv4
        found.sort(key=lambda address: address[0] != socket.AF_INET)
    for family, _, protocol, _, address in found:
        made = socket.socket(family, kind, protocol)
        try:
            made.setblocking(False)
            await loop.sock_connect(made, address)
        except OSError as fault:
            made.close()
            faults.append(fault)
        except BaseException:
            made.close()
            raise
        else:
            return made
    raise faults[0] if faults else OSError(errno.EADDRNOTAVAIL, "the name has no address")


async def _connect_unix(path: str, kind: socket.SocketKind) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, kind)
    try:
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, path)
    except BaseException:
        made.close()
        raise
    return made


def _keep_alive(connected: socket.socket) -> None:
    """Middleboxes must not forget us while nothing happens; a host that is gone is to be noticed."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEP_ALIVE_IDLE)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15)
