"""Reads one value of a detection with its field's modifiers, from left to right as Sigma applies them."""

import ipaddress
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Final, TypeAlias

from shipper.processors.regex import FLAGS, BadPatternError, Pattern, is_word
from shipper.processors.rules.matchers import Comparison, Glob, Literals, Matcher, Network, Regex, any_of, text_of
from shipper.processors.rules.text import Placeholder, Text, Wildcard


class FaultError(ValueError):
    """A fault of one value, with the code of its kind."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Presence:
    """`exists`: the field is there, or is not."""

    there: bool


@dataclass(frozen=True)
class Reference:
    """`fieldref`: the text of another field, where it starts or ends the value if so wanted."""

    other: str
    start: bool
    end: bool


Lists: TypeAlias = Mapping[str, list[str]]
Meaning: TypeAlias = Matcher | Presence | Reference

_COMPARISONS: Final = frozenset({"gt", "gte", "lt", "lte"})
_LINKS: Final = frozenset({"all", "neq"})


def read_value(modifiers: list[str], value: Any, lists: Lists, *, keyword: bool = False) -> Meaning:
    """What a value means under its modifiers; a keyword is looked for anywhere in a text.

    Raises:
        FaultError: the value does not fit the modifiers.
    """
    if isinstance(value, (Mapping, list)):
        raise FaultError("wrong-type", "is a map or a list; nested fields are written with dots: rule.severity")
    if value is not None and not isinstance(value, (str, int, float)):
        raise FaultError("wrong-type", "is a date; put it in quotes")
    chain = [modifier for modifier in modifiers if modifier not in _LINKS]
    first, rest = (chain[0], chain[1:]) if chain else ("", [])
    match first:
        case "re":
            return _regex(value, rest)
        case "cidr" | "exists" | "gt" | "gte" | "lt" | "lte" if rest:
            raise FaultError("modifier-conflict", f"{rest[0]} can't follow {first}")
        case "cidr":
            return _network(value)
        case "exists":
            if not isinstance(value, bool):
                raise FaultError("wrong-type", "exists wants true or false")
            return Presence(value)
        case "gt" | "gte" | "lt" | "lte":
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise FaultError("wrong-type", f"{first} wants a number")
            return Comparison(first, value)
        case _:
            return _plain(value, chain, lists, keyword=keyword)


def _regex(value: Any, rest: list[str]) -> Matcher:
    if not isinstance(value, str):
        raise FaultError("wrong-type", "re wants a text; put it in quotes")
    if wrong := [modifier for modifier in rest if modifier not in FLAGS]:
        raise FaultError("modifier-conflict", f"{wrong[0]} can't follow re; after it only i, m and s can")
    pattern = Pattern(value, "".join(sorted({FLAGS[modifier] for modifier in rest})))
    try:
        pattern.compile()
    except BadPatternError as error:
        raise FaultError("bad-regex", f"bad regular expression: {error}") from None
    return Regex(pattern)


def _network(value: Any) -> Matcher:
    try:
        return Network(ipaddress.ip_network(value if isinstance(value, str) else ""))
    except ValueError:
        pass
    try:
        hint = f"; the network is {ipaddress.ip_network(value if isinstance(value, str) else '', strict=False)}"
    except ValueError:
        hint = "; write an IPv4 or IPv6 network such as 10.0.0.0/8 or 2001:db8::/32"
    raise FaultError("bad-cidr", f"{value} is no network{hint}")


def _plain(value: Any, chain: list[str], lists: Lists, *, keyword: bool) -> Meaning:
    if not isinstance(value, str):
        if chain:
            raise FaultError("wrong-type", f"{chain[0]} wants a text; put it in quotes")
        if not keyword:
            return Literals.of([value])
        value = text_of(value)
        if value is None:
            raise FaultError("wrong-type", "null can't be a keyword")
    texts = [Text.parse(value)]
    if "fieldref" in chain:
        return _reference(texts[0], chain)
    for place, modifier in enumerate(chain):
        if modifier not in _CHANGES and modifier != "expand":
            where = f"can't follow {chain[place - 1]}" if place else "only follows re"
            raise FaultError("modifier-conflict", f"{modifier} {where}")
        if modifier == "expand":
            texts = _expand(texts, lists)
        else:
            texts = [changed for text in texts for changed in _CHANGES[modifier](text)]
    if keyword:
        texts = [text.open_start().open_end() for text in texts]
    return any_of(_text_matcher(text) for text in texts) if texts else Literals()


def _text_matcher(text: Text) -> Matcher:
    literal = text.literal
    return Glob(text) if literal is None or text.cased else Literals.of([literal])


def _reference(text: Text, chain: list[str]) -> Reference:
    other = text.literal
    if not other:
        raise FaultError("wrong-type", "fieldref wants the name of a field, without wildcards")
    if wrong := [
        modifier for modifier in chain if modifier not in ("fieldref", "contains", "startswith", "endswith")
    ]:
        raise FaultError("modifier-conflict", f"{wrong[0]} and fieldref don't go together")
    contains = "contains" in chain
    return Reference(other, contains or "startswith" in chain, contains or "endswith" in chain)


def _expand(texts: list[Text], lists: Lists) -> list[Text]:
    def values(name: str) -> list[str]:
        if name not in lists:
            known = ", ".join(sorted(lists)) or "none"
            raise FaultError("unknown-list", f"no list named {name} in `lists` (known: {known})")
        return lists[name]

    return [filled for text in texts for filled in text.placeholders().fill(values)]


def _literal(text: Text, modifier: str) -> str:
    literal = text.literal
    if literal is None:
        raise FaultError("wrong-type", f"{modifier} can't encode a text with wildcards")
    return literal


def _base64(text: Text) -> list[Text]:
    return [Text((b64encode(_literal(text, "base64").encode()).decode(),), text.cased)]


def _base64_offset(text: Text) -> list[Text]:
    """The three forms a text has inside base64, by where it starts in its group of three bytes."""
    data = _literal(text, "base64offset").encode()
    ends = (None, -3, -2)
    starts = (0, 2, 3)
    encoded = [
        b64encode(b" " * offset + data)[starts[offset] : ends[(len(data) + offset) % 3]] for offset in range(3)
    ]
    return [Text((part.decode(),), text.cased) for part in encoded]


def _utf16(encoding: str, mark: str = "") -> Callable[[Text], list[Text]]:
    def change(text: Text) -> list[Text]:
        wide = text.replace(lambda part: part.encode(encoding, "surrogatepass").decode("latin-1"))
        return [Text((mark, *wide.parts) if mark else wide.parts, text.cased)]

    return change


_DASHES: Final = "-/–—―"


def _windash(text: Text) -> list[Text]:
    """Each dash or slash that starts a word, as every kind of dash there is."""
    choices: list[list[str | Wildcard | Placeholder]] = []
    for part in text.parts:
        if not isinstance(part, str):
            choices.append([part])
            continue
        for place, character in enumerate(part):
            before = part[place - 1 : place] if place else ""
            after = part[place + 1 : place + 2]
            starts_word = character in "-/" and not is_word(before) and is_word(after)
            choices.append(list(_DASHES) if starts_word else [character])
    if sum(len(choice) > 1 for choice in choices) > 3:
        raise FaultError("wrong-type", "windash takes at most three dashes in one value")
    return [Text(tuple(parts), text.cased).replace(str) for parts in product(*choices)]


_CHANGES: Final[dict[str, Callable[[Text], list[Text]]]] = {
    "contains": lambda text: [text.open_start().open_end()],
    "startswith": lambda text: [text.open_end()],
    "endswith": lambda text: [text.open_start()],
    "cased": lambda text: [Text(text.parts, cased=True)],
    "windash": _windash,
    "base64": _base64,
    "base64offset": _base64_offset,
    "wide": _utf16("utf-16-le"),
    "utf16le": _utf16("utf-16-le"),
    "utf16": _utf16("utf-16-le", "\ufeff"),
    "utf16be": _utf16("utf-16-be"),
}

MODIFIERS: Final = frozenset(
    {"re", "cidr", "exists", "expand", "fieldref", *_COMPARISONS, *_LINKS, *FLAGS, *_CHANGES}
)
"""Every modifier there is."""
