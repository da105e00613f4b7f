"""A gRPC channel that exports serialized requests. Imports grpc, so it is imported by need."""

import os
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

#: grpc's C core writes TLS faults to stderr, past the log and its format. It reads this when it is imported.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc
import grpc.aio

from shipper.core.component import Paths
from shipper.exporters.otlp_config import ANSWER_LIMIT, Settings
from shipper.exporters.otlp_endpoint import Target
from shipper.net.http import USER_AGENT
from shipper.net.look import look
from shipper.net.tls import TLSConfig, client_context, material

_METHOD: Final = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
#: What grpc itself says when an answer exceeds our limit; the request has been taken.
_ANSWER_TOO_LARGE: Final = "CLIENT: Received message larger than max"
#: What grpc says when no address let it in; which one it names of several, and so why, changes from time to time.
_NOT_CONNECTED: Final = "failed to connect to all addresses"
_RECONNECT_MS: Final = 1000


class Refused(Exception):
    """The call ended with another status than OK."""

    def __init__(self, code: str, details: str, status: bytes) -> None:
        super().__init__(code)
        self.code = code
        """The name of the gRPC status code."""
        self.details = details
        self.status = status
        """The serialized `google.rpc.Status`, empty where there is none."""


class Channel:
    """One connection, kept; grpc opens it again where it breaks."""

    def __init__(
        self, channel: grpc.aio.Channel, settings: Settings, find_out: Callable[[], Awaitable[None]] | None
    ) -> None:
        self._channel = channel
        self._find_out = find_out
        self._call: Any = channel.unary_unary(_METHOD, request_serializer=None, response_deserializer=None)
        self._timeout = settings.timeout
        self._metadata = tuple((name.lower(), value) for name, value in settings.headers.items())

    async def export(self, request: bytes) -> bytes:
        """The serialized answer to a serialized request.

        Raises:
            Refused: the status is not OK, or there was no connection.
            OSError: why there was none, where a look of our own finds out; `HungUp` likewise.
            ConfigError: the TLS files can't be used any more.
        """
        try:
            answer: bytes = await self._call(request, timeout=self._timeout, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            if _ANSWER_TOO_LARGE in (error.details() or ""):
                return b""
            if self._find_out and _NOT_CONNECTED in (error.details() or ""):
                await self._find_out()
            raise Refused(error.code().name, error.details() or "", _status(error)) from error
        return answer

    async def close(self) -> None:
        """Let go of the connection."""
        await self._channel.close(self._timeout)


def _status(error: grpc.aio.AioRpcError) -> bytes:
    """The serialized `google.rpc.Status`, from the metadata behind the answer."""
    trailing: Any = error.trailing_metadata() or ()
    found = dict(trailing).get("grpc-status-details-bin", b"")
    return found if isinstance(found, bytes) else b""


async def connect(target: Target, settings: Settings, paths: Paths, *, secure: bool, gzip: bool) -> Channel:
    """A channel; it connects at the first call, except where TLS needs a look at the server first.

    Raises:
        ConfigError: the TLS files can't be used.
        OSError: the look failed.
    """
    options = _options(target)
    compression = grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression
    roots, name = await _trust(target, settings, paths) if secure else (None, None)
    if not secure:
        channel = grpc.aio.insecure_channel(target.address, options=options, compression=compression)
    else:
        files = material(settings.tls, paths)
        credentials = grpc.ssl_channel_credentials(roots, files.key, files.cert)
        if name:
            options.append(("grpc.ssl_target_name_override", name))
        channel = grpc.aio.secure_channel(target.address, credentials, options=options, compression=compression)

    async def find_out() -> None:
        context = _context(settings.tls, paths, roots) if secure else None
        await look(target.host, target.port, context, settings.tls.server_name_override)

    return Channel(channel, settings, None if _elsewhere(target) else find_out)


def _options(target: Target) -> list[tuple[str, Any]]:
    """Trying again is the delivery loop's: grpc must be ready to connect whenever it comes."""
    return [
        ("grpc.primary_user_agent", USER_AGENT),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", ANSWER_LIMIT),
        ("grpc.initial_reconnect_backoff_ms", _RECONNECT_MS // 10),
        ("grpc.max_reconnect_backoff_ms", _RECONNECT_MS),
        ("grpc.enable_retries", 0),
        ("grpc.enable_http_proxy", 0 if target.local else 1),
        ("grpc.use_local_subchannel_pool", 1),
    ]


async def _trust(target: Target, settings: Settings, paths: Paths) -> tuple[bytes | None, str | None]:
    """The PEM certificates to trust and the name to look for, where it is not the target's."""
    tls = settings.tls
    name = tls.server_name_override
    if tls.insecure_skip_verify or tls.min_version != "1.2":
        from shipper.net.tls_peer import peer  # noqa: PLC0415 - cryptography takes 8 MB, few need it

        found = await peer(target.host, target.port, client_context(tls, paths), name, settings.timeout)
        if tls.insecure_skip_verify:
            return found.certificate, found.name
    return material(tls, paths).ca or _system_roots(), name


def _context(tls: TLSConfig, paths: Paths, roots: bytes | None) -> ssl.SSLContext:
    """What a look of our own trusts, as grpc does: that is never less than the certificate's dates."""
    context = client_context(tls, paths)
    if tls.insecure_skip_verify and roots:
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=roots.decode())
    return context


def _elsewhere(target: Target) -> bool:
    """Whether a look of our own would not see what grpc does: there is no host, or a proxy before it."""
    proxied = any(os.environ.get(name) for name in ("grpc_proxy", "https_proxy", "http_proxy"))
    return not target.host or (proxied and not target.local)


def _system_roots() -> bytes | None:
    """The system's authorities; grpc would take a list of its own."""
    file = ssl.get_default_verify_paths().cafile
    return Path(file).read_bytes() if file else None
