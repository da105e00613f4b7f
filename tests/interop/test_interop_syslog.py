"""rsyslog and syslog-ng as receivers: what their own parsers make of our messages, field by field."""

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import pytest
from interop_records import build, record, records, window
from interop_servers import CACHE, Secrets, free_port, installed, json_lines, running, until

from shipper.core.errors import Unavailable
from shipper.core.record import Record
from shipper.exporters import syslog

pytestmark = pytest.mark.interop

Wire = Literal["tcp", "lines", "udp", "tls", "mtls"]

BATCH = 8
"""Records that may be in doubt at a time."""


@dataclass(frozen=True)
class Listening:
    """A server that listens, and the file it writes its parsed messages to, a JSON object a line."""

    port: int
    output: Path


class Server(Protocol):
    def __call__(
        self, wire: Wire, place: Path, secrets: Secrets, port: int = 0
    ) -> AbstractContextManager[Listening]: ...


RSYSLOG = """
global(workDirectory="{place}" net.enableDNS="off"
  defaultNetstreamDriverCAFile="{secrets.ca}" defaultNetstreamDriverCertFile="{secrets.server}"
  defaultNetstreamDriverKeyFile="{secrets.server}")
module(load="imudp")
module(load="imtcp" {driver})
module(load="mmpstrucdata")
template(name="parsed" type="list" option.jsonf="on") {{
  property(outname="facility" name="syslogfacility" format="jsonf")
  property(outname="severity" name="syslogseverity" format="jsonf")
  property(outname="time" name="timereported" dateFormat="rfc3339" date.inUTC="on" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="app" name="app-name" format="jsonf")
  property(outname="procid" name="procid" format="jsonf")
  property(outname="msgid" name="msgid" format="jsonf")
  property(outname="sd" name="$!rfc5424-sd" format="jsonf")
  property(outname="msg" name="msg" format="jsonf")
}}
ruleset(name="keep") {{
  action(type="mmpstrucdata" sd_name.lowercase="off")
  action(type="omfile" file="{place}/parsed.jsonl" template="parsed")
}}
input(type="{input}" address="127.0.0.1" port="{port}" ruleset="keep")
"""
DRIVER = 'streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="{mode}"'


@contextmanager
def rsyslog(wire: Wire, place: Path, secrets: Secrets, port: int = 0) -> Iterator[Listening]:
    """Rsyslog with its defaults, 8 KiB for a message among them."""
    program = installed("rsyslogd")
    port = port or free_port(socket.SOCK_DGRAM if wire == "udp" else socket.SOCK_STREAM)
    modes = {"tls": "anon", "mtls": "x509/certvalid"}
    driver = DRIVER.format(mode=modes[wire]) if wire in modes else ""
    configuration = RSYSLOG.format(
        place=place, secrets=secrets, driver=driver, port=port, input="imudp" if wire == "udp" else "imtcp"
    )
    (place / "rsyslog.conf").write_text(configuration)
    command = [program, "-n", "-f", str(place / "rsyslog.conf"), "-i", str(place / "rsyslog.pid")]
    with running(command, place, [port]):
        yield Listening(port, place / "parsed.jsonl")


SYSLOG_NG = """@version: 3.38
options {{ keep-hostname(yes); use-dns(no); use-fqdn(no); chain-hostnames(no); stats-freq(0); time-reopen(1);
  frac-digits(6); send-time-zone("UTC"); }};
source s {{ {source} }};
destination d {{ file("{place}/parsed.jsonl" template("$(format-json facility=$FACILITY_NUM severity=$LEVEL_NUM
  time=$S_ISODATE host=$HOST app=$PROGRAM procid=$PID msgid=$MSGID msg=$MESSAGE --key .SDATA.*)\\n")); }};
log {{ source(s); destination(d); }};
"""
NG_SOURCES = {
    "tcp": 'syslog(ip(127.0.0.1) port({port}) transport("tcp"));',
    "lines": 'network(ip(127.0.0.1) port({port}) transport("tcp") flags(syslog-protocol));',
    "udp": 'syslog(ip(127.0.0.1) port({port}) transport("udp"));',
    "tls": 'syslog(ip(127.0.0.1) port({port}) transport("tls") tls({own} peer-verify(optional-untrusted)));',
    "mtls": 'syslog(ip(127.0.0.1) port({port}) transport("tls") tls({own} peer-verify(required-trusted)));',
}


@contextmanager
def syslog_ng(wire: Wire, place: Path, secrets: Secrets, port: int = 0) -> Iterator[Listening]:
    """syslog-ng with its defaults, out of its unpacked package."""
    root = CACHE / "syslog-ng"
    program = installed("syslog-ng", root / "usr/sbin")
    port = port or free_port(socket.SOCK_DGRAM if wire == "udp" else socket.SOCK_STREAM)
    own = f'cert-file("{secrets.server}") key-file("{secrets.server}") ca-file("{secrets.ca}")'
    source = NG_SOURCES[wire].format(port=port, own=own)
    (place / "syslog-ng.conf").write_text(SYSLOG_NG.format(place=place, source=source))
    modules = root / "usr/lib/syslog-ng"
    command = [program, "-F", "--no-caps", "-f", str(place / "syslog-ng.conf"), "-R", str(place / "persist")]
    command += ["-p", str(place / "pid"), "-c", str(place / "ctl"), "--module-path", str(modules / "3.38")]
    with running(command, place, [port], {"LD_LIBRARY_PATH": str(modules)}):
        yield Listening(port, place / "parsed.jsonl")


def sending(wire: Wire, secrets: Secrets) -> dict[str, Any]:
    """How our exporter is configured for it."""
    tls: dict[str, Any] = {"ca_file": str(secrets.ca), "server_name_override": "siem.test"}
    own = {"cert_file": str(secrets.client), "key_file": str(secrets.client)}
    return {
        "tcp": {},
        "lines": {"enable_octet_counting": False},
        "udp": {"network": "udp"},
        "tls": {"tls": tls},
        "mtls": {"tls": tls | own},
    }[wire]


def expected(sent: Record, sequence: int) -> dict[str, Any]:
    """What a parser must find, by CONTRACT 3; control characters are written as JSON writes them."""
    severities = {"critical": 2, "high": 3, "medium": 4, "low": 5, "info": 6}
    action = str(sent.body["action"])
    params = {
        "uid": sent.uid,
        "action": action,
        "severity": sent.severity_text,
        "rule": "some-rule",
        "stream": "audit_log",
        "actor": sent.body.get("actor", ""),
        "repo": "widgets",
        "org": "acme",
    }
    milliseconds, microseconds = divmod(sent.timestamp // 1000 - 1767225600_000000, 1000)
    return {
        "facility": 13,
        "severity": severities[sent.severity_text],
        "time": f"2026-01-01T00:00:00.{milliseconds:03d}{microseconds:03d}",
        "host": "api.github.com",
        "app": "github",
        "procid": "-",
        "msgid": "".join(char if "!" <= char <= "~" else "_" for char in action[:32]),
        "sd": {
            "github@32473": {name: escaped(value) for name, value in params.items() if value},
            "meta": {"sequenceId": str(sequence)},
        },
        "body": sent.body,
    }


def escaped(text: str) -> str:
    return "".join(
        f"\\u{ord(char):04x}" if ord(char) < 32 or 127 <= ord(char) < 160 or char in "\u2028\u2029" else char
        for char in text
    )


def from_rsyslog(line: dict[str, Any]) -> dict[str, Any]:
    sd = json.loads(line["sd"]) if isinstance(line["sd"], str) else line["sd"]
    return common(line) | {"sd": sd}


def from_syslog_ng(line: dict[str, Any]) -> dict[str, Any]:
    return common(line) | {"sd": line["_SDATA"]}


def common(line: dict[str, Any]) -> dict[str, Any]:
    return {
        "facility": int(line["facility"]),
        "severity": int(line["severity"]),
        "time": line["time"][:26],
        "host": line["host"],
        "app": line["app"],
        "procid": line.get("procid") or "-",
        "msgid": line["msgid"],
        "body": json.loads(line["msg"]),
    }


SERVERS = [
    pytest.param((rsyslog, from_rsyslog), id="rsyslog"),
    pytest.param((syslog_ng, from_syslog_ng), id="syslog-ng"),
]


@pytest.mark.parametrize("wire", ["tcp", "lines", "udp", "tls", "mtls"])
@pytest.mark.parametrize("server", SERVERS)
async def test_every_field_of_every_message(server: Any, wire: Wire, place: Path, secrets: Secrets):
    """Real and hostile events over each transport: nothing missing, nothing more, nothing changed."""
    start, parsed = server
    sent = records()
    with start(wire, place, secrets) as listening:
        exporter = build(
            syslog.component, place, endpoint="127.0.0.1", port=listening.port, **sending(wire, secrets)
        )
        async with exporter:
            await exporter.export(window(sent))
            lines = await asyncio.to_thread(json_lines, listening.output, len(sent))
    assert [parsed(line) for line in lines] == [expected(each, number) for number, each in enumerate(sent, 1)]


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("own", [False, True], ids=["no certificate", "a stranger's certificate"])
async def test_a_client_that_the_server_refuses_is_told(server: Any, own: bool, place: Path, secrets: Secrets):
    """Nothing counts as sent, and the remedy is said, though TLS 1.3 refuses only behind the handshake."""
    start, _ = server
    tls = {"ca_file": str(secrets.ca), "server_name_override": "siem.test"}
    tls |= {"cert_file": str(secrets.stranger), "key_file": str(secrets.stranger)} if own else {}
    with start("mtls", place, secrets) as listening:
        async with build(syslog.component, place, endpoint="127.0.0.1", port=listening.port, tls=tls) as exporter:
            with pytest.raises(Unavailable, match=r"client certificate"):
                await exporter.export(window(records()))
    assert not listening.output.exists() or not listening.output.read_bytes()


@pytest.mark.parametrize("server", SERVERS)
async def test_nothing_is_lost_when_the_server_restarts(server: Any, place: Path, secrets: Secrets):
    """Windows are sent without a pause while the server is stopped and started three times."""
    start, parsed = server
    port, windows = free_port(), [[record(f"uid-{number}", {"action": "a"})] for number in range(120)]
    exporter = build(syslog.component, place, endpoint="127.0.0.1", port=port)
    async with exporter:
        remaining = iter(windows)
        for share in (40, 40, 40):
            with start("tcp", place, secrets, port=port):
                for _ in range(share):
                    await deliver(exporter, window(next(remaining)))
        with start("tcp", place, secrets, port=port) as listening:
            await deliver(exporter, window([record("uid-120", {"action": "a"})]))
            uids = await asyncio.to_thread(arrived, listening.output, parsed, 121)
    assert set(uids) == {f"uid-{number}" for number in range(121)}
    assert len(uids) <= 121 + 3 * BATCH


@pytest.mark.parametrize("wire", ["tcp", "tls", "mtls"])
@pytest.mark.parametrize("server", SERVERS)
async def test_the_end_of_a_connection_is_answered_in_order(
    server: Any, wire: Wire, place: Path, secrets: Secrets
):
    """By each server as soon as it has read everything: so it is known, and costs no wait."""
    start, _ = server
    with start(wire, place, secrets) as listening:
        exporter = build(
            syslog.component, place, endpoint="127.0.0.1", port=listening.port, **sending(wire, secrets)
        )
        async with exporter:
            for number in range(3):
                await exporter.export(window([record(f"uid-{number}", {"action": "a"})]))
                await asyncio.wait_for(exporter.settled(), 2.5)  # sooner than it would be taken for silent
                assert exporter.doubtful == 0


async def deliver(exporter: Any, sent: Any) -> None:
    """Until it succeeds, and with at most a batch in doubt, as the delivery loop does."""
    while True:
        try:
            if exporter.doubtful + sent.count > BATCH:
                await exporter.settled()
            return await exporter.export(sent)
        except Unavailable:
            await asyncio.sleep(0.05)


def arrived(output: Path, parsed: Any, distinct: int) -> list[str]:
    def uids() -> list[str]:
        lines = output.read_bytes().splitlines() if output.exists() else []
        found = [parsed(json.loads(line))["sd"]["github@32473"]["uid"] for line in lines]
        return found if len(set(found)) >= distinct else []

    return until(uids)
