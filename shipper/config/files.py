"""A file's YAML as nodes: what a configuration and the files of tests beside it have in common."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from shipper.config.diagnostics import START, Mark
from shipper.config.nodes import Fault, Malformed, Mapping, Node
from shipper.config.reading import Composer

#: Bytes of the largest file that is read.
MAX_FILE: Final = 16 * 2**20


def read(path: Path, what: str, tell: Callable[[Fault], None], cure: str = "") -> Node | None:
    """What a file holds, without the keys that start with `x-`; None: nothing.

    Args:
        path: the file.
        what: how messages call it, such as `configuration`.
        tell: called with each fault that does not keep from reading on.
        cure: what to do where there is no such file.

    Raises:
        Malformed: it can't be read, or is no YAML.
    """
    composer = Composer(_text(path, what, cure))
    root = composer.compose()
    for fault in composer.faults:
        tell(fault)
    if isinstance(root, Mapping):
        for key in [key for key in root.entries if key.startswith("x-")]:
            del root.entries[key]
    return root


def unusable(code: str, message: str) -> Malformed:
    """The error to raise for a file as a whole."""
    return Malformed(Fault(START, code, (), message))


def _text(path: Path, what: str, cure: str) -> str:
    try:
        with path.open("rb") as opened:
            content = opened.read(MAX_FILE + 1)
    except OSError as error:
        reason = (error.strerror or "it is not readable").lower()
        advice = f"; {cure}" if cure and isinstance(error, FileNotFoundError) else ""
        raise unusable("unreadable-file", f"the {what} can't be read: {reason}{advice}") from None
    if len(content) > MAX_FILE:
        raise unusable("yaml-too-large", f"the {what} holds more than 16 MiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig", "replace")
        mark = Mark(before.count("\n") + 1, len(before) - before.rfind("\n"))
        fault = Fault(mark, "yaml-character", (), "a byte that is not UTF-8; save the file as UTF-8")
        raise Malformed(fault) from None
