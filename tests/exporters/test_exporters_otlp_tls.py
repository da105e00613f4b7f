"""TLS as OTLP exporters use it: verified by default, own authorities, client certificates."""

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from otlp_backends import Backend, GRPCBackend, HTTPBackend, context, window

from shipper.core.component import Exporter
from shipper.core.errors import Unavailable
from shipper.exporters.otlp_grpc import Config as GRPCConfig
from shipper.exporters.otlp_grpc import OTLPExporter
from shipper.exporters.otlp_http import Config as HTTPConfig
from shipper.exporters.otlp_http import OTLPHTTPExporter

Config = dict[str, Any]

WANTED = "it may want a client certificate that it trusts (tls.cert_file, tls.key_file)"


@dataclass
class World:
    """A backend with TLS, and the authority that signed for it, over one transport."""

    transport: str
    folder: Path
    stack: AsyncExitStack
    ca: trustme.CA

    def exporter(self, backend: Backend, **tls: Any) -> Exporter:
        around = context(self.folder)
        if isinstance(backend, HTTPBackend):
            return OTLPHTTPExporter(HTTPConfig.model_validate({"endpoint": backend.url, "tls": tls}), around)
        assert isinstance(backend, GRPCBackend)
        return OTLPExporter(GRPCConfig.model_validate({"endpoint": backend.endpoint, "tls": tls}), around)

    async def backend(
        self,
        *names: str,
        clients: trustme.CA | None = None,
        newest: Any = None,
        until: datetime | None = None,
        port: int = 0,
    ) -> Backend:
        """A backend whose certificate is for these names; it wants clients that this authority signed for."""
        leaf = self.ca.issue_cert(*names, not_after=until)
        if self.transport == "http":
            server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            leaf.configure_cert(server)
            if clients:
                server.verify_mode = ssl.CERT_REQUIRED
                clients.configure_trust(server)
            if newest:
                server.maximum_version = newest
            return await self.stack.enter_async_context(HTTPBackend(tls=server))
        chain = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
        credentials = grpc.ssl_server_credentials(
            [(leaf.private_key_pem.bytes(), chain)],
            clients.cert_pem.bytes() if clients else None,
            require_client_auth=bool(clients),
        )
        return await self.stack.enter_async_context(GRPCBackend(credentials=credentials, port=port))

    def write(self, name: str, *pems: Any) -> str:
        (self.folder / name).write_bytes(b"".join(pem.bytes() for pem in pems))
        return name

    def client(self, ca: trustme.CA) -> Config:
        leaf = ca.issue_cert("shipper@example.com")
        return {
            "cert_file": self.write("client.pem", *leaf.cert_chain_pems),
            "key_file": self.write("client.key", leaf.private_key_pem),
        }


@pytest.fixture(params=["http", "grpc"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        found = World(request.param, tmp_path, stack, trustme.CA())
        found.write("ca.pem", found.ca.cert_pem)
        yield found


async def arrives(exporter: Exporter, backend: Backend) -> None:
    async with exporter:
        await exporter.export(window("a"))
        assert "TLS" in await exporter.check() or "https" in await exporter.check()
    assert backend.requests[0].bodies == ["a"]


async def refused(exporter: Exporter) -> Unavailable:
    async with exporter:
        with pytest.raises(Unavailable) as raised:
            await exporter.export(window("a"))
    return raised.value


async def test_an_own_authority_is_trusted(world: World) -> None:
    backend = await world.backend("127.0.0.1")
    await arrives(world.exporter(backend, ca_file="ca.pem"), backend)


async def test_verification_is_the_default(world: World) -> None:
    backend = await world.backend("127.0.0.1")
    fault = await refused(world.exporter(backend))
    assert "is not trusted (unable to get local issuer certificate); name its authority" in fault.reason
    assert fault.blocked
    assert backend.requests == []


async def test_the_name_in_the_certificate_is_checked(world: World) -> None:
    backend = await world.backend("collector.example.com")
    fault = await refused(world.exporter(backend, ca_file="ca.pem"))
    assert "is for another name" in fault.reason
    assert fault.blocked
    assert backend.requests == []


async def test_a_certificate_that_has_expired_is_refused(world: World) -> None:
    backend = await world.backend("127.0.0.1", until=datetime.now(UTC) - timedelta(days=1))
    fault = await refused(world.exporter(backend, ca_file="ca.pem"))
    assert "has expired; renew it at the server" in fault.reason
    assert fault.blocked


async def test_over_grpc_insecure_skip_verify_does_not_skip_the_dates(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        world = World("grpc", tmp_path, stack, trustme.CA())
        backend = await world.backend("127.0.0.1", until=datetime.now(UTC) - timedelta(days=1))
        fault = await refused(world.exporter(backend, insecure_skip_verify=True))
        assert "has expired; renew it at the server" in fault.reason


async def test_over_grpc_insecure_skip_verify_takes_a_renewed_certificate(tmp_path: Path) -> None:
    """The library can only be told to trust the certificate that the server showed when we connected."""
    async with AsyncExitStack() as stack:
        former = World("grpc", tmp_path, AsyncExitStack(), trustme.CA())
        backend = await former.backend("127.0.0.1")
        assert isinstance(backend, GRPCBackend)
        exporter = await stack.enter_async_context(former.exporter(backend, insecure_skip_verify=True))
        await exporter.export(window("a"))
        await former.stack.aclose()
        world = World("grpc", tmp_path, stack, trustme.CA())
        renewed = await world.backend("127.0.0.1", port=backend.port)
        with pytest.raises(Unavailable):
            await exporter.export(window("b"))
        await exporter.export(window("b"))
        assert [request.bodies for request in renewed.requests] == [["b"]]


async def test_server_name_override_is_the_name_to_look_for(world: World) -> None:
    backend = await world.backend("collector.example.com")
    await arrives(world.exporter(backend, ca_file="ca.pem", server_name_override="collector.example.com"), backend)


@pytest.mark.parametrize("name", ["collector.example.com", "*.example.com", "192.0.2.1"])
async def test_insecure_skip_verify_takes_any_certificate(world: World, name: str) -> None:
    backend = await world.backend(name)
    await arrives(world.exporter(backend, insecure_skip_verify=True), backend)


async def test_a_client_certificate_is_shown(world: World) -> None:
    clients = trustme.CA()
    backend = await world.backend("127.0.0.1", clients=clients)
    await arrives(world.exporter(backend, ca_file="ca.pem", **world.client(clients)), backend)


async def test_without_a_client_certificate_a_backend_that_wants_one_refuses(world: World) -> None:
    backend = await world.backend("127.0.0.1", clients=trustme.CA())
    for own in ({}, world.client(trustme.CA())):
        fault = await refused(world.exporter(backend, ca_file="ca.pem", **own))
        if world.transport == "grpc":  # over HTTP, a reset may overtake the alert that says so
            assert WANTED in fault.reason
    assert backend.requests == []


async def test_over_http_a_backend_that_refuses_the_client_certificate_says_so(tmp_path: Path) -> None:
    """Its alert comes behind the handshake, in place of an answer."""
    ca = trustme.CA()
    World("http", tmp_path, AsyncExitStack(), ca).write("ca.pem", ca.cert_pem)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(server)
    server.verify_mode = ssl.CERT_REQUIRED

    def refuse_one(listener: socket.socket) -> None:
        wrapped = server.wrap_socket(listener.accept()[0], server_side=True, do_handshake_on_connect=False)
        with contextlib.suppress(ssl.SSLError):
            wrapped.do_handshake()
        with socket.socket(fileno=wrapped.detach()) as plain:
            plain.shutdown(socket.SHUT_WR)
            while plain.recv(2**16):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        refusing = asyncio.create_task(asyncio.to_thread(refuse_one, listener))
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        config = HTTPConfig.model_validate({"endpoint": url, "tls": {"ca_file": "ca.pem"}})
        fault = await refused(OTLPHTTPExporter(config, context(tmp_path)))
        await refusing
    assert WANTED in fault.reason
    assert fault.blocked


async def test_min_version_1_3_is_spoken(world: World) -> None:
    backend = await world.backend("127.0.0.1")
    await arrives(world.exporter(backend, ca_file="ca.pem", min_version=1.3), backend)


async def test_an_older_version_than_min_version_is_refused(tmp_path: Path) -> None:
    """The gRPC exporter looks at the server by the same context first, so HTTP stands for both."""
    async with AsyncExitStack() as stack:
        world = World("http", tmp_path, stack, trustme.CA())
        world.write("ca.pem", world.ca.cert_pem)
        backend = await world.backend("127.0.0.1", newest=ssl.TLSVersion.TLSv1_2)
        await arrives(world.exporter(backend, ca_file="ca.pem"), backend)
        assert isinstance(backend, HTTPBackend)
        await refused(world.exporter(backend, ca_file="ca.pem", min_version="1.3"))
        over_grpc = OTLPExporter(
            GRPCConfig.model_validate(
                {"endpoint": backend.url, "tls": {"ca_file": "ca.pem", "min_version": "1.3"}}
            ),
            context(tmp_path),
        )
        assert "broke off" in (await refused(over_grpc)).reason


async def test_renewed_files_are_taken_up_without_a_restart(world: World) -> None:
    backend = await world.backend("127.0.0.1")
    world.write("ca.pem", trustme.CA().cert_pem)
    exporter = world.exporter(backend, ca_file="ca.pem")
    async with exporter:
        with pytest.raises(Unavailable):
            await exporter.export(window("a"))
        (world.folder / "ca.pem").unlink()
        with pytest.raises(Unavailable, match=r"there is no file ca\.pem"):
            await exporter.export(window("a"))
        world.write("ca.pem", world.ca.cert_pem)
        os.utime(world.folder / "ca.pem", ns=(1, 1))
        await exporter.export(window("a"))
    assert [request.bodies for request in backend.requests] == [["a"]]


async def test_a_backend_without_tls_is_an_outage(world: World) -> None:
    server: Backend = await world.stack.enter_async_context(
        HTTPBackend() if world.transport == "http" else GRPCBackend()
    )
    exporter: Exporter
    if isinstance(server, HTTPBackend):
        config = HTTPConfig(endpoint=server.url.replace("http:", "https:"))
        exporter = OTLPHTTPExporter(config, context(world.folder))
    else:
        exporter = world.exporter(server)
    fault = await refused(exporter)
    assert "does the port speak TLS?" in fault.reason
    assert fault.blocked
    assert server.requests == []


async def test_over_grpc_a_backend_that_wants_tls_is_an_outage(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        backend = await World("grpc", tmp_path, stack, trustme.CA()).backend("127.0.0.1")
        assert isinstance(backend, GRPCBackend)
        config = GRPCConfig.model_validate({"endpoint": backend.endpoint, "tls": {"insecure": True}})
        fault = await refused(OTLPExporter(config, context(tmp_path)))
        assert fault.reason == f"{backend.endpoint} hung up at our first word; is tls set right?"


async def test_over_grpc_what_is_wrong_is_said_in_the_same_words_each_time(tmp_path: Path) -> None:
    """The library names one of the addresses that it tried, and not always the same."""
    async with GRPCBackend() as gone:
        endpoint = gone.endpoint.replace("127.0.0.1", "localhost")
    config = GRPCConfig.model_validate({"endpoint": endpoint, "tls": {"insecure": True}})
    async with OTLPExporter(config, context(tmp_path)) as exporter:
        for _ in range(5):
            with pytest.raises(Unavailable) as raised:
                await exporter.export(window("a"))
            assert raised.value.reason == (
                f"nothing listens at {endpoint}; is the server running, and the port right?"
            )


@pytest.mark.parametrize(("scheme", "insecure", "secure"), [("https", True, True), ("http", False, False)])
def test_over_grpc_the_scheme_decides_on_tls(scheme: str, insecure: bool, secure: bool) -> None:
    config = GRPCConfig.model_validate({"endpoint": f"{scheme}://collector:4317", "tls": {"insecure": insecure}})
    assert OTLPExporter(config, context())._secure is secure
