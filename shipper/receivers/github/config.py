"""The configuration of the `github` receiver, and what can be found wrong with it offline."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator, model_validator

from shipper.core.batch import BodyKind
from shipper.core.component import ConfigModel, Paths
from shipper.core.errors import Problem
from shipper.core.units import Duration
from shipper.net.proxy import proxy_address
from shipper.net.tls import TLSConfig, check_effect, check_tls
from shipper.receivers.github.addresses import CLOUD, api_address, slug_of
from shipper.wire.text import file_name

Organization: TypeAlias = Annotated[str, AfterValidator(lambda text: slug_of(text, "organization"))]
Enterprise: TypeAlias = Annotated[str, AfterValidator(lambda text: slug_of(text, "enterprise"))]


class AppConfig(ConfigModel):
    """A GitHub App: its key signs for an installation token, which is renewed before it expires."""

    client_id: str | None = None
    """The App's client id (`Iv23…`), from its settings page."""
    app_id: str | None = None
    """The App's number, instead of the client id."""
    private_key_file: str | None = None
    """PEM file of the App's private key."""
    private_key: SecretStr | None = None
    """The private key itself, in PEM; `\\n` may stand for line breaks."""
    installation_id: int | None = None
    """The installation, where one organization (or enterprise) is polled; absent: looked up for each."""

    @field_validator("app_id", mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.client_id is None) == (self.app_id is None):
            raise ValueError("an App needs exactly one of client_id and app_id")
        if (self.private_key is None) == (self.private_key_file is None):
            raise ValueError("an App needs exactly one of private_key_file and private_key")
        return self

    @property
    def issuer(self) -> str:
        """What signs: the `iss` of the App's tokens."""
        return self.client_id or self.app_id or ""


class AuthConfig(ConfigModel):
    """Who asks: exactly one of `token`, `token_file` and `app`."""

    token: SecretStr | None = None
    """A fine-grained personal access token, or a ready installation token."""
    token_file: str | None = None
    """File with the token; read again when it changes, so that tokens rotate without a restart."""
    app: AppConfig | None = None
    """A GitHub App: no person's account, limits of its own."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(way is not None for way in (self.token, self.token_file, self.app)) != 1:
            raise ValueError("auth needs exactly one of token, token_file and app")
        return self

    @field_validator("token")
    @classmethod
    def _usable(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not usable_token(value.get_secret_value().strip()):
            raise ValueError("the token is empty or has characters no token has; set it to the token alone")
        return value


def usable_token(text: str) -> bool:
    """Whether a text can be a token: printable ASCII without spaces."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


class RateLimitConfig(ConfigModel):
    """How much of the token's quota is left to others."""

    min_remaining: int = Field(default=100, ge=0)
    """Calls of each window that are never used: with fewer left, wait for the next window."""


class AuditLogConfig(ConfigModel):
    """The audit log of each organization, or of the enterprise."""

    include: Literal["web", "git", "all"] = "all"
    """Which events: those of the web and API, those of git, or all. GitHub keeps git events for 7 days."""
    overlap: Duration = 600.0
    """How late an event may turn up behind its own time and still be shipped."""
    initial_lookback: Duration = 86400.0
    """How far back the first poll reaches."""


class CodeScanningConfig(ConfigModel):
    """Code-scanning alerts."""

    states: list[Literal["open", "dismissed", "fixed"]] = Field(
        default=["open", "dismissed", "fixed"], min_length=1
    )
    """Which states are listed; each change between them is a record."""


class SecretScanningConfig(ConfigModel):
    """Secret-scanning alerts. The secrets themselves are never asked for, and never shipped."""

    states: list[Literal["open", "resolved"]] = Field(default=["open", "resolved"], min_length=1)
    """Which states are listed; each change between them is a record."""


class DependabotConfig(ConfigModel):
    """Dependabot alerts."""

    states: list[Literal["open", "dismissed", "fixed", "auto_dismissed"]] = Field(
        default=["open", "dismissed", "fixed", "auto_dismissed"], min_length=1
    )
    """Which states are listed; each change between them is a record."""


class StreamsConfig(ConfigModel):
    """What is polled; each may be `false`. `true` means on with its defaults, `null` the stream's default."""

    audit_log: AuditLogConfig | Literal[False] = AuditLogConfig()
    """Who did what."""
    code_scanning: CodeScanningConfig | Literal[False] = CodeScanningConfig()
    """Alerts of CodeQL and of other tools that upload SARIF."""
    secret_scanning: SecretScanningConfig | Literal[False] = False
    """Alerts of secrets found in repositories, without the secrets."""
    dependabot: DependabotConfig | Literal[False] = False
    """Alerts of vulnerable dependencies."""

    @field_validator("*", mode="before")
    @classmethod
    def _switch(cls, value: Any, info: ValidationInfo) -> Any:
        """`true` switches a stream on; an empty body is what its absence is, so it never switches one on.

        A variable holds these words as texts.
        """
        if value is None:
            return cls.model_fields[info.field_name or ""].default
        if value is True or value == "true":
            return {}
        return False if value == "false" else value


class Config(ConfigModel):
    """Polls the audit log and the security alerts of GitHub organizations and enterprises."""

    organizations: list[Organization] = Field(default_factory=list)
    """Logins of the organizations; the address of an organization's page is understood, too."""
    organization: Organization | None = None
    """One organization, instead of the list."""
    enterprise: Enterprise | None = None
    """Slug of the enterprise whose audit log and alerts are polled beside, or instead of, the organizations'."""
    base_url: str = CLOUD
    """The API: `https://api.github.com`; Enterprise Server `https://HOST/api/v3`; data residency `https://api.SUB.ghe.com`."""
    api_version: str = Field(default="2022-11-28", pattern=r"^\d{4}-\d{2}-\d{2}$")
    """`X-GitHub-Api-Version`; an Enterprise Server knows only the versions it was shipped with."""
    proxy_url: str | None = Field(default=None, pattern=r"^https?://")
    """HTTP proxy; absent: that of `HTTPS_PROXY` and `NO_PROXY` in the environment."""
    tls: TLSConfig = TLSConfig()
    """Whom to trust; `ca_file` for an Enterprise Server with a certificate of its own."""
    auth: AuthConfig
    """Who asks."""
    poll_interval: Duration = Field(default=300.0, gt=0)
    """How often each stream is polled."""
    rate_limit: RateLimitConfig = RateLimitConfig()
    """How much of the token's quota is left to others."""
    streams: StreamsConfig = StreamsConfig()
    """What is polled."""
    body: BodyKind = "map"
    """How events travel in OTLP: `map`, a field each, or `json`, one string (cheaper)."""

    @field_validator("proxy_url")
    @classmethod
    def _reachable(cls, value: str | None) -> str | None:
        return proxy_address(value) if value else None

    @field_validator("base_url")
    @classmethod
    def _normalized(cls, value: str) -> str:
        return api_address(value)

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if self.organization and self.organizations:
            raise ValueError("write either organization or organizations")
        if not (self.organization or self.organizations or self.enterprise):
            raise ValueError("needs organizations (a list of logins) or enterprise")
        return self

    @property
    def all_organizations(self) -> list[str]:
        """Each organization once; logins differ in more than case."""
        names = [self.organization] if self.organization else self.organizations
        return list({name.lower(): name for name in reversed(names)}.values())[::-1]

    def outline(self) -> str:
        """The streams that are polled, for pictures of the pipeline."""
        return ", ".join(name for name, stream in self.streams if stream)


_INSECURE: Final = "the token would cross the network in clear text; use https"


def check(config: Config, paths: Paths) -> Iterator[Problem]:
    """Files that are missing or wrong, and tokens that would travel unprotected."""
    yield from check_tls(config.tls, paths)
    address = urlsplit(config.base_url)
    yield from check_effect(config.tls, secure=address.scheme == "https")
    if address.scheme == "http" and address.hostname not in ("localhost", "127.0.0.1", "::1"):
        yield Problem(("base_url",), "insecure-address", _INSECURE, severity="warning")
    if not any(dict(config.streams).values()):
        yield Problem(("streams",), "no-streams", "every stream is switched off", severity="warning")
    file = config.auth.token_file
    if file is not None and not _readable(paths.input(file)):
        message = f"{file_name(file)} cannot be read now; polls fail until it can"
        yield Problem(("auth", "token_file"), "unreadable-file", message, severity="warning")
    if config.auth.app is not None:
        yield from _check_installation(config)
        yield from _check_key(config.auth.app, paths)


def _check_installation(config: Config) -> Iterator[Problem]:
    places = [*config.all_organizations, *([config.enterprise] if config.enterprise else [])]
    app = config.auth.app
    if app is not None and app.installation_id is not None and len(places) > 1:
        message = (
            f"an installation belongs to one organization, but {len(places)} places are polled "
            f"({', '.join(places)}); leave it out, so that each one's installation is looked up"
        )
        yield Problem(("auth", "app", "installation_id"), "one-installation", message)


def _check_key(app: AppConfig, paths: Paths) -> Iterator[Problem]:
    key = "private_key" if app.private_key_file is None else "private_key_file"
    loc = ("auth", "app", key)
    try:
        pem = private_key(app, paths)
    except OSError as fault:
        name = file_name(app.private_key_file or "")
        yield Problem(loc, "unreadable-file", f"cannot read {name}: {fault.strerror}")
        return
    if not _is_rsa(pem):
        yield Problem(loc, "bad-private-key", "no RSA private key in PEM; generate one on the App's settings page")


def private_key(app: AppConfig, paths: Paths) -> bytes:
    """The App's key in PEM. Raises OSError where its file can't be read."""
    if app.private_key is not None:
        return app.private_key.get_secret_value().replace("\\n", "\n").encode()
    return paths.input(app.private_key_file or "").read_bytes()


def _is_rsa(pem: bytes) -> bool:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415 - 30 ms, Apps only
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        return isinstance(load_pem_private_key(pem, password=None), RSAPrivateKey)
    except (ValueError, TypeError):
        return False


def _readable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.R_OK)
