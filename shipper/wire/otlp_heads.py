"""What stands before the values of OTLP's KeyValues: tags, lengths and keys, kept for keys that come again."""

from collections.abc import Callable
from typing import Any, Final

from shipper.wire.protobuf import framed, varint

LONGEST: Final = 1024
"""Heads are kept for values below this size."""
_LONGEST_KEY: Final = 128
_MOST: Final = 16384

_LEADS: Final[dict[type, Callable[[int], bytes]]] = {
    str: lambda size: b"\x0a" + varint(size),
    bool: lambda _: b"\x10",
    int: lambda _: b"\x18",
    list: lambda size: b"\x2a" + varint(size),
    dict: lambda size: b"\x32" + varint(size),
    object: lambda _: b"",
}
"""What stands before a value in its AnyValue, by kind of value; `object` is for whole AnyValues."""

Heads = dict[Any, dict[int, bytes]]
"""By key and the value's size: plain dicts, because those are the fastest to look up."""


def utf8(text: str) -> bytes:
    r"""The text in UTF-8, lone surrogates as `\udXXX`."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace")


class Field:
    """A field of KeyValues in its parent, by its tag: the heads it knows for each kind of value.

    Only what is short is kept, and only so much: a flood of made-up keys can't fill the memory.
    """

    def __init__(self, tag: bytes) -> None:
        self._tag = tag
        self._count = 0
        self.known: dict[type, Heads] = {kind: {} for kind in _LEADS}

    def head(self, kind: type, key: Any, size: int) -> bytes:
        """The head for a key and a value of a kind and size; it is known from now on."""
        text = utf8(str(key))
        name = framed(b"\x0a", text) if text else b""
        lead = _LEADS[kind](size)
        value = b"\x12" + varint(len(lead) + size) + lead
        head = self._tag + varint(len(name) + len(value) + size) + name + value
        if size < LONGEST and isinstance(key, str) and len(key) <= _LONGEST_KEY:
            self._keep(self.known[kind], key, size, head)
        return head

    def _keep(self, heads: Heads, key: str, size: int, head: bytes) -> None:
        self._count += 1 if key in heads else 2
        if self._count > _MOST:
            for each in self.known.values():
                each.clear()
            self._count = 2
        heads.setdefault(key, {})[size] = head
