"""The Kubernetes API server, as a pod asks it: as little of it as a Lease needs.

The token of a service account is bound and short-lived: the kubelet renews its file, so it is read again for each
request. Nothing goes through a proxy, since the API server is the cluster's own.
"""

import asyncio
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import orjson

from shipper.core.errors import Unavailable
from shipper.net.faults import unavailable

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_MAX_ANSWER: Final = 2**20


class Conflict(Unavailable):
    """Somebody else wrote the object since it was read, or made it first."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where the API server is, and who a pod is there."""

    url: str
    token_file: Path | None = None
    ca_file: Path | None = None
    namespace: str | None = None
    """The pod's own namespace."""


def service_url(env: Mapping[str, str] = os.environ) -> str:
    """The API server's address, as every pod is told it; raises `Unavailable` elsewhere."""
    host, port = env.get("KUBERNETES_SERVICE_HOST"), env.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        reason = "no Kubernetes here (KUBERNETES_SERVICE_HOST is not set); run in a pod, or name api_server"
        raise Unavailable(reason, blocked=True)
    return f"https://{f'[{host}]' if ':' in host else host}:{port}"


def in_cluster(env: Mapping[str, str] = os.environ, account: Path = SERVICE_ACCOUNT) -> Cluster:
    """The cluster this pod runs in.

    Raises:
        Unavailable: this is no pod, or no token is mounted.
    """
    url = service_url(env)
    if not (account / "token").exists():
        raise Unavailable(f"no service account token at {account}; mount one into this container", blocked=True)
    namespace = account / "namespace"
    return Cluster(
        url=url,
        token_file=account / "token",
        ca_file=account / "ca.crt",
        namespace=namespace.read_text(encoding="utf-8").strip() if namespace.exists() else None,
    )


class Api:
    """Requests to the API server, closed by `async with`. One attempt each, within `timeout` seconds."""

    def __init__(self, cluster: Cluster, *, timeout: float = 5.0) -> None:
        self._cluster = cluster
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None
        self._tls: ssl.SSLContext | None = None
        self._tls_stamp: tuple[int, int] | None = None

    async def __aenter__(self) -> Self:
        """Nothing is connected yet."""
        self._session = aiohttp.ClientSession(trust_env=False, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str) -> dict[str, Any] | None:
        """The object at `path`, None where there is none."""
        return await self._request("GET", path)

    async def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make an object in the collection at `path`; raises `Conflict` where it exists."""
        return _found(await self._request("POST", path, body), path)

    async def update(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Replace the object at `path`; raises `Conflict` unless its resourceVersion is still that of `body`."""
        return _found(await self._request("PUT", path, body), path)

    async def _request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any] | None:
        if self._session is None:
            raise RuntimeError("open the Api by `async with`")
        headers = {"Accept": "application/json", "Content-Type": "application/json"} | self._authorization()
        trust = self._trust()
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._session.request(
                    method,
                    self._cluster.url + path,
                    headers=headers,
                    data=None if body is None else orjson.dumps(body),
                    ssl=trust,
                    allow_redirects=False,
                ) as response,
            ):
                return _answer(response.status, await response.content.read(_MAX_ANSWER), method, path)
        except TimeoutError:
            raise Unavailable("the Kubernetes API server gave no answer in time") from None
        except (aiohttp.ClientError, OSError) as fault:
            raise unavailable(fault, f"the Kubernetes API server at {self._cluster.url}") from fault

    def _authorization(self) -> dict[str, str]:
        if self._cluster.token_file is None:
            return {}
        try:
            token = self._cluster.token_file.read_text(encoding="ascii").strip()
        except OSError as fault:
            raise Unavailable(f"cannot read {self._cluster.token_file}: {fault.strerror}", blocked=True) from fault
        return {"Authorization": f"Bearer {token}"}

    def _trust(self) -> ssl.SSLContext | bool:
        """What is trusted: the mounted authority, read anew when the kubelet renewed it."""
        file = self._cluster.ca_file
        if file is None:
            return True
        try:
            found = file.stat()
            stamp = (found.st_ino, found.st_mtime_ns)
            if self._tls is None or stamp != self._tls_stamp:
                self._tls, self._tls_stamp = ssl.create_default_context(cafile=str(file)), stamp
        except OSError as fault:
            raise Unavailable(f"cannot use {file}: {fault.strerror or fault}", blocked=True) from fault
        return self._tls


def _found(answer: dict[str, Any] | None, path: str) -> dict[str, Any]:
    if answer is None:
        raise Unavailable(f"the Kubernetes API server knows no {path}; does the namespace exist?", blocked=True)
    return answer


def _answer(status: int, body: bytes, method: str, path: str) -> dict[str, Any] | None:
    """The object that was answered, None for 404, or what the refusal means."""
    if status == 404:
        return None
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    if status < 300 and isinstance(answer, dict):
        return answer
    said = str(answer.get("message", ""))[:300] if isinstance(answer, dict) else ""
    match status:
        case 409:
            raise Conflict(f"{path} was written by somebody else meanwhile")
        case 401:
            raise Unavailable("the Kubernetes API server does not know our token; mount a fresh one", blocked=True)
        case 403:
            remedy = "bind the service account to a Role that may get, create and update this lease"
            raise Unavailable(f"{method} {path} is forbidden; {remedy} ({said})", blocked=True)
        case 422:
            raise Unavailable(f"the Kubernetes API server refuses {path}: {said}", blocked=True)
    raise Unavailable(f"the Kubernetes API server answered {method} {path} with {status} ({said})")
