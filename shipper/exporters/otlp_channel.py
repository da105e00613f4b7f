"""A gRPC channel that exports serialized requests. Imports grpc, so it is imported by need."""

import ssl
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio

from shipper.core.component import Paths
from shipper.exporters.otlp_config import ANSWER_LIMIT, Settings
from shipper.exporters.otlp_endpoint import Target
from shipper.net.http import USER_AGENT
from shipper.net.tls import client_context, material

_METHOD: Final = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
#: What grpc itself says when an answer exceeds our limit; the request has been taken.
_ANSWER_TOO_LARGE: Final = "CLIENT: Received message larger than max"
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

    def __init__(self, channel: grpc.aio.Channel, settings: Settings) -> None:
        self._channel = channel
        self._call: Any = channel.unary_unary(_METHOD, request_serializer=None, response_deserializer=None)
        self._timeout = settings.timeout
        self._metadata = tuple((name.lower(), value) for name, value in settings.headers.items())

    async def export(self, request: bytes) -> bytes:
        """The serialized answer to a serialized request.

        Raises:
            Refused: the status is not OK, or there was no connection.
        """
        try:
            answer: bytes = await self._call(request, timeout=self._timeout, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            if _ANSWER_TOO_LARGE in (error.details() or ""):
                return b""
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
    if not secure:
        channel = grpc.aio.insecure_channel(target.address, options=options, compression=compression)
    else:
        roots, name = await _trust(target, settings, paths)
        files = material(settings.tls, paths)
        credentials = grpc.ssl_channel_credentials(roots, files.key, files.cert)
        if name:
            options.append(("grpc.ssl_target_name_override", name))
        channel = grpc.aio.secure_channel(target.address, credentials, options=options, compression=compression)
    return Channel(channel, settings)


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


def _system_roots() -> bytes | None:
    """The system's authorities; grpc would take a list of its own."""
    file = ssl.get_default_verify_paths().cafile
    return Path(file).read_bytes() if file else None
