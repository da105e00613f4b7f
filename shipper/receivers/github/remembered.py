"""Which events were taken already: digests of ids, as few as safety allows."""

import heapq
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from shipper.core.batch import DIGEST_SIZE, unpacked

#: Digests that are kept whatever their age, about 0.7 MB: for servers that list more than they are asked for.
KEEP: Final = 8192


def digest(uid: str) -> bytes:
    """What is remembered of an id."""
    return blake2b(uid.encode("utf-8", "surrogatepass"), digest_size=DIGEST_SIZE).digest()


class Remembered:
    """A set of digests that forgets the oldest pages once nothing can list them again.

    Args:
        packed: digests from the journal.
        newest: the newest time (ms) among them, as far as it is known.
        forgotten: the time up to which something was forgotten before; None: nothing ever was.
    """

    def __init__(self, packed: bytes = b"", newest: int = 0, forgotten: int | None = None) -> None:
        digests = unpacked(packed)
        self._all: set[bytes] = set(digests)
        self._pages: list[tuple[int, int, Sequence[bytes]]] = []
        self._count = 0
        self.forgotten = forgotten
        self.add(digests, newest)

    def __contains__(self, item: bytes) -> bool:
        return item in self._all

    def __len__(self) -> int:
        return len(self._all)

    def add(self, digests: Sequence[bytes], newest: int) -> None:
        """Remember a page whose newest time is `newest` (ms)."""
        if digests:
            self._all.update(digests)
            self._count += 1
            heapq.heappush(self._pages, (newest, self._count, digests))

    def since(self, time: int) -> int:
        """How many are remembered of pages that reach `time` (ms) or later."""
        return sum(len(digests) for newest, _, digests in self._pages if newest >= time)

    def forget(self, before: int) -> int | None:
        """Forget the oldest pages that end before `before` (ms) and are not needed; the time all others reach."""
        done = False
        while self._pages and self._pages[0][0] < before and len(self._all) - len(self._pages[0][2]) >= KEEP:
            newest, _, digests = heapq.heappop(self._pages)
            self._all.difference_update(digests)
            self.forgotten = max(newest, self.forgotten or 0)
            done = True
        # A page from the journal may span more time than its newest tells: never beyond what was asked.
        return min(self._pages[0][0], before) if done and self._pages else None
