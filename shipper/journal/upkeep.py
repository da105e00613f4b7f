"""What the journal does about once a second: deletes in small steps what nobody needs any more."""

import logging
from typing import Final

from shipper.core.clock import Clock
from shipper.core.errors import Unavailable
from shipper.journal import letters
from shipper.journal.keeper import Keeper
from shipper.journal.schema import seal, unpack_ends
from shipper.journal.state import Damage
from shipper.journal.store import Store

log = logging.getLogger(__name__)

#: Entries, pages of ids and free pages of the file given up in one turn.
_ENTRIES: Final = 256
_PAGES: Final = 256
_FREE: Final = 512

#: Free pages that the file keeps for the next burst.
_SPARE: Final = 4096

#: ns between two saves of the safe checkpoints, and two looks for old ids that found none.
_INTERVAL: Final = 60 * 10**9


class Upkeep:
    """The turns of upkeep.

    Args:
        keeper: the storage.
        clock: says what is old.
        retention: seconds for which the ids of delivered events are kept.
    """

    def __init__(self, keeper: Keeper, clock: Clock, retention: float) -> None:
        self._keeper = keeper
        self._clock = clock
        self._retention = int(retention * 10**9)
        self._data_version = 0
        self._save_due = 0
        self._forget_due = 0

    def turn(self) -> None:
        """One turn; what fails is tried again in the next."""
        try:
            if self._keeper.outage:
                self._keeper.do(_probe)
            self._keeper.do(self._turn, writes=False)
        except Unavailable:
            pass  # the keeper has said it, and callers will see it
        except Exception:
            log.exception("upkeep of the storage failed")

    def save_safe(self) -> None:
        """Write the second copy of the checkpoints, unless the storage was never ours."""
        if not self._keeper.was_open:
            return
        try:
            self._keeper.safe.save(self._keeper.do(self._safe, writes=False))
        except (OSError, Unavailable) as error:
            log.warning("the copy of the checkpoints can't be written: %s", error)

    def _turn(self, store: Store) -> None:
        version = store.db.execute("PRAGMA data_version").fetchone()[0]
        if version != self._data_version:
            letters.take_requests(store)
            self._data_version = version
        store.prune(_ENTRIES)
        self._forget(store)
        if store.db.execute("PRAGMA freelist_count").fetchone()[0] > _SPARE:
            store.db.execute(f"PRAGMA incremental_vacuum({_FREE})").fetchall()
        if self._clock.now() >= self._save_due:
            self._save_due = self._clock.now() + _INTERVAL
            self._thin_checkpoints(store)
            self.save_safe()

    def _forget(self, store: Store) -> None:
        if self._clock.now() < self._forget_due:
            return
        old = store.db.execute(
            "SELECT seen.id, s.name, seen.newest FROM seen JOIN sources s ON s.id = seen.source"
            " WHERE seen.newest < s.forget_before AND stored < ? ORDER BY stored LIMIT ?",
            (self._clock.now() - self._retention, _PAGES),
        ).fetchall()
        if old:
            with store.transaction():
                store.db.executemany("DELETE FROM seen WHERE id=?", [row[:1] for row in old])
                for _, source, newest in old:
                    store.put_forgotten(source, newest)
        else:
            self._forget_due = self._clock.now() + _INTERVAL

    def _thin_checkpoints(self, store: Store) -> None:
        """Delete checkpoints older than each source's newest that is delivered."""
        delivered = self._delivered(store)
        with store.transaction():
            for source, born, _value in delivered.values():
                store.db.execute("DELETE FROM checkpoints WHERE source=? AND born<?", (source, born))

    def _safe(self, store: Store) -> dict[str, bytes]:
        """Each source's newest checkpoint all of whose records every exporter has."""
        found = {name: value for name, (_, _, value) in self._delivered(store).items() if value is not None}
        return self._keeper.safe.values | found

    def _delivered(self, store: Store) -> dict[str, tuple[int, int, bytes | None]]:
        lows = {each.id: each.low() if each.had_reader else 0 for each in store.state.logs.values()}
        names = {number: name for name, number in store.state.sources.items()}
        found: dict[str, tuple[int, int, bytes | None]] = {}
        rows = store.db.execute(
            "SELECT source, born, time, value, ends, sum FROM checkpoints ORDER BY source, born"
        )
        for source, born, time, value, ends, total in rows:
            if source not in names or seal(source, born, time, value, ends) != total:
                raise Damage(f"checkpoint of {names.get(source, 'no source')}")
            if all(lows.get(number, 0) >= end for number, end in unpack_ends(ends).items()):
                found[names[source]] = source, born, value
        return found


def _probe(store: Store) -> None:
    """Write something as large as an entry, to see whether it works."""
    with store.transaction():
        store.db.execute("INSERT OR REPLACE INTO meta VALUES('probe', zeroblob(65536))")
    with store.transaction():
        store.db.execute("DELETE FROM meta WHERE key='probe'")
