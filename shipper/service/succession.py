"""What becomes of records and checkpoints of parts that the configuration no longer has, or has renamed."""

import logging
from collections.abc import Collection

from shipper.core.journal import Cursor, CursorState, Journal

log = logging.getLogger(__name__)


class Succession:
    """The readers of one configuration, beside those that the storage knows: who leaves, and who is new.

    To be made before the new ones are opened.
    """

    def __init__(self, journal: Journal, readers: Collection[Cursor]) -> None:
        self._journal = journal
        known = journal.cursors()
        self.leaving = [each.cursor for each in known if each.active and each.cursor not in readers]
        self._new = set(readers) - {each.cursor for each in known}
        self._logs = {each.log for each in readers}

    def say(self) -> None:
        """Tell the log who takes over, what is let go, and what can't be delivered."""
        for each in self._journal.cursors():
            if each.cursor in self.leaving and each.end > each.place and each.cursor.log in self._logs:
                self._say_left(each)
        for name, count in self.stranded().items():
            log.warning(
                "%d records wait for pipeline %s, which the configuration no longer has;"
                " name it again, with any exporter, to have them delivered",
                count,
                name,
                extra={"pipeline": name, "records": count},
            )

    def stranded(self) -> dict[str, int]:
        """Records that wait in logs which nobody reads now, by log."""
        found: dict[str, int] = {}
        for each in self._journal.cursors():
            name, waiting = each.cursor.log, each.end - each.place
            if name not in self._logs and waiting > 0:
                found[name] = max(found.get(name, 0), waiting)
        return found

    async def say_anew(self, receivers: Collection[str]) -> None:
        """Tell the log which receivers start anew although the storage has checkpoints of some that left."""
        sources = [each.source for each in await self._journal.checkpoints()]
        anew = [each for each in receivers if not any(name.startswith(f"{each}/") for name in sources)]
        left = [name for name in sources if not name.startswith(tuple(f"{each}/" for each in receivers))]
        if anew and left:
            log.warning(
                "receiver %s starts anew, at its initial lookback; the storage has checkpoints of receivers that"
                " the configuration no longer has: %s; to go on from these, give the receiver its former name",
                ", ".join(anew),
                ", ".join(left),
                extra={"component": anew[0], "sources": left},
            )

    def _say_left(self, left: CursorState) -> None:
        waiting, (name, reader) = left.end - left.place, left.cursor
        heirs = ", ".join(sorted(each.reader for each in self._new if each.log == name))
        fate = f"go to {heirs}" if heirs else "are let go; name it again soon to have what is still kept"
        log.warning(
            "exporter %s left pipeline %s: the %d records that wait for it %s",
            reader,
            name,
            waiting,
            fate,
            extra={"component": reader, "pipeline": name, "records": waiting},
        )
