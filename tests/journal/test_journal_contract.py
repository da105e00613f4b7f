"""Both journals keep the contract of `shipper.testing`, and what is the file's own."""

import asyncio
import errno
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from journal_bench import OTLP, Bench, drain, entry, fill, page

from shipper.core.batch import Commit, Seen
from shipper.core.errors import Unavailable
from shipper.core.journal import Cursor, DeadLetter, Entry, Journal, Limits, retry_log
from shipper.journal import memory_journal, open_journal
from shipper.journal.inspection import request_retry
from shipper.journal.lock import Lock
from shipper.journal.store import Store
from shipper.testing import check_journal


async def test_sqlite_keeps_the_contract(bench: Bench):
    paths = (bench.path.with_name(f"{number}.db") for number in range(100))

    async def make(limits: Limits) -> Journal:
        return await open_journal(next(paths), bench.clock, bench.meter, bench.health, limits)

    await check_journal(make)


async def test_memory_keeps_the_contract():
    await check_journal(lambda limits: memory_journal(limits=limits))


async def test_everything_is_there_after_a_restart(bench: Bench):
    journal = await bench.open()
    await journal.open(OTLP)
    await fill(journal, range(5))
    await journal.advance(OTLP, 7)
    await journal.close()
    journal = await bench.open()
    assert await journal.open(OTLP) == 7
    assert await journal.checkpoint("source") == b"4"
    assert len(await journal.seen("source", 0)) == 5 * 10 * 16
    assert len(await drain(journal)) == 43
    assert bench.damaged() == 0


async def test_a_close_waits_for_what_is_under_way(bench: Bench):
    journal = await bench.open()
    await journal.open(OTLP)
    tasks = [asyncio.ensure_future(journal.append(*page(number))) for number in range(20)]
    await asyncio.sleep(0)
    await journal.close()
    await asyncio.gather(*tasks)
    journal = await bench.open()
    assert await journal.checkpoint("source") == b"19"


async def test_what_a_reader_that_is_not_opened_yet_needs_is_kept(bench: Bench):
    """Readers open one after the other at the start: the first must not delete what the second needs."""
    slow = Cursor("logs", "slow")
    journal = await bench.open()
    await journal.open(OTLP)
    await journal.open(slow)
    await fill(journal, range(3))
    await journal.close()
    journal = await bench.open()
    await journal.open(OTLP)
    await drain(journal)
    await journal.close()
    journal = await bench.open()
    assert await journal.open(slow) == 0
    assert len(await drain(journal, slow)) == 30


async def test_a_reader_that_is_no_longer_configured_holds_nothing_back(bench: Bench):
    gone = Cursor("logs", "gone")
    journal = await bench.open()
    await journal.open(OTLP)
    await journal.open(gone)
    await fill(journal, range(10))
    await journal.retain([OTLP])
    await drain(journal)
    assert journal.usage().records == 0
    assert await journal.open(gone) == 100
    await fill(journal, range(10, 11))
    assert len(await drain(journal, gone)) == 10


async def test_a_log_without_readers_is_never_deleted(bench: Bench):
    journal = await bench.open()
    await journal.open(OTLP)
    await fill(journal, range(3))
    await journal.retain([])
    await fill(journal, range(3, 6))
    assert await journal.open(OTLP) == 0
    assert len(await drain(journal)) == 60


async def test_what_was_delivered_is_deleted_and_its_room_used_again(bench: Bench):
    journal = await bench.open()
    await journal.open(OTLP)
    for number in range(50):
        await fill(journal, range(number * 20, number * 20 + 20))
        await drain(journal)
    assert journal.usage().records == 0
    assert journal.usage().bytes == 0
    assert bench.path.stat().st_size < 400_000


async def test_ids_take_less_than_50_bytes_an_event(bench: Bench):
    journal = await bench.open()
    await journal.open(OTLP)
    await journal.append([entry("first")])
    await drain(journal)
    before = _size(journal, bench)
    for number in range(200):
        await journal.append([], Commit("source", b"c", Seen(bytes(1600), number, number)))
    assert (_size(journal, bench) - before) / 20_000 <= 25


def _size(journal: object, bench: Bench) -> int:
    with sqlite3.connect(bench.path) as db:
        pages = db.execute("PRAGMA page_count").fetchone()[0] - db.execute("PRAGMA freelist_count").fetchone()[0]
    db.close()
    return pages * 4096


async def test_ids_are_kept_for_the_retention_and_as_long_as_the_receiver_needs_them(bench: Bench):
    journal = await bench.open(Limits(retention=3600))
    upkeep = journal._upkeep
    seen = Seen(b"old".ljust(16), 100, 100)
    await journal.append([], Commit("source", b"c", seen, forget_before=50))
    bench.clock.advance(4000)
    await journal._worker.run(upkeep.turn)
    assert await journal.seen("source", 0) == seen.digests, "the receiver still needs them"
    await journal.append([], Commit("source", b"c", forget_before=200))
    bench.clock.advance(100)
    await journal._worker.run(upkeep.turn)
    assert await journal.seen("source", 0) == b""


async def test_reconcile_learns_whether_every_exporter_has_a_page(bench: Bench):
    other = Cursor("logs", "other")
    journal = await bench.open()
    await journal.open(OTLP)
    await journal.open(other)
    await fill(journal, range(2))
    await journal.advance(OTLP, 20)
    assert [each.delivered for each in await journal.remembered("source", 0)] == [False, False]
    await journal.advance(other, 10)
    pages = await journal.remembered("source", 0)
    assert [(each.delivered, each.newest, len(each.digests)) for each in pages] == [
        (True, 0, 160),
        (False, 1, 160),
    ]


async def test_ids_that_another_commit_stored_wait_for_what_it_stored(bench: Bench):
    """A source that only learnt of them has no entry to wait for; damage that took the record takes them, too."""
    journal = await bench.open()
    await journal.open(OTLP)
    await fill(journal, range(2))
    shared = Seen(b"", 1, 1, shared=b"d" * 16)
    await journal.append([], Commit("other", b"c", shared))
    await journal.advance(OTLP, 10)
    assert [each.delivered for each in await journal.remembered("other", 0)] == [False]
    await journal.advance(OTLP, 20)
    assert [each.delivered for each in await journal.remembered("other", 0)] == [True]


async def test_a_rewind_replaces_the_checkpoint_and_forgets_later_ids(bench: Bench):
    journal = await bench.open()
    await fill(journal, range(5))
    await journal.rewind("source", b"back", forget_since=3)
    assert await journal.checkpoint("source") == b"back"
    assert len(await journal.seen("source", 0)) == 3 * 160
    assert [(each.source, each.value) for each in await journal.checkpoints()] == [("source", b"back")]
    await journal.rewind("source", None)
    assert await journal.checkpoint("source") is None


async def test_a_second_process_is_refused_with_the_first_ones_number(bench: Bench):
    await bench.open()
    with pytest.raises(Unavailable, match=r"in use by another shipper \(process \d+\)") as refused:
        await bench.open()
    assert refused.value.blocked


async def test_files_are_for_their_owner_only(bench: Bench):
    journal = await bench.open()
    await journal.open(OTLP)
    await fill(journal, range(1))
    await journal._worker.run(journal._upkeep.save_safe)
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in bench.path.parent.iterdir()}
    assert modes == dict.fromkeys(modes, 384)
    assert stat.S_IMODE(bench.path.parent.stat().st_mode) == 0o700


async def test_a_full_journal_says_so_and_who_holds_it_up(bench: Bench):
    journal = await bench.open(Limits(max_size=300))
    await journal.open(OTLP)
    await fill(journal, range(1))
    waiting = asyncio.ensure_future(journal.append([entry("late")]))
    await asyncio.sleep(0)
    [state] = bench.health.unready()
    assert state.component == "storage"
    assert "is full (max_size 300 bytes): receivers wait, nothing is lost; otlp is furthest behind" in state.error
    await drain(journal)
    await waiting
    assert bench.health.unready() == []


async def test_a_journal_full_of_dead_letters_says_so_in_the_log_too(
    bench: Bench, caplog: pytest.LogCaptureFixture
):
    """Nobody is behind, so nothing but a person makes room, and `run --once` has no /readyz to look at."""
    journal = await bench.open(Limits(max_size=1))
    await journal.open(OTLP)
    refused = DeadLetter("logs", "otlp", "u", "no", "", 1, 7, entry("u").payload, exporter=True)
    await journal.append([], None, [refused])
    waiting = asyncio.ensure_future(journal.append([entry("late")]))
    await asyncio.sleep(0)
    [state] = bench.health.unready()
    assert "is full (max_size 1 bytes) of dead letters: receivers wait; raise max_size" in state.error
    assert [record.levelname for record in caplog.records if "full" in record.message] == ["WARNING"]
    again = Cursor(retry_log("logs", "otlp"), "otlp")
    await journal.open(again)
    await journal.retry([each.id async for each in journal.dead_letters()])
    await journal.advance(again, 1)
    await waiting
    assert bench.health.unready() == []


async def test_state_without_records_is_stored_though_the_journal_is_full(bench: Bench):
    journal = await bench.open(Limits(max_size=1))
    await journal.open(OTLP)
    await fill(journal, range(1))
    await journal.append([], Commit("source", b"more"))
    assert await journal.checkpoint("source") == b"more"


async def test_giving_up_to_wait_for_room_lets_the_next_one_in(bench: Bench):
    journal = await bench.open(Limits(max_size=300))
    await journal.open(OTLP)
    await fill(journal, range(1))
    first, second = (asyncio.ensure_future(journal.append([entry(uid)])) for uid in "12")
    await asyncio.sleep(0)
    first.cancel()
    uids = await drain(journal)
    await second
    assert (uids + await drain(journal))[10:] == ["2"]


async def test_dead_letters_whose_exporter_is_gone_stay(bench: Bench):
    journal = await bench.open()
    await journal.open(OTLP)
    letter = DeadLetter("logs", "gone", "u", "no", "", 1, 7, entry("u").payload, exporter=True)
    refused_by_processor = DeadLetter("logs", "schema", "v", "no", "", 1, 7, entry("v").payload)
    await journal.append([], None, [letter, refused_by_processor])
    assert await journal.retry([1, 2, 99]) == 1
    assert [each.uid async for each in journal.dead_letters()] == ["u"]
    assert await drain(journal) == ["v"]


async def test_a_retry_that_breaks_off_half_way_can_be_asked_for_again(bench: Bench, monkeypatch):
    """Dead letters go back a hundred at a time: no more of them are in memory together."""
    journal = await bench.open()
    await journal.open(OTLP)
    uids = [str(n) for n in range(250)]
    letters = [DeadLetter("logs", "schema", uid, "no", "", 1, 7, entry(uid).payload) for uid in uids]
    await journal.append([], None, letters)
    replace, steps = Store.replace_letters, []

    def fill_the_disk(store: Store, letters: list[DeadLetter], entries: list[Entry]) -> None:
        steps.append(len(letters))
        if len(steps) == 2:
            raise sqlite3.OperationalError("database or disk is full")
        replace(store, letters, entries)

    monkeypatch.setattr(Store, "replace_letters", fill_the_disk)
    with pytest.raises(Unavailable):
        await journal.retry(range(1, 251))
    assert [each.uid async for each in journal.dead_letters()] == uids[100:]
    assert await journal.retry(range(1, 251)) == 150
    assert await drain(journal) == uids
    assert steps == [100, 100, 0, 100, 50]


async def test_another_process_can_ask_for_a_retry(bench: Bench):
    journal = await bench.open()
    await journal.open(OTLP)
    await journal.append([], None, [DeadLetter("logs", "schema", "v", "no", "", 1, 7, entry("v").payload)])
    request_retry(bench.path, [1])
    await journal._worker.run(journal._upkeep.turn)
    assert await drain(journal) == ["v"]
    assert journal.usage().dead_letters == 0


@pytest.mark.parametrize("numbers", ["[1,", "5", '{"1": 2}', "[[1]]", '["1"]', f"[{2**64}]", "[" * 10_000])
async def test_a_request_that_rotted_stops_nobody(bench: Bench, numbers: str):
    journal = await bench.open()
    await journal.open(OTLP)
    await journal.append([], None, [DeadLetter("logs", "schema", "v", "no", "", 1, 7, entry("v").payload)])
    with closing(sqlite3.connect(bench.path)) as db, db:
        db.execute("INSERT INTO requests(numbers) VALUES(?)", (numbers,))
    request_retry(bench.path, [1])
    await journal.retain([OTLP])
    assert await drain(journal) == ["v"]


async def test_a_log_may_have_any_name(bench: Bench):
    cursor = Cursor("logs/é '\";--\n\x00", "otlp/\ud800".encode("utf-8", "replace").decode())
    journal = await bench.open()
    await journal.open(cursor)
    await journal.append([entry("1", log=cursor.log)])
    await journal.close()
    journal = await bench.open()
    assert await drain(journal, cursor) == ["1"]


async def test_times_and_texts_that_somebody_made_up_are_stored(bench: Bench):
    journal = await bench.open()
    commit = Commit("source", b"c", Seen(b"d" * 16, -(10**40), 10**40), forget_before=10**40)
    letter = DeadLetter("logs", "x", "uid\ud800\x00", "r\udfff", "a\ud83d", 1, 7, b"p")
    await journal.append([], commit, [letter])
    assert await journal.seen("source", 2**62) == b"d" * 16
    [kept] = [each async for each in journal.dead_letters()]
    assert (kept.uid, kept.reason, kept.answer) == ("uid\\ud800\x00", "r\\udfff", "a\\ud83d")


def test_a_full_disk_leaves_no_lock_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Else the shipper would take itself for another one when there is room again."""

    def full(*_arguments: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    Lock(tmp_path / "shipper.db").release()
    Lock(tmp_path / "shipper.db").release()


def test_the_lock_outlives_no_process(tmp_path: Path):
    lock = Lock(tmp_path / "shipper.db")
    lock.release()
    Lock(tmp_path / "shipper.db").release()
