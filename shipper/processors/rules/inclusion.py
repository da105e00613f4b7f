"""Decides whether all that one matcher takes another takes too; yes only where that is proven.

Texts with wildcards are compared as patterns: a star of the one must fall to a star of the other.
"""

from functools import lru_cache

from shipper.processors.rules.matchers import AnyOf, Comparison, Glob, Literals, Matcher, Network, Regex
from shipper.processors.rules.text import Part, Text, Wildcard


def narrower(one: Matcher, other: Matcher) -> bool:  # noqa: PLR0911 - one return a pair of kinds
    """Whether each value that matches `one` matches `other`."""
    if one == other:
        return True
    if isinstance(one, AnyOf):
        return all(narrower(part, other) for part in one.matchers)
    if isinstance(one, Literals):
        if isinstance(other, Literals):
            return one.texts <= other.texts and one.numbers <= other.numbers and (other.null or not one.null)
        return not one.null and bool(one.texts) and _takes(other, one)
    if isinstance(other, AnyOf):
        return any(narrower(one, part) for part in other.matchers)
    match one, other:
        case Glob(), Glob():
            return _within(one.text, other.text)
        case Glob(), Literals():
            return one.text.literal is not None and one.text.literal.lower() in other.texts
        case Network(), Network():
            return _part_of(one, other)
        case Comparison(), Comparison():
            return _beyond(one, other)
        case _:
            return False


def _takes(matcher: Matcher, literals: Literals) -> bool:
    """Whether a matcher takes the literals however they are typed and cased."""
    if isinstance(matcher, AnyOf):
        return all(any(_takes(part, one) for part in matcher.matchers) for one in literals.split())
    holds = matcher.compile()
    cased = (isinstance(matcher, Glob) and matcher.text.cased) or (
        isinstance(matcher, Regex) and "i" not in matcher.pattern.flags
    )
    texts = all(holds(text) and not (cased and text.upper() != text.lower()) for text in literals.texts)
    return texts and all(holds(number) and holds(float(number)) for number in literals.numbers)


def _within(one: Text, other: Text) -> bool:
    if other.cased:
        return one.cased and _covers(other.parts, one.parts)
    if not one.cased:
        return _covers(_small(other), _small(one))
    # In capitals, a character may be two in small letters, or another one by what stands beside it.
    plain = all(part.isascii() for part in one.parts if isinstance(part, str)) and Wildcard.ONE not in one.parts
    return plain and _covers(_small(other), _small(one))


@lru_cache(8192)
def _small(text: Text) -> tuple[Part, ...]:
    return text.replace(str.lower).parts


def _symbols(parts: tuple[Part, ...]) -> list[Part]:
    return [symbol for part in parts for symbol in (part if isinstance(part, str) else (part,))]


def _covers(pattern: tuple[Part, ...], subject: tuple[Part, ...]) -> bool:
    """Whether a pattern takes all that another stands for, the other read as a text with wildcards for characters.

    Each text of the pattern must stand in one of the other's, which settles most pairs at once.
    """
    texts = "\0".join(part for part in subject if isinstance(part, str))
    if not all(part in texts for part in pattern if isinstance(part, str)):
        return False
    return _reaches(_symbols(pattern), _symbols(subject))


def _reaches(pattern: list[Part], subject: list[Part]) -> bool:
    """As in matching, with a row of a table: `reached[n]` says whether what was read so far takes `n` symbols."""
    reached = [True] + [False] * len(subject)
    for wanted in pattern:
        if True not in reached:
            return False
        row = [wanted is Wildcard.MANY and reached[0]]
        for place, symbol in enumerate(subject):
            if wanted is Wildcard.MANY:
                row.append(reached[place + 1] or row[place])
            else:
                fits = wanted == symbol or (wanted is Wildcard.ONE and symbol is not Wildcard.MANY)
                row.append(reached[place] and fits)
        reached = row
    return reached[-1]


def _part_of(one: Network, other: Network) -> bool:
    inner, outer = one.network, other.network
    return inner.version == outer.version and inner[0] in outer and inner[-1] in outer


def _beyond(one: Comparison, other: Comparison) -> bool:
    """Whether the numbers on one side of a number are all on the same side of another."""
    if one.operator[0] != other.operator[0]:
        return False
    if one.number == other.number:
        return one.operator == other.operator or other.operator.endswith("e")
    return (one.number > other.number) == (one.operator[0] == "g")
