"""Who asks: tokens, the GitHub App and its installations.

Source: "Authenticating to the REST API" and "Generating a JSON Web Token for a GitHub App", docs.github.com.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from shipper.simulator.answers import Answer, bad_credentials, refusal
from shipper.simulator.options import Options
from shipper.simulator.people import token_of

_JWT_LIFETIME: Final = 600
_DOCS: Final = "https://docs.github.com/rest/using-the-rest-api/getting-started-with-the-rest-api"
UNDECODABLE: Final = "A JSON web token could not be decoded"
EXPIRES_TOO_LATE: Final = "'Expiration time' claim ('exp') is too far in the future"
EXPIRED: Final = (
    "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the "
    "assertion expires"
)
ISSUED_LATER: Final = (
    "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
)
NO_ISSUER: Final = "'Issuer' claim ('iss') must be an Integer or the client ID of the App"


@dataclass(slots=True)
class Token:
    """What a token may do. `organizations` and `permissions` None: all; `expires` in ms."""

    owner: str = "quiet-observer"
    organizations: frozenset[str] | None = None
    """Logins in lower case."""
    permissions: frozenset[str] | None = None
    """As in `X-Accepted-GitHub-Permissions`, such as `organization_administration=read`."""
    scopes: str = "admin:org, read:audit_log, security_events"
    """Of a classic token."""
    expires: int | None = None
    core_limit: int | None = None
    installation: str | None = None
    """Login of the organization, for an installation's token."""
    revoked: bool = False
    value: str = field(default="", repr=False)

    @property
    def classic(self) -> bool:
        """Whether it is a classic personal access token, which has scopes."""
        return self.value.startswith("ghp_")


class Access:
    """All tokens. Without any that were told beforehand, every token is good."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._rng = random.Random(f"{options.seed}/tokens")  # noqa: S311 - tokens of a simulator
        self._any = not options.tokens
        self.tokens: dict[str, Token] = {value: Token(value=value) for value in options.tokens}

    def identify(self, authorization: str | None, now: int) -> Token | Answer:
        """Whose token it is, or why it is refused."""
        kind, _, value = (authorization or "").strip().partition(" ")
        value = value.strip()
        if kind.lower() not in {"bearer", "token"} or not value:
            return refusal(401, "Requires authentication", _DOCS)
        if value.count(".") == 2 and value not in self.tokens:
            return refusal(401, UNDECODABLE)
        token = self.tokens.get(value)
        if token is None and self._any and not value.startswith("ghs_sim"):
            token = self.tokens[value] = Token(owner=f"owner-of-{len(self.tokens)}", value=value)
        if token is None or token.revoked or (token.expires is not None and now >= token.expires):
            return bad_credentials()
        token.value = value
        return token

    def application(self, authorization: str | None, now: int) -> Answer | None:
        """Check an App's JWT; what is wrong with it, or None."""
        value = (authorization or "").strip().partition(" ")[2].strip()
        claims = self._claims(value)
        if claims is None:
            return refusal(401, UNDECODABLE)
        problem = wrong_claims(claims, now // 1000)
        if problem:
            return refusal(401, problem)
        if (
            str(claims["iss"]) not in {str(self._options.app_id), self._options.app_client_id}
            and self._options.app_public_key
        ):
            return refusal(404, "Integration not found")
        return None

    def install(self, login: str, now: int, permissions: Mapping[str, str] | None) -> Token:
        """A new installation token."""
        token = Token(
            owner=f"installation-{login.lower()}",
            organizations=frozenset({login.lower()}),
            permissions=None if permissions is None else frozenset(f"{k}={v}" for k, v in permissions.items()),
            expires=now + int(self._options.installation_token_lifetime * 1000),
            core_limit=15_000,
            installation=login,
            value="ghs_sim" + token_of(self._rng, 24).replace("-", "0").replace("_", "0"),
        )
        self.tokens = {value: old for value, old in self.tokens.items() if not old.expires or old.expires > now}
        self.tokens[token.value] = token
        return token

    def _claims(self, value: str) -> dict[str, Any] | None:
        import jwt  # noqa: PLC0415 - brings cryptography; only Apps need it

        key = self._options.app_public_key
        try:
            if jwt.get_unverified_header(value).get("alg") != "RS256":
                return None
            checks = {"verify_signature": bool(key), "verify_exp": False, "verify_iat": False, "verify_aud": False}
            claims: dict[str, Any] = jwt.decode(value, key or "", algorithms=["RS256"], options=checks)  # type: ignore[arg-type]
        except jwt.PyJWTError:
            return None
        return claims


def wrong_claims(claims: Mapping[str, Any], now: int) -> str | None:
    """What GitHub says of a JWT's times at `now` (seconds); None: nothing is wrong with it."""
    issued, expires = claims.get("iat"), claims.get("exp")
    if not isinstance(issued, int) or issued > now:
        return ISSUED_LATER
    if not isinstance(expires, int) or expires <= now:
        return EXPIRED
    if expires > now + _JWT_LIFETIME:
        return EXPIRES_TOO_LATE
    return None if claims.get("iss") else NO_ISSUER
