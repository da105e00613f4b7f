"""The HTTP session: one origin, whole answers, and nothing handed to anybody else."""

import asyncio
import contextlib
import gzip
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
import trustme
from aiohttp import web
from yarl import URL

from shipper.core.component import Paths
from shipper.core.errors import Unavailable
from shipper.net.http import Answer, ForeignOrigin, Session, TimedOut, TooLarge
from shipper.net.tls import TLSConfig, session_tls

TOKEN = {"Authorization": "Bearer secret"}


@asynccontextmanager
async def serving(handler, tls=None):
    """A server on loopback; its port."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def unexpected(request):
    raise AssertionError(request.path)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def test_an_answer_is_status_headers_and_body():
    async def handler(request):
        return web.Response(status=403, body=b"no", headers=[("Link", "<a>"), ("Link", "<b>"), ("X-One", "1")])

    async with serving(handler) as port, Session(f"http://127.0.0.1:{port}") as session:
        answer = await session.request("GET", f"http://127.0.0.1:{port}/x", TOKEN)
    assert (answer.status, answer.body) == (403, b"no")
    assert (answer.headers["link"], answer.headers["x-one"]) == ("<a>, <b>", "1")


async def test_an_address_is_sent_as_it_is_written():
    async def handler(request):
        return web.Response(text=request.raw_path)

    path = "/orgs/a%2Fb/x?phrase=created:%3E%3D2024-01-01T00:00:00%2B00:00&after=a%2Cb=="
    async with serving(handler) as port, Session(f"http://127.0.0.1:{port}") as session:
        answer = await session.request("GET", f"http://127.0.0.1:{port}{path}", {})
    assert answer.body.decode() == path


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/x",
        "http://localhost:{port}/x",
        "https://127.0.0.1:{port}/x",
        "http://127.0.0.1:{port}@evil.example/x",
        "http://127.0.0.1.evil.example:{port}/x",
        "//evil.example/x",
        "/x",
        "http://[",
        "",
    ],
)
async def test_another_origin_gets_nothing(url):
    async with serving(unexpected) as port, Session(f"http://127.0.0.1:{port}") as session:
        with pytest.raises(ForeignOrigin):
            await session.request("GET", url.format(port=port), TOKEN)


async def test_a_redirect_is_an_answer():
    async def handler(request):
        return web.Response(status=302, headers={"Location": "http://evil.example/"})

    async with serving(handler) as port, Session(f"http://127.0.0.1:{port}") as session:
        answer = await session.request("GET", f"http://127.0.0.1:{port}/", TOKEN)
    assert (answer.status, answer.headers["location"]) == (302, "http://evil.example/")


async def test_cookies_are_not_kept():
    seen = []

    async def handler(request):
        seen.append(request.headers.get("Cookie"))
        return web.Response(headers={"Set-Cookie": "a=b"})

    async with serving(handler) as port, Session(f"http://127.0.0.1:{port}") as session:
        for _ in range(2):
            await session.request("GET", f"http://127.0.0.1:{port}/", {})
    assert seen == [None, None]


async def test_credentials_of_netrc_are_not_used(tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password hunter2\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    async def handler(request):
        return web.Response(text=request.headers["Authorization"])

    async with serving(handler) as port, Session(f"http://127.0.0.1:{port}") as session:
        assert (await session.request("GET", f"http://127.0.0.1:{port}/", TOKEN)).body == b"Bearer secret"


@pytest.mark.parametrize("compressed", [False, True])
async def test_an_answer_beyond_the_limit_is_cut_off(compressed):
    """Compressed ones are measured by what comes out."""

    async def handler(request):
        body = b"x" * 5_000_000
        if compressed:
            return web.Response(body=gzip.compress(body), headers={"Content-Encoding": "gzip"})
        return web.Response(body=body)

    async with serving(handler) as port, Session(f"http://127.0.0.1:{port}", max_body=2**20) as session:
        with pytest.raises(TooLarge, match="larger than 1 MiB"):
            await session.request("GET", f"http://127.0.0.1:{port}/", {})


async def test_an_answer_that_breaks_off_is_none():
    async def handler(request):
        response = web.StreamResponse()
        response.content_length = 100
        await response.prepare(request)
        await response.write(b"[1, 2")
        request.transport.abort()
        return response

    async with serving(handler) as port, Session(f"http://127.0.0.1:{port}") as session:
        with pytest.raises(Unavailable, match="broke"):
            await session.request("GET", f"http://127.0.0.1:{port}/", {})


async def test_an_answer_that_does_not_come_is_given_up():
    gone = asyncio.Event()

    async def handler(request):
        await gone.wait()

    async with serving(handler) as port, Session(f"http://127.0.0.1:{port}", timeout=0.05) as session:
        with pytest.raises(TimedOut, match="no answer in time"):
            await session.request("GET", f"http://127.0.0.1:{port}/", {})
        gone.set()


async def test_a_closed_port_says_so():
    async with serving(unexpected) as port:
        pass
    async with Session(f"http://127.0.0.1:{port}") as session:
        with pytest.raises(Unavailable, match=r"cannot connect to 127\.0\.0\.1"):
            await session.request("GET", f"http://127.0.0.1:{port}/", {})


async def test_a_server_with_an_authority_of_its_own(tmp_path):
    ca = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(server)

    async def handler(request):
        return web.Response(text="ok")

    async with serving(handler, server) as port:
        url = f"https://127.0.0.1:{port}"
        async with Session(url) as session:
            with pytest.raises(Unavailable, match=r"not trusted .*; name its authority in tls\.ca_file"):
                await session.request("GET", url, TOKEN)
        trusting = ssl.create_default_context()
        ca.configure_trust(trusting)
        async with Session(url, tls=trusting) as session:
            assert (await session.request("GET", url, TOKEN)).body == b"ok"


@pytest.fixture
def folder(tmp_path):
    """An authority, and a server's certificate by it for other.example."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("other.example").configure_cert(server)
    return Paths(tmp_path, tmp_path), server


async def ask(url, paths, **tls):
    """By a session with this configuration; `proxy` is its proxy."""
    proxy = tls.pop("proxy", None)
    trust = session_tls(TLSConfig(ca_file="ca.pem", **tls), paths, URL(url).host)
    async with Session(url, tls=trust, proxy_url=proxy) as session:
        return (await session.request("GET", url, TOKEN)).body


async def ok(request):
    return web.Response(text="ok")


async def test_server_name_override_is_the_name_to_look_for(folder):
    paths, server = folder
    names = []
    server.sni_callback = lambda _, name, __: names.append(name)
    async with serving(ok, server) as port:
        url = f"https://127.0.0.1:{port}"
        assert await ask(url, paths, server_name_override="other.example") == b"ok"
    assert names == ["other.example"]


async def test_server_name_override_holds_behind_a_proxy(folder):
    """The client forgets its own `server_hostname` there."""
    paths, server = folder
    async with serving(ok, server) as port, tunnel(port) as proxy:
        url = "https://github.test"
        assert await ask(url, paths, proxy=proxy, server_name_override="other.example") == b"ok"
        with pytest.raises(Unavailable, match=r"github\.test is for another name than github\.test"):
            await ask(url, paths, proxy=proxy)


@asynccontextmanager
async def tunnel(port):
    """A proxy that leads each CONNECT to a port of this machine; its address."""

    async def pump(reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    async def connect(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        there, out = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(pump(reader, out), pump(there, writer))
        await asyncio.gather(out.wait_closed(), writer.wait_closed(), return_exceptions=True)
        done.release()

    done = asyncio.Semaphore(0)
    async with await asyncio.start_server(connect, "127.0.0.1", 0) as proxy:
        yield f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        for _ in range(2):
            await done.acquire()


@pytest.mark.parametrize(
    ("tls", "name"), [({}, r"127\.0\.0\.1"), ({"server_name_override": "third.example"}, r"third\.example")]
)
async def test_a_certificate_for_another_name_has_a_message_of_its_own(folder, tls, name):
    paths, server = folder
    cure = r"set tls\.server_name_override to a name that it is for, or correct the address"
    async with serving(unexpected, server) as port:
        with pytest.raises(Unavailable, match=rf"of 127\.0\.0\.1 is for another name than {name}; {cure}$"):
            await ask(f"https://127.0.0.1:{port}", paths, **tls)


async def test_a_certificate_that_has_expired_is_not_called_untrusted(folder):
    paths, server = folder
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(paths.output("ca.pem")))
    ca.issue_cert("127.0.0.1", not_after=datetime(2020, 1, 1, tzinfo=UTC)).configure_cert(server)
    async with serving(unexpected, server) as port:
        with pytest.raises(Unavailable, match="has expired; renew it at the server"):
            await ask(f"https://127.0.0.1:{port}", paths)


async def test_a_proxy_is_asked_instead():
    async def handler(request):
        return web.Response(text=f"{request.method} {request.raw_path}")

    async with serving(handler) as port:
        proxy = f"http://127.0.0.1:{port}"
        async with Session("http://github.test", proxy_url=proxy) as session:
            answer = await session.request("GET", "http://github.test/x?a=b", {})
    assert answer.body == b"GET http://github.test/x?a=b"


async def test_a_proxy_that_refuses_is_named_as_the_cause():
    """A web server is no proxy: it knows no CONNECT. A closed port is none either."""
    async with (
        serving(unexpected) as port,
        Session("https://github.test", proxy_url=f"http://127.0.0.1:{port}") as session,
    ):
        with pytest.raises(Unavailable, match="the proxy refused the connection with status 404"):
            await session.request("GET", "https://github.test/", {})
    async with Session("https://github.test", proxy_url=f"http://127.0.0.1:{port}") as session:
        with pytest.raises(Unavailable, match=r"the proxy cannot be reached; check proxy_url$"):
            await session.request("GET", "https://github.test/", {})


async def test_a_proxy_of_the_environment_is_named_by_its_variable(monkeypatch):
    async with serving(unexpected) as port:
        pass
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    async with Session("https://github.test") as session:
        cure = "check the variable HTTPS_PROXY, or name github.test in NO_PROXY"
        with pytest.raises(Unavailable, match=f"the proxy cannot be reached; {cure}$"):
            await session.request("GET", "https://github.test/", {})


async def test_this_machine_is_reached_without_the_environments_proxy(monkeypatch):
    """Else nobody behind a proxy could try the simulator."""

    async def handler(request):
        return web.Response(text="ok")

    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with serving(handler) as port, Session(f"http://127.0.0.1:{port}") as session:
        assert (await session.request("GET", f"http://127.0.0.1:{port}/", {})).body == b"ok"


def test_an_answer_is_a_plain_tuple():
    assert Answer(200, {}, b"") == (200, {}, b"")
