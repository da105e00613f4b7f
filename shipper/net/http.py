"""The HTTP client: one origin, and nothing of ours ever goes to another.

The token belongs to the origin of the configuration. A `Link` or a redirect that names another scheme, host or
port is refused here, whoever asks, so that no answer of a server can make us hand the token over.
"""

import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Literal, NamedTuple, Self

import aiohttp
from yarl import URL

from shipper import __version__
from shipper.core.errors import Unavailable
from shipper.net.faults import distrust
from shipper.net.proxy import proxy_of

USER_AGENT: Final = f"github-log-shipper/{__version__}"
MAX_BODY: Final = 64 * 2**20
"""Bytes of an answer, decompressed; a page of 100 events has about 100 KB."""
_CHUNK: Final = 2**18


class ForeignOrigin(Unavailable):
    """An address on another scheme, host or port; nothing was sent to it."""


class TooLarge(Unavailable):
    """An answer beyond the limit; a smaller page may fit."""


class TimedOut(Unavailable):
    """No whole answer in time; a smaller page may help."""


class Answer(NamedTuple):
    """What came back. Names of headers are in lower case; repeated ones are joined by commas."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Session:
    """Requests to one origin. Answers are whole or an error; redirects are answers, never followed here."""

    def __init__(
        self,
        base_url: str,
        *,
        tls: ssl.SSLContext | Literal[True] = True,
        proxy_url: str | None = None,
        timeout: float = 30.0,
        max_body: int = MAX_BODY,
    ) -> None:
        self._origin = URL(base_url).origin()
        self._tls = tls
        self._proxy = proxy_of(base_url, proxy_url)
        self._timeout = aiohttp.ClientTimeout(total=timeout, sock_connect=min(timeout, 15.0))
        self._max_body = max_body
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Nothing is connected yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def owns(self, url: str) -> bool:
        """Whether an address is on this session's origin; one that names a user is not."""
        try:
            address = URL(url, encoded=True)
            return address.origin() == self._origin and "@" not in address.raw_authority
        except ValueError:
            return False

    async def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        """One request, one attempt; `url` is sent as it is written.

        Raises:
            ForeignOrigin: the address is on another origin; nothing was sent.
            TooLarge: the answer is larger than the limit.
            TimedOut: it took too long.
            Unavailable: no connection, or it broke.
        """
        if not self.owns(url):
            raise ForeignOrigin(f"an address outside of {self._origin} was not asked")
        try:
            async with self._open().request(
                method,
                URL(url, encoded=True),
                headers={"User-Agent": USER_AGENT, **headers},
                data=body,
                allow_redirects=False,
                ssl=self._tls,
                proxy=self._proxy.url if self._proxy else None,
            ) as response:
                return Answer(response.status, _headers(response), await self._read(response))
        except TimeoutError as error:
            raise TimedOut(f"{self._origin.host} gave no answer in time") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unavailable(self._why(error)) from error

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=aiohttp.TCPConnector(limit=16),
                auto_decompress=True,
            )
        return self._session

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        parts = []
        size = 0
        async for part in response.content.iter_chunked(_CHUNK):
            size += len(part)
            if size > self._max_body:
                response.close()
                raise TooLarge(f"an answer of {self._origin.host} is larger than {self._max_body // 2**20} MiB")
            parts.append(part)
        return b"".join(parts)

    def _why(self, error: Exception) -> str:
        host = self._origin.host
        cure = self._proxy.cure(host) if self._proxy else ""
        if isinstance(error, aiohttp.ClientProxyConnectionError):
            return f"the proxy cannot be reached; {cure}"
        if isinstance(error, aiohttp.ClientHttpProxyError):
            return f"the proxy refused the connection with status {error.status}; {cure}"
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return distrust(error.certificate_error, host or "")
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            return f"the name {host} cannot be resolved; check base_url, DNS or the proxy"
        if isinstance(error, aiohttp.ClientConnectorError):
            return f"cannot connect to {host}: {error.strerror or 'connection failed'}"
        return f"the connection to {host} broke ({type(error).__name__})"


def _headers(response: aiohttp.ClientResponse) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in response.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers
