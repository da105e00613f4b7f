"""What stands at the path of the storage and is another's stays as it is, with nothing made beside it."""

import os
import random
import socket
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from journal_bench import OTLP, Bench, fill

from shipper.core.errors import Unavailable
from shipper.journal import inspection
from shipper.journal.damage import beside
from shipper.journal.lock import in_use

CURE = "; set extensions.storage.path to a file of its own"


@contextmanager
def directory(path: Path) -> Iterator[None]:
    path.mkdir()
    (path / "content").write_text("kept")
    yield


@contextmanager
def pipe(path: Path) -> Iterator[None]:
    os.mkfifo(path)
    yield


@contextmanager
def device(path: Path) -> Iterator[None]:
    try:
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes devices")
    yield


@contextmanager
def listener(path: Path) -> Iterator[None]:
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(str(path))
        yield


@contextmanager
def database(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE users(id INTEGER PRIMARY KEY); CREATE TABLE meta(key TEXT, value);")
    yield


@contextmanager
def database_in_use(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL").fetchall()
        db.execute("CREATE TABLE users(id INTEGER PRIMARY KEY)")
        yield


@contextmanager
def database_beside_a_lock(path: Path) -> Iterator[None]:
    beside(path, ".lock").write_text("1\n")
    with database(path):
        yield


@contextmanager
def text(path: Path) -> Iterator[None]:
    path.write_text("receivers:\n  github:\n")
    yield


@contextmanager
def noise(path: Path) -> Iterator[None]:
    path.write_bytes(random.Random(1).randbytes(10_000))
    yield


def everything(folder: Path) -> dict[str, tuple[object, ...]]:
    """What is in a folder, as far as a change would show."""
    found: dict[str, tuple[object, ...]] = {}
    for each in sorted(folder.rglob("*")):
        state = each.stat()
        content = each.read_bytes() if each.is_file() else b""
        # SQLite's index of a write-ahead log counts who reads.
        content = b"" if each.name.endswith("-shm") else content
        found[each.name] = state.st_mode, state.st_ino, state.st_mtime_ns, content
    return found


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (directory, " is a directory, no file"),
        (pipe, " is a named pipe, no file"),
        (device, " is a device, no file"),
        (listener, " is a socket, no file"),
        (database, " holds another program's database, which was left alone"),
        (database_in_use, " holds another program's database, which was left alone"),
        (database_beside_a_lock, " holds another program's database, which was left alone"),
        (text, " is another program's file, which was left alone"),
        (noise, " is another program's file, which was left alone"),
    ],
)
async def test_what_is_anothers_is_left_alone(tmp_path: Path, make: Callable, says: str):
    bench = Bench(tmp_path / "it")
    with make(bench.path):
        before = everything(tmp_path)
        told = f"storage {bench.path}{says}{CURE}"
        async with bench.stack:
            with pytest.raises(Unavailable) as refused:
                await bench.open()
        assert refused.value.reason == told
        for look in (inspection.snapshot, inspection.check, inspection.repair):
            with pytest.raises(Unavailable) as refused:
                look(bench.path)
            assert refused.value.reason == told
        assert not in_use(bench.path)
        assert everything(tmp_path) == before
    assert bench.damaged() == 0


@pytest.mark.parametrize(
    ("spoil", "kept"),
    [
        (lambda data: b"?" + data[1:], ()),
        (lambda data: b"?" * 100 + data[100:], ()),
        (lambda data: bytes(4096) + data[4096:], (".lock",)),
        (lambda data: b"something else", ("-checkpoints",)),
        (lambda data: data[:103] + b"\0\3" + data[105:], ()),
        (lambda data: data.replace(b"CREATE TABLE logs", b"CREATE TABLE lo\xffs"), ()),
        (lambda data: b"", ()),
    ],
)
async def test_a_journal_is_known_by_what_is_left_of_it(
    bench: Bench, tmp_path: Path, spoil: Callable[[bytes], bytes], kept: tuple[str, ...]
):
    """A sign of it is enough: its tables in the first page, or a file that only journals leave."""
    journal = await bench.open()
    await journal.open(OTLP)
    await fill(journal, range(3))
    await journal.close()
    other = Bench(tmp_path / "moved" / "shipper.db")
    other.path.parent.mkdir()
    other.path.write_bytes(spoil(bench.path.read_bytes()))
    for suffix in kept:
        beside(other.path, suffix).touch()
    async with other.stack:
        await fill(await other.open(), range(3, 4))
    assert other.damaged() == 1
    assert len(other.aside()) == 1
