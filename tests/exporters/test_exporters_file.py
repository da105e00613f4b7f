"""The file exporter: whole lines or none, through crashes, full disks and rotation."""

import asyncio
import errno
import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from otlp_backends import bodies, context, window

from shipper.core.component import Exported
from shipper.core.errors import Unavailable
from shipper.core.record import Record
from shipper.exporters import file as module
from shipper.exporters.file import Appender, Config, FileExporter, flat

OTLP = b'{"resourceLogs":[]}\n'


def exporter(folder: Path, path: str = "events.jsonl", **config: Any) -> FileExporter:
    return FileExporter(Config.model_validate({"path": path} | config), context(folder))


async def write(folder: Path, *records: Any, **config: Any) -> None:
    async with exporter(folder, **config) as out:
        await out.export(window(*records))


async def refused(out: FileExporter, *records: Any) -> str:
    with pytest.raises(Unavailable) as raised:
        await out.export(window(*records))
    return raised.value.reason


async def test_otlp_json_is_one_request_a_line(tmp_path: Path) -> None:
    await write(tmp_path, "a", "b\nc\u2028")
    await write(tmp_path, "d")
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines()
    read = [bodies(json_format.Parse(line, ExportLogsServiceRequest())) for line in lines]
    assert read == [["a", "b\nc\u2028"], ["d"]]


async def test_json_is_one_flat_record_a_line(tmp_path: Path) -> None:
    await write(tmp_path, {"action": "repo.access\n"}, "b", format="json")
    first, second = map(json.loads, (tmp_path / "events.jsonl").read_bytes().splitlines())
    assert first == {
        "timestamp": "1970-01-01T00:00:00.000000001Z",
        "observed_timestamp": "1970-01-01T00:00:00.000000002Z",
        "severity": "",
        "severity_number": 0,
        "event_name": "event",
        "attributes": {"log.record.uid": "uid-0"},
        "body": {"action": "repo.access\n"},
        "resource": {"service.name": "github"},
    }
    assert second["body"] == "b"


def test_a_flat_record_says_all(tmp_path: Path) -> None:
    record = Record("u", "audit_log", "e", 0, 0, None, {"shipper.rule": "r", "stream": "audit_log"}, 17, "high")
    found = flat(Exported(record, {"r": "s"}, ("scope", "1")))
    assert (found["severity"], found["severity_number"], found["resource"]) == ("high", 17, {"r": "s"})
    assert found["attributes"] == {"log.record.uid": "u", "shipper.rule": "r", "stream": "audit_log"}


async def test_the_file_is_private_and_its_folders_are_made(tmp_path: Path) -> None:
    await write(tmp_path, "a", path="out/deep/events.jsonl")
    made = tmp_path / "out/deep/events.jsonl"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        (OTLP, OTLP),
        (OTLP + b'{"resourceLogs":[{"reso', OTLP),
        (OTLP + b'{"resou', OTLP),
        (b'{"resourceLogs":[' + b"x" * 200_000, b""),
        (OTLP * 5000 + b'{"timestamp":"2024', OTLP * 5000),
        (b"", b""),
        (b"somebody else's notes", b"somebody else's notes\n"),
        (b"notes\nwithout an end", b"notes\nwithout an end\n"),
    ],
)
def test_what_a_crash_left_unfinished_is_cut_off(tmp_path: Path, found: bytes, kept: bytes) -> None:
    """Only a line of ours: what somebody else wrote is ended, not cut."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(found)
    appender = Appender(path)
    appender.append(OTLP)
    appender.close()
    assert path.read_bytes() == kept + OTLP


async def test_a_moved_file_is_opened_anew(tmp_path: Path) -> None:
    """As logrotate does by default."""
    async with exporter(tmp_path) as out:
        await out.export(window("a"))
        (tmp_path / "events.jsonl").rename(tmp_path / "events.jsonl.1")
        await out.export(window("b"))
        (tmp_path / "events.jsonl").unlink()
        await out.export(window("c"))
    assert b'"a"' in (tmp_path / "events.jsonl.1").read_bytes()
    written = (tmp_path / "events.jsonl").read_bytes()
    assert (b'"b"' in written, b'"c"' in written) == (False, True)


async def test_a_truncated_file_is_gone_on_with(tmp_path: Path) -> None:
    """As logrotate does with copytruncate: no hole of zeros in front."""
    async with exporter(tmp_path) as out:
        await out.export(window("a" * 1000))
        os.truncate(tmp_path / "events.jsonl", 0)
        await out.export(window("b"))
    assert json.loads((tmp_path / "events.jsonl").read_bytes())


async def test_a_vanished_folder_is_an_outage(tmp_path: Path) -> None:
    """A volume that went away must not be replaced by a folder on another disk."""
    folder = tmp_path / "volume"
    async with exporter(tmp_path, "volume/events.jsonl") as out:
        await out.export(window("a"))
        folder.rename(tmp_path / "elsewhere")
        reason = await refused(out, "b")
        assert reason == (
            "volume/events.jsonl can't be written: its folder has vanished; bring the folder or its volume back"
        )
        (tmp_path / "elsewhere").rename(folder)
        await out.export(window("c"))
    assert len((folder / "events.jsonl").read_bytes().splitlines()) == 2


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "the disk is full; free some space"),
        (errno.EROFS, "the disk is read-only; mount it writable"),
        (errno.EIO, "the disk is failing"),
        (errno.EDQUOT, "the quota is used up; free some space"),
        (errno.ENOTCONN, "Transport endpoint is not connected"),
    ],
)
@pytest.mark.parametrize("call", ["write", "fsync"])
async def test_a_failing_disk_is_an_outage_and_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, remedy: str, call: str
) -> None:
    def fail(*_: Any) -> int:
        raise OSError(number, os.strerror(number))

    async with exporter(tmp_path) as out:
        await out.export(window("a"))
        before = (tmp_path / "events.jsonl").read_bytes()
        with monkeypatch.context() as broken:
            broken.setattr(module.os, call, fail)
            assert await refused(out, "b") == f"events.jsonl can't be written: {remedy}"
            assert (tmp_path / "events.jsonl").read_bytes() == before
        await out.export(window("b"))
    assert len((tmp_path / "events.jsonl").read_bytes().splitlines()) == 2


async def test_a_write_that_only_half_fits_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.write
    async with exporter(tmp_path) as out:
        with monkeypatch.context() as full:
            full.setattr(module.os, "write", lambda fd, data: whole(fd, data[: len(data) // 2]))
            assert "the disk is full" in await refused(out, "a")
        assert (tmp_path / "events.jsonl").read_bytes() == b""
        await out.export(window("b"))
    assert json.loads((tmp_path / "events.jsonl").read_bytes())


async def test_half_a_line_that_could_not_be_taken_back_is_cut_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.write

    def unable(*_: Any) -> None:
        raise OSError(errno.EIO, "no")

    async with exporter(tmp_path) as out:
        with monkeypatch.context() as broken:
            broken.setattr(module.os, "write", lambda fd, data: whole(fd, data[: len(data) // 2]))
            broken.setattr(module.os, "ftruncate", unable)
            await refused(out, "a")
        assert (tmp_path / "events.jsonl").stat().st_size
        await out.export(window("b"))
    (line,) = (tmp_path / "events.jsonl").read_bytes().splitlines()
    assert b'"b"' in line


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
async def test_a_real_full_device_is_an_outage() -> None:
    """`/dev/full` is the one full disk that every Linux has."""
    async with exporter(Path("/"), "/dev/full") as out:
        assert "the disk is full" in await refused(out, "a")


async def test_a_path_that_is_a_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").mkdir()
    async with exporter(tmp_path) as out:
        assert "there is a folder in its place" in await refused(out, "a")


async def test_a_path_through_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    async with exporter(tmp_path, "out/events.jsonl") as out:
        assert "can't be written" in await refused(out, "a")


def test_several_writers_do_not_mix_their_lines(tmp_path: Path) -> None:
    """As while a reload replaces one exporter by the next."""
    path = tmp_path / "events.jsonl"

    def write(name: bytes) -> None:
        appender = Appender(path)
        for _ in range(30):
            appender.append(b'{"resourceLogs":"' + name * 5000 + b'"}\n')
        appender.close()

    threads = [threading.Thread(target=write, args=(name,)) for name in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = path.read_bytes().splitlines()
    assert sorted(json.loads(line)["resourceLogs"][0] for line in lines) == ["a"] * 30 + ["b"] * 30 + ["c"] * 30


async def test_a_disk_that_hangs_holds_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts that time out leave nothing behind but the one write under way."""
    released, started, whole = threading.Event(), threading.Event(), os.write

    def hang(fd: int, data: bytes) -> int:
        started.set()
        released.wait()
        return whole(fd, data)

    async with exporter(tmp_path) as out:
        with monkeypatch.context() as stuck:
            stuck.setattr(module.os, "write", hang)
            for name in "abc":
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await out.export(window(name))
            assert started.is_set()
            assert await asyncio.to_thread(lambda: "others go on") == "others go on"
            released.set()
            await out.export(window("d"))
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines()
    assert [b'"a"' in lines[0], b'"d"' in lines[1], len(lines)] == [True, True, 2]


async def test_check_writes_nothing(tmp_path: Path) -> None:
    assert await exporter(tmp_path, "new/events.jsonl").check() == "new/events.jsonl can be written"
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - a listing of names


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/proc/none/out.jsonl", "bring the folder or its volume back"),
        ("text/out.jsonl", "a part of its path is no folder; choose another path"),
        ("folder", "there is a folder in its place; choose another path"),
    ],
)
async def test_check_finds_out_truly_and_says_what_to_do(tmp_path: Path, path: str, told: str) -> None:
    """Root may write anywhere by its permissions, and yet nothing can be made in /proc."""
    (tmp_path / "text").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(Unavailable, match=told):
        await exporter(tmp_path, path).check()


async def test_check_does_not_open_a_pipe(tmp_path: Path) -> None:
    """Its reader would take the closing for the end."""
    os.mkfifo(tmp_path / "fifo")
    assert await exporter(tmp_path, "fifo").check() == "fifo is a pipe or device"


async def test_a_lacking_permission_has_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(module, "try_writing", refuse)
    with pytest.raises(Unavailable, match="lacks the permission; make it and its folder writable"):
        await exporter(tmp_path).check()
