"""What both OTLP exporters are configured with, and the environment's `OTEL_EXPORTER_OTLP_*` as defaults.

What the configuration names wins over the environment, a variable for logs (`OTEL_EXPORTER_OTLP_LOGS_…`) over the
general one. See https://opentelemetry.io/docs/specs/otel/protocol/exporter/.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal
from urllib.parse import unquote

from pydantic import Field, SecretStr

from shipper.core.component import Paths
from shipper.core.delivery import DeliveryConfig, OrDefaults
from shipper.core.errors import ConfigError, Problem
from shipper.core.units import Duration
from shipper.net.tls import TLSConfig, check_tls
from shipper.wire.compress import Encoding

#: Bytes of the largest request before compression, and of the largest answer (OTLP specification).
REQUEST_LIMIT: Final = 64 * 2**20
ANSWER_LIMIT: Final = 4 * 2**20

#: Characters from which on a header's value is worth hiding; shorter ones are in every text.
_TELLING: Final = 6

_PREFIX: Final = "OTEL_EXPORTER_OTLP_"
_TIMEOUT: Final = 10.0
_FILES: Final = {"ca_file": "CERTIFICATE", "cert_file": "CLIENT_CERTIFICATE", "key_file": "CLIENT_KEY"}
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e\x80-\xff\t]*")
_OUR_HEADERS: Final = {"content-type", "content-encoding", "content-length", "transfer-encoding", "host", "te"}


def _default_timeout() -> float:
    """Of the environment; a variable that is no number is said by `check_settings`."""
    try:
        return _timeout(_Variables(os.environ))
    except ConfigError:
        return _TIMEOUT


class OTLPConfig(DeliveryConfig):
    """Where logs are sent by OTLP."""

    timeout: Annotated[Duration, Field(gt=0)] = Field(default_factory=_default_timeout)
    """How long one attempt may take; the default is OTEL_EXPORTER_OTLP_TIMEOUT (milliseconds), else 10s."""

    endpoint: str | None = None
    """The backend; the default is OTEL_EXPORTER_OTLP_ENDPOINT."""
    tls: OrDefaults[TLSConfig] = TLSConfig()
    """How the connection is secured."""
    compression: Literal["gzip", "zstd", "none"] | None = None
    """How requests are compressed; gzip by default, and not at all for a loopback endpoint."""
    headers: OrDefaults[dict[str, SecretStr]] = Field(default_factory=dict)
    """Sent with every request, such as credentials; never printed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """A configuration with the environment's defaults filled in."""

    endpoint: str
    complete: bool
    """Whether the endpoint is a whole URL for logs, nothing to be appended."""
    tls: TLSConfig
    compression: Encoding | None
    timeout: float
    headers: dict[str, str] = field(repr=False)
    protocol: str
    """OTEL_EXPORTER_OTLP_PROTOCOL, for the encoding of the HTTP exporter; may be empty."""

    def hushed(self, answer: bytes) -> bytes:
        """A backend's words without what our headers say: some repeat the request that they refuse."""
        for value in self.headers.values():
            for secret in (value, *value.split()):
                if len(secret) >= _TELLING:
                    plain = secret.encode("utf-8", "replace")
                    answer = answer.replace(plain, b"*" * len(plain))
        return answer


def settings(config: OTLPConfig, environ: Mapping[str, str] = os.environ) -> Settings:
    """What holds for an exporter.

    Raises:
        ConfigError: the endpoint is missing, or a variable has no meaning.
    """
    variables = _Variables(environ)
    endpoint, complete = endpoint_of(config, environ)
    return Settings(
        endpoint=endpoint,
        complete=complete,
        tls=_tls(config.tls, variables),
        compression=config.compression or _compression(variables),
        timeout=config.timeout if "timeout" in config.model_fields_set else _timeout(variables),
        headers=_headers(config, variables),
        protocol=variables["PROTOCOL"],
    )


def endpoint_of(config: OTLPConfig, environ: Mapping[str, str] = os.environ) -> tuple[str, bool]:
    """The endpoint, and whether it is a whole URL for logs.

    Raises:
        ConfigError: it is missing.
    """
    variables = _Variables(environ)
    own = getattr(config, "logs_endpoint", None)
    endpoint = own or config.endpoint or variables["ENDPOINT"]
    if not endpoint:
        message = "missing; give it here or in OTEL_EXPORTER_OTLP_ENDPOINT"
        raise ConfigError([Problem(("endpoint",), "missing-key", message)])
    return endpoint, bool(own) or (not config.endpoint and variables.specific("ENDPOINT"))


def check_settings(config: OTLPConfig, paths: Paths) -> Iterator[Problem]:
    """Faults that don't depend on the transport."""
    variables = _Variables(os.environ)
    yield from _wrong_variables(config, variables)
    yield from check_tls(_tls(config.tls, variables), paths)
    for name, value in _headers(config, variables).items():
        loc = ("headers", name) if name in config.headers else ()
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OUR_HEADERS:
            yield Problem(loc, "bad-value", "no header of this name can be set", at_key=True)
        elif not _HEADER_VALUE.fullmatch(value):
            yield Problem(
                loc, "bad-value", "the value has a line break or another character that headers can't hold"
            )


def _wrong_variables(config: OTLPConfig, variables: "_Variables") -> Iterator[Problem]:
    """Those without a meaning, of what the configuration leaves to the environment."""
    for key, read in {"compression": _compression, "timeout": _timeout}.items():
        if key not in config.model_fields_set:
            try:
                read(variables)
            except ConfigError as fault:
                yield from fault.problems


def wrong_endpoint(fault: ValueError, key: str | None) -> Problem:
    """What to say of an endpoint, at its key, or of the variable where there is no key; it may hold a secret."""
    if key:
        return Problem((key,), "bad-value", str(fault))
    return Problem((), "bad-variable", f"OTEL_EXPORTER_OTLP_ENDPOINT (or …_LOGS_ENDPOINT): {fault}")


class _Variables:
    """The variables, the one for logs before the general one; an empty one counts as not set."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def __getitem__(self, name: str) -> str:
        found = self._environ.get(f"{_PREFIX}LOGS_{name}", "") or self._environ.get(_PREFIX + name, "")
        return found.strip()

    def specific(self, name: str) -> bool:
        """Whether there is one for logs."""
        return bool(self._environ.get(f"{_PREFIX}LOGS_{name}", "").strip())

    def wrong(self, name: str, message: str) -> ConfigError:
        """The error to raise for a variable's value."""
        which = f"{_PREFIX}LOGS_{name}" if self.specific(name) else _PREFIX + name
        return ConfigError([Problem((), "bad-variable", f"the variable {which} {message}")])


def _tls(config: TLSConfig, variables: _Variables) -> TLSConfig:
    defaults: dict[str, Any] = {key: variables[name] or None for key, name in _FILES.items()}
    defaults["insecure"] = variables["INSECURE"].lower() == "true"
    given = config.model_fields_set
    return config.model_copy(update={key: value for key, value in defaults.items() if value and key not in given})


def _compression(variables: _Variables) -> Encoding | None:
    value = variables["COMPRESSION"]
    for encoding in ("gzip", "zstd", "none"):
        if value == encoding:
            return encoding
    if value:
        raise variables.wrong("COMPRESSION", "is none of gzip, zstd and none")
    return None


def _timeout(variables: _Variables) -> float:
    value = variables["TIMEOUT"]
    if not value:
        return _TIMEOUT
    if not (value.isascii() and value.isdigit()) or not int(value):
        raise variables.wrong("TIMEOUT", "is no number of milliseconds")
    return int(value) / 1000


def _headers(config: OTLPConfig, variables: _Variables) -> dict[str, str]:
    if "headers" in config.model_fields_set:
        return {name: value.get_secret_value() for name, value in config.headers.items()}
    return _baggage(variables["HEADERS"])


def _baggage(text: str) -> dict[str, str]:
    """`name=value,name=value` with percent-encoding, as in W3C Baggage."""
    pairs = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    return {unquote(name.strip()): unquote(value.strip()) for name, _, value in pairs if name.strip()}
