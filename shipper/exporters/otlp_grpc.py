"""Sends records by OTLP over gRPC.

Records that the backend refuses for good become dead letters; everything else is sent until it has arrived.

    exporters:
      otlp:
        endpoint: collector.example.com:4317
        headers: {x-tenant: acme}

Follows the client rules of the OTLP specification: docs/otlp.md lists them with their tests.
"""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from shipper.core.component import Component, Context, Paths, Window
from shipper.core.errors import ConfigError, Problem, Rejected, Unavailable
from shipper.exporters.otlp_config import OTLPConfig, check_settings, endpoint_of, settings, wrong_endpoint
from shipper.exporters.otlp_endpoint import grpc_target
from shipper.exporters.otlp_report import limited, report
from shipper.net.faults import HungUp, unavailable
from shipper.net.tls import check_effect, stamp
from shipper.wire.otlp_answer import Partial, partial_success, printable, retry_delay

if TYPE_CHECKING:
    from shipper.exporters.otlp_channel import Channel

_RETRYABLE: Final = {"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"}
_BLOCKED: Final = {
    "UNAUTHENTICATED": "check the credentials in headers",
    "PERMISSION_DENIED": "the credentials in headers lack the permission to write logs",
    "UNIMPLEMENTED": "nothing takes OTLP logs there; check the endpoint",
    "NOT_FOUND": "nothing takes OTLP logs there; check the endpoint",
}


class Config(OTLPConfig):
    """Where logs are exported to."""


class OTLPExporter:
    """Makes one call a window on a channel that is kept."""

    def __init__(self, config: Config, context: Context) -> None:
        self._context = context
        self._settings = settings(config)
        self._target = grpc_target(self._settings.endpoint)
        self._secure = self._target.with_tls(insecure=self._settings.tls.insecure)
        compression = self._settings.compression or ("none" if self._target.local else "gzip")
        self._gzip = compression != "none"
        self._channel: tuple[object, Channel] | None = None
        self._opening = asyncio.Lock()

    def __repr__(self) -> str:
        return f"otlp({self._target.address})"

    async def __aenter__(self) -> "OTLPExporter":
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._close()

    async def export(self, window: Window) -> None:
        """Export the window.

        Raises:
            Unavailable: the backend can't be reached or asks to come back later.
            Rejected: it refuses the request or all its records for good, or the request is too large to be sent.
        """
        report(await self._export(limited(window.otlp)), window.count, self._context)

    async def check(self) -> str:
        """Export no records, which backends answer as any other request; says what answered."""
        await self._export(b"")
        return f"{self._target.address} takes OTLP over gRPC{' with TLS' if self._secure else ''}"

    async def _export(self, request: bytes) -> Partial:
        from shipper.exporters import otlp_channel  # noqa: PLC0415 - grpc costs 8 MB: only who exports pays

        try:
            async with self._opening:
                channel = await self._open(otlp_channel)
            answer = self._settings.hushed(await channel.export(request))
        except otlp_channel.Refused as refused:
            details = self._settings.hushed(refused.details.encode("utf-8", "replace")).decode()
            raise judge(refused.code, details, refused.status) from None
        except TimeoutError as fault:
            waited = f"{self._settings.timeout:g}s"
            raise Unavailable(f"{self._target.address} did not shake hands within {waited}") from fault
        except (OSError, HungUp, ConfigError) as fault:
            await self._close()  # whom it trusts may have changed meanwhile
            raise unavailable(fault, self._target.address) from fault
        try:
            return partial_success(answer)
        except ValueError:
            return Partial(0, "")

    async def _open(self, module: Any) -> "Channel":
        """The channel; a new one when the TLS files have changed."""
        tls, paths = self._settings.tls, self._context.paths
        version = stamp(tls, paths)
        if self._channel and self._channel[0] != version:
            await self._close()
        if not self._channel:
            channel = await module.connect(
                self._target, self._settings, paths, secure=self._secure, gzip=self._gzip
            )
            self._channel = version, channel
        return self._channel[1]

    async def _close(self) -> None:
        channel, self._channel = self._channel, None
        if channel:
            await channel[1].close()


def judge(code: str, details: str, status: bytes) -> Unavailable | Rejected:
    """What a status other than OK means for the records; `status` is the serialized `google.rpc.Status`."""
    text = printable(details.encode("utf-8", "replace")).replace(";", ",")  # ours says what to do behind one
    said = f"{code}: {text}" if text else code
    delay = retry_delay(status)
    if code in _RETRYABLE or (code == "RESOURCE_EXHAUSTED" and delay is not None):
        cure = "see that it is up, and that the endpoint is right, with or without TLS"
        reason = f"the backend can't be reached or asks to come back later ({said}); {cure}"
        return Unavailable(reason, retry_after=delay)
    if code in _BLOCKED:
        return Unavailable(f"the backend refuses the shipper ({said}); {_BLOCKED[code]}", blocked=True)
    return Rejected(f"the backend refuses the request ({code})", answer=said)


def _check(config: Config, paths: Paths) -> Iterator[Problem]:
    yield from check_settings(config, paths)
    if config.compression == "zstd":
        message = "gRPC here has no zstd; gzip is used instead (otlphttp has zstd)"
        yield Problem(("compression",), "no-effect", message, severity="warning")
    for name in config.headers:
        if name.lower().startswith("grpc-") or name.lower().endswith("-bin"):
            message = "headers that start with grpc- or end with -bin are gRPC's own"
            yield Problem(("headers", name), "bad-value", message, at_key=True)
    try:
        target = grpc_target(endpoint_of(config)[0])
        yield from check_effect(config.tls, secure=target.with_tls(insecure=config.tls.insecure))
    except ConfigError as missing:
        yield from missing.problems
    except ValueError as fault:
        yield wrong_endpoint(fault, "endpoint" if config.endpoint else None)


component: Component[Config, Any] = Component(kind="exporter", config=Config, build=OTLPExporter, check=_check)
