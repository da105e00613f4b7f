"""A look at an HTTP/2 server, for a library that tells of every connection that failed in the same words."""

import asyncio
import ssl
from typing import Final

from shipper.net.faults import HungUp

#: What a client says first (RFC 9113, 3.4): the preface, and SETTINGS without any. A server answers by its own.
_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"


async def look(host: str, port: int, context: ssl.SSLContext | None, name: str | None = None) -> None:
    """Connect, with TLS if there is a context, wait for the server's first word, and hang up.

    A server of TLS 1.3 refuses a client's certificate only behind the handshake, so that alone shows nothing.

    Raises:
        OSError: no connection, or a handshake that one side refuses (`ssl.SSLError`).
        HungUp: the server said nothing and ended the connection.
    """
    if context:
        context.set_alpn_protocols(["h2"])
    server_name = name or host if context else None
    reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=server_name)
    try:
        writer.write(_PREFACE)
        if not await reader.read(1):
            raise HungUp(
                "hung up in the TLS handshake" if context else "hung up at our first word; is tls set right?"
            )
    finally:
        writer.transport.abort()
