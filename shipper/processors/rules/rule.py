"""A rule as the processor uses it, whatever it was written in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shipper.processors.rules.conditions import All, Condition, Not


@dataclass(frozen=True)
class Rule:
    """What to do with records that fulfil a condition."""

    name: str
    condition: Condition
    severity: str | None
    """None where the rule drops."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    shadow: bool = False

    @property
    def drops(self) -> bool:
        """Whether matching records go no further."""
        return self.severity is None


def filtered(match: Condition, unwanted: Condition | None) -> Condition:
    """A condition with its filter: holds where `match` does and `unwanted` does not."""
    if unwanted is None:
        return match
    parts = match.parts if isinstance(match, All) else (match,)
    return All((*parts, Not(unwanted)))
