"""SQLite's write-ahead log, as far as salvage must read it itself (https://sqlite.org/fileformat2.html#walformat)."""

import struct
from pathlib import Path
from typing import Final

from shipper.journal.state import Damage

_MAGIC: Final = (0x377F0682, 0x377F0683)
_HEADER: Final = 32
_FRAME: Final = 24


def examine(path: Path) -> None:
    """Raise Damage if the header is wrong: SQLite would ignore the whole file, and what it holds with it."""
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER)
    except FileNotFoundError:
        return
    if not any(header):
        return
    if len(header) < _HEADER:
        raise Damage("write-ahead log cut short")
    magic, *words = struct.unpack(">8I", header)
    order = "<" if magic == _MAGIC[0] else ">"
    first = second = 0
    body = struct.unpack(f"{order}6I", header[:24])
    for x, y in zip(body[::2], body[1::2], strict=True):
        first = (first + x + second) & 0xFFFFFFFF
        second = (second + y + first) & 0xFFFFFFFF
    if magic not in _MAGIC or (first, second) != (words[5], words[6]):
        raise Damage("write-ahead log's header")


def first_page(path: Path) -> bytes:
    """The newest image of the database's first page; nothing where the log has none."""
    found = b""
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER)
            if len(header) < _HEADER:
                return b""
            size, _sequence, *salts = struct.unpack(">4I", header[8:24])
            if size not in (512 << shift for shift in range(8)):
                return b""
            while len(frame := file.read(_FRAME + size)) == _FRAME + size:
                number, _commit, *own = struct.unpack(">4I", frame[:16])
                if own != salts:
                    break
                if number == 1:
                    found = frame[_FRAME:]
    except FileNotFoundError:
        return b""
    return found
