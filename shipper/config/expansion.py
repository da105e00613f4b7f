"""`${env:NAME}`, `${env:NAME:-default}`, `${file:PATH}` and `$$` inside the values of a configuration."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from shipper.config import nodes
from shipper.config.suggestions import suggest
from shipper.core.component import Paths
from shipper.core.errors import Loc, Problem
from shipper.wire.text import file_name, looks_secret

#: Names of variables, and keys, whose values are secrets even where no model says so.
SECRET_NAME: Final = re.compile(
    r"token|secret|passw|passphrase|credential|authorization|(api|private|hmac)_?key", re.IGNORECASE
)

#: A file that is put into a configuration value is small.
MAX_FILE: Final = 2**20

#: What a shell would expand, and people expect to be.
_BARE: Final = re.compile(r"\$[A-Z_][A-Z0-9_]+")

#: A name that nobody hides: a login, a slug, an id of a component.
_OPEN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}")

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def is_secret(key: str) -> bool:
    """Whether a key's value is a secret by its name; files and ids of secrets are none."""
    return bool(SECRET_NAME.search(key)) and not key.endswith(("_file", "_id", "_scanning"))


def is_guarded(loc: Loc) -> bool:
    """Whether what stands there is a secret by the keys on the way: all headers are."""
    return any(step == "headers" or is_secret(str(step)) for step in loc)


def tenants(root: nodes.Node) -> set[str]:
    """Values of headers that stand openly in a name elsewhere: with `x-tenant: acme`, acme-corp stays readable."""
    texts = list(nodes.texts(root))
    names = {
        text for loc, text in texts if not is_guarded(loc) and _OPEN.fullmatch(text) and not looks_secret(text)
    }
    told = {
        text for loc, text in texts if loc[-2:-1] == ("headers",) and not is_secret(str(loc[-1]).replace("-", "_"))
    }
    return {text for text in told if any(text in name for name in names)}


class _Failed(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Expansion:
    """Expands the scalars of a file and remembers what must not be shown.

    Args:
        env: the environment's variables.
        paths: where files are looked for.
    """

    env: Mapping[str, str]
    paths: Paths
    secrets: set[str] = field(default_factory=set)
    files: set[Path] = field(default_factory=set)

    def apply(self, root: nodes.Node) -> list[Problem]:
        """Expand every scalar in place; says what could not be."""
        problems = []
        for loc, scalar in nodes.scalars(root):
            if "$" not in scalar.text:
                continue
            if _BARE.fullmatch(scalar.text):
                said = f"a variable is written ${{env:{scalar.text[1:]}}} here, and $$ is a dollar"
                problems.append(Problem(loc, "bad-expansion", said))
                scalar.failed = True
                continue
            sources: list[str] = []
            faults: dict[str, _Failed] = {}
            expanded = self._expand(scalar.text, sources, faults)
            problems += [Problem(loc, fault.code, message) for message, fault in faults.items()]
            if faults:
                scalar.failed = True
            else:
                scalar.value, scalar.sources = expanded, tuple(sources)
        return problems

    def _expand(self, text: str, sources: list[str], faults: dict[str, _Failed]) -> str:
        """The text with its expansions replaced; those that can't be are noted in `faults` by what is said."""
        parts = []
        at = 0
        while (dollar := text.find("$", at)) >= 0:
            parts.append(text[at:dollar])
            following = text[dollar + 1 : dollar + 2]
            if following == "$":
                parts.append("$")
                at = dollar + 2
            elif following == "{":
                end = len(text)
                try:
                    end = _closing(text, dollar + 2)
                    sources.append(text[dollar : end + 1].partition(":-")[0].rstrip("}") + "}")
                    parts.append(self._lookup(text[dollar + 2 : end], sources, faults))
                except _Failed as failed:
                    faults[str(failed)] = failed
                at = end + 1
            else:
                parts.append("$")
                at = dollar + 1
        return "".join([*parts, text[at:]])

    def _lookup(self, inner: str, sources: list[str], faults: dict[str, _Failed]) -> str:
        if inner.startswith("file:"):
            return self._file(inner.removeprefix("file:").strip())
        name, separator, default = inner.removeprefix("env:").partition(":-")
        if not _NAME.fullmatch(name):
            raise _Failed(
                "bad-expansion",
                "not an expansion; write ${env:NAME}, ${env:NAME:-default} or ${file:PATH}, and $$ for a dollar",
            )
        if name in self.env:
            value = self.env[name]
            if value and SECRET_NAME.search(name):
                self.secrets.add(value)
            return value
        if separator:
            return self._expand(default, sources, faults)
        near = suggest(name, self.env)
        fallback = f"${{env:{name}:-DEFAULT}}"
        raise _Failed(
            "unset-variable",
            f"the variable {name} is not set{near or f' and has no default; set it, or write {fallback}'}",
        )

    def _file(self, name: str) -> str:
        path = self.paths.input(name)
        try:
            with path.open("rb") as opened:
                content = opened.read(MAX_FILE + 1)
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or "not a path"
            raise _Failed(
                "unreadable-file", f"the file {file_name(name)} can't be read: {reason.lower()}"
            ) from None
        if len(content) > MAX_FILE:
            raise _Failed("unreadable-file", f"the file {name} holds more than 1 MiB")
        try:
            value = content.decode().strip()
        except UnicodeDecodeError:
            raise _Failed("unreadable-file", f"the file {name} is not UTF-8 text") from None
        self.files.add(path.absolute())
        if value:
            self.secrets.add(value)
        return value


def _closing(text: str, start: int) -> int:
    """Where the expansion whose inside starts at `start` ends; defaults may hold expansions."""
    depth = 1
    at = start
    while at < len(text):
        if text.startswith("${", at):
            depth += 1
            at += 1
        elif text[at] == "}":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    raise _Failed("bad-expansion", "this ${ is never closed by }; write $$ for a dollar")
