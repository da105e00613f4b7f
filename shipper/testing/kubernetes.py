"""The Lease API of a Kubernetes API server on loopback, as strict as the real one where a candidate can feel it.

It locks optimistically by `resourceVersion`, knows who asks by their token, allows what a Role with
`resourceNames` would allow, refuses what the real validation refuses, and can be made to fail or hang.
"""

import asyncio
import json
import re
import ssl
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

from aiohttp import web

_BASE: Final = "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
_MICRO_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_SPEC: Final = {
    "holderIdentity": str,
    "leaseDurationSeconds": int,
    "acquireTime": str,
    "renewTime": str,
    "leaseTransitions": int,
}


@dataclass
class FakeLeases:
    """A server of Leases, started by `async with`.

    Args:
        tokens: who may ask; empty: everybody.
        lease: the only name that `get` and `update` are allowed for; empty: every name.
    """

    tokens: set[str] = field(default_factory=set)
    lease: str = ""
    tls: ssl.SSLContext | None = None
    """What it listens with; None: plain HTTP, as behind `kubectl proxy`."""
    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    """The Leases by namespace and name."""
    requests: list[tuple[str, int]] = field(default_factory=list)
    """Method and status of every request that was answered."""
    failing: int = 0
    """If set, every request is answered with this status."""
    lose_answers: int = 0
    """So many of the next writes are done, but their answers never arrive."""
    url: str = ""

    def __post_init__(self) -> None:
        """Nothing listens yet."""
        self.answering = asyncio.Event()
        self.answering.set()
        """Cleared: requests hang."""
        self.changed = asyncio.Condition()
        self._version = 0
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        """Listen on a free port of loopback."""
        app = web.Application(middlewares=[self._watched])
        app.router.add_post(_BASE, self._create)
        app.router.add_get(_BASE + "/{name}", self._get)
        app.router.add_put(_BASE + "/{name}", self._update)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self.tls).start()
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        self.answering.set()
        if self._runner is not None:
            await self._runner.cleanup()

    def holder(self, namespace: str, name: str) -> str:
        """Who holds a Lease; empty if nobody does."""
        spec = self.objects.get((namespace, name), {}).get("spec", {})
        return str(spec.get("holderIdentity") or "")

    async def held(self, namespace: str, name: str, *, by: str) -> None:
        """Return when somebody holds a Lease; `by` may be empty for nobody."""
        async with self.changed:
            await self.changed.wait_for(lambda: self.holder(namespace, name) == by)

    @web.middleware
    async def _watched(self, request: web.Request, handler: Any) -> web.StreamResponse:
        await self.answering.wait()
        try:
            response = self._refused(request) or await handler(request)
        except _Status as status:
            response = status.response
        self.requests.append((request.method, response.status))
        if self.lose_answers and request.method != "GET":
            self.lose_answers -= 1
            if request.transport is not None:
                request.transport.close()
        async with self.changed:
            self.changed.notify_all()
        return response

    def _refused(self, request: web.Request) -> web.Response | None:
        if self.failing:
            return _Status(self.failing, "InternalError", "failing on purpose").response
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.tokens and token not in self.tokens:
            return _Status(401, "Unauthorized", "Unauthorized").response
        name = request.match_info.get("name")
        if self.lease and name not in (None, self.lease):
            return _Status(403, "Forbidden", f'leases "{name}" is forbidden').response
        return None

    async def _get(self, request: web.Request) -> web.Response:
        return web.json_response(self._existing(request))

    async def _create(self, request: web.Request) -> web.Response:
        body = await _valid(request)
        key = (request.match_info["namespace"], body["metadata"].get("name", ""))
        if not key[1]:
            raise _Status(422, "Invalid", "metadata.name: Required value")
        if "resourceVersion" in body["metadata"]:
            raise _Status(400, "BadRequest", "resourceVersion should not be set on objects to be created")
        if key in self.objects:
            raise _Status(409, "AlreadyExists", f'leases "{key[1]}" already exists')
        return web.json_response(self._store(key, body), status=201)

    async def _update(self, request: web.Request) -> web.Response:
        existing = self._existing(request)
        body = await _valid(request)
        if body["metadata"].get("name") != request.match_info["name"]:
            raise _Status(400, "BadRequest", "the name of the object does not match the name on the URL")
        if body["metadata"].get("resourceVersion") != existing["metadata"]["resourceVersion"]:
            raise _Status(
                409, "Conflict", "the object has been modified; apply your changes to the latest version"
            )
        key = (request.match_info["namespace"], request.match_info["name"])
        return web.json_response(self._store(key, body))

    def _existing(self, request: web.Request) -> dict[str, Any]:
        key = (request.match_info["namespace"], request.match_info["name"])
        if key not in self.objects:
            raise _Status(404, "NotFound", f'leases "{key[1]}" not found')
        return self.objects[key]

    def _store(self, key: tuple[str, str], body: dict[str, Any]) -> dict[str, Any]:
        self._version += 1
        metadata = {**body["metadata"], "namespace": key[0], "resourceVersion": str(self._version)}
        self.objects[key] = {**body, "metadata": metadata}
        return self.objects[key]


class _Status(Exception):
    """A refusal in Kubernetes' words."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason}
        self.response = web.json_response({**body, "code": code}, status=code)


async def _valid(request: web.Request) -> dict[str, Any]:
    """The Lease of a request, refused where the API server would refuse it."""
    try:
        body: dict[str, Any] = await request.json()
    except json.JSONDecodeError:
        raise _Status(400, "BadRequest", "the body is no JSON") from None
    if (body.get("apiVersion"), body.get("kind")) != ("coordination.k8s.io/v1", "Lease"):
        raise _Status(400, "BadRequest", "the object provided is no Lease of coordination.k8s.io/v1")
    if body["metadata"].get("namespace", request.match_info["namespace"]) != request.match_info["namespace"]:
        raise _Status(400, "BadRequest", "the namespace of the object does not match the namespace on the request")
    spec = body.get("spec", {})
    wrong = [key for key, value in spec.items() if type(value) is not _SPEC.get(key)]
    wrong += [key for key in ("acquireTime", "renewTime") if key in spec and not _MICRO_TIME.fullmatch(spec[key])]
    if wrong:
        raise _Status(400, "BadRequest", f"Lease in version v1 cannot be handled: {wrong}")
    if spec.get("leaseDurationSeconds", 1) <= 0 or spec.get("leaseTransitions", 0) < 0:
        raise _Status(422, "Invalid", "spec.leaseDurationSeconds: Invalid value: must be greater than 0")
    return body
