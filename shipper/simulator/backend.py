"""An OTLP backend on localhost that only counts: what the other end of a trial is."""

from collections.abc import Callable
from typing import Final

import orjson
from aiohttp import web

from shipper.core.record import UID
from shipper.wire import otlp
from shipper.wire.compress import decompress

#: The port of OTLP over HTTP.
DEFAULT_PORT: Final = 4318
_LIMIT: Final = 64 * 2**20


class CountingBackend:
    """Takes logs by OTLP over HTTP, in protobuf or JSON.

    Args:
        tell: called with each request's records and the distinct ones so far.
    """

    def __init__(self, tell: Callable[[int, int], None]) -> None:
        self._tell = tell
        self._uids: set[str] = set()

    def app(self) -> web.Application:
        """The application; it serves `/v1/logs`."""
        app = web.Application(client_max_size=_LIMIT)
        app.router.add_post("/v1/logs", self._take)
        return app

    async def _take(self, request: web.Request) -> web.Response:
        as_json = request.content_type == "application/json"
        try:
            data = decompress(await request.read(), request.headers.get("Content-Encoding", ""), _LIMIT)
            uids = _uids_of_json(data) if as_json else [each.record.uid for each in otlp.decode(data)]
        except (ValueError, TypeError, KeyError):
            raise web.HTTPBadRequest(text="no OTLP logs") from None
        self._uids.update(uids)
        if uids:
            self._tell(len(uids), len(self._uids))
        return web.Response(body=b"{}" if as_json else b"", content_type=request.content_type)


def _uids_of_json(data: bytes) -> list[str]:
    return [
        next((pair["value"].get("stringValue", "") for pair in record["attributes"] if pair["key"] == UID), "")
        for resource in orjson.loads(data)["resourceLogs"]
        for scope in resource["scopeLogs"]
        for record in scope["logRecords"]
    ]
