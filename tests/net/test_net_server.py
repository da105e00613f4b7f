"""Listeners: whoever talks too much, too slowly or not at all is answered shortly, or hung up on."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from shipper.core.clock import SystemClock
from shipper.core.telemetry import Health
from shipper.net.server import MAX_HEADER, Listener, ListenError
from shipper.service.observe.admin import admin_app


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    listening = Listener(admin_app(Health(SystemClock()), dict), "127.0.0.1:0", patience=0.3)
    await listening.start()
    yield listening
    await listening.close()


async def said(listener: Listener, *parts: bytes, pause: float = 0.0) -> bytes:
    """All that a client gets that sends this, part by part."""
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    try:
        for part in parts:
            writer.write(part)
            await asyncio.sleep(pause)
        async with asyncio.timeout(5):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_a_request_is_answered(listener: Listener):
    answer = await said(listener, b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * (MAX_HEADER + 1) + b"\r\n\r\n",
        b"GET /" + b"x" * (MAX_HEADER + 1) + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"X-Many: x\r\n" * 5000 + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
    ids=["header", "line", "headers", "no HTTP"],
)
async def test_what_is_too_long_or_no_request_is_refused(listener: Listener, request_: bytes):
    answer = await said(listener, request_)
    assert not answer or answer.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))
    assert len(answer) < 2000


async def test_a_body_where_none_belongs_is_not_kept(listener: Listener):
    head = b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\nConnection: close\r\n\r\n"
    assert (await said(listener, head, b"x" * 100_000)).startswith(b"HTTP/1.1 405")


@pytest.mark.parametrize("parts", [[], [b"GET /livez HT"], [b"GET /livez HTTP/1.1\r\n", b"X: 1\r\n", b"X: 2\r\n"]])
async def test_a_client_that_sends_no_whole_request_is_hung_up_on(listener: Listener, parts: list[bytes]):
    """Each byte in its time keeps no connection open."""
    started = asyncio.get_running_loop().time()
    assert b"200" not in await said(listener, *parts, pause=0.05)
    assert asyncio.get_running_loop().time() - started < 3


async def test_a_client_that_says_nothing_more_is_hung_up_on(listener: Listener):
    answer = await said(listener, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /livez HT")
    assert answer.count(b"HTTP/1.1 200") == 1


async def test_an_answer_may_take_its_time():
    """As the tap does, which streams for as long as somebody watches."""

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(4):
            await response.write(b"x")
            await asyncio.sleep(0.1)
        return response

    app = web.Application()
    app.router.add_get("/", stream)
    listening = Listener(app, "127.0.0.1:0", patience=0.2)
    await listening.start()
    answer = await said(listening, b"GET / HTTP/1.0\r\n\r\n")
    await listening.close()
    assert answer.endswith(b"xxxx")


async def test_an_address_that_is_taken_is_said(listener: Listener):
    second = Listener(web.Application(), f"127.0.0.1:{listener.port}")
    with pytest.raises(ListenError, match=f"^cannot listen on 127.0.0.1:{listener.port}: address already in use$"):
        await second.start()
