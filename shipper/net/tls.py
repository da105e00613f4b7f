"""TLS as every part configures it: verified by default, 1.2 or later, with the Collector's names."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator

from shipper.core.component import ConfigModel, Paths
from shipper.core.errors import ConfigError, Problem
from shipper.wire.text import file_name

_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_FILES: Final = ("ca_file", "cert_file", "key_file")


def _unquoted(value: Any) -> Any:
    """YAML reads `1.2` as a number."""
    return str(value) if isinstance(value, float) else value


class TLSConfig(ConfigModel):
    """How a connection is secured and whom it trusts."""

    insecure: bool = False
    """Connect without TLS; where the address has a scheme, that decides, and must agree."""
    insecure_skip_verify: bool = False
    """Use TLS without verifying the other side. For trials only."""
    ca_file: str | None = None
    """PEM file of the authorities to trust instead of the system's."""
    cert_file: str | None = None
    """PEM file of our certificate, where the other side asks for one; needs key_file."""
    key_file: str | None = None
    """PEM file of the certificate's private key, without a passphrase."""
    server_name_override: str | None = None
    """The name to look for in the other side's certificate instead of the endpoint's host."""
    min_version: Annotated[Literal["1.2", "1.3"], BeforeValidator(_unquoted)] = "1.2"
    """The oldest version of TLS to speak."""


@dataclass(frozen=True, slots=True)
class Material:
    """The contents of the files that a TLSConfig names, for libraries that want PEM bytes."""

    ca: bytes | None
    cert: bytes | None
    key: bytes | None


def check_tls(config: TLSConfig, paths: Paths, loc: tuple[str, ...] = ("tls",)) -> Iterator[Problem]:
    """Faults of the files it names: missing, unreadable, no PEM, a key of another certificate."""
    yield from _pairing(config, loc)
    unreadable = list(_unreadable(config, paths, loc))
    yield from unreadable
    gone = {str(problem.loc[-1]): None for problem in unreadable}
    yield from _unusable(config.model_copy(update=gone), paths, loc)


def check_effect(config: TLSConfig, *, secure: bool, loc: tuple[str, ...] = ("tls",)) -> Iterator[Problem]:
    """Keys that do nothing, since the address has TLS (`secure`) or has none: nobody is to believe in them."""
    if secure and config.insecure:
        message = (
            "the address is one with TLS; write http:// for none, or insecure_skip_verify to take any certificate"
        )
        yield Problem((*loc, "insecure"), "no-effect", message)
    if not secure:
        message = "the connection is one without TLS, and nothing is encrypted or verified"
        for key in sorted(config.model_fields_set - {"insecure"}):
            if getattr(config, key):
                yield Problem((*loc, key), "no-effect", message, severity="warning")


def client_context(config: TLSConfig, paths: Paths) -> ssl.SSLContext:
    """What a client connects with; reads the files anew, so that renewed certificates are taken up.

    Raises:
        ConfigError: a file is missing or wrong, with locations below `tls`.
    """
    problems = list(check_tls(config, paths))
    if problems:
        raise ConfigError(problems)
    return _context(config, paths)


def session_tls(config: TLSConfig, paths: Paths, host: str) -> ssl.SSLContext | Literal[True]:
    """What an aiohttp session to a host connects with. True is aiohttp's own, with the system's authorities.

    They take 0.8 MB a context, so nobody whose TLS is not configured gets another one.

    Raises:
        ConfigError: a file is missing or wrong, with locations below `tls`.
    """
    if config == TLSConfig():
        return True
    context = client_context(config, paths)
    if config.server_name_override:
        _rename(context, host, config.server_name_override)
    return context


def _rename(context: ssl.SSLContext, host: str, name: str) -> None:
    """Look for another name in a host's certificate: aiohttp's `server_hostname` is not used behind a proxy."""
    wrap = context.wrap_bio

    def wrap_bio(
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        wanted = name if server_hostname == host else server_hostname
        return wrap(incoming, outgoing, server_side, wanted, session)

    context.wrap_bio = wrap_bio  # type: ignore[method-assign]


def material(config: TLSConfig, paths: Paths) -> Material:
    """The files' contents, read anew.

    Raises:
        ConfigError: a file is missing or wrong, with locations below `tls`.
    """
    problems = list(check_tls(config, paths))
    if problems:
        raise ConfigError(problems)
    return Material(
        *(paths.input(file).read_bytes() if (file := getattr(config, key)) else None for key in _FILES)
    )


def stamp(config: TLSConfig, paths: Paths) -> tuple[tuple[int, int], ...]:
    """Changes when one of the files does: time for a new context. Missing files don't raise here."""
    return tuple(_file_stamp(paths, file) for key in _FILES if (file := getattr(config, key)))


def _file_stamp(paths: Paths, file: str) -> tuple[int, int]:
    try:
        found = paths.input(file).stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_ino)


def _context(config: TLSConfig, paths: Paths) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(paths.input(config.ca_file)) if config.ca_file else None)
    context.minimum_version = _VERSIONS[config.min_version]
    if config.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if config.cert_file and config.key_file:
        _load_own(context, config, paths)
    return context


def _load_own(context: ssl.SSLContext, config: TLSConfig, paths: Paths) -> None:
    def refuse() -> str:
        """Without it, OpenSSL would ask for the passphrase on the terminal."""
        raise ValueError("the private key has a passphrase; store it without one, readable by the shipper alone")

    cert, key = (str(paths.input(file)) for file in (config.cert_file, config.key_file) if file)
    context.load_cert_chain(cert, key, password=refuse)


def _pairing(config: TLSConfig, loc: tuple[str, ...]) -> Iterator[Problem]:
    if config.cert_file and not config.key_file:
        yield Problem((*loc, "cert_file"), "missing-key", "cert_file needs key_file beside it")
    if config.key_file and not config.cert_file:
        yield Problem((*loc, "key_file"), "missing-key", "key_file needs cert_file beside it")


def _unreadable(config: TLSConfig, paths: Paths, loc: tuple[str, ...]) -> Iterator[Problem]:
    for key in _FILES:
        file = getattr(config, key)
        if not file:
            continue
        try:
            with paths.input(file).open("rb") as opened:
                opened.read(1)
        except FileNotFoundError:
            yield Problem((*loc, key), "missing-file", f"there is no file {file_name(file)}")
        except OSError as fault:
            yield Problem((*loc, key), "unreadable-file", f"cannot read {file_name(file)}: {fault.strerror}")


def _unusable(config: TLSConfig, paths: Paths, loc: tuple[str, ...]) -> Iterator[Problem]:
    """Load the files as a connection would, one concern at a time, so that the fault is said of the right file."""
    if config.ca_file:
        try:
            ssl.create_default_context(cafile=str(paths.input(config.ca_file)))
        except (ssl.SSLError, OSError):
            yield Problem((*loc, "ca_file"), "bad-tls-file", f"{config.ca_file} holds no PEM certificate")
    if config.cert_file and config.key_file:
        try:
            _load_own(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), config, paths)
        except (ssl.SSLError, OSError):
            message = f"{config.cert_file} and {config.key_file} are no matching pair of PEM certificate and key"
            yield Problem((*loc, "cert_file"), "bad-tls-file", message)
        except ValueError as fault:
            yield Problem((*loc, "key_file"), "bad-tls-file", str(fault))
