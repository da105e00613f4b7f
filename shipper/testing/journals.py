"""The contract of a journal."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from shipper.core.batch import Commit, Seen
from shipper.core.journal import Cursor, DeadLetter, Entry, Journal, Limits, retry_log
from shipper.testing.samples import encode
from shipper.wire import otlp

_A: Final = Cursor("logs", "a")
_B: Final = Cursor("logs", "b")

#: Seconds after which something that must happen has not.
_PATIENCE: Final = 10.0

Check = Callable[[Journal], Awaitable[None]]


async def check_journal(make: Callable[[Limits], Awaitable[Journal]]) -> None:
    """Run every check on a journal of its own.

    Args:
        make: opens a new, empty journal with the given limits.

    Raises:
        AssertionError: what the journal does not keep of its contract.
    """
    checks: list[tuple[Check, Limits]] = [
        (_commits_everything_at_once, Limits()),
        (_reads_in_order_within_limits, Limits()),
        (_readers_are_independent, Limits()),
        (_new_readers_start_where_they_should, Limits()),
        (_new_readers_take_over_from_those_that_leave, Limits()),
        (_moves_only_forward_and_keeps_dead_letters, Limits()),
        (_gives_dead_letters_again, Limits()),
        (_wakes_who_waits, Limits()),
        (_a_cancelled_append_is_whole, Limits()),
        (_waits_while_full, Limits(max_size=500)),
    ]
    for check, limits in checks:
        journal = await make(limits)
        try:
            async with asyncio.timeout(_PATIENCE):
                await check(journal)
        except TimeoutError as error:
            raise AssertionError(f"{_title(check)}: nothing happened for {_PATIENCE:.0f} s") from error
        except AssertionError as error:
            raise AssertionError(f"{_title(check)}: {error}") from error
        finally:
            await journal.close()


def _title(check: Check) -> str:
    return check.__name__.strip("_").replace("_", " ")


async def _commits_everything_at_once(journal: Journal) -> None:
    await journal.open(_A)
    letter = _letter("dead")
    commit = Commit("source", b"checkpoint", Seen(b"d" * 32, 10, 20), forget_before=5)
    await journal.append([_entry("a1", "a2")], commit, [letter])
    _expect("checkpoint", await journal.checkpoint("source"), b"checkpoint")
    _expect("ids seen since 20", await journal.seen("source", 20), b"d" * 32)
    _expect("ids seen since 21", await journal.seen("source", 21), b"")
    _expect("records waiting", journal.waiting(_A), 2)
    _expect("dead letters", [each.uid async for each in journal.dead_letters()], ["dead"])
    await journal.append([], Commit("source", b"later"))
    _expect("checkpoint after a second commit", await journal.checkpoint("source"), b"later")
    await journal.append([], Commit("source"))
    _expect("checkpoint after a commit without one", await journal.checkpoint("source"), b"later")
    _expect("checkpoint of a source that never was", await journal.checkpoint("other"), None)


async def _reads_in_order_within_limits(journal: Journal) -> None:
    await journal.open(_A)
    for number in range(4):
        await journal.append([_entry(f"{number}-0", f"{number}-1", f"{number}-2")])
    _expect("first five", await _uids(journal, _A, 5), ["0-0", "0-1", "0-2", "1-0", "1-1"])
    _expect("the same again", await _uids(journal, _A, 5), ["0-0", "0-1", "0-2", "1-0", "1-1"])
    _expect("with room for no byte", await _uids(journal, _A, 5, max_bytes=1), ["0-0"])
    await journal.advance(_A, 5)
    _expect("behind place 5", await _uids(journal, _A, 100), ["1-2", "2-0", "2-1", "2-2", "3-0", "3-1", "3-2"])
    _expect("from place 8 on", await _uids(journal, _A, 2, start=8), ["2-2", "3-0"])


async def _readers_are_independent(journal: Journal) -> None:
    await journal.open(_A)
    await journal.open(_B)
    for number in range(100):
        await journal.append([_entry(f"{number}")])
    await journal.advance(_A, 100)
    _expect("records waiting for a", journal.waiting(_A), 0)
    _expect("records waiting for b", journal.waiting(_B), 100)
    _expect("first record of b", await _uids(journal, _B, 1), ["0"])
    await journal.retain([_A])
    await journal.advance(_A, 100)
    _expect("place of b after it was away", await journal.open(_B) <= 100, True)


async def _new_readers_start_where_they_should(journal: Journal) -> None:
    await journal.append([_entry("early")])
    _expect("place of the first reader of a log that was there before", await journal.open(_A), 0)
    _expect("place of a second reader", await journal.open(_B), 1)
    _expect("place of a reader that opens again", await journal.open(_A), 0)


async def _new_readers_take_over_from_those_that_leave(journal: Journal) -> None:
    await journal.open(_A)
    await journal.append([_entry("1", "2", "3", "4")])
    await journal.advance(_A, 1)
    _expect("place of a new reader where another leaves", await journal.open(_B, [_A]), 1)
    await journal.advance(_A, 2)
    await journal.retain([_B])
    _expect("what waits for it once the other has left", await _uids(journal, _B, 9), ["3", "4"])
    _expect("place of one that left and comes again", await journal.open(_A), 4)
    other = Cursor(_A.log, "other")
    await journal.retain([])
    _expect("place of a new reader of a log that nobody reads", await journal.open(other), 2)
    third = Cursor(_A.log, "third")
    await journal.open(third, [other])
    await journal.retain([other])
    await journal.advance(other, 4)
    _expect("place of one that did not take over after all", await journal.open(third), 4)


async def _moves_only_forward_and_keeps_dead_letters(journal: Journal) -> None:
    await journal.open(_A)
    await journal.open(Cursor("logs/dead_letter", "d"))
    await journal.append([_entry("1", "2", "3")])
    await journal.advance(_A, 2, [_letter("2")], [Entry("logs/dead_letter", encode(["2"]), 1)])
    await journal.advance(_A, 1)
    _expect("records waiting", journal.waiting(_A), 1)
    _expect("what the dead-letter exporter reads", await _uids(journal, Cursor("logs/dead_letter", "d"), 9), ["2"])
    letters = [each async for each in journal.dead_letters("logs")]
    _expect(
        "dead letters", [(each.uid, each.reason, each.payload) for each in letters], [("2", "no", encode(["2"]))]
    )
    _expect("dead letters of another pipeline", [each async for each in journal.dead_letters("x")], [])


async def _gives_dead_letters_again(journal: Journal) -> None:
    again = Cursor(retry_log("logs", "a"), "a")
    for cursor in (_A, _B, again):
        await journal.open(cursor)
    await journal.append([], None, [_letter("1"), _letter("2")])
    numbers = [each.id async for each in journal.dead_letters()]
    _expect("letters given again", await journal.retry(numbers[:1]), 1)
    _expect("what the exporter that refused it reads", await _uids(journal, again, 9), ["1"])
    _expect("what the others read", journal.waiting(_B), 0)
    _expect("dead letters left", [each.uid async for each in journal.dead_letters()], ["2"])
    _expect("a letter that is gone", await journal.dead_letter(numbers[0]), None)


async def _wakes_who_waits(journal: Journal) -> None:
    await journal.open(_A)
    given_up, waiting = (asyncio.ensure_future(journal.wait(_A, 2)) for _ in range(2))
    await asyncio.sleep(0)
    given_up.cancel()
    await journal.append([_entry("1")])
    _expect("woken by one record, waiting for two", waiting.done(), False)
    await journal.append([_entry("2")])
    await waiting
    further = asyncio.ensure_future(journal.wait(_A, 1, 2))
    await journal.advance(_A, 2)
    _expect("waiting behind a place that the cursor has come to", further.done(), False)
    await journal.append([_entry("3")])
    await further


async def _a_cancelled_append_is_whole(journal: Journal) -> None:
    await journal.open(_A)
    for number in range(20):
        commit = Commit("source", str(number).encode())
        task = asyncio.ensure_future(journal.append([_entry(f"{number}a"), _entry(f"{number}b")], commit))
        for _ in range(number % 4):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    last = await journal.checkpoint("source")
    uids = await _uids(journal, _A, 1000)
    _expect("halves of appends", len(uids) % 2, 0)
    _expect("the last append by its checkpoint and its records", uids[-1:], [f"{last.decode()}b"] if last else [])


async def _waits_while_full(journal: Journal) -> None:
    await journal.open(_A)
    noise = [f"{number:040x}" for number in range(0, 10**12, 10**10)]
    await journal.append([_entry(*noise)])
    waiting = [asyncio.ensure_future(journal.append([_entry(uid)])) for uid in ("first", "second")]
    await asyncio.sleep(0)
    await journal.checkpoint("source")
    _expect("an append to a full journal went on", [task.done() for task in waiting], [False, False])
    _expect("appends that wait by usage()", journal.usage().appends_waiting, 2)
    await journal.advance(_A, len(noise))
    await asyncio.gather(*waiting)
    _expect("the order after waiting", await _uids(journal, _A, 10), ["first", "second"])


async def _uids(
    journal: Journal, cursor: Cursor, records: int, *, max_bytes: int = 2**24, start: int | None = None
) -> list[str]:
    chunks = await journal.read(cursor, records, max_bytes, start)
    return [
        each.record.uid
        for chunk in chunks
        for each in otlp.decode(otlp.cut(chunk.payload, chunk.start, chunk.stop))
    ]


def _entry(*uids: str) -> Entry:
    return Entry("logs", encode(uids), len(uids))


def _letter(uid: str) -> DeadLetter:
    return DeadLetter("logs", "a", uid, "no", "400", 1, 7, encode([uid]), exporter=True)


def _expect(what: str, found: object, expected: object) -> None:
    if isinstance(found, Sequence) and len(found) > 50:
        found = f"{found[:50]!r}…"
    assert found == expected, f"{what}: {found!r}, not {expected!r}"
