"""Reading the journal's rows, each checked against its checksum."""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import zstandard

from shipper.core.journal import Checkpoint, Chunk, Page, PageKind
from shipper.journal.schema import DROPPED, KIND, PLACE_BITS, SHARED, TAKEN, seal, unpack_ends
from shipper.journal.state import Damage, Log

_KINDS: Final[dict[int, PageKind]] = {TAKEN: "taken", SHARED: "shared", DROPPED: "dropped"}


def chunks(db: sqlite3.Connection, log: Log, place: int, max_records: int, max_bytes: int) -> list[Chunk]:
    """The records of a log from `place` on, as many as the limits allow, at least one if there is one."""
    room = _Room(max_records, max_bytes)
    found: list[Chunk] = []
    for first, count, payload in _entries(db, log, place):
        if payload is not None:
            chunk = room.take(first, count, payload, max(place - first, 0))
            if chunk is None:
                return found
            found.append(chunk)
            if chunk.stop < count:
                return found
        place = first + count
    if place != log.end:
        raise Damage(f"entries of log {log.name} end at {place}, not at {log.end}")
    return found


def pages(db: sqlite3.Connection, source: str, since: int, delivered: Mapping[int, int]) -> list[Page]:
    """Ids of a source by page. `delivered` says for each log up to where every reader has everything."""
    rows = db.execute(
        "SELECT source, newest, oldest, stored, ends, digests, sum FROM seen WHERE newest>=? AND source="
        "(SELECT id FROM sources WHERE name=?) ORDER BY newest, id",
        (since, source),
    )
    found = []
    for row in rows:
        if seal(*row[:6]) != row[6]:
            raise Damage(f"ids of {source}")
        ends = unpack_ends(row[4])
        kind = _KINDS[ends.pop(KIND, TAKEN)]
        done = all(delivered.get(log, 0) >= end for log, end in ends.items())
        found.append(Page(row[5], row[2], row[1], kind, done))
    return found


def newest_checkpoints(db: sqlite3.Connection, name: str | None = None) -> list[Checkpoint]:
    """The newest checkpoint of every source, or of one, by name."""
    rows = db.execute(
        "SELECT s.name, c.source, c.born, c.time, c.value, c.ends, c.sum FROM checkpoints c"
        " JOIN sources s ON s.id = c.source WHERE s.name = coalesce(?, s.name)"
        " AND c.born = (SELECT max(born) FROM checkpoints WHERE source = c.source) ORDER BY s.name",
        (name,),
    ).fetchall()
    for row in rows:
        if seal(*row[1:6]) != row[6]:
            raise Damage(f"checkpoint of {row[0]}")
    return [Checkpoint(row[0], row[4], row[3]) for row in rows if row[4] is not None]


def _entries(db: sqlite3.Connection, log: Log, place: int) -> Iterator[tuple[int, int, bytes | None]]:
    """Entries of a log from the one that holds `place` on, one after the other; None for a gap."""
    unpack = zstandard.ZstdDecompressor()
    base = log.id << PLACE_BITS
    rows = db.execute(
        "SELECT place, count, sum, payload FROM entries WHERE place < :end AND place >= coalesce("
        "(SELECT max(place) FROM entries WHERE place <= :place AND place >= :base), :place) ORDER BY place",
        {"place": base | place, "base": base, "end": base + (1 << PLACE_BITS)},
    )
    for key, count, total, payload in rows:
        first = key - base
        if seal(key, count, payload) != total or first > place:
            raise Damage(f"entry of log {log.name} at {place}")
        if first + count > place:
            place = first + count
            yield first, count, unpack.decompress(payload) if payload else None


@dataclass
class _Room:
    """What the limits of one read still allow, in records and bytes."""

    records: int
    size: int
    empty: bool = True

    def take(self, first: int, count: int, payload: bytes, start: int) -> Chunk | None:
        """As much of one entry, from its record `start` on, as fits; the very first record always does."""
        fit = min(self.records, self.size * count // max(len(payload), 1))
        stop = min(count, start + fit)
        if stop <= start:
            if not self.empty:
                return None
            stop = start + 1
        self.empty = False
        self.records -= stop - start
        self.size -= len(payload) * (stop - start) // count
        return Chunk(first + start, payload, start, stop, whole=start == 0 and stop == count)
