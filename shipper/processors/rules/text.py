r"""Sigma's strings: `*` and `?` are wildcards, `\*`, `\?` and `\\` are the characters themselves.

A backslash before anything else is a backslash. Matching takes time linear in the text, whatever the pattern: the
pieces between stars are looked for once each, from left to right, without going back.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise


class Wildcard(Enum):
    """What is not a character."""

    MANY = "*"
    ONE = "?"


@dataclass(frozen=True, slots=True)
class Placeholder:
    """`%name%` in a value with the modifier `expand`: stands for the lines of a list."""

    name: str


Part = str | Wildcard | Placeholder
_SPECIAL = re.compile(r"\\([*?\\])|([*?])", re.DOTALL)
_PLACEHOLDER = re.compile(r"%([^%\\]+)%")


@dataclass(frozen=True, slots=True)
class Text:
    """A string of a rule: characters and wildcards, compared without case unless `cased`."""

    parts: tuple[Part, ...]
    cased: bool = False

    @classmethod
    def parse(cls, source: str) -> "Text":
        """The text of a rule's value."""
        parts: list[Part] = []
        end = 0
        for found in _SPECIAL.finditer(source):
            parts.append(source[end : found.start()] + (found[1] or ""))
            parts.extend([Wildcard(found[2])] if found[2] else [])
            end = found.end()
        return cls(_merge([*parts, source[end:]]))

    @property
    def literal(self) -> str | None:
        """The whole text if it holds no wildcard."""
        if not self.parts:
            return ""
        return self.parts[0] if len(self.parts) == 1 and isinstance(self.parts[0], str) else None

    def open_start(self) -> "Text":
        """With a star in front, unless there is one."""
        many = self.parts[:1] == (Wildcard.MANY,)
        return self if many else Text((Wildcard.MANY, *self.parts), self.cased)

    def open_end(self) -> "Text":
        """With a star behind, unless there is one."""
        many = self.parts[-1:] == (Wildcard.MANY,)
        return self if many else Text((*self.parts, Wildcard.MANY), self.cased)

    def placeholders(self) -> "Text":
        """With each `%name%` made a placeholder."""
        parts: list[Part] = []
        for part in self.parts:
            if not isinstance(part, str):
                parts.append(part)
                continue
            end = 0
            for found in _PLACEHOLDER.finditer(part):
                parts += [part[end : found.start()], Placeholder(found[1])]
                end = found.end()
            parts.append(part[end:])
        return Text(_merge(parts), self.cased)

    def fill(self, values: Callable[[str], list[str]]) -> Iterator["Text"]:
        """The texts with the first placeholder, and then the rest, replaced by each of its values, literally."""
        for place, part in enumerate(self.parts):
            if isinstance(part, Placeholder):
                for value in values(part.name):
                    parts = [*self.parts[:place], value, *self.parts[place + 1 :]]
                    yield from Text(_merge(parts), self.cased).fill(values)
                return
        yield self

    def replace(self, change: Callable[[str], str]) -> "Text":
        """With the plain parts changed."""
        return Text(_merge([change(part) if isinstance(part, str) else part for part in self.parts]), self.cased)

    def compile(self) -> Callable[[str], bool]:
        """Whether a whole text matches."""
        parts = self.parts if self.cased else self.replace(str.lower).parts
        match = _compile(parts)
        return match if self.cased else lambda text: match(text.lower())


def _merge(parts: list[Part]) -> tuple[Part, ...]:
    merged: list[Part] = []
    for part in parts:
        if part == "" or (part is Wildcard.MANY and merged[-1:] == [Wildcard.MANY]):
            continue
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    return tuple(merged)


def _compile(parts: tuple[Part, ...]) -> Callable[[str], bool]:  # noqa: PLR0911 - one return a shape
    match parts:
        case ():
            return lambda text: not text
        case (Wildcard.MANY,):
            return lambda _text: True
        case (str() as whole,):
            return whole.__eq__
        case (str() as start, Wildcard.MANY):
            return lambda text: text.startswith(start)
        case (Wildcard.MANY, str() as end):
            return lambda text: text.endswith(end)
        case (Wildcard.MANY, str() as inside, Wildcard.MANY):
            return lambda text: inside in text
        case _:
            return _glob(parts)


def _glob(parts: tuple[Part, ...]) -> Callable[[str], bool]:
    """Pieces of fixed length between stars: the first at the start, the last at the end, the rest leftmost."""
    stars = [-1, *(place for place, part in enumerate(parts) if part is Wildcard.MANY), len(parts)]
    pieces = [_Piece(parts[start + 1 : stop]) for start, stop in pairwise(stars)]
    first, *middle = pieces
    if not middle:
        return lambda text: len(text) == first.length and first.at(text, 0)
    last = middle.pop()
    shortest = sum(piece.length for piece in pieces)

    def match(text: str) -> bool:
        stop = len(text) - last.length
        if len(text) < shortest or not first.at(text, 0) or not last.at(text, stop):
            return False
        place = first.length
        for piece in middle:
            place = piece.find(text, place, stop)
            if place < 0:
                return False
        return True

    return match


class _Piece:
    """A stretch of characters and `?`, of one length."""

    def __init__(self, parts: tuple[Part, ...]) -> None:
        self.length = sum(len(part) if isinstance(part, str) else 1 for part in parts)
        source = "".join(re.escape(part) if isinstance(part, str) else "." for part in parts)
        pattern = re.compile(source, re.DOTALL)
        self._match, self._search = pattern.match, pattern.search

    def at(self, text: str, place: int) -> bool:
        return self._match(text, place) is not None

    def find(self, text: str, start: int, stop: int) -> int:
        """The place behind the leftmost occurrence between `start` and `stop`, -1 if there is none."""
        found = self._search(text, start, stop)
        return found.end() if found else -1
