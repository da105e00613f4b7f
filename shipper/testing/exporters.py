"""The contract of an exporter: one attempt a call, everything in order, refusals named by what comes next."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from shipper.core.component import Exporter, Unanswered, Window
from shipper.core.errors import Rejected, Unavailable
from shipper.testing.samples import make_record, make_window

#: Seconds after which an attempt hangs.
_PATIENCE: Final = 15.0

#: Seconds a backend may take to read what was delivered to it.
_READING: Final = 2.0


class Backend(Protocol):
    """The other end, as `check_exporter` needs it: yours, over a real socket."""

    attempts: int
    """Requests (or messages, or connections) that were refused or accepted so far."""

    def accept(self) -> None:
        """From now on take everything."""

    def fail(self) -> None:
        """From now on answer that it can't take anything now."""

    def uids(self) -> Sequence[str]:
        """`log.record.uid` of what was taken, in the order in which it came."""


async def check_exporter(exporter: Exporter, backend: Backend) -> None:
    """Drive an exporter, not yet entered, against a backend that works, fails and works again.

    Raises:
        AssertionError: it lost, doubled or disordered records, hid a failure, or retried by itself.
    """
    first = make_window([make_record(f"first-{number}") for number in range(5)])
    second = make_window([make_record(f"second-{number}") for number in range(3)])
    async with exporter:
        backend.accept()
        await _export(exporter, first)
        await _expect(backend, [each.record.uid for each in first.records])
        if isinstance(exporter, Unanswered):
            await exporter.settled()
            assert not exporter.doubtful, "what the backend has read is in doubt still"
        await _check_failure(exporter, backend, second)
        backend.accept()
        await _export(exporter, second)
        await _expect(backend, [each.record.uid for window in (first, second) for each in window.records])


async def _check_failure(exporter: Exporter, backend: Backend, window: Window) -> None:
    backend.fail()
    before = backend.attempts
    payload = window.otlp
    try:
        await _export(exporter, window)
    except Unavailable as failure:
        assert failure.reason, "Unavailable without a reason: nobody will know what to do"
    except Rejected as refused:
        raise AssertionError("a backend that fails for now was taken for one that refuses for good") from refused
    else:
        raise AssertionError("export returned though the backend took nothing: the records would be lost")
    attempts = backend.attempts - before
    assert attempts <= 1, f"{attempts} attempts in one call: retrying is the delivery's business"
    assert window.otlp == payload, "the window was changed"


async def _export(exporter: Exporter, window: Window) -> None:
    try:
        async with asyncio.timeout(_PATIENCE):
            await exporter.export(window)
    except TimeoutError as error:
        raise AssertionError(f"export neither returned nor raised within {_PATIENCE:.0f} s") from error


async def _expect(backend: Backend, expected: Sequence[str]) -> None:
    """What the backend took; where nothing is answered, as in syslog, it may still be reading."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _READING
    while len(backend.uids()) < len(expected) and loop.time() < until:  # noqa: ASYNC110 - backends are others'
        await asyncio.sleep(0.01)
    found = backend.uids()
    missing = [uid for uid in expected if uid not in found]
    assert not missing, f"records were lost: {missing}"
    assert len(found) == len(expected), f"records were doubled or made up: {list(found)}"
    assert list(found) == list(expected), f"records came out of order: {list(found)}"


class RecordingExporter:
    """An exporter that keeps the uids it is given, and fails as it is told.

    Args:
        script: for each attempt in turn, what it raises, or None for success; later attempts succeed.
        poison: uids that are refused for good.
        named: whether the refusal names their indexes, or leaves them to be found by halving.
    """

    def __init__(
        self, script: Iterable[BaseException | None] = (), *, poison: Iterable[str] = (), named: bool = False
    ) -> None:
        self._script = list(script)
        self._poison = frozenset(poison)
        self._named = named
        self.attempts: list[list[str]] = []
        """The uids of every attempt."""
        self.taken: list[str] = []
        """The uids of every attempt that succeeded."""
        self.entered = False
        self._progress = asyncio.Event()

    async def __aenter__(self) -> "RecordingExporter":
        self.entered = True
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.entered = False

    async def export(self, window: Window) -> None:
        """Take the records, or raise what the script says."""
        uids = [each.record.uid for each in window.records]
        self.attempts.append(uids)
        self._progress.set()
        fault = self._script.pop(0) if self._script else None
        if fault:
            raise fault
        guilty = [index for index, uid in enumerate(uids) if uid in self._poison]
        if guilty:
            raise Rejected("poison", answer="400 poison", indexes=guilty if self._named else None)
        self.taken += uids

    async def check(self) -> str:
        """Say that it is there."""
        return "recording"

    async def attempted(self, attempts: int) -> None:
        """Return once so many attempts were made."""
        while len(self.attempts) < attempts:
            self._progress.clear()
            await self._progress.wait()
