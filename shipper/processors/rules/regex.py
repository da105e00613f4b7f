"""Regular expressions that no event can make slow: RE2, whose matching time is linear in the text.

The engine is imported when a rule asks for it, so that configurations without `re` don't pay its memory. It has
neither look-around nor back-references; what it refuses is said with its place in the pattern.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

FLAGS: Final = {"i": "i", "ignorecase": "i", "m": "m", "multiline": "m", "s": "s", "dotall": "s"}
"""Sigma's sub-modifiers of `re`, and the inline flag of each."""


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
        search = compile_re2(f"(?{self.flags})" * bool(self.flags) + self.source, self.source).search
        return lambda text: search(text.encode(errors="surrogatepass")) is not None


def compile_re2(pattern: str, source: str | None = None) -> Any:
    """An RE2 object for text encoded as UTF-8; `source` is the pattern as its author wrote it."""
    import re2  # noqa: PLC0415 - 3.5 MB that most configurations don't need

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        raise BadPatternError(_explain(pattern if source is None else source, error)) from None


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
