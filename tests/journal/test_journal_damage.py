"""Damaged files never keep the shipper from starting, and lose nothing that another copy still has.

The oracle is a source that still has every page: whatever was done to the files, once it was asked again from the
stored checkpoint, every event was exported at least once, and none that was never there.
"""

import asyncio
import logging
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
from journal_bench import OTLP, Bench, drain, entry, fill, page

from shipper.core.batch import DIGEST_SIZE, Commit, Seen
from shipper.core.clock import SystemClock
from shipper.core.errors import Unavailable
from shipper.core.journal import DeadLetter
from shipper.journal import inspection
from shipper.journal.damage import beside
from shipper.journal.schema import connect
from shipper.journal.sqlite import SqliteJournal
from shipper.journal.state import Damage
from shipper.journal.store import Store

PAGES = 60
DELIVERED = 230


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Journals with the same content: one closed, one as a kill leaves it."""
    root = tmp_path_factory.mktemp("originals")

    async def make() -> None:
        bench = Bench(root / "open" / "shipper.db")
        journal = await bench.open()
        await journal.open(OTLP)
        for number in range(40):
            bench.clock.advance(30)
            await fill(journal, range(number, number + 1))
        await journal._worker.run(lambda: journal._keeper.do(_checkpoint))
        assert len(await drain(journal, records=DELIVERED)) == DELIVERED
        await fill(journal, range(40, PAGES))
        await journal.append([], None, [DeadLetter("logs", "x", "dead", "no", "", 1, 7, entry("dead").payload)])
        shutil.copytree(root / "open", root / "killed")
        await journal.close()
        shutil.copytree(root / "open", root / "closed")

    asyncio.run(make())
    return {name: root / name / "shipper.db" for name in ("killed", "closed")}


def _checkpoint(store: object) -> None:
    store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


async def asked_again(journal: SqliteJournal) -> set[str]:
    """What is exported once the source was asked again, as often as damage is found on the way."""
    found: set[str] = set()
    for _ in range(4):
        with suppress(Unavailable):
            await journal.open(OTLP)
            await poll(journal)
            await drain(journal, found=found)
    return found


async def poll(journal: SqliteJournal) -> None:
    """One turn of a receiver that knows its checkpoint and ids."""
    stored = await journal.checkpoint("source")
    last = int(stored) if stored is not None else -1
    packed = await journal.seen("source", 0)
    seen = {packed[at : at + DIGEST_SIZE] for at in range(0, len(packed), DIGEST_SIZE)}
    for number in range(max(0, last - 5), PAGES):
        _, commit = page(number)
        assert commit.seen
        fresh = [f"{number}-{i}" for i in range(10) if f"{number}-{i}".encode().ljust(16, b".") not in seen]
        ids = b"".join(uid.encode().ljust(16, b".") for uid in fresh)
        entries = [entry(*fresh)] if fresh else []
        await journal.append(entries, Commit("source", commit.checkpoint, Seen(ids, number, number)))


ALL = {f"{number}-{index}" for number in range(PAGES) for index in range(10)}
BEFORE = {f"{number}-{index}" for number in range(DELIVERED // 10) for index in range(10)}


async def check_mended(bench: Bench) -> SqliteJournal:
    journal = await bench.open()
    found = await asked_again(journal)
    assert await journal.checkpoint("source") == b"59"
    assert not ALL - BEFORE - found, "lost"
    assert not found - ALL, "forged"
    assert not await aclosing_problem(bench, journal)
    return journal


async def aclosing_problem(bench: Bench, journal: SqliteJournal) -> str:
    await journal.close()
    return inspection.check(bench.path).problem


def put(original: Path, bench: Bench) -> None:
    shutil.copytree(original.parent, bench.path.parent)


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)


HEADER = [0, 5, 15, 16, 18, 19, 20, 21, 24, 28, 31, 36, 40, 44, 47, 52, 56, 60, 64, 68, 72, 92, 96, 99]


@pytest.mark.parametrize("at", [*HEADER, 100, 103, 105, 107, 108, 200, 1000, 4095])
@pytest.mark.parametrize("kind", ["closed", "killed"])
async def test_a_byte_of_the_header_or_first_page_is_wrong(
    originals: dict[str, Path], bench: Bench, kind: str, at: int
):
    put(originals[kind], bench)
    flip(bench.path, at)
    await check_mended(bench)


async def test_what_was_dropped_and_what_others_took_is_still_known_after_damage(bench: Bench):
    """Reconcile goes by it; of shared ids only those whose record is still there are believed."""
    journal = await bench.open()
    await journal.open(OTLP)
    await fill(journal, range(1))
    dropped, shared = b"d" * DIGEST_SIZE, b"s" * DIGEST_SIZE
    await journal.append([], Commit("source", None, Seen(b"", 7, 7, shared, dropped)))
    taken = b"".join(f"0-{index}".encode().ljust(DIGEST_SIZE, b".") for index in range(10))
    kinds = [("taken", taken), ("shared", shared), ("dropped", dropped)]
    await journal.close()
    for damage in (False, True):
        if damage:
            flip(bench.path, 105)
            await (await bench.open()).close()
        with inspection.view(bench.path) as view:
            assert sorted((each.kind, each.digests) for each in view.remembered("source")) == sorted(kinds)
    assert bench.damaged() == 1


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("kind", ["closed", "killed"])
async def test_a_byte_anywhere_is_wrong(originals: dict[str, Path], bench: Bench, kind: str, seed: int):
    put(originals[kind], bench)
    rng = random.Random(seed)
    flip(bench.path, rng.randrange(bench.path.stat().st_size))
    await check_mended(bench)


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("kind", ["closed", "killed"])
async def test_a_page_is_overwritten(originals: dict[str, Path], bench: Bench, kind: str, seed: int):
    """With zeros, noise, or another page: each is what disks have done."""
    put(originals[kind], bench)
    rng = random.Random(seed)
    data = bytearray(bench.path.read_bytes())
    pages = len(data) // 4096
    target = rng.randrange(pages) * 4096
    source = rng.randrange(pages) * 4096
    data[target : target + 4096] = [bytes(4096), rng.randbytes(4096), bytes(data[source : source + 4096])][
        seed % 3
    ]
    bench.path.write_bytes(data)
    await check_mended(bench)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 0.999])
@pytest.mark.parametrize("kind", ["closed", "killed"])
async def test_a_file_cut_short_is_set_aside(originals: dict[str, Path], bench: Bench, kind: str, share: float):
    put(originals[kind], bench)
    size = int(bench.path.stat().st_size * share)
    with bench.path.open("r+b") as file:
        file.truncate(size)
    await check_mended(bench)
    if kind == "closed":
        assert bench.damaged() == 1
        assert bench.aside() == ["shipper.db.damaged-20231114T221320Z"]


@pytest.mark.parametrize("seed", range(40))
async def test_a_byte_of_the_write_ahead_log_is_wrong(originals: dict[str, Path], bench: Bench, seed: int):
    put(originals["killed"], bench)
    wal = beside(bench.path, "-wal")
    rng = random.Random(seed)
    flip(wal, rng.randrange(32) if seed < 10 else rng.randrange(wal.stat().st_size))
    await check_mended(bench)


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 4000, 4152, 10_000, 50_000])
async def test_a_write_ahead_log_is_cut_short(originals: dict[str, Path], bench: Bench, size: int):
    put(originals["killed"], bench)
    with beside(bench.path, "-wal").open("r+b") as file:
        file.truncate(size)
    await check_mended(bench)


@pytest.mark.parametrize("content", [b"", b"x" * 10, bytes(32768), bytes(range(256)) * 128])
async def test_the_shared_memory_file_does_not_matter(originals: dict[str, Path], bench: Bench, content: bytes):
    put(originals["killed"], bench)
    beside(bench.path, "-shm").write_bytes(content)
    journal = await bench.open()
    assert await journal.checkpoint("source") == b"59"
    assert bench.damaged() == 0


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"not a database" * 1000),
        lambda path: path.write_bytes(random.Random(1).randbytes(100_000)),
        lambda path: path.write_bytes(bytes(100_000)),
    ],
)
async def test_a_file_of_which_nothing_is_left_resumes_from_what_was_delivered(
    originals: dict[str, Path], bench: Bench, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture
):
    put(originals["closed"], bench)
    spoil(bench.path)
    caplog.set_level(logging.WARNING)
    journal = await bench.open()
    stored = await journal.checkpoint("source")
    assert stored is not None, "the second copy has the last checkpoint that every exporter was past"
    assert int(stored) < DELIVERED // 10
    assert bench.damaged() == 1
    assert "storage is damaged" in caplog.text
    assert len(bench.aside()) == 1
    assert await asked_again(journal) >= ALL - BEFORE


@pytest.mark.parametrize("size", [0, 50, 4096])
async def test_what_only_the_write_ahead_log_has_is_not_lost(bench: Bench, tmp_path: Path, size: int):
    """A young journal is all in there: cutting the main file short costs nothing."""
    journal = await bench.open()
    await journal.open(OTLP)
    await fill(journal, range(10))
    shutil.copytree(bench.path.parent, tmp_path / "killed")
    with (tmp_path / "killed" / "shipper.db").open("r+b") as file:
        file.truncate(size)
    other = Bench(tmp_path / "killed" / "shipper.db")
    async with other.stack:
        mended = await other.open()
        assert await mended.checkpoint("source") == b"9"
        assert len(await drain(mended)) == 100
    assert not list(other.path.parent.glob("*.salvage*"))


async def test_what_was_set_aside_is_not_changed(originals: dict[str, Path], bench: Bench):
    put(originals["killed"], bench)
    flip(bench.path, 5000)
    before = bench.path.read_bytes(), beside(bench.path, "-wal").read_bytes()
    flip(bench.path, 0)
    spoiled = bench.path.read_bytes()
    await bench.open()
    [aside] = bench.path.parent.glob("*.damaged-*Z")
    assert aside.read_bytes() == spoiled
    assert beside(aside, "-wal").read_bytes() == before[1]


async def test_one_bad_entry_costs_only_that_entry(originals: dict[str, Path], bench: Bench):
    """Everything else is carried over, with its place; what is missing is asked for again."""
    put(originals["closed"], bench)
    at = _payload_of(bench.path, 300)
    flip(bench.path, at)
    journal = await bench.open()
    await journal.open(OTLP)
    assert bench.damaged() == 0, "found when it is read, not before"
    with pytest.raises(Unavailable, match="was damaged and has been mended"):
        await drain(journal)
    assert bench.damaged() == 1
    found = set(await drain(journal))
    assert found == ALL - BEFORE - {f"30-{index}" for index in range(10)}
    [letter] = [each async for each in journal.dead_letters()]
    assert letter.uid == "dead"


async def test_a_receiver_must_look_at_its_checkpoint_after_a_mending(originals: dict[str, Path], bench: Bench):
    """It believes that pages are stored which the damage took: its next page must not vouch for them."""
    put(originals["closed"], bench)
    flip(bench.path, _payload_of(bench.path, 300))
    journal = await bench.open()
    await journal.open(OTLP)
    assert await journal.checkpoint("source") == b"59"
    with pytest.raises(Unavailable):
        await drain(journal)
    with pytest.raises(Unavailable, match="go on from the stored checkpoint"):
        await journal.append(*page(60))
    stored = await journal.checkpoint("source")
    assert stored is None or int(stored) < 30
    assert await asked_again(journal) >= ALL - BEFORE


async def test_a_mending_that_is_interrupted_is_finished(originals: dict[str, Path], bench: Bench):
    put(originals["killed"], bench)
    aside = bench.path.with_name("shipper.db.damaged-20200101T000000Z")
    shutil.copy(originals["closed"], beside(bench.path, ".new"))
    bench.path.rename(aside)
    journal = await bench.open()
    assert await journal.checkpoint("source") == b"59"
    assert aside.exists()


async def test_a_journal_that_was_removed_begins_anew(originals: dict[str, Path], bench: Bench):
    put(originals["closed"], bench)
    bench.path.unlink()
    journal = await bench.open()
    assert await journal.checkpoint("source") is None


async def test_fsck_names_what_is_wrong_and_changes_nothing(originals: dict[str, Path], bench: Bench):
    put(originals["closed"], bench)
    assert inspection.check(bench.path).sound
    flip(bench.path, _payload_of(bench.path, 300))
    spoiled = bench.path.read_bytes()
    verdict = inspection.check(bench.path)
    assert (verdict.sound, verdict.problem[:8], verdict.set_aside) == (False, "entries ", [])
    assert bench.path.read_bytes() == spoiled
    bench.path.write_bytes(b"")
    assert inspection.check(bench.path).problem == "cut short"
    await bench.open()
    assert len(inspection.check(bench.path).set_aside) == 1


def test_a_file_that_can_not_be_read_is_let_go(tmp_path: Path):
    """Before it is set aside: nothing of ours still has it open."""
    empty = connect(tmp_path / "shipper.db")
    with pytest.raises(Damage, match="version 0"):
        Store(empty, SystemClock())
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        empty.execute("SELECT 1")


def _payload_of(path: Path, place: int) -> int:
    """Where in the file the payload of the entry at a place is."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        payload = db.execute("SELECT payload FROM entries WHERE place = ?", (1 << 44 | place,)).fetchone()[0]
    return path.read_bytes().index(payload[20:60]) + 10


async def test_a_checkpoint_that_rotted_never_gets_into_the_second_copy(bench: Bench):
    journal = await bench.open()
    await journal.open(OTLP)
    await fill(journal, range(2))
    await drain(journal)
    await journal._worker.run(journal._upkeep.save_safe)
    with closing(sqlite3.connect(bench.path)) as db, db:
        db.execute("UPDATE checkpoints SET value='rotten'")
    await journal._worker.run(journal._upkeep.save_safe)
    assert bench.damaged() == 1
    assert b"rotten" not in bench.path.with_name("shipper.db-checkpoints").read_bytes()
    assert await journal.checkpoint("source") == b"1"
