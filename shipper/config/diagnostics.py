"""What is wrong with a configuration, and where: one line each, all at once, sorted."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from shipper.core.errors import Loc, ShipperError
from shipper.wire.text import escaped, looks_secret

Severity = Literal["error", "warning"]

_COLORS: Final = {"error": "\033[31;1m", "warning": "\033[33;1m"}


class Mark(NamedTuple):
    """A position in a file, counted from 1."""

    line: int
    column: int


START: Final = Mark(1, 1)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One fault of a configuration file and its position."""

    file: str
    line: int
    column: int
    severity: Severity
    code: str
    """The kind of fault, in kebab-case; docs/errors.md has a section for each."""
    path: str
    """The way to it through the file: `receivers.github.organizations[0]`; empty for the file itself."""
    message: str

    def __str__(self) -> str:
        return self.format()

    def format(self, *, color: bool = False) -> str:
        """`FILE:LINE:COLUMN: error[CODE]: path: message`, on one line whatever the file holds."""
        what = f"{self.severity}[{self.code}]"
        place = f"{self.file}:{self.line}:{self.column}"
        rest = ": ".join(part for part in (self.path, self.message) if part)
        if color:
            return f"\033[1m{place}:\033[0m {_COLORS[self.severity]}{what}\033[0m: {escaped(rest)}"
        return escaped(f"{place}: {what}: {rest}")


class Invalid(ShipperError):
    """A configuration file can't be used; carries all that was found, warnings included."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = ordered(diagnostics)
        super().__init__("\n".join(diagnostic.format() for diagnostic in self.diagnostics))


def ordered(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """As they stand in the file, each once."""
    return sorted(
        set(diagnostics), key=lambda d: (d.file, d.line, d.column, d.severity, d.code, d.path, d.message)
    )


#: A key that is really `key:value` without the space: the value may be a secret.
_KEY_AND_VALUE: Final = re.compile(r"([^\s:/]+):(?=\S).*", re.DOTALL)
#: What follows the name in a key that stands where credentials do: a value that was written into the key.
_BEHIND_A_NAME: Final = re.compile(r"(?<=\w)[^\w-].*", re.DOTALL)
#: Keys below which credentials stand.
_GUARDED: Final = ("auth", "app", "token", "headers", "tls")


def dotted(loc: Loc) -> str:
    """A path as people write it: `rules[0].match`; a key that would be ambiguous is quoted."""
    text = ""
    guarded = False
    for step in loc:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            name = _KEY_AND_VALUE.sub(r"\1:…", step)
            if guarded:
                name = "…" if looks_secret(name) else _BEHIND_A_NAME.sub("…", name)
            shown = name if re.fullmatch(r"[^\s.\[\]\"']+", name) else f'"{name}"'
            text += f".{shown}" if text else shown
            guarded = guarded or step in _GUARDED
    return text
