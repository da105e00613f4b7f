"""What stands before the values of OTLP's KeyValues: tags, lengths and keys, kept for keys that come again."""

from collections.abc import Callable
from typing import Any, Final

from shipper.wire.protobuf import framed, varint

LONGEST: Final = 1024
"""Heads are kept for values below this size."""
_LONGEST_KEY: Final = 128
_MOST: Final = 16384


def utf8(text: str) -> bytes:
    r"""The text in UTF-8, lone surrogates as `\udXXX`."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace")


class Heads(dict[int, bytes]):
    """What stands before a value in a KeyValue of one key, its tags and lengths, by the value's size."""

    __slots__ = ("_key", "_keys")

    def __init__(self, keys: "Keys", key: str) -> None:
        self._keys, self._key = keys, framed(b"\x0a", utf8(key)) if key else b""

    def __missing__(self, size: int) -> bytes:
        keys = self._keys
        lead, rest = keys.lead(size)
        value = b"\x12" + varint(len(lead) + rest) + lead
        head = keys.tag + varint(len(self._key) + len(value) + rest) + self._key + value
        if size < LONGEST:
            keys.count_one()
            self[size] = head
        return head


class Keys(dict[Any, Heads]):
    """The heads of every key that was met with one kind of value: `tag` is that of the KeyValue in its parent.

    Only what is short is kept, and only so much: a flood of made-up keys can't fill the memory.
    """

    __slots__ = ("_count", "lead", "tag")

    def __init__(self, tag: bytes, lead: Callable[[int], tuple[bytes, int]]) -> None:
        self.tag, self.lead, self._count = tag, lead, 0

    def __missing__(self, key: Any) -> Heads:
        if not isinstance(key, str):
            return self[str(key)]
        heads = Heads(self, key)
        if len(key) <= _LONGEST_KEY:
            self.count_one()
            self[key] = heads
        return heads

    def count_one(self) -> None:
        """One more is kept: all of them are forgotten when they are too many."""
        self._count += 1
        if self._count > _MOST:
            self.clear()
            self._count = 0


class Field:
    """A field of KeyValues in its parent, by its tag: the heads for each kind of value."""

    def __init__(self, tag: bytes) -> None:
        self.texts = Keys(tag, lambda size: (b"\x0a" + varint(size), size))
        self.maps = Keys(tag, lambda size: (b"\x32" + varint(size), size))
        self.ints = Keys(tag, lambda size: (b"\x18", size))
        self.bools = Keys(tag, lambda value: (b"\x10" + varint(value), 0))
        self.others = Keys(tag, lambda size: (b"", size))
