"""Finds what else is wrong with a part of the file that has faults: what is wrong whatever stands in their places.

A model's validators and a component's check want a whole value. So each fault is mended in several ways that the
model takes, and what is found with all of them is told; what is found with some follows from the mending.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product
from math import prod
from typing import Any, Final, TypeAlias, TypeVar

from pydantic import BaseModel

from shipper.config import nodes, shapes
from shipper.config.samples import samples, types_at
from shipper.config.suggestions import nearest
from shipper.config.validation import validate
from shipper.core.errors import Loc, Problem

M = TypeVar("M", bound=BaseModel)
Check: TypeAlias = Callable[[M], Iterable[Problem]]
Mending: TypeAlias = tuple[tuple[Loc, nodes.Node | None], ...]
"""What to put where; None takes out what is there."""

#: Ways to mend one fault that are tried, and combinations for all of them.
_MOST_WAYS: Final = 6
_MOST_COMBINATIONS: Final = 24
#: The same where a part has more values than this, so that nobody waits.
_LARGE: Final = 1000
_FEW_WAYS: Final = 2
_FEW_COMBINATIONS: Final = 2
#: Files with more faults are not written by people, and take long.
_MOST_FAULTS: Final = 40
_DEEPEST: Final = 3


def examine(model: type[M], node: nodes.Node, check: Check[M]) -> tuple[M | None, list[Problem]]:
    """The model's value for a node of the file and all that is wrong with it, `check`'s findings included."""
    value, problems = validate(model, node)
    failed = [Problem(loc, "failed", "") for loc in _failed(node, ())]
    if value is not None and not failed:
        return value, list(check(value))
    large = sum(1 for _ in nodes.scalars(node)) > _LARGE
    bounds = (_FEW_WAYS, _FEW_COMBINATIONS) if large else (_MOST_WAYS, _MOST_COMBINATIONS)
    beyond = _Beyond(model, check, *bounds)
    return None, [*problems, *beyond.find(node, [*problems, *failed])]


def _failed(node: nodes.Node, loc: Loc) -> Iterator[Loc]:
    """Every path to a value that an expansion failed for; aliases make several."""
    if isinstance(node, nodes.Scalar):
        if node.failed:
            yield loc
    elif isinstance(node, nodes.Mapping):
        for key, item in node.entries.items():
            yield from _failed(item.node, (*loc, key))
    else:
        for index, item in enumerate(node.items):
            yield from _failed(item.node, (*loc, index))


@dataclass(frozen=True, slots=True)
class _Beyond:
    model: type[BaseModel]
    check: Check[Any]
    ways: int
    combinations: int

    def find(self, node: nodes.Node, faults: Sequence[Problem], depth: int = 0) -> list[Problem]:
        """What is wrong with a node beside its faults."""
        places = sorted(_outermost(node, faults), key=lambda fault: -len(fault.loc))
        if not places or len(places) > _MOST_FAULTS or depth == _DEEPEST:
            return []
        choices = [self._ways(node, fault) for fault in places]
        found: list[Problem] | None = None
        for mendings in _combinations(choices, self.combinations):
            also = self._found(node, mendings, depth)
            found = also if found is None else [problem for problem in found if problem in also]
            if not found:
                return []
        return found or []

    def _found(self, node: nodes.Node, mendings: Sequence[Mending], depth: int) -> list[Problem]:
        touched = [loc for mending in mendings for loc, _ in mending]
        mended = _mended(node, mendings)
        value, problems = validate(self.model, mended)
        if value is None:
            problems = [*problems, *self.find(mended, problems, depth + 1)]
        else:
            problems = list(self.check(value))
        return [problem for problem in problems if not any(_below(problem.loc, loc) for loc in touched)]

    def _ways(self, node: nodes.Node, fault: Problem) -> list[Mending]:
        """Mendings of one fault that the model takes."""
        ways = (way for way in _mendings(self.model, node, fault) if self._takes(node, way, fault.loc))
        return list(islice(ways, self.ways))

    def _takes(self, node: nodes.Node, way: Mending, loc: Loc) -> bool:
        problems = validate(self.model, _mended(node, [way]))[1]
        return not any(
            problem.loc == loc or any(_below(problem.loc, touched) for touched, _ in way) for problem in problems
        )


def _below(loc: Loc, above: Loc) -> bool:
    return loc[: len(above)] == above


def _outermost(node: nodes.Node, faults: Iterable[Problem]) -> Iterator[Problem]:
    """One fault a place, without those inside of what is mended as a whole."""
    by_place = {fault.loc: fault for fault in faults}
    whole = [loc for loc, fault in by_place.items() if not _of_keys(node, fault)]
    for loc, fault in by_place.items():
        if not any(loc != above and _below(loc, above) for above in whole):
            yield fault


def _of_keys(node: nodes.Node, fault: Problem) -> bool:
    """Whether the fault is in how the keys of a map go together, not in the value as such."""
    return fault.code not in ("wrong-type", "unknown-key") and isinstance(
        nodes.find(node, fault.loc), nodes.Mapping
    )


def _combinations(choices: Sequence[Sequence[Mending]], most: int) -> Iterator[Sequence[Mending]]:
    """All of them where they are few, else as many as show each way beside several of the others."""
    if not all(choices) or prod(map(len, choices)) <= most:
        yield from product(*choices)
        return
    for number in range(most):
        yield [ways[number * (place + 1) % len(ways)] for place, ways in enumerate(choices)]


def _mended(node: nodes.Node, mendings: Iterable[Mending]) -> nodes.Node:
    for mending in mendings:
        for loc, new in mending:
            node = nodes.replaced(node, loc, new)
    return node


def _mendings(model: type[BaseModel], node: nodes.Node, fault: Problem) -> Iterator[Mending]:
    """Ways to mend a fault that may do: another value, the key that was meant, a key more or less."""
    loc = fault.loc
    if fault.code == "unknown-key":
        yield ((loc, None),)
        yield from _meant(model, node, loc)
        return
    if _of_keys(node, fault):
        yield from _of_key_by_key(model, node, loc)
    yield from (((loc, nodes.made(value)),) for value in _samples(model, loc) if loc)


def _samples(model: type[BaseModel], loc: Loc) -> Iterator[Any]:
    for annotation in types_at(model, loc):
        yield from samples(annotation)


def _keys_at(model: type[BaseModel], loc: Loc) -> list[str]:
    """The keys that a map at a path may have."""
    found = types_at(model, loc)
    return [
        key
        for each in found
        if isinstance(each, type) and issubclass(each, BaseModel)
        for key in shapes.keys(each)
    ]


def _of_key_by_key(model: type[BaseModel], node: nodes.Node, loc: Loc) -> Iterator[Mending]:
    keys = nodes.keys(node, loc)
    for key in keys:
        yield (((*loc, key), None),)
    for key in _keys_at(model, loc):
        if key not in keys:
            yield from ((((*loc, key), nodes.made(value)),) for value in islice(_samples(model, (*loc, key)), 3))


def _meant(model: type[BaseModel], node: nodes.Node, loc: Loc) -> Iterator[Mending]:
    """What was probably meant by a key that is not known."""
    *above, key = loc
    present = nodes.keys(node, tuple(above))
    meant = nearest(str(key), _keys_at(model, tuple(above)))
    if meant and meant not in present:
        place = (*above, meant)
        yield (loc, None), (place, nodes.find(node, loc))
        yield from (((loc, None), (place, nodes.made(value))) for value in _samples(model, place))
