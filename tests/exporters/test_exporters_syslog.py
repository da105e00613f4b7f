"""The syslog exporter against servers on loopback."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from random import Random

import pytest
import trustme
from pydantic import ValidationError

from shipper.core.batch import Scope
from shipper.core.clock import SystemClock
from shipper.core.component import Context, Exported, Paths
from shipper.core.errors import Rejected, Unavailable
from shipper.core.record import Record
from shipper.core.telemetry import Health, Meter
from shipper.exporters.syslog import SyslogExporter, component
from shipper.exporters.syslog_config import Config
from shipper.testing.exporters import check_exporter
from shipper.testing.syslog import SyslogServer, parse_rfc5424, split_octets
from shipper.wire import otlp
from shipper.wire.syslog import Formatter

RESOURCE = {"service.name": "github", "server.address": "api.github.com"}


@dataclass
class Window:
    """Records as the delivery loop hands them over."""

    otlp: bytes
    count: int

    @cached_property
    def records(self) -> list[Exported]:
        return otlp.decode(self.otlp)


def window(*uids: str, body: object = None) -> Window:
    name, time, stream = "github.audit_log.repo.access", 1767225600_123456789, {"stream": "audit_log"}
    records = [Record(uid, "audit_log", name, time, 0, body or {"n": uid}, stream) for uid in uids]
    return Window(otlp.encode(records, RESOURCE, Scope("shipper.receiver.github", "1")), len(records))


def exporter(tmp_path: Path, **config: object) -> SyslogExporter:
    clock = SystemClock()
    context = Context("syslog", Meter(), Health(clock), clock, Paths(tmp_path, tmp_path))
    settings = Config.model_validate({"endpoint": "127.0.0.1", "timeout": "5s"} | config)
    return component.build(settings, context)


def uids(messages: list[bytes]) -> list[str]:
    return [parse_rfc5424(message).structured_data["github@32473"]["uid"] for message in messages]


def sequence(messages: list[bytes]) -> list[int]:
    return [int(parse_rfc5424(message).structured_data["meta"]["sequenceId"]) for message in messages]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def server() -> AsyncIterator[SyslogServer]:
    async with SyslogServer() as listening:
        yield listening


def server_tls(authority: trustme.CA, *, client: trustme.CA | None = None, newest: ssl.TLSVersion | None = None):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("siem.test", "127.0.0.1").configure_cert(context)
    if client:
        client.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    if newest:
        context.maximum_version = newest
    return context


async def test_records_arrive_as_rfc5424_with_octet_counting_over_one_connection(
    server: SyslogServer, tmp_path: Path
):
    """CONTRACT 3, field by field; the sequence goes on from window to window."""
    async with exporter(tmp_path, port=server.port) as syslog:
        await syslog.export(window("a", "b"))
        await syslog.export(window("c"))
        messages = await server.wait(3)
    first = parse_rfc5424(messages[0])
    assert (first.facility, first.severity, first.hostname, first.app_name) == (13, 6, "api.github.com", "github")
    assert (first.procid, first.msgid, first.text) == ("-", "repo.access", '{"n":"a"}')
    assert first.structured_data == {
        "github@32473": {"uid": "a", "action": "repo.access", "stream": "audit_log"},
        "meta": {"sequenceId": "1"},
    }
    assert (uids(messages), sequence(messages), server.connections) == (["a", "b", "c"], [1, 2, 3], 1)


async def test_each_message_is_a_line_where_octet_counting_is_off(tmp_path: Path):
    """Even a body that is text with line breaks stays one line."""
    async with (
        SyslogServer(framing="lines") as server,
        exporter(tmp_path, port=server.port, enable_octet_counting=False) as syslog,
    ):
        await syslog.export(window("a", "b", body="one\ntwo\r\n<34>1 - - - - - - three"))
        messages = await server.wait(2)
    assert uids(messages) == ["a", "b"]
    assert parse_rfc5424(messages[0]).text == r"one\u000atwo\u000d\u000a<34>1 - - - - - - three"


async def test_a_peer_that_hung_up_is_noticed_before_the_next_window(server: SyslogServer, tmp_path: Path):
    """The next window goes over a new connection; since it hung up so soon, the last one is sent again."""
    async with exporter(tmp_path, port=server.port) as syslog:
        await syslog.export(window("a"))
        await server.hang_up()
        await syslog.export(window("b"))
        messages = await server.wait(3)
    assert server.connections == 2
    assert uids(messages) == ["a", "a", "b"]
    assert sequence(messages) == [1, 2, 3]


async def test_what_a_server_has_read_is_settled_by_its_goodbye(server: SyslogServer, tmp_path: Path):
    """We end the connection, and so does a server that has read everything: nothing is sent twice."""
    async with exporter(tmp_path, port=server.port) as syslog:
        await syslog.export(window("a"))
        await syslog.export(window("b", "c"))
        assert syslog.doubtful == 3
        await syslog.settled()
        assert (syslog.doubtful, uids(server.received), server.ended) == (0, ["a", "b", "c"], 1)
        await syslog.export(window("d"))
        assert uids(await server.wait(4)) == ["a", "b", "c", "d"]
    assert server.connections == 2


async def test_what_was_in_doubt_is_sent_again_without_waiting_for_another_window(
    server: SyslogServer, tmp_path: Path
):
    """An end that nobody asked for proves nothing: the server may have been in a hurry."""
    async with exporter(tmp_path, port=server.port) as syslog:
        await syslog.export(window("a"))
        await server.hang_up()
        await syslog.settled()
        assert uids(server.received) == ["a", "a"]


async def test_a_server_that_always_hangs_up_gets_nothing_for_ever(tmp_path: Path):
    """It ends what was sent again in order too, and then nothing is in doubt."""
    async with Fickle(cut_after=(2,) * 9) as server, exporter(tmp_path, port=server.port) as syslog:
        for sent in (window("a", "b"), window("c", "d")):
            await syslog.export(sent)
            await server.wait_ended(server.connections)
            await syslog.settled()
    assert uids(server.received) == ["a", "b", "a", "b", "c", "d", "c", "d"]


@pytest.mark.parametrize("abrupt", [False, True])
@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_is_lost_however_often_the_server_breaks_off(tmp_path: Path, seed: int, abrupt: bool):
    """Cut at random places, it throws away what it had not looked at; duplicates stay within the promise."""
    random = Random(seed)
    cuts = tuple(random.randint(0, 25) for _ in range(20))
    everything = [f"{number}" for number in range(300)]
    async with (
        SyslogServer(cut_after=cuts, abrupt=abrupt) as server,
        exporter(tmp_path, port=server.port) as syslog,
    ):
        for start in range(0, len(everything), 10):
            await until_done(partial(syslog.export, window(*everything[start : start + 10])))
            if syslog.doubtful == 20:
                await until_done(syslog.settled)
        await until_done(syslog.settled)
        breaks = len(cuts)
    assert set(uids(server.received)) == set(everything)
    assert len(server.received) <= len(everything) + breaks * 20
    numbers = sequence(server.received)
    assert numbers == sorted(set(numbers))


async def until_done(step: Callable[[], Awaitable[None]]) -> None:
    """As often as it takes, as the delivery loop does."""
    while True:
        try:
            return await step()
        except Unavailable:
            continue


class Fickle(SyslogServer):
    """Ends connections in order, a little later than one would call at once."""

    async def _keep(self, message: bytes) -> None:
        await super()._keep(message)
        if len(self.received) % 2 == 0:
            await asyncio.sleep(0.1)


async def test_what_a_stalled_server_never_read_is_sent_again(tmp_path: Path):
    """Its system took the bytes of two windows, it broke off behind our goodbye: a new connection takes them."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        async with exporter(tmp_path, port=listening.getsockname()[1]) as syslog:
            await syslog.export(window("a"))
            await syslog.export(window("b"))
            stalled, _ = listening.accept()
            loop = asyncio.get_running_loop()
            loop.call_later(0.1, stalled.close)  # with the messages unread: a reset
            with pytest.raises(Unavailable, match="did not show that it has read everything"):
                await syslog.settled()
            assert syslog.doubtful == 2
            asking = asyncio.create_task(syslog.settled())
            again, _ = await asyncio.to_thread(listening.accept)
            with again:
                again.settimeout(5)
                stream = b""
                while data := await asyncio.to_thread(again.recv, 65536):
                    stream += data
            await asking
    assert uids(split_octets(stream)) == ["a", "b"]


async def test_a_server_that_never_says_goodbye_gets_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Its system has everything, and more can't be known; it is not asked again over the next connection."""
    monkeypatch.setattr("shipper.exporters.syslog._GOODBYE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        async with exporter(tmp_path, port=listening.getsockname()[1]) as syslog:
            await syslog.export(window("a"))
            first, _ = listening.accept()
            await syslog.settled()
            await syslog.export(window("b"))
            second, _ = listening.accept()
            await syslog.settled()
            await syslog.export(window("c"))
            await syslog.settled()
        streams = [split_octets(connection.recv(65536)) for connection in (first, second)]
        first.close()
        second.close()
    assert [uids(stream) for stream in streams] == [["a"], ["b", "c"]]


async def test_a_server_that_confirmed_before_and_stalls_now_is_not_taken_for_a_silent_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It may break off yet: what it let us wait for is sent again, once."""
    monkeypatch.setattr("shipper.exporters.syslog._GOODBYE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        loop = asyncio.get_running_loop()
        async with exporter(tmp_path, port=listening.getsockname()[1]) as syslog:
            await syslog.export(window("a"))
            first, _ = await loop.sock_accept(listening)
            loop.call_later(0.05, first.shutdown, socket.SHUT_WR)
            await syslog.settled()
            await syslog.export(window("b"))
            with pytest.raises(Unavailable, match="did not show that it has read everything"):
                await syslog.settled()
            assert syslog.doubtful == 1
            await syslog.settled()
            assert syslog.doubtful == 0
            await syslog.export(window("c"))
            await syslog.settled()
            streams = [first, *[(await loop.sock_accept(listening))[0] for _ in range(3)]]
        received = [uids(split_octets(stream.recv(65536))) for stream in streams]
        for stream in streams:
            stream.close()
    assert received == [["a"], ["b"], ["b"], ["c"]]


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_goodbye_settles_over_tls_too(tmp_path: Path, authority: trustme.CA, newest: ssl.TLSVersion):
    """close_notify is answered by a server that has read everything before it."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = {"ca_file": "ca.pem"}
    async with (
        SyslogServer(tls=server_tls(authority, newest=newest)) as server,
        exporter(tmp_path, port=server.port, tls=tls) as syslog,
    ):
        for uid in "abc":
            await syslog.export(window(uid))
            await asyncio.wait_for(syslog.settled(), 2)
            assert syslog.doubtful == 0
        assert (uids(server.received), server.connections) == (["a", "b", "c"], 3)


async def test_datagrams_are_never_in_doubt(tmp_path: Path):
    """Nobody could ever tell, and their records would wait in storage for nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        async with exporter(tmp_path, port=listening.getsockname()[1], network="udp") as syslog:
            await syslog.export(window("a"))
            assert syslog.doubtful == 0


@pytest.mark.parametrize("abrupt", [False, True])
async def test_a_window_that_a_broken_connection_swallowed_is_sent_again(tmp_path: Path, abrupt: bool):
    """The server took 3 of 10 messages into its hands and threw the others away unread."""
    async with (
        SyslogServer(cut_after=(3,), abrupt=abrupt) as server,
        exporter(tmp_path, port=server.port) as syslog,
    ):
        for sent in (window(*"abcdefghij"), window("k")):
            await until_done(partial(syslog.export, sent))
        await until_done(syslog.settled)
    assert set(uids(server.received)) == set("abcdefghijk")
    assert len(server.received) <= 11 + 3


async def test_a_server_that_is_not_there_is_an_outage(tmp_path: Path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        async with exporter(tmp_path, port=free.getsockname()[1]) as syslog:
            with pytest.raises(Unavailable, match=r"nothing listens at 127\.0\.0\.1:") as refused:
                await syslog.export(window("a"))
    assert not refused.value.blocked


@pytest.mark.parametrize("endpoint", ["a..b", "x" * 64 + ".test", "absent.invalid"])
async def test_a_name_that_does_not_exist_is_an_outage(tmp_path: Path, endpoint: str):
    async with exporter(tmp_path, endpoint=endpoint) as syslog:
        with pytest.raises(Unavailable, match=r"the name in .* can't be resolved"):
            await syslog.export(window("a"))


async def test_a_server_that_reads_nothing_is_an_outage_after_the_timeout(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        async with exporter(tmp_path, port=port, timeout="300ms", max_message_size="16MiB") as syslog:
            with pytest.raises(Unavailable, match=r"did not take everything within 0\.3s"):
                await syslog.export(window("a", body="x" * 10_000_000))


async def test_tls_with_an_own_authority_and_a_client_certificate(tmp_path: Path, authority: trustme.CA):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    own = authority.issue_cert("shipper.test")
    own.private_key_and_cert_chain_pem.write_to_path(tmp_path / "own.pem")
    tls = {"ca_file": "ca.pem", "cert_file": "own.pem", "key_file": "own.pem", "server_name_override": "siem.test"}
    async with (
        SyslogServer(tls=server_tls(authority, client=authority)) as server,
        exporter(tmp_path, port=server.port, tls=tls) as syslog,
    ):
        assert await syslog.check() == f"TCP with TLSv1.3 to 127.0.0.1:{server.port}"
        await syslog.export(window("a"))
        await syslog.export(window("b"))
        assert uids(await server.wait(2)) == ["a", "b"]


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_refused_client_is_told_before_anything_counts_as_sent(
    tmp_path: Path, authority: trustme.CA, newest: ssl.TLSVersion
):
    """TLS 1.3 tells it only behind the handshake."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = server_tls(authority, client=authority, newest=newest)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        async with exporter(tmp_path, port=listening.getsockname()[1], tls={"ca_file": "ca.pem"}) as syslog:
            refusing = asyncio.create_task(asyncio.to_thread(refuse, listening, context))
            with pytest.raises(Unavailable, match=r"refused us in TLS .*tls\.cert_file") as refused:
                await syslog.export(window("a"))
            await refusing
    assert refused.value.blocked


def refuse(listening: socket.socket, context: ssl.SSLContext) -> None:
    connected, _ = listening.accept()
    with connected, pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        context.wrap_socket(connected, server_side=True)


@pytest.mark.parametrize(
    ("tls", "reason"),
    [
        ({}, "is not trusted .* name its authority in tls.ca_file"),
        ({"ca_file": "ca.pem", "server_name_override": "other.test"}, "is for another name than other.test;"),
    ],
)
async def test_a_server_that_is_not_who_it_should_be_gets_nothing(
    tmp_path: Path, authority: trustme.CA, tls: dict[str, str], reason: str
):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with (
        SyslogServer(tls=server_tls(authority)) as server,
        exporter(tmp_path, port=server.port, tls=tls) as syslog,
    ):
        with pytest.raises(Unavailable, match=reason) as refused:
            await syslog.export(window("a"))
    assert refused.value.blocked
    assert server.received == []


async def test_datagrams_over_udp(tmp_path: Path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        async with exporter(tmp_path, port=receiver.getsockname()[1], network="udp") as syslog:
            await syslog.export(window("a", "b"))
        messages = [receiver.recv(65536) for _ in range(2)]
    assert uids(messages) == ["a", "b"]


async def test_udp_where_nobody_listens_is_an_outage(tmp_path: Path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with exporter(tmp_path, port=port, network="udp") as syslog:
        with pytest.raises(Unavailable, match="nothing listens"):
            await syslog.export(window("a"))


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
async def test_a_unix_socket_of_either_kind(tmp_path: Path, kind: socket.SocketKind):
    path = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, kind) as receiver:
        receiver.bind(str(path))
        if kind is socket.SOCK_STREAM:
            receiver.listen()
        async with exporter(tmp_path, endpoint=str(path), network="unix", timeout="1s") as syslog:
            sending = asyncio.create_task(syslog.export(window("a")))
            if kind is socket.SOCK_STREAM:
                connected = await asyncio.to_thread(lambda: receiver.accept()[0])
                with connected:
                    message = (await asyncio.to_thread(connected.recv, 65536)).removesuffix(b"\n")
                    await sending
            else:
                await sending
                message = receiver.recv(65536)
    assert uids([message]) == ["a"]


async def test_a_long_message_is_cut_with_a_mark_within_the_limit(server: SyslogServer, tmp_path: Path):
    async with exporter(tmp_path, port=server.port) as syslog:
        await syslog.export(window("a", body={"text": "é" * 20_000}))
        (message,) = await server.wait(1)
    assert len(message) in (8191, 8192)
    assert parse_rfc5424(message).text.endswith("éé…[cut: 40166 bytes]")


async def test_long_messages_go_to_the_dead_letters_on_request(server: SyslogServer, tmp_path: Path):
    """The delivery loop is told which ones; nothing was sent."""
    records = [Record(uid, "audit_log", "x", 1, 1, "y" * size) for uid, size in (("a", 1), ("b", 9000), ("c", 1))]
    mixed = Window(otlp.encode(records, RESOURCE, Scope("s", "1")), 3)
    async with exporter(tmp_path, port=server.port, on_oversize="dead_letter") as syslog:
        with pytest.raises(Rejected, match="longer than max_message_size") as rejected:
            await syslog.export(mixed)
    assert rejected.value.indexes == [1]
    assert server.received == []


async def test_what_is_sent_again_is_refused_to_nobody(server: SyslogServer, tmp_path: Path):
    """Its sequenceId has a digit more by then, which must not make dead letters of the window behind it."""
    empty = window("a", body={"n": ""})
    (message,) = Formatter(Config(endpoint="s").style).messages(empty.records, 9)
    longest = window("a", body={"n": "x" * (1024 - message.size)})
    async with exporter(tmp_path, port=server.port, on_oversize="dead_letter", max_message_size=1024) as syslog:
        await syslog.export(window(*"bcdefghi"))
        await syslog.settled()
        await syslog.export(longest)
        await server.hang_up()
        await until_done(partial(syslog.export, window("z")))
        await until_done(syslog.settled)
    assert uids(server.received)[-3:] == ["a", "a", "z"]


async def test_check_sends_no_record(server: SyslogServer, tmp_path: Path):
    async with exporter(tmp_path, port=server.port) as syslog:
        assert await syslog.check() == f"TCP to 127.0.0.1:{server.port}"
    assert server.received == []


@pytest.mark.parametrize(
    ("config", "port"), [({}, 514), ({"tls": {}}, 6514), ({"tls": {"insecure": True}}, 514), ({"port": 1}, 1)]
)
def test_the_default_port_follows_tls(config: dict[str, object], port: int):
    assert Config.model_validate({"endpoint": "siem", **config}).target_port == port


@pytest.mark.parametrize(
    ("config", "octets"), [({}, True), ({"network": "unix"}, False), ({"enable_octet_counting": False}, False)]
)
def test_octets_are_counted_over_tcp_unless_told_otherwise(config: dict[str, object], octets: bool):
    assert (Config.model_validate({"endpoint": "/siem", **config}).framing.name == "OCTETS") is octets


@pytest.mark.parametrize(
    ("given", "number"), [("log_audit", 13), ("kern", 0), ("ftp", 11), ("local7", 23), (16, 16), ("4", 4)]
)
def test_a_facility_is_a_name_or_a_number(given: object, number: int):
    assert Config.model_validate({"endpoint": "siem", "facility": given}).facility == number


@pytest.mark.parametrize("given", ["audit", 24, -1, None, 1.5])
def test_what_is_no_facility_is_refused(given: object):
    with pytest.raises(ValidationError):
        Config.model_validate({"endpoint": "siem", "facility": given})


@pytest.mark.parametrize("endpoint", ["tcp://siem", "siem:6514", "[::1]:514", ""])
def test_the_endpoint_is_a_host_alone(endpoint: str):
    with pytest.raises(ValidationError):
        Config.model_validate({"endpoint": endpoint})


@pytest.mark.parametrize(
    ("config", "loc"),
    [
        ({"network": "udp", "tls": {}}, ("tls",)),
        ({"network": "udp", "enable_octet_counting": True}, ("enable_octet_counting",)),
        ({"network": "udp", "max_message_size": 65508}, ("max_message_size",)),
        ({"tls": {"ca_file": "absent.pem"}}, ("tls", "ca_file")),
    ],
)
def test_what_cannot_work_is_found_offline(tmp_path: Path, config: dict[str, object], loc: tuple[str, ...]):
    problems = list(component.check(Config.model_validate({"endpoint": "s", **config}), Paths(tmp_path, tmp_path)))
    assert [problem.loc for problem in problems] == [loc]


async def test_bodies_are_json_that_can_be_read_back(server: SyslogServer, tmp_path: Path):
    body = {"action": "repo.access", "nested": {"list": [1, 2.5, None, True]}, "text": 'a"b\\c]\n\x7f\u2028é'}
    async with exporter(tmp_path, port=server.port) as syslog:
        await syslog.export(window("a", body=body))
        (message,) = await server.wait(1)
    assert json.loads(parse_rfc5424(message).text) == body


class Backend(SyslogServer):
    """A server that the contract's checker switches off and on."""

    working = True

    @property
    def attempts(self) -> int:
        return self.connections

    def accept(self) -> None:
        self.working = True

    def fail(self) -> None:
        self.working = False
        for writer in self._writers:
            writer.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    def uids(self) -> list[str]:
        return uids(self.received)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.working:
            return await super()._serve(reader, writer)
        self.connections += 1
        return writer.close()


async def test_the_contract_of_exporters_holds(tmp_path: Path):
    async with Backend() as backend:
        await check_exporter(exporter(tmp_path, port=backend.port), backend)


async def test_what_several_connections_swallowed_one_after_the_other_is_still_in_doubt(tmp_path: Path):
    """A reset means bytes unread, so that a batch stays in doubt however often it was sent again."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        loop = asyncio.get_running_loop()
        async with exporter(tmp_path, port=listening.getsockname()[1]) as syslog:
            await syslog.export(window("a"))
            for _ in range(3):
                settling = asyncio.create_task(syslog.settled())
                swallowing, _ = await loop.sock_accept(listening)
                await asyncio.sleep(0.1)
                swallowing.close()  # with the message unread: a reset
                with pytest.raises(Unavailable, match="did not show that it has read everything"):
                    await settling
            settling = asyncio.create_task(syslog.settled())
            last, _ = await loop.sock_accept(listening)
            with last:
                _, _, message = (await loop.sock_recv(last, 65536)).partition(b" ")
                assert await loop.sock_recv(last, 65536) == b""
            await settling
    assert uids([message]) == ["a"]


async def test_a_goodbye_that_was_cut_short_settles_nothing(tmp_path: Path):
    """Who is stopped while waiting for the server's goodbye does not know what it has read."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        syslog = exporter(tmp_path, port=listening.getsockname()[1])
        await syslog.export(window("a"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await syslog.settled()
        listening.close()
        with pytest.raises(Unavailable):
            await syslog.settled()
