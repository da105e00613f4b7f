"""The contract of a receiver: every event is in the journal exactly once, whatever fails, however it restarts."""

import random
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Final

from shipper.core.batch import Batch
from shipper.core.component import Receiver
from shipper.core.errors import Unavailable
from shipper.core.journal import Cursor, Journal
from shipper.journal import memory_journal
from shipper.testing.flaky import FlakyJournal
from shipper.testing.intake import JournalIntake
from shipper.wire import otlp

_READER: Final = Cursor("logs", "checker")


class _KilledError(Exception):
    """Stands for the end of the process: a receiver must not survive it."""


async def check_receiver(
    make: Callable[[], Receiver], expected: Collection[str], *, rounds: int = 100, seed: int = 0
) -> None:
    """Run a receiver that polls against a journal that fails at random, with restarts, and count what arrives.

    Args:
        make: a new receiver over a source that goes on offering the same events; called again after each restart.
        expected: the uids of all events of the source.
        rounds: after how many polls everything must be there; the last ones meet no failure.
        seed: of failures and restarts.

    Raises:
        AssertionError: events were lost, doubled or made up, or `run` swallowed what it must not.
    """
    rng = random.Random(seed)  # noqa: S311 - made to be repeated
    journal = await memory_journal()
    try:
        await journal.open(_READER)
        flaky = FlakyJournal(journal, seed=seed)
        receiver = make()
        for turn in range(rounds):
            if turn >= rounds - 3:
                flaky.rate = 0.0
            if rng.random() < 0.3:
                receiver = make()
            await _poll(receiver, flaky, rng if turn < rounds - 3 else None)
        await receiver.run(JournalIntake(journal), once=True)
        _compare(Counter(await _stored(journal)), Counter(expected))
    finally:
        await journal.close()


async def _poll(receiver: Receiver, journal: FlakyJournal, rng: random.Random | None) -> None:
    def kill(_batch: Batch) -> None:
        if rng and rng.random() < 0.1:
            raise _KilledError

    failures = journal.failures
    try:
        with suppress(_KilledError):
            await receiver.run(JournalIntake(journal, before=kill), once=True)
    except Unavailable:
        assert rng or journal.failures > failures, "run(once=True) raised Unavailable though nothing failed"


async def _stored(journal: Journal) -> list[str]:
    uids: list[str] = []
    while chunks := await journal.read(_READER, 1000, 2**24):
        for chunk in chunks:
            payload = otlp.cut(chunk.payload, chunk.start, chunk.stop)
            uids += [each.record.uid for each in otlp.decode(payload)]
        await journal.advance(_READER, chunks[-1].next)
    return uids


def _compare(found: Counter[str], expected: Counter[str]) -> None:
    lost, extra = expected - found, found - expected
    doubled = [uid for uid in extra if uid in expected]
    made_up = [uid for uid in extra if uid not in expected]
    assert not lost, f"{len(lost)} events were lost, such as {min(lost)}: a checkpoint moved past them"
    assert not doubled, (
        f"{len(doubled)} events were stored twice, such as {min(doubled)}: their ids were forgotten"
    )
    assert not made_up, f"{len(made_up)} events nobody sent were stored, such as {min(made_up)}"
