"""Listeners: whoever talks too much, too slowly or not at all is answered shortly, or hung up on."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp.web_response import Response, StreamResponse

from shipper.core.clock import SystemClock
from shipper.core.telemetry import Health
from shipper.net.server import MAX_HEADER, Listener, ListenError, Site
from shipper.service.observe.admin import admin_site


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with Listener(admin_site(Health(SystemClock()), dict), "127.0.0.1:0", patience=0.3) as listening:
        yield listening


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

    async def stream(request):
        response = StreamResponse()
        await response.prepare(request)
        for _ in range(4):
            await response.write(b"x")
            await asyncio.sleep(0.1)
        return response

    async with Listener(Site({"/": stream}), "127.0.0.1:0", patience=0.2) as listening:
        answer = await said(listening, b"GET / HTTP/1.0\r\n\r\n")
    assert answer.endswith(b"xxxx")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /livez", b"200 OK"),
        (b"GET /livez?verbose", b"200 OK"),
        (b"HEAD /livez", b"200 OK"),
        (b"POST /livez", b"405 Method Not Allowed"),
        (b"GET /", b"404 Not Found"),
        (b"GET /livez/", b"404 Not Found"),
        (b"GET //livez", b"404 Not Found"),
        (b"DELETE /other", b"404 Not Found"),
    ],
)
async def test_each_path_has_its_method(listener: Listener, request_: bytes, status: bytes):
    answer = await said(listener, request_ + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status)
    assert (b"\r\nAllow: GET\r\n" in head) == status.startswith(b"405")
    assert bool(body) != request_.startswith(b"HEAD")


@pytest.mark.parametrize(("size", "status"), [(10, b"200 OK"), (11, b"413 Request Entity Too Large")])
async def test_a_body_has_a_limit(size: int, status: bytes):
    async def take(request):
        return Response(body=await request.read())

    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size
    async with Listener(Site({"/": take}, method="POST", max_body=10), "127.0.0.1:0") as listening:
        answer = await said(listening, head, b"x" * size)
    assert answer.startswith(b"HTTP/1.1 " + status)


async def test_who_waits_to_be_told_to_send_a_body_is_told():
    async def take(request):
        return Response(body=await request.read())

    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
    async with Listener(Site({"/": take}, method="POST"), "127.0.0.1:0") as listening:
        reader, writer = await asyncio.open_connection("127.0.0.1", listening.port)
        writer.write(head)
        async with asyncio.timeout(5):
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"x")
            answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\nx")


async def test_who_sends_a_body_too_slowly_is_hung_up_on():
    async def take(request):
        return Response(body=await request.read())

    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
    async with Listener(Site({"/": take}, method="POST"), "127.0.0.1:0", patience=0.2) as listening:
        assert await said(listening, head, *(b"x" for _ in range(9)), pause=0.05) == b""


async def test_an_address_that_is_taken_is_said(listener: Listener):
    second = Listener(Site({}), f"127.0.0.1:{listener.port}")
    with pytest.raises(ListenError, match=f"cannot listen on 127.0.0.1:{listener.port}: "):
        await second.start()
