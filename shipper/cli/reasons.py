"""Why a rule matched or did not, in as few lines as say it all."""

from collections.abc import Iterator
from typing import Any, Final

#: Fields that say all: a rule for another action need not say what else it would have wanted.
_FIRST: Final = ("action", "stream")


def reasons(because: dict[str, Any]) -> list[str]:
    """Lines such as `action is repo.access, wanted org.add_member`, of an explanation by the processor `rules`.

    Of what holds, those fields that made it hold; of what does not, those that kept it from holding.
    """
    wanted: dict[tuple[str, str, bool], list[str]] = {}
    for leaf, negated in _decisive(because, negated=False):
        wanted.setdefault((leaf["field"], leaf["found"], negated), []).append(leaf["wanted"])
    return [
        f"{field or 'no field'} is {found}, {'and must not be' if negated else 'wanted'} {_either(values)}"
        for (field, found, negated), values in wanted.items()
    ]


def _decisive(node: dict[str, Any], *, negated: bool) -> Iterator[tuple[dict[str, Any], bool]]:
    """The leaves that decided, each with whether it stands under `not`."""
    holds = node["holds"]
    if "not" in node:
        yield from _decisive(node["not"], negated=not negated)
    elif "field" in node:
        yield node, negated
    else:
        parts = [part for part in (*node.get("all", ()), *node.get("any", ())) if part["holds"] is holds]
        first = [part for part in parts if part.get("field") in _FIRST and "all" in node and not holds]
        for part in first or parts:
            yield from _decisive(part, negated=negated)


def _either(values: list[str]) -> str:
    return " or ".join(dict.fromkeys(values))
