"""`/tap` of the admin endpoint: live records as NDJSON, for this machine only, since bodies may be sensitive."""

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from aiohttp import web

from shipper.core.units import parse_duration
from shipper.service.observe.tap import Taps, TooManyWatchersError, Watcher

#: Seconds between two looks at whether the watcher is still there.
_LOOK: Final = 1.0
_PARAMETERS: Final = ("pipeline", "stage", "limit", "duration")


@dataclass(frozen=True, slots=True)
class Query:
    """What a watcher asked for; None: no bound."""

    pipeline: str | None
    stage: str | None
    limit: int | None
    duration: float | None

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "Query":
        """Read the query of a request; raises ValueError that says what is wrong."""
        unknown = [name for name in query if name not in _PARAMETERS]
        if unknown:
            raise ValueError(f"unknown parameter {unknown[0][:40]}; there are {', '.join(_PARAMETERS)}")
        limit = query.get("limit")
        if limit is not None and not (limit.isascii() and limit.isdigit() and int(limit[:9]) > 0):
            raise ValueError("limit is a number of lines")
        duration = query.get("duration")
        return cls(
            query.get("pipeline"),
            query.get("stage"),
            None if limit is None else int(limit[:9]),
            None if duration is None else parse_duration(duration),
        )


def tapping(app: web.Application, taps: Taps) -> None:
    """Add the endpoint; watchers are sent away when the application shuts down."""

    async def tap(request: web.Request) -> web.StreamResponse:
        if not _from_here(request):
            raise web.HTTPForbidden(
                text="records are shown on the machine that the shipper runs on, to localhost\n"
            )
        with ExitStack() as stack:
            try:
                query = Query.read(request.query)
                watcher = stack.enter_context(taps.watch(query.pipeline, query.stage))
            except ValueError as error:
                raise web.HTTPBadRequest(text=f"{error}\n") from None
            except TooManyWatchersError:
                raise web.HTTPServiceUnavailable(text="too many are watching already\n") from None
            return await _stream(request, query, watcher)

    async def end(_app: web.Application) -> None:
        taps.close()

    app.router.add_get("/tap", tap)
    app.on_shutdown.append(end)


async def _stream(request: web.Request, query: Query, watcher: Watcher) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson", "Cache-Control": "no-store"})
    await response.prepare(request)
    left = query.limit
    loop_time = asyncio.get_running_loop().time
    end = None if query.duration is None else loop_time() + query.duration
    try:
        while not watcher.closed and left != 0 and (end is None or loop_time() < end):
            await watcher.wait(_LOOK if end is None else max(0.0, min(_LOOK, end - loop_time())))
            if request.transport is None or request.transport.is_closing():
                break
            lines = watcher.take()[:left]
            left = None if left is None else left - len(lines)
            for line in lines:
                await response.write(line)
        await response.write_eof()
    except ConnectionError:
        pass
    return response


def _from_here(request: web.Request) -> bool:
    """Whether the peer is this machine and asked for it by a local name: no web page of others can (rebinding)."""
    try:
        local = ip_address(request.remote or "").is_loopback
    except ValueError:
        return False
    name = request.host.rsplit(":", 1)[0] if not request.host.endswith("]") else request.host
    name = name.strip("[]")
    try:
        return local and (name == "localhost" or ip_address(name).is_loopback)
    except ValueError:
        return False
