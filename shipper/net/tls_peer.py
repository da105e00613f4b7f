"""A look at a TLS server, for libraries that can't be told to skip verification or to insist on TLS 1.3."""

import asyncio
import ssl
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding


class Peer(NamedTuple):
    """What a server shows."""

    certificate: bytes
    """In PEM."""
    name: str | None
    """A name that the certificate is for."""


async def peer(host: str, port: int, context: ssl.SSLContext, name: str | None, timeout: float) -> Peer:
    """Make one handshake as `context` says and hang up.

    Raises:
        OSError: no connection, or a handshake that the context refuses (`ssl.SSLError`).
        TimeoutError: it took too long.
    """
    context.set_alpn_protocols(["h2"])
    async with asyncio.timeout(timeout):
        _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=name or host)
    try:
        shown: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.transport.abort()
    certificate = x509.load_der_x509_certificate(shown)
    return Peer(certificate.public_bytes(Encoding.PEM), _name(certificate))


def _name(certificate: x509.Certificate) -> str | None:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return str(common[0].value) if common else None
    hosts = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    return hosts[0].replace("*", "any", 1) if hosts else None
