"""The contract checkers pass parts that keep their contract, and say what is wrong with those that don't."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest

from shipper.core.batch import Batch, Commit, Seen
from shipper.core.component import Intake, Window
from shipper.core.errors import Rejected, Unavailable
from shipper.core.journal import Chunk, Cursor, Journal
from shipper.journal import memory_journal
from shipper.testing import ManualClock, check_exporter, check_journal, check_receiver, make_record
from shipper.testing.samples import RESOURCE, SCOPE

EVENTS = [f"event-{number:03}" for number in range(95)]
PAGE = 10


def digest(uid: str) -> bytes:
    return uid.encode().ljust(16, b".")


class Poller:
    """A receiver that keeps the contract: pages with an overlap, ids and checkpoint in one commit."""

    overlap = 5

    async def run(self, intake: Intake, *, once: bool = False) -> None:
        assert once
        place = await self.place(intake)
        packed = await intake.seen("poller", 0)
        seen = {packed[at : at + 16] for at in range(0, len(packed), 16)}
        while place < len(EVENTS):
            uids = EVENTS[place : place + PAGE]
            fresh = [uid for uid in uids if digest(uid) not in seen]
            seen |= {digest(uid) for uid in fresh}
            place += len(uids)
            await self.emit(intake, fresh, place)

    async def place(self, intake: Intake) -> int:
        return max(0, int(await intake.checkpoint("poller") or b"0") - self.overlap)

    async def emit(self, intake: Intake, uids: list[str], place: int) -> None:
        ids = Seen(b"".join(digest(uid) for uid in uids), place, place)
        commit = Commit("poller", str(place).encode(), ids)
        await intake.emit(Batch([make_record(uid) for uid in uids], RESOURCE, SCOPE, commit))


class CheckpointFirst(Poller):
    """Moves its checkpoint in a commit of its own before the records are stored."""

    async def emit(self, intake: Intake, uids: list[str], place: int) -> None:
        await intake.emit(Batch([], RESOURCE, SCOPE, Commit("poller", str(place).encode())))
        await super().emit(intake, uids, place)

    async def place(self, intake: Intake) -> int:
        return int(await intake.checkpoint("poller") or b"0")


class RecordsFirst(Poller):
    """Stores the records before ids and checkpoint."""

    async def emit(self, intake: Intake, uids: list[str], place: int) -> None:
        await intake.emit(Batch([make_record(uid) for uid in uids], RESOURCE, SCOPE))
        await intake.emit(Batch([], RESOURCE, SCOPE, Commit("poller", str(place).encode())))


class Swallower(Poller):
    """Takes a page that was not stored for stored."""

    async def emit(self, intake: Intake, uids: list[str], place: int) -> None:
        with suppress(Unavailable):
            await super().emit(intake, uids, place)


class Inventor(Poller):
    """Gives an event another id at every poll."""

    polls = 0

    async def emit(self, intake: Intake, uids: list[str], place: int) -> None:
        Inventor.polls += 1
        await super().emit(intake, [*uids[:-1], f"{uids[-1]}-{Inventor.polls}"] if uids else [], place)


async def test_a_receiver_that_keeps_the_contract_passes():
    for seed in range(10):
        await check_receiver(Poller, EVENTS, seed=seed, rounds=30)


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (CheckpointFirst, "events were lost, such as event-"),
        (RecordsFirst, "events were stored twice, such as event-"),
        (Swallower, "events were lost, such as event-"),
        (Inventor, "events were lost, such as event-"),
    ],
)
async def test_a_receiver_that_breaks_it_is_caught(broken: Callable[[], Any], says: str):
    with pytest.raises(AssertionError, match=says):
        await check_receiver(broken, EVENTS, rounds=30)


class Shelf:
    """A backend that an exporter calls directly."""

    def __init__(self) -> None:
        self.attempts = 0
        self.working = True
        self.taken: list[str] = []

    def accept(self) -> None:
        self.working = True

    def fail(self) -> None:
        self.working = False

    def uids(self) -> Sequence[str]:
        return self.taken

    def put(self, uids: list[str]) -> None:
        self.attempts += 1
        if not self.working:
            raise Unavailable("the shelf is full; clear it")
        self.taken += uids


class Good:
    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf

    async def __aenter__(self) -> "Good":
        return self

    async def __aexit__(self, *exc: object) -> None:
        pass

    async def check(self) -> str:
        return "there"

    async def export(self, window: Window) -> None:
        self.shelf.put([each.record.uid for each in window.records])


class Retrying(Good):
    async def export(self, window: Window) -> None:
        for attempt in range(3):
            try:
                await super().export(window)
            except Unavailable:
                if attempt == 2:
                    raise
            else:
                return


class Hiding(Good):
    async def export(self, window: Window) -> None:
        with suppress(Unavailable):
            await super().export(window)


class Judging(Good):
    async def export(self, window: Window) -> None:
        try:
            await super().export(window)
        except Unavailable as error:
            raise Rejected("no") from error


class Shuffling(Good):
    async def export(self, window: Window) -> None:
        self.shelf.put([each.record.uid for each in reversed(window.records)])


class Losing(Good):
    async def export(self, window: Window) -> None:
        self.shelf.put([each.record.uid for each in window.records][1:])


class Doubling(Good):
    async def export(self, window: Window) -> None:
        self.shelf.put([each.record.uid for each in window.records] * 2)


class Mute(Good):
    async def export(self, window: Window) -> None:
        try:
            await super().export(window)
        except Unavailable:
            raise Unavailable("") from None


async def test_an_exporter_that_keeps_the_contract_passes():
    shelf = Shelf()
    await check_exporter(Good(shelf), shelf)


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (Retrying, "3 attempts in one call: retrying is the delivery's business"),
        (Hiding, "export returned though the backend took nothing"),
        (Judging, "a backend that fails for now was taken for one that refuses for good"),
        (Shuffling, "records came out of order"),
        (Losing, "records were lost: .'first-0'"),
        (Doubling, "records were doubled or made up"),
        (Mute, "Unavailable without a reason"),
    ],
)
async def test_an_exporter_that_breaks_it_is_caught(broken: type[Good], says: str):
    shelf = Shelf()
    with pytest.raises(AssertionError, match=says):
        await check_exporter(broken(shelf), shelf)


class Spoiled:
    """A journal with one method replaced."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)


class ForgetsIds(Spoiled):
    async def seen(self, source: str, since: int) -> bytes:
        return b""


class MovesBack(Spoiled):
    async def read(self, cursor: Cursor, records: int, size: int, start: int | None = None) -> list[Chunk]:
        chunks: list[Chunk] = await self._journal.read(cursor, records, size, start)
        return chunks[:1]


class NeverFull(Spoiled):
    async def append(self, *args: Any, **kwargs: Any) -> None:
        self._journal._max_size = 2**30
        await self._journal.append(*args, **kwargs)


class LosesDeadLetters(Spoiled):
    async def advance(self, cursor: Cursor, place: int, dead: Any = (), entries: Any = ()) -> None:
        await self._journal.advance(cursor, place, (), entries)


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (ForgetsIds, "commits everything at once: ids seen since 20: b''"),
        (MovesBack, "reads in order within limits: first five"),
        (NeverFull, "waits while full: an append to a full journal went on"),
        (LosesDeadLetters, "keeps dead letters: dead letters"),
    ],
)
async def test_a_journal_that_breaks_the_contract_is_caught(broken: type[Spoiled], says: str):
    async def make(limits: Any) -> Any:
        return broken(await memory_journal(limits=limits))

    with pytest.raises(AssertionError, match=says):
        await check_journal(make)


async def test_a_manual_clock_wakes_sleepers_in_their_order():
    clock = ManualClock(now=0)
    woken: list[float] = []

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    tasks = [asyncio.ensure_future(sleep(seconds)) for seconds in (3, 1, 2)]
    await asyncio.sleep(0)
    assert clock.sleeping == 3
    clock.advance(2)
    await asyncio.sleep(0)
    assert woken == [1, 2]
    assert (clock.monotonic(), clock.now()) == (2.0, 2 * 10**9)
    clock.advance(1)
    await asyncio.gather(*tasks)


async def test_an_automatic_clock_sleeps_in_no_time():
    clock = ManualClock(now=0, automatic=True)
    await clock.sleep(3600)
    assert clock.monotonic() == 3600
    assert clock.slept == [3600]
