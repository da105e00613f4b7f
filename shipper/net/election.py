"""Who leads by a Kubernetes Lease: decided from what the API server answers, without I/O and without a clock.

Nobody compares clocks of two machines: a standby notes by its own clock when it last saw the Lease change, and
may take it when it did not change for the Lease's duration (as client-go's leaderelection does).
https://kubernetes.io/docs/concepts/architecture/leases/
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass
class Candidate:
    """One replica's view of the Lease: what to write, and when to look again.

    Times are monotonic seconds, but for `now`, which is the wall clock in nanoseconds: it is written into the
    Lease for people to read and never compared.
    """

    identity: str
    name: str
    namespace: str
    duration: float
    seen: dict[str, Any] = field(default_factory=dict)
    """The Lease's spec when it last changed."""
    seen_at: float = -math.inf

    @property
    def holder(self) -> str:
        """Who leads, as far as we know; empty if nobody does."""
        return str(self.seen.get("holderIdentity") or "")

    def observe(self, lease: Mapping[str, Any] | None, at: float) -> None:
        """Note the Lease as read or written; `at`: after the answer, so that nobody is thought dead early."""
        found = (lease or {}).get("spec")
        spec = dict(found) if isinstance(found, dict) else {}
        if spec != self.seen:
            self.seen, self.seen_at = spec, at

    def expires(self) -> float:
        """When nobody leads any more, unless the Lease changes before."""
        if not self.holder:
            return -math.inf
        seconds = self.seen.get("leaseDurationSeconds")
        return self.seen_at + (seconds if isinstance(seconds, (int, float)) else self.duration)

    def last_sign(self) -> int | None:
        """When (ms) somebody last led, by that one's own clock; None: nobody ever did, or nobody can tell."""
        try:
            return int(datetime.fromisoformat(str(self.seen.get("renewTime"))).timestamp() * 1000)
        except (ValueError, OverflowError):
            return None

    def may_lead(self, at: float) -> bool:
        """Whether the Lease is ours or free."""
        return self.holder == self.identity or at >= self.expires()

    def claim(self, lease: Mapping[str, Any] | None, now: int) -> dict[str, Any]:
        """The Lease to write in order to lead, or to go on leading."""
        ours = self.holder == self.identity
        spec = self.seen if ours else {}
        claimed = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": math.ceil(self.duration),
            "acquireTime": spec.get("acquireTime") or _micro_time(now),
            "renewTime": _micro_time(now),
            "leaseTransitions": self._transitions() + (not ours and bool(self.seen)),
        }
        return self._object(lease, claimed)

    def release(self, lease: Mapping[str, Any], now: int) -> dict[str, Any]:
        """The Lease to write in order to step down, so that nobody has to wait."""
        spec = {
            "leaseDurationSeconds": 1,
            "acquireTime": _micro_time(now),
            "renewTime": _micro_time(now),
            "leaseTransitions": self._transitions(),
        }
        return self._object(lease, spec)

    def _transitions(self) -> int:
        """How often the leader changed."""
        count = self.seen.get("leaseTransitions")
        return count if isinstance(count, int) else 0

    def _object(self, lease: Mapping[str, Any] | None, spec: dict[str, Any]) -> dict[str, Any]:
        metadata = dict((lease or {}).get("metadata") or {"name": self.name, "namespace": self.namespace})
        metadata.pop("managedFields", None)
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


def _micro_time(now: int) -> str:
    """Kubernetes' MicroTime."""
    return re.sub(
        r"\+00:00$", "Z", datetime.fromtimestamp(now // 1000 / 1e6, UTC).isoformat(timespec="microseconds")
    )
