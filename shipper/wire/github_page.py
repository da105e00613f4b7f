"""A page of GitHub's API: bytes to events, with nothing lost or altered on the way.

The fast way is orjson. It rounds integers beyond 64 bits to floats and refuses lone surrogates, NaN and broken
UTF-8, so pages with any of these are read by the standard library. A field that nests deeper than
`MAX_DEPTH` is kept as its own text: no part behind may be made to recurse by content, no other field be hidden
from the rules, and no neighbour on the page be lost.
"""

import json
import math
import re
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, Final

import orjson

from shipper.core.errors import ShipperError

#: Levels of nesting an event may have. Real ones have five.
MAX_DEPTH: Final = 100
#: Python refuses to convert longer decimal numbers, against quadratic time; they are kept as text.
_MAX_DIGITS: Final = 4300

_TO_ZERO: Final = bytes.maketrans(b"-123456789", b"0000000000")
#: So long is the shortest integer that orjson may round, its sign included.
_LONG_NUMBER: Final = b"0" * 20
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"{}[]"))
_STEPS: Final = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_KEY: Final = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*")\s*:', re.DOTALL)
_TOKEN: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},]', re.DOTALL)


class BadPage(ShipperError):
    """What was answered is no list of events: to be asked for again."""


def parse_page(body: bytes) -> list[Any]:
    """The events of a page, each as GitHub sent it, whatever it is.

    Integers of any size stay integers (text beyond 4300 digits); NaN, infinities and floats out of range become
    their text; broken UTF-8 becomes lone surrogates; a field nested too deeply becomes its own text.

    Raises:
        BadPage: no JSON list.
    """
    body = body.removeprefix(b"\xef\xbb\xbf")
    if _too_deep(body):
        return [_element(raw, depth) for raw, depth in _split(_decode(body), "[")]
    return _list(_load(body))


def canonical(value: Any) -> bytes:
    """The one JSON text of a value that `parse_page` gave, for hashes: keys sorted, nothing between."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except (TypeError, ValueError):
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _load(body: bytes) -> Any:
    if not _long_number(body):
        try:
            return orjson.loads(body)
        except ValueError:
            pass
    return _load_text(_decode(body))


def _long_number(body: bytes) -> bool:
    """Whether an integer may be too long for orjson: of 20 digits in a row every fourth byte shows five."""
    return b"00000" in body[::4].translate(_TO_ZERO) and _LONG_NUMBER in body.translate(_TO_ZERO)


def _load_text(text: str) -> Any:
    try:
        return json.loads(text, parse_int=_integer, parse_float=_float, parse_constant=str, strict=False)
    except (ValueError, RecursionError) as error:
        raise BadPage(_not_json(text)) from error


def _decode(body: bytes) -> str:
    return body.decode("utf-8", "surrogateescape")


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= _MAX_DIGITS else text


def _float(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, dict) and isinstance(value.get("message"), str):
        raise BadPage(f"an error instead of a list: {printable(value['message'])}")
    raise BadPage(f"a JSON {_KINDS.get(type(value), 'null')} instead of a list")


_KINDS: Final = {dict: "object", str: "string", int: "number", float: "number", bool: "boolean"}


def _not_json(text: str) -> str:
    start = text[:512].lstrip()
    if not start:
        return "nothing instead of JSON"
    if start.startswith("<"):
        return "an HTML page instead of JSON"
    return "JSON that is cut short or broken" if start[0] in "[{" else "text instead of JSON"


def printable(text: str, limit: int = 200) -> str:
    """Words of the other side, fit for a message: one line, cut, nothing that moves a cursor."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: limit * 4]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _too_deep(body: bytes) -> bool:
    """Whether brackets nest deeper than allowed. Cheap for real pages: a few levels are peeled off."""
    brackets = body.translate(None, _NO_BRACKETS)
    for _ in range(12):
        if not brackets:
            return False
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
    brackets = _STRING.sub(b"", body).translate(None, _NO_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > MAX_DEPTH + 1


def _split(text: str, opening: str) -> Iterator[tuple[str, int]]:
    """What stands in a list or object, as text, with how deeply each nests; no parser's limits apply."""
    depth = deepest = 0
    start = None
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in "[{":
            depth += 1
            deepest = max(deepest, depth)
            if start is None:
                if mark != opening or text[: token.start()].strip():
                    break
                start = token.end()
        elif mark in "]}":
            depth -= 1
            if depth == 0 and start is not None:
                if raw := text[start : token.start()].strip():
                    yield raw, deepest - 1
                if not text[token.end() :].strip():
                    return
                break
        elif mark == "," and depth == 1:
            yield text[start : token.start()].strip(), deepest - 1
            start, deepest = token.end(), 1
    raise BadPage(_not_json(text))


def _element(raw: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        return _shallow(raw) if raw.startswith("{") else raw
    return _load(raw.encode("utf-8", "surrogateescape"))


def _shallow(raw: str) -> dict[str, Any]:
    """An event that nests too deeply somewhere: only the fields that do are text, so that no rule is blinded."""
    event = {}
    for member, depth in _split(raw, "{"):
        key = _KEY.match(member)
        if key is None:
            raise BadPage(_not_json(raw))
        value = member[key.end() :].strip()
        event[_load_text(key[1])] = value if depth > MAX_DEPTH else _element(value, depth)
    return event
