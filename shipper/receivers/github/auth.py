"""Who asks: a token, a file with one, or a GitHub App that mints its own.

Tokens stay in one object each, whose `repr` hides them. Source: docs.github.com "Generating a JSON Web Token for a
GitHub App", "Authenticating as a GitHub App installation".
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import orjson

from shipper.core.clock import Clock
from shipper.core.errors import Unavailable
from shipper.net.http import Answer
from shipper.receivers.github.answers import message_of, retry_after
from shipper.receivers.github.config import usable_token
from shipper.wire.github import milliseconds
from shipper.wire.text import file_name

log = logging.getLogger(__name__)

#: Seconds before its end at which an installation token is renewed.
RENEW_BEFORE: Final = 300.0
#: GitHub takes JWTs of ten minutes at most; `iat` lies back against clocks that differ.
JWT_BACK: Final = 60
JWT_AHEAD: Final = 540


class Credentials(Protocol):
    """Gives the token for the next request."""

    @property
    def app(self) -> bool:
        """Whether it is a GitHub App's."""

    async def token(self) -> str:
        """The present token.

        Raises:
            Unavailable: there is none now.
        """

    def refused(self, token: str) -> bool:
        """GitHub answered 401 to this token; whether `token` now gives another one."""


class Token:
    """A token that stays as it is."""

    app = False

    def __init__(self, text: str) -> None:
        self._text = text.strip()

    def __repr__(self) -> str:
        return "Token(***)"

    async def token(self) -> str:
        """The token."""
        return self._text

    def refused(self, token: str) -> bool:
        """No other one."""
        return token != self._text


class TokenFile:
    """A token in a file, read again when the file changes."""

    app = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._text = ""

    def __repr__(self) -> str:
        return f"TokenFile({file_name(str(self._path))!r})"

    async def token(self) -> str:
        """The token that the file has now."""
        self._read()
        return self._text

    def refused(self, token: str) -> bool:
        """Whether the file has another one by now, even if nothing shows that it changed."""
        self._stamp = None
        try:
            self._read()
        except Unavailable:
            return False
        return self._text != token

    def _read(self) -> None:
        try:
            found = self._path.stat()
            stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
            if stamp == self._stamp:
                return
            text = self._path.read_text("utf-8", "replace").strip()
        except OSError as error:
            raise Unavailable(
                f"cannot read the token file {file_name(str(self._path))}: {error.strerror}", blocked=True
            ) from error
        if not usable_token(text):
            name = file_name(str(self._path))
            raise Unavailable(f"the token file {name} holds no token; write the token alone", blocked=True)
        self._stamp, self._text = stamp, text


class Asks(Protocol):
    """What an App needs of the API: requests with a token of its own, and the server's time."""

    async def send(
        self, method: str, address: str, token: str, headers: Mapping[str, str] = ..., body: bytes | None = None
    ) -> Answer:
        """One request."""

    def server_time(self) -> float:
        """The server's time in seconds since the epoch, as far as it is known."""


class AppKey:
    """A GitHub App's name and private key."""

    def __init__(self, issuer: str, pem: bytes) -> None:
        self._issuer = issuer
        self._pem = pem

    def __repr__(self) -> str:
        return f"AppKey({self._issuer!r}, ***)"

    def sign(self, now: int) -> str:
        """A JWT that proves who the App is; `now` is the server's time in seconds."""
        import jwt  # noqa: PLC0415 - with cryptography 40 ms, for Apps only

        claims = {"iat": now - JWT_BACK, "exp": now + JWT_AHEAD, "iss": self._issuer}
        return jwt.encode(claims, self._pem, algorithm="RS256")


class InstallationTokens:
    """A GitHub App's tokens for one organization or enterprise: minted, kept, and renewed before they expire."""

    app = True

    def __init__(self, api: Asks, key: AppKey, path: str, installation: int | None, clock: Clock) -> None:
        """`path` is that of the place the App is installed on, such as `/orgs/acme`."""
        self._api = api
        self._key = key
        self._path = path
        self._installation = installation
        self._clock = clock
        self._text = ""
        self._expires = 0.0

    def __repr__(self) -> str:
        return f"InstallationTokens({self._path!r}, ***)"

    async def token(self) -> str:
        """A token with at least five minutes to live."""
        if not self._text or self._expires - self._api.server_time() < RENEW_BEFORE:
            await self._mint()
        return self._text

    def refused(self, token: str) -> bool:
        """The next one is fresh, unless this one was."""
        if token == self._text:
            self._text = ""
        return True

    async def _mint(self) -> None:
        if self._installation is None:
            found = await self._ask("GET", f"{self._path}/installation")
            self._installation = found.get("id") if isinstance(found.get("id"), int) else None
            if self._installation is None:
                raise Unavailable("GitHub's answer names no installation of the App")
        try:
            minted = await self._ask("POST", f"/app/installations/{self._installation}/access_tokens")
        except Unavailable:
            self._text = ""
            raise
        text, ends = minted.get("token"), milliseconds(minted.get("expires_at"))
        if not isinstance(text, str) or not usable_token(text):
            raise Unavailable("GitHub's answer to the App holds no token")
        self._text = text
        self._expires = self._api.server_time() + 3600.0 if ends is None else ends / 1000
        log.debug("minted an installation token", extra={"installation": self._installation})

    async def _ask(self, method: str, path: str) -> dict[str, Any]:
        answer = await self._api.send(method, path, self._jwt())
        if answer.status == 401:  # our clock may differ; the answer told the server's time
            answer = await self._api.send(method, path, self._jwt())
        if answer.status not in (200, 201):
            raise self._refusal(answer)
        try:
            found = orjson.loads(answer.body)
        except orjson.JSONDecodeError as error:
            raise Unavailable("GitHub's answer to the App is no JSON") from error
        return found if isinstance(found, dict) else {}

    def _jwt(self) -> str:
        return self._key.sign(int(self._api.server_time()))

    def _refusal(self, answer: Answer) -> Unavailable:
        message = message_of(answer.body)
        said = f" (GitHub: {message})" if message else ""
        place = self._path.rpartition("/")[2]
        if answer.status == 401:
            self._installation = None
            return Unavailable(
                "401: GitHub refuses the App's signature; check that client_id (or app_id) and the private key "
                f"belong together, that the key was not deleted, and this machine's clock{said}",
                blocked=True,
            )
        if answer.status == 404:
            self._installation = None
            reason = (
                f"404: the App is not installed on {place}; an owner installs it from the App's public page{said}"
            )
            return Unavailable(reason, blocked=True)
        if answer.status == 403 and "suspended" in message.lower():
            reason = f"403: the App's installation on {place} is suspended; an owner can unsuspend it{said}"
            return Unavailable(reason, blocked=True)
        after = retry_after(answer.headers, self._clock.now())
        if answer.status in (403, 429) and (after or "rate limit" in message.lower()):
            return Unavailable(f"GitHub asks the App to slow down{said}", retry_after=after or 60.0)
        reason = f"GitHub answered {answer.status} to the App's request for a token{said}"
        return Unavailable(reason, retry_after=after, blocked=answer.status < 500)
