"""Did you mean: the nearest known name for one that is not known."""

from collections.abc import Iterable


def _plain(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant: the same but for case and hyphens, else one a few letters away."""
    names = list(known)
    same = [each for each in names if _plain(each) == _plain(name)]
    if same:
        return same[0]
    if len(name) > 100:
        return None
    import difflib  # noqa: PLC0415 - only where a name is wrong

    close = difflib.get_close_matches(name, names, 1, 0.6)
    return close[0] if close else None


def suggest(name: str, known: Iterable[str]) -> str:
    """` (did you mean x?)`, or nothing."""
    near = nearest(name, known)
    return f" (did you mean {near}?)" if near else ""


def listed(names: Iterable[str], limit: int = 12) -> str:
    """`a, b, c`, cut where the list is long."""
    shown = list(names)
    rest = "" if len(shown) <= limit else f" and {len(shown) - limit} more"
    return ", ".join(shown[:limit]) + rest
