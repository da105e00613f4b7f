"""The file exporter on a pipe: written to while somebody reads it, in whole lines, once for a slow reader."""

import asyncio
import contextlib
import json
import os
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from otlp_backends import context, window

from shipper.core.errors import Unavailable
from shipper.exporters.file import Config, FileExporter

LARGE = "x" * 300_000


def exporter(path: Path, **config: Any) -> FileExporter:
    return FileExporter(
        Config.model_validate({"path": str(path), "format": "json"} | config), context(path.parent)
    )


async def refused(out: FileExporter, *records: Any) -> str:
    with pytest.raises(Unavailable) as raised:
        await out.export(window(*records))
    return raised.value.reason


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


@pytest.fixture
def reader(fifo: Path) -> Iterator[int]:
    """An end that reads nothing by itself."""
    fd = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    yield fd
    os.close(fd)


def bodies(data: bytes) -> list[Any]:
    assert data.endswith(b"\n")
    return [json.loads(line)["body"] for line in data.splitlines()]


def read_all(fd: int) -> bytes:
    """What is written until the last writer is gone; the first one may be still to come."""
    waiting = select.poll()
    waiting.register(fd, select.POLLIN)
    parts = []
    while waiting.poll() and (part := os.read(fd, 65536)):
        parts.append(part)
    return b"".join(parts)


async def test_a_pipe_that_nobody_reads_is_an_outage(fifo: Path) -> None:
    """Whoever opens it for reading too is its own reader, and the records are gone."""
    async with exporter(fifo) as out:
        assert await refused(out, "a") == (
            f"{fifo} can't be written: nobody reads this pipe; start the program that does"
        )
        fd = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        await out.export(window("a"))
    assert bodies(read_all(fd)) == ["a"]
    os.close(fd)


async def test_a_reader_that_went_away_is_an_outage_and_the_next_one_gets_the_batch(fifo: Path) -> None:
    async with exporter(fifo) as out:
        first = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        await out.export(window("a"))
        assert bodies(os.read(first, 65536)) == ["a"]
        os.close(first)
        assert "the program that read this pipe is gone" in await refused(out, "b")
        assert "nobody reads this pipe" in await refused(out, "b")
        second = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        await out.export(window("b"))
    assert bodies(read_all(second)) == ["b"]
    os.close(second)


async def test_more_than_a_pipe_holds_waits_for_the_reader(fifo: Path, reader: int) -> None:
    got: list[bytes] = []
    reading = threading.Thread(target=lambda: got.append(read_all(reader)))
    async with exporter(fifo) as out:
        writing = asyncio.create_task(out.export(window(LARGE, "b")))
        reading.start()
        await writing
    await asyncio.to_thread(reading.join)
    assert bodies(got[0]) == [LARGE, "b"]


async def test_a_reader_that_stalls_gets_the_rest_of_the_same_batch_later(fifo: Path, reader: int) -> None:
    async with exporter(fifo, timeout="100ms") as out:
        assert "does not keep up" in await refused(out, LARGE, "b")
        assert "does not keep up" in await refused(out, LARGE, "b")
        got: list[bytes] = []
        reading = threading.Thread(target=lambda: got.append(read_all(reader)))
        reading.start()
        await out.export(window(LARGE, "b"))
    await asyncio.to_thread(reading.join)
    assert bodies(got[0]) == [LARGE, "b"]


async def test_a_line_that_was_begun_is_ended_before_another_batch(fifo: Path, reader: int) -> None:
    """Batches are cut anew after a reload: the line at hand is whole, and nothing of the old batch follows it."""
    async with exporter(fifo, timeout="100ms") as out:
        await refused(out, LARGE, "b")
        got: list[bytes] = []
        reading = threading.Thread(target=lambda: got.append(read_all(reader)))
        reading.start()
        await out.export(window("c"))
    await asyncio.to_thread(reading.join)
    assert bodies(got[0]) == [LARGE, "c"]


async def test_a_full_pipe_takes_nothing_of_a_small_batch(fifo: Path, reader: int) -> None:
    filler = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(filler, b"f" * 4095 + b"\n")
    async with exporter(fifo, timeout="50ms") as out:
        assert "does not keep up" in await refused(out, "a")
    os.close(filler)
    assert set(read_all(reader)) == set(b"f\n")


async def test_two_exporters_do_not_mix_their_lines(fifo: Path, reader: int) -> None:
    """As `file` and `file/dead_letter` on one /dev/stdout, with a reader that stalls in the middle of a line."""
    async with exporter(fifo, timeout="50ms") as one, exporter(fifo) as two:
        await refused(one, LARGE)
        other = asyncio.create_task(two.export(window("b" * 100_000)))
        got: list[bytes] = []
        reading = threading.Thread(target=lambda: got.append(read_all(reader)))
        reading.start()
        await one.export(window(LARGE))
        await other
    await asyncio.to_thread(reading.join)
    assert bodies(got[0]) == [LARGE, "b" * 100_000]


async def test_a_pipe_put_in_place_of_another_is_opened(fifo: Path, reader: int) -> None:
    async with exporter(fifo) as out:
        await out.export(window("a"))
        os.mkfifo(f"{fifo}.next")
        os.rename(f"{fifo}.next", fifo)  # noqa: PTH104 - pathlib's is refused in async tests
        assert "nobody reads this pipe" in await refused(out, "b")
    assert bodies(read_all(reader)) == ["a"]


async def test_the_file_descriptor_of_a_pipe_works_as_in_a_container() -> None:
    """`/dev/stdout` is a link to one of these; the descriptor itself goes on to block."""
    reading, writing = os.pipe()
    async with exporter(Path(f"/proc/self/fd/{writing}")) as out:
        await out.export(window("a"))
    assert os.get_blocking(writing)
    os.close(writing)
    assert bodies(read_all(reading)) == ["a"]
    os.close(reading)


async def test_a_terminal_is_written_to() -> None:
    master, slave = os.openpty()
    async with exporter(Path(os.ttyname(slave))) as out:
        await out.export(window("a"))
        assert json.loads(os.read(master, 65536))["body"] == "a"
    os.close(master)
    os.close(slave)


async def test_a_socket_is_neither(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        async with exporter(tmp_path / "socket") as out:
            assert "it is neither a file nor a pipe; choose another path" in await refused(out, "a")
