"""Sends records by OTLP over HTTP, as protobuf or JSON.

Records that the backend refuses for good become dead letters; everything else is sent until it has arrived.
Redirects are not followed, since the headers may be credentials.

    exporters:
      otlphttp:
        endpoint: https://otlp.example.com
        encoding: proto

Follows the client rules of the OTLP specification: docs/otlp.md lists them with their tests.
"""

import contextlib
import io
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from shipper.core.component import Component, Context, Paths, Window
from shipper.core.errors import ConfigError, Problem, Rejected, Unavailable
from shipper.exporters.otlp_config import (
    ANSWER_LIMIT,
    OTLPConfig,
    Settings,
    check_settings,
    endpoint_of,
    settings,
    wrong_endpoint,
)
from shipper.exporters.otlp_endpoint import http_url
from shipper.exporters.otlp_report import limited, report
from shipper.net.faults import unavailable
from shipper.net.http import USER_AGENT
from shipper.net.proxy import is_loopback, proxy_of
from shipper.net.tls import check_effect, session_tls, stamp
from shipper.wire import otlp_json
from shipper.wire.compress import compress, decompress
from shipper.wire.otlp_answer import (
    Partial,
    partial_success,
    partial_success_json,
    printable,
    retry_after,
    status_text,
)
from shipper.wire.text import masked

_TYPES: Final = {"proto": "application/x-protobuf", "json": "application/json"}
_LARGE: Final = 2**18
#: Of the time for an attempt: the rest is for accepting an answer whose body never ends.
_SHARE: Final = 0.95
_RETRYABLE: Final = {429, 502, 503, 504}
_BLOCKED: Final = {
    401: "check the credentials in headers",
    403: "the credentials in headers lack the permission to write logs",
    404: "check the path of the endpoint",
    405: "check the path of the endpoint",
    407: "the proxy wants credentials",
}


class Config(OTLPConfig):
    """Where logs are posted to."""

    logs_endpoint: str | None = None
    """The whole URL, used as it is, instead of `endpoint` with `/v1/logs` behind it."""
    encoding: Literal["proto", "json"] | None = None
    """How requests are written; proto by default."""


class Answer(NamedTuple):
    """What the backend said."""

    status: int
    content_type: str
    body: bytes
    retry_after: str | None = None
    location: str | None = None


class OTLPHTTPExporter:
    """Posts one request a window over connections that are kept."""

    def __init__(self, config: Config, context: Context) -> None:
        found = settings(config)
        self._context = context
        self._settings = found
        self._url = http_url(found.endpoint, complete=found.complete)
        self._host = urlsplit(self._url).hostname or ""
        self._encoding = encoding(config, found)
        self._compression = found.compression or ("none" if is_loopback(self._host) else "gzip")
        self._proxy = proxy_of(self._url, None)
        self._connections = config.concurrency
        self._session: tuple[object, aiohttp.ClientSession] | None = None

    def __repr__(self) -> str:
        return f"otlphttp({masked(self._url)})"

    async def __aenter__(self) -> "OTLPHTTPExporter":
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._close()

    async def export(self, window: Window) -> None:
        """Post the window.

        Raises:
            Unavailable: the backend can't be reached or asks to come back later.
            Rejected: it refuses the request or all its records for good, or the request is too large to be sent.
        """
        body = otlp_json.encode(window.records) if self._encoding == "json" else window.otlp
        partial = judge(await self._post(limited(body)), self._context.clock.now())
        report(partial, window.count, self._context)

    async def check(self) -> str:
        """Post a request without records, which backends answer as any other; says what answered."""
        answer = await self._post(b'{"resourceLogs":[]}' if self._encoding == "json" else b"")
        judge(answer, self._context.clock.now())
        return f"{masked(self._url)} takes OTLP/{self._encoding} (status {answer.status})"

    async def _post(self, body: bytes) -> Answer:
        headers = {"User-Agent": USER_AGENT, **self._settings.headers, "Content-Type": _TYPES[self._encoding]}
        headers["Accept-Encoding"] = "gzip"
        if self._compression != "none":
            headers["Content-Encoding"] = self._compression
        async with self._explained():
            session = await self._open()
            async with session.post(
                URL(self._url, encoded=True),
                data=_streamed(compress(body, self._compression)),
                headers=headers,
                allow_redirects=False,
                proxy=self._proxy.url if self._proxy else None,
            ) as response:
                answer = await _answer(response)
                return answer._replace(body=self._settings.hushed(answer.body))

    async def _open(self) -> aiohttp.ClientSession:
        """The session; a new one when the TLS files have changed."""
        tls, paths = self._settings.tls, self._context.paths
        version = stamp(tls, paths)
        if self._session and self._session[0] != version:
            await self._close()
        if not self._session:
            secure = self._url.startswith("https:")
            trust = session_tls(tls, paths, self._host) if secure else True
            connector = aiohttp.TCPConnector(limit=self._connections, ssl=trust)
            session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=self._settings.timeout * _SHARE),
            )
            self._session = version, session
        return self._session[1]

    async def _close(self) -> None:
        session, self._session = self._session, None
        if session:
            await session[1].close()

    @contextlib.asynccontextmanager
    async def _explained(self) -> AsyncIterator[None]:
        """What goes wrong, in our terms."""
        address = urlsplit(self._url).netloc
        cure = self._proxy.cure(self._host) if self._proxy else ""
        try:
            yield
        except TimeoutError as fault:
            raise Unavailable(f"{address} did not answer within {self._settings.timeout:g}s") from fault
        except aiohttp.ClientHttpProxyError as fault:
            raise Unavailable(
                f"the proxy refused to connect to {address} (status {fault.status}); {cure}"
            ) from fault
        except aiohttp.ClientProxyConnectionError as fault:
            raise Unavailable(f"the proxy before {address} cannot be reached; {cure}") from fault
        except aiohttp.ClientConnectorCertificateError as fault:
            raise unavailable(fault.certificate_error, address) from fault
        except aiohttp.ClientConnectorError as fault:
            raise unavailable(fault.os_error, address) from fault
        except aiohttp.ClientOSError as fault:
            cause = fault.__cause__
            raise unavailable(cause if isinstance(cause, OSError) else fault, address) from fault
        except aiohttp.ClientError as fault:
            raise Unavailable(f"{address} broke the connection off ({type(fault).__name__})") from fault
        except (OSError, ConfigError) as fault:
            raise unavailable(fault, address) from fault


def encoding(config: Config, found: Settings) -> Literal["proto", "json"]:
    """How requests are written; `http/json` in OTEL_EXPORTER_OTLP_PROTOCOL is a default."""
    return config.encoding or ("json" if found.protocol == "http/json" else "proto")


def judge(answer: Answer, now: int) -> Partial:
    """What an answer means for the records.

    Raises:
        Unavailable: the backend did not take them, and may later.
        Rejected: it never will.
    """
    status = answer.status
    if 200 <= status < 300:
        return _accepted(answer)
    text = status_text(answer.body, answer.content_type).replace(";", ",")  # ours says what to do behind one
    said = f"status {status}" + (f": {text}" if text else "")
    if status in _RETRYABLE:
        raise Unavailable(
            f"the backend asks to come back later ({said})", retry_after=retry_after(answer.retry_after, now)
        )
    if status in _BLOCKED:
        raise Unavailable(f"the backend refuses the shipper ({said}); {_BLOCKED[status]}", blocked=True)
    if 300 <= status < 400:
        location = (answer.location or "another address").partition("?")[0].partition("#")[0]
        where = masked(printable(location.encode("utf-8", "replace")))
        raise Unavailable(
            f"the backend redirects to {where}, which is not followed; fix the endpoint", blocked=True
        )
    raise Rejected(f"the backend refuses the request (status {status})", answer=said)


def _accepted(answer: Answer) -> Partial:
    """A web page is what a wrong address answers: the records are not there."""
    if "html" in answer.content_type and answer.body.lstrip().startswith(b"<"):
        raise Unavailable("a web page answered, no OTLP backend; fix the endpoint", blocked=True)
    try:
        if "json" in answer.content_type:
            return partial_success_json(answer.body)
        return partial_success(answer.body) if "protobuf" in answer.content_type else Partial(0, "")
    except (ValueError, TypeError):
        return Partial(0, "")


def _streamed(body: bytes) -> bytes | io.BytesIO:
    """Large bodies are written in pieces, so that the event loop turns in between."""
    return io.BytesIO(body) if len(body) > _LARGE else body


async def _answer(response: aiohttp.ClientResponse) -> Answer:
    return Answer(
        response.status,
        response.headers.get("Content-Type", "").lower(),
        await _body(response),
        response.headers.get("Retry-After"),
        response.headers.get("Location"),
    )


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """The answer's body up to the limit. The status alone decides, so a body that is none is as good as empty."""
    parts: list[bytes] = []
    size = 0
    try:
        async for part in response.content.iter_any():
            size += len(part)
            if size > ANSWER_LIMIT:
                response.close()
                return b""
            parts.append(part)
        return decompress(b"".join(parts), response.headers.get("Content-Encoding", ""), ANSWER_LIMIT)
    except (aiohttp.ClientError, TimeoutError, ValueError):
        response.close()
        return b""


def _check(config: Config, paths: Paths) -> Iterator[Problem]:
    yield from check_settings(config, paths)
    key = "logs_endpoint" if config.logs_endpoint else "endpoint"
    try:
        endpoint, complete = endpoint_of(config)
        url = http_url(endpoint, complete=complete)
        yield from check_effect(config.tls, secure=url.startswith("https:"))
    except ConfigError as missing:
        yield from missing.problems
    except ValueError as fault:
        yield wrong_endpoint(fault, key if getattr(config, key) else None)


component: Component[Config, Any] = Component(kind="exporter", config=Config, build=OTLPHTTPExporter, check=_check)
