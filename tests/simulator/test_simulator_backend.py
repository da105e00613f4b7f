"""The backend of a trial: what it takes, counts and refuses."""

import aiohttp
import pytest

from shipper.core.record import Record
from shipper.net.server import Listener
from shipper.simulator.backend import CountingBackend
from shipper.testing import make_record
from shipper.wire import otlp, otlp_json
from shipper.wire.compress import compress


def payload(*uids: str) -> bytes:
    records: list[Record] = [make_record(uid) for uid in uids]
    return otlp.encode(records, {"service.name": "github"}, ("test", "1"))


@pytest.fixture
async def backend():
    """Its URL, and what it told: records of a request, distinct ones so far."""
    told: list[tuple[int, int]] = []
    listener = Listener(CountingBackend(lambda *counts: told.append(counts)).app(), "127.0.0.1:0")
    await listener.start()
    yield f"http://{listener.host}:{listener.port}/v1/logs", told
    await listener.close()


async def post(url: str, body: bytes, kind: str = "application/x-protobuf", encoding: str = "identity") -> int:
    headers = {"Content-Type": kind, "Content-Encoding": encoding}
    async with aiohttp.ClientSession() as client, client.post(url, data=body, headers=headers) as response:
        return response.status


async def test_records_and_distinct_ones_are_counted_in_every_encoding(backend) -> None:
    url, told = backend
    as_json = otlp_json.encode(otlp.decode(payload("b", "c", "d")))
    assert await post(url, payload("a", "b")) == 200
    assert await post(url, as_json, "application/json") == 200
    assert await post(url, compress(payload("d"), "gzip"), encoding="gzip") == 200
    assert await post(url, compress(payload("e"), "zstd"), encoding="zstd") == 200
    assert told == [(2, 2), (3, 4), (1, 4), (1, 5)]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"\xff", "application/x-protobuf"),
        (b"[]", "application/json"),
        (b'{"resourceLogs":[{}]}', "application/json"),
    ],
)
async def test_what_is_no_otlp_is_refused_and_not_counted(backend, body: bytes, kind: str) -> None:
    url, told = backend
    assert await post(url, body, kind) == 400
    assert told == []
