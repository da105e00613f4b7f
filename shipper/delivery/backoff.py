"""How long to wait before the next attempt."""

import random
from dataclasses import dataclass, field
from typing import Final

from shipper.core.delivery import RetryConfig

#: The longest wait that a backend can ask for: more is a fault of its clock.
_LONGEST: Final = 3600.0

#: Below this, what a backend asks for is no wait, and would make a loop spin.
_SHORTEST: Final = 0.05


@dataclass
class Backoff:
    """Waits that grow exponentially, each moved by up to half of it so that shippers don't come back in step."""

    config: RetryConfig
    rng: random.Random = field(default_factory=random.Random)
    attempts: int = 0

    def next(self, retry_after: float | None = None) -> float:
        """Seconds until the next attempt; what the other side asked for wins, and is never undercut."""
        grown = self.config.initial_interval * self.config.multiplier ** min(self.attempts, 200)
        self.attempts += 1
        if retry_after is not None and retry_after >= _SHORTEST:
            return min(retry_after, _LONGEST) * (1 + 0.1 * self.rng.random())
        return min(min(grown, self.config.max_interval) * (0.5 + self.rng.random()), self.config.max_interval)
