"""Where syslog messages go and how they are written."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from shipper.core.component import Paths
from shipper.core.delivery import DeliveryConfig
from shipper.core.errors import Problem
from shipper.core.units import Size
from shipper.net.tls import TLSConfig, check_effect, check_tls
from shipper.wire.syslog import FACILITIES, LEAST_SIZE, Framing, MessageFormat, Protocol, Style

_LARGEST_DATAGRAM: Final = 65507


def _facility(value: Any) -> Any:
    """The number of a facility given by its name, its number or its number as text."""
    if isinstance(value, str):
        if value in FACILITIES:
            return FACILITIES[value]
        if not value.isdecimal():
            raise ValueError(f"not a facility; write one of {', '.join(FACILITIES)}, or a number from 0 to 23")
        return int(value)
    return value


def _host(value: str) -> str:
    if "://" in value or re.fullmatch(r"[^:/]+:\d+|\[.*\]:\d+", value):
        raise ValueError("write the host alone, and its port as `port:`")
    return value.removeprefix("[").removesuffix("]")


class Config(DeliveryConfig):
    """Where messages go and how they are written."""

    concurrency: Literal[1] = 1
    """One batch at a time, since they share one stream."""
    endpoint: Annotated[str, Field(min_length=1), AfterValidator(_host)]
    """The server's host name or address; the path of the socket for `network: unix`."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """The server's port; 6514 with TLS, 514 without."""
    network: Literal["tcp", "udp", "unix"] = "tcp"
    """How to reach the server; `unix` takes stream and datagram sockets such as `/dev/log`."""
    protocol: Protocol = "rfc5424"
    """How messages are written; RFC 3164 has neither structured data nor a year."""
    enable_octet_counting: bool | None = None
    """Each message behind its length (RFC 6587, 3.4.1), true by default for tcp; else each on its own line."""
    facility: Annotated[
        int,
        BeforeValidator(_facility),
        Field(ge=0, le=23),
        WithJsonSchema({"anyOf": [{"enum": list(FACILITIES)}, {"type": "integer", "minimum": 0, "maximum": 23}]}),
    ] = FACILITIES["log_audit"]
    """RFC 5424 name or number."""
    tls: TLSConfig | None = None
    """Encrypts the connection (RFC 5425); for tcp."""
    enterprise_number: Annotated[int, Field(ge=0, le=2**32 - 1)] = 32473
    """The private enterprise number in the SD-ID `github@NUMBER`; 32473 is the one for documentation."""
    message_format: MessageFormat = "json"
    """What follows the header: the event as JSON, or CEF for ArcSight, or LEEF for QRadar around it."""
    bom: bool = False
    """Puts a byte order mark in front of the message, which RFC 5424 wants and many servers keep as text."""
    max_message_size: Annotated[Size, Field(ge=LEAST_SIZE)] = 8192
    """Longer messages are shortened or refused. Raise it here and at the server, never here alone."""
    on_oversize: Literal["truncate", "dead_letter"] = "truncate"
    """What becomes of longer messages: cut with a mark that tells their length, or sent to the dead letters."""

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self.tls is not None and not self.tls.insecure

    @property
    def address(self) -> str:
        """Where messages go, for people."""
        return self.endpoint if self.network == "unix" else f"{self.endpoint}:{self.target_port}"

    @property
    def target_port(self) -> int:
        """The port, or its default."""
        return self.port or (6514 if self.secure else 514)

    @property
    def framing(self) -> Framing:
        """How messages are told apart in a stream."""
        counting = self.enable_octet_counting
        return Framing.OCTETS if counting or (counting is None and self.network == "tcp") else Framing.LINES

    @property
    def style(self) -> Style:
        """How messages are written."""
        return Style(
            protocol=self.protocol,
            message_format=self.message_format,
            facility=self.facility,
            enterprise_number=self.enterprise_number,
            bom=self.bom,
            max_size=self.max_message_size,
        )


def check(config: Config, paths: Paths) -> Iterator[Problem]:
    """What contradicts itself, and files that can't be used."""
    if config.network != "tcp" and config.secure:
        yield Problem(("tls",), "tls-needs-tcp", f"TLS needs network: tcp, not {config.network}")
    if config.network == "udp" and config.enable_octet_counting:
        message = "over udp each message is a datagram and has no frame"
        yield Problem(("enable_octet_counting",), "framing-needs-stream", message)
    if config.network == "udp" and config.max_message_size > _LARGEST_DATAGRAM:
        message = f"a datagram holds at most {_LARGEST_DATAGRAM} bytes"
        yield Problem(("max_message_size",), "datagram-size", message)
    if config.tls:
        yield from check_tls(config.tls, paths) if config.secure else check_effect(config.tls, secure=False)
