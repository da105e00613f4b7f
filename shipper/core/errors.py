"""How parts refuse, named by what the caller can do next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Loc: TypeAlias = tuple[str | int, ...]
"""The path to a part of a configuration: keys and list indexes."""


class ShipperError(Exception):
    """Base of every error of ours. Messages never hold a secret, a header or an event's body."""


class Unavailable(ShipperError):
    """All of it, later: the other side did not take anything, or it can't be known that it did.

    Args:
        reason: what happened and how to mend it, for an operator.
        retry_after: seconds the other side asked for, if it did.
        blocked: it will not work until somebody acts (401, 403, 404): not ready at once, not after a minute.
    """

    def __init__(self, reason: str, *, retry_after: float | None = None, blocked: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        self.blocked = blocked


class Rejected(ShipperError):
    """These, never: the other side refuses them for good.

    Args:
        reason: why, for an operator.
        answer: the other side's own words, cut to something printable.
        indexes: which records of the batch, if known; None means «some of them» and the batch is halved.
    """

    def __init__(self, reason: str, *, answer: str = "", indexes: Sequence[int] | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.answer = answer
        self.indexes = indexes


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a configuration.

    `loc` is the path to it, keys and list indexes, relative to whoever reports it. `code` is the kind, in
    kebab-case, with an entry in docs/errors.md. `at_key` puts the position on the key instead of the value.
    """

    loc: Loc
    code: str
    message: str
    at_key: bool = False
    severity: Literal["error", "warning"] = "error"


class ConfigError(ShipperError):
    """A configuration can't be used; carries every problem that was found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, p.loc))}: {p.message}" for p in problems))
        self.problems = list(problems)
