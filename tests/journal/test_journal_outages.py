"""A disk that does not work is an outage: said clearly, survived, and over by itself."""

import errno
import logging
import os
import shutil
import sqlite3
from pathlib import Path
from unittest.mock import Mock

import pytest
from journal_bench import OTLP, Bench, drain, entry, fill, page

from shipper.core.errors import Unavailable
from shipper.journal import inspection, keeper, schema
from shipper.journal.damage import beside
from shipper.journal.lock import in_use
from shipper.journal.sqlite import SqliteJournal


async def pragma(journal: SqliteJournal, text: str) -> None:
    await journal._worker.run(lambda: journal._keeper._store.db.execute(f"PRAGMA {text}").fetchall())


async def test_a_full_disk_is_said_and_over_when_there_is_room(bench: Bench, caplog: pytest.LogCaptureFixture):
    journal = await bench.open()
    await journal.open(OTLP)
    await fill(journal, range(3))
    await pragma(journal, "max_page_count=1")
    with pytest.raises(Unavailable, match="the disk is full; free some space or move the storage"):
        await journal.append([entry(os.urandom(90000).hex())], page(3)[1])
    assert [state.component for state in bench.health.unready()] == ["storage"]
    assert [state.status for state in bench.health.unready()] == ["blocked"]
    assert len(await drain(journal)) == 30, "what is there can still be read"
    with pytest.raises(Unavailable):
        await journal.append([entry(os.urandom(90000).hex())])
    await pragma(journal, "max_page_count=100000")
    await fill(journal, range(3, 4))
    assert bench.health.unready() == []
    assert (await drain(journal))[-10:] == [f"3-{index}" for index in range(10)]
    assert [record.levelname for record in caplog.records if "disk is full" in record.message] == ["ERROR"]


async def test_a_read_only_disk_is_said_and_over_when_it_is_writable(bench: Bench):
    journal = await bench.open()
    await journal.open(OTLP)
    await pragma(journal, "query_only=1")
    with pytest.raises(Unavailable, match=r"can't be written to .* make it writable"):
        await fill(journal, range(1))
    assert len(bench.health.unready()) == 1
    await pragma(journal, "query_only=0")
    await journal._worker.run(journal._upkeep.turn)
    assert bench.health.unready() == [], "it is noticed without anybody asking"
    await fill(journal, range(1))


async def test_a_storage_that_was_removed_is_written_again(bench: Bench):
    journal = await bench.open()
    await journal.open(OTLP)
    await fill(journal, range(3))
    shutil.rmtree(bench.path.parent)
    await fill(journal, range(3, 5))
    await journal.close()
    journal = await bench.open()
    assert len(await drain(journal)) == 50
    assert await journal.checkpoint("source") == b"4"
    with pytest.raises(Unavailable, match="in use"):
        await bench.open()


async def test_a_storage_that_was_replaced_is_set_aside_and_ours_written_again(bench: Bench):
    journal = await bench.open()
    await journal.open(OTLP)
    await fill(journal, range(3))
    bench.path.unlink()
    bench.path.write_bytes(b"something else")
    await fill(journal, range(3, 5))
    assert len(await drain(journal)) == 50
    assert len(bench.aside()) == 1


async def test_a_storage_that_was_written_again_but_does_not_open_keeps_its_state(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    journal = await bench.open()
    await journal.open(OTLP)
    await fill(journal, range(3))
    bench.path.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(schema, "connect", Mock(side_effect=sqlite3.OperationalError("unable to open")))
        with pytest.raises(Unavailable):
            await fill(journal, range(3, 4))
    assert journal.waiting(OTLP) == 30
    await fill(journal, range(3, 5))
    assert len(await drain(journal)) == 50


async def test_a_vanished_volume_is_an_outage_until_it_is_back(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    """Nothing is written to the directory that shows where the volume was mounted."""
    journal = await bench.open()
    await journal.open(OTLP)
    await fill(journal, range(3))
    elsewhere = bench.path.parent.with_name("elsewhere")
    bench.path.parent.rename(elsewhere)
    with monkeypatch.context() as patched:
        patched.setattr(keeper, "_volume", lambda _path: 4711)
        with pytest.raises(Unavailable, match="another volume, or none, is mounted there"):
            await fill(journal, range(3, 4))
    assert not bench.path.parent.exists()
    elsewhere.rename(bench.path.parent)
    await fill(journal, range(3, 4))
    assert len(await drain(journal)) == 40
    assert bench.aside() == []


async def test_an_io_error_reopens_the_storage(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    journal = await bench.open()
    await journal.open(OTLP)
    await fill(journal, range(3))

    def broken() -> None:
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(Unavailable, match=r"can't be reached .* is its volume mounted and healthy"):
        await journal._do(lambda _: broken())
    await journal._worker.run(journal._keeper._let_go)
    assert len(await drain(journal)) == 30


async def test_what_a_reopened_storage_has_forgotten_is_asked_for_again(bench: Bench):
    """A volume that comes back older: places are not given twice, and receivers start from their checkpoints."""
    journal = await bench.open()
    await journal.open(OTLP)
    await fill(journal, range(3))
    await journal.close()
    older = bench.path.read_bytes()
    journal = await bench.open()
    await journal.open(OTLP)
    await journal.checkpoint("source")
    await fill(journal, range(3, 5))
    await journal._worker.run(journal._keeper._let_go)
    bench.path.write_bytes(older)
    for suffix in ("-wal", "-shm"):
        beside(bench.path, suffix).unlink(missing_ok=True)
    with pytest.raises(Unavailable, match="go on from the stored checkpoint"):
        await fill(journal, range(5, 6))
    assert await journal.checkpoint("source") == b"2"
    await fill(journal, range(3, 6))
    found = await drain(journal)
    assert found == [f"{number}-{index}" for number in range(6) for index in range(10)]
    assert journal.cursors()[0].place == 80, "the places of the two lost pages are not given twice"


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (OSError(errno.ENOSPC, "x"), "the disk is full"),
        (OSError(errno.EDQUOT, "x"), "the disk is full"),
        (OSError(errno.EROFS, "x"), "can't be written to"),
        (OSError(errno.EACCES, "x"), "can't be written to"),
        (OSError(errno.EIO, "x"), "can't be reached"),
        (NotADirectoryError(errno.ENOTDIR, "x"), "can't be reached"),
    ],
)
def test_every_fault_says_what_where_and_how_to_mend_it(fault: OSError, says: str):
    text = keeper.explain(fault, Path("/var/lib/shipper.db"))
    assert text.startswith("storage /var/lib/shipper.db")
    assert says in text


async def test_a_place_that_can_not_be_made_is_said_at_the_start(tmp_path: Path):
    (tmp_path / "file").write_text("")
    bench = Bench(tmp_path / "file" / "shipper.db")
    with pytest.raises(Unavailable, match=r"can't be reached"):
        await bench.open()


async def test_a_second_shipper_says_only_who_has_the_storage(bench: Bench, caplog: pytest.LogCaptureFixture):
    await bench.open()
    with pytest.raises(Unavailable, match=r"in use by another shipper \(process \d+\); stop that one"):
        await bench.open()
    assert caplog.messages == []


def test_inspection_says_where_nothing_is(tmp_path: Path):
    with pytest.raises(Unavailable, match="there is no storage at"):
        inspection.snapshot(tmp_path / "shipper.db")


async def test_inspection_sees_what_a_running_shipper_has(bench: Bench):
    journal = await bench.open()
    await journal.open(OTLP)
    await fill(journal, range(3))
    await journal.advance(OTLP, 7)
    found = inspection.snapshot(bench.path)
    assert [(each.cursor, each.place, each.end, each.active) for each in found.cursors] == [(OTLP, 7, 30, True)]
    assert [(each.source, each.value) for each in found.checkpoints] == [("source", b"2")]
    assert found.usage.records == 30
    assert in_use(bench.path)
    await journal.close()
    assert not in_use(bench.path)


async def test_nothing_is_logged_that_records_hold(bench: Bench, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    journal = await bench.open()
    await journal.open(OTLP)
    await journal.append([entry("secret-uid")])
    await drain(journal)
    assert "secret-uid" not in caplog.text
