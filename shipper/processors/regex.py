"""Regular expressions that no event can make slow: RE2, whose matching time is linear in the text.

The engine is imported when a rule asks for it, so that configurations without `re` don't pay its memory. It has
neither look-around nor back-references; what it refuses is said with its place in the pattern.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

FLAGS: Final = {"i": "i", "ignorecase": "i", "m": "m", "multiline": "m", "s": "s", "dotall": "s"}
"""Sigma's sub-modifiers of `re`, and the inline flag of each."""


def is_word(character: str) -> bool:
    """Whether a character, or nothing, is a letter, digit or underscore of any script."""
    return character.isalnum() or character == "_"


class BadPatternError(ValueError):
    """A pattern that RE2 does not take; the message says why and where."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A checked pattern with its flags, some of `i`, `m`, `s`."""

    source: str
    flags: str = ""

    def compile(self) -> Callable[[str], bool]:
        """A search anywhere in a text.

        Raises:
            BadPatternError: RE2 does not take it.
        """
        search = self._compiled().search
        return lambda text: search(text.encode(errors="surrogatepass")) is not None

    def finder(self) -> Callable[[bytes], Iterator[tuple[int, int]]]:
        """The places in a text's UTF-8 that match, from left to right, empty ones left out.

        Raises:
            BadPatternError: RE2 does not take it.
        """
        find = self._compiled().finditer
        return lambda data: (found.span() for found in find(data) if found.start() < found.end())

    def _compiled(self) -> Any:
        import re2  # noqa: PLC0415 - 3.5 MB that most configurations don't need

        options = re2.Options()
        options.log_errors = False
        flags = f"(?{self.flags})" if self.flags else ""
        try:
            return re2.compile(flags + self.source, options)
        except (re2.error, UnicodeEncodeError) as error:
            raise BadPatternError(_explain(self.source, error)) from None


def _explain(pattern: str, error: Exception) -> str:
    """RE2's complaint with a position: Python's engine knows it for what both refuse, RE2 quotes the rest."""
    reason = error.args[0] if error.args else ""
    said = reason.decode(errors="replace") if isinstance(reason, bytes) else str(error)
    what, _, fragment = said.partition(": ")
    try:
        re.compile(pattern)
    except re.error as theirs:
        if theirs.pos is not None:
            return f"{theirs.msg} at character {theirs.pos + 1}"
    place = pattern.find(fragment) if fragment else -1
    where = f" at character {place + 1}" if place >= 0 else ""
    beyond = "; look-around and back-references are not supported" if "perl" in what or "escape" in what else ""
    return f"{what} {fragment!r}{where}{beyond}" if fragment else f"{what}{where}"
