"""The admin endpoint: `/livez`, `/readyz`, `/status`, `/tap`, for probes and people on this machine."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web

from shipper.core.telemetry import Health, State
from shipper.service.observe.tap import Taps
from shipper.service.observe.tapping import tapping


def _time(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC).isoformat(timespec="milliseconds")


def describe(state: State) -> dict[str, str]:
    """One part's state as JSON: which, how, since when; error, note and next try, if any."""
    shown = {"component": state.component, "part": state.part, "status": state.status, "since": _time(state.since)}
    if state.error:
        shown["error"] = state.error
    if state.note:
        shown["note"] = state.note
    if state.next_try is not None:
        shown["next_try"] = _time(state.next_try)
    return shown


def readiness(health: Health, *, verbose: bool) -> tuple[int, dict[str, Any]]:
    """The answer of `/readyz`: 200, or 503 with the reasons."""
    unready = health.unready()
    body: dict[str, Any] = {"ready": not unready, "reasons": [describe(state) for state in unready]}
    if verbose:
        body["components"] = [describe(state) for state in health.states()]
    return (503 if unready else 200), body


def admin_app(health: Health, status: Callable[[], dict[str, Any]], taps: Taps | None = None) -> web.Application:
    """The application. `status` gives what `/status` shows beside the components' states, `taps` what flows."""

    async def livez(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(request: web.Request) -> web.Response:
        code, body = readiness(health, verbose="verbose" in request.query)
        return _json(body, code)

    async def show(_request: web.Request) -> web.Response:
        return _json(status() | {"components": [describe(state) for state in health.states()]})

    app = web.Application(client_max_size=0)
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/status", show)
    if taps:
        tapping(app, taps)
    return app


def _json(body: dict[str, Any], code: int = 200) -> web.Response:
    data = orjson.dumps(body, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return web.Response(body=data, status=code, content_type="application/json")
