"""Finds personal data in texts: the patterns of `redact` that have a name.

A finder tells the places of what it found from left to right, in linear time.
What is part of a word (`std::move`) or can't be an address (`1.2.3.400`) is left alone; what may be one is found.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from shipper.processors.regex import Pattern

Spans: TypeAlias = Iterator[tuple[int, int]]


@dataclass(frozen=True)
class Finder:
    """Tells where in a text's UTF-8 something is; texts without any of `signs` are not worth a look."""

    find: Callable[[bytes], Spans]
    signs: str = ""

    def may_be_in(self, text: str) -> bool:
        """Whether the text is worth a look."""
        return not self.signs or any(sign in text for sign in self.signs)


_EMAIL: Final = r"[\pL\pN.!#$%&'*+/=?^_`{|}~-]+@[\pL\pN-]+(?:\.[\pL\pN-]+)*\.\pL{2,}"
_V4: Final = r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}"
_GROUP: Final = r"[0-9A-Fa-f]{1,4}"
_ADDRESS: Final = "|".join(
    [
        rf"(?:{_GROUP}:){{6}}{_V4}",
        rf"(?:{_GROUP}:){{7}}{_GROUP}",
        rf"(?:{_GROUP}(?::{_GROUP}){{0,6}})?::(?:(?:{_GROUP}:){{0,5}}{_V4}|{_GROUP}(?::{_GROUP}){{0,6}})?",
        _V4,
    ]
)
_WORD: Final = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")


def _emails() -> Finder:
    return Finder(Pattern(_EMAIL).finder(), "@")


def _addresses() -> Finder:
    candidates = Pattern(_ADDRESS).finder()

    def find(data: bytes) -> Spans:
        for start, stop in candidates(data):
            joined = (start > 0 and data[start - 1] in _WORD) or (stop < len(data) and data[stop] in _WORD)
            if not joined and _is_address(data[start:stop]):
                yield start, stop

    return Finder(find, ".:")


def _is_address(text: bytes) -> bool:
    if b":" in text:
        return text != b"::"
    return all(int(part) <= 255 for part in text.split(b"."))


PATTERNS: Final[dict[str, Callable[[], Finder]]] = {"email": _emails, "ip": _addresses}
"""The patterns that have a name; each makes its finder when it is asked for."""
