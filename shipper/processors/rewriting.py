"""Rewrites parts of events: what was given stays as it was, and what does not change is shared with it."""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from shipper.processors.personal import Finder
from shipper.processors.regex import is_word

MASK: Final = "[redacted]"
"""What stands where something was masked."""

_DEEPEST: Final = 100
_SHORTEST: Final = 3
"""Characters from which a value is also looked for inside other texts."""

Change: TypeAlias = Callable[[str], str | None]
"""What becomes of a text; None: nothing is left."""

_GONE: Final = object()
_HOLDS_TEXT: Final = (str, dict, list)


class Path:
    """A path, and the values it took out of one event."""

    def __init__(self, steps: list[str], change: Change) -> None:
        self.taken: set[str] = set()
        self._steps = steps
        self._rest = [".".join(steps[place:]) for place in range(len(steps))]
        self.change = change

    def apply(self, value: Any, place: int = 0, depth: int = 0) -> Any:
        """A value without what the path leads to; the same object where it leads nowhere."""
        if depth > _DEEPEST:
            return MASK
        if isinstance(value, list):
            return _changed_list(value, [self.apply(element, place, depth + 1) for element in value])
        if not isinstance(value, dict):
            return value
        step, rest = self._steps[place], self._rest[place]
        keys = value if step == "*" else [key for key in dict.fromkeys((rest, step)) if key in value]
        changed = {key: self._member(key, value[key], place, depth) for key in keys}
        if all(changed[key] is value[key] for key in changed):
            return value
        return {key: member for key, member in (value | changed).items() if member is not _GONE}

    def _member(self, key: str, member: Any, place: int, depth: int) -> Any:
        if key == self._rest[place] or place + 1 == len(self._steps):
            return self._take(member)
        return self.apply(member, place + 1, depth + 1)

    def _take(self, value: Any, depth: int = 0) -> Any:
        if value is None:
            return None
        if isinstance(value, list) and depth < _DEEPEST:
            left = [self._take(element, depth + 1) for element in value]
            return [element for element in left if element is not _GONE]
        self.taken.update(_texts(value))
        changed = self.change(text_of(value))
        return _GONE if changed is None else changed


def _texts(value: Any) -> Iterator[str]:
    """The texts that a value holds, at any depth."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, (dict, list)):
            waiting += value.values() if isinstance(value, dict) else value
        elif isinstance(value, str) or (isinstance(value, (int, float)) and not isinstance(value, bool)):
            yield text_of(value)


def text_of(value: Any) -> str:
    """A value as text, its own if it is one."""
    try:
        return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    except (ValueError, RecursionError):
        return "a value too large to write"


def _changed_list(before: list[Any], after: list[Any]) -> list[Any]:
    return before if all(old is new for old, new in zip(before, after, strict=True)) else after


def everywhere(value: Any, change: Callable[[str], str], depth: int = 0) -> Any:
    """A value with all its strings changed; what lies too deep to be looked at is masked."""
    if value.__class__ is str:
        return change(value)
    if not isinstance(value, (list, dict)):
        return value
    if depth > _DEEPEST:
        return MASK
    changes = {}
    for key, member in value.items() if isinstance(value, dict) else enumerate(value):
        if member.__class__ in _HOLDS_TEXT and (new := everywhere(member, change, depth + 1)) is not member:
            changes[key] = new
    if not changes:
        return value
    copy: Any = value.copy()
    for key, member in changes.items():
        copy[key] = member
    return copy


def within(finder: Finder, change: Change) -> Callable[[str], str]:
    """Changes the parts of a text that a pattern finds."""

    def apply(text: str) -> str:
        if not finder.may_be_in(text):
            return text
        data = text.encode(errors="surrogatepass")
        parts, end = [], 0
        for start, stop in finder.find(data):
            found = data[start:stop].decode(errors="surrogatepass")
            parts += [data[end:start].decode(errors="surrogatepass"), change(found) or ""]
            end = stop
        return "".join([*parts, data[end:].decode(errors="surrogatepass")]) if parts else text

    return apply


def wherever(values: set[str], change: Change) -> Callable[[str], str]:
    """Changes texts that are one of the values, and those of its words that are."""
    words = sorted((value for value in values if len(value) >= _SHORTEST), key=len, reverse=True)

    def apply(text: str) -> str:
        if text in values:
            return change(text) or ""
        for word in words:
            if word in text:
                text = _replace_word(text, word, change(word) or "")
        return text

    return apply


def _replace_word(text: str, word: str, replacement: str) -> str:
    parts, end = [], 0
    place = text.find(word)
    while place >= 0:
        stop = place + len(word)
        if not (is_word(text[place - 1 : place]) or is_word(text[stop : stop + 1])):
            parts += [text[end:place], replacement]
            end = stop
        place = text.find(word, max(stop, end))
    return "".join([*parts, text[end:]])


def differences(place: str, before: Any, after: Any) -> Iterator[str]:
    """The paths of the parts in which two values differ."""
    if before is after or before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            yield from differences(f"{place}.{key}", value, after.get(key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from differences(f"{place}.{number}", old, new)
    else:
        yield place
