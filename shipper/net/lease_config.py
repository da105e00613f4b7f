"""How a Lease is configured; apart from the election, so that only those who hold one import it."""

from typing import Final, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from shipper.core.component import ConfigModel
from shipper.core.units import Duration

_DNS_NAME: Final = r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?"


class LeaseConfig(ConfigModel):
    """Elects one replica by a Kubernetes Lease: it polls, the others stand by and take over.

    With the defaults, a standby takes over at most 12 s after the leader died, and 2 s after it was stopped.
    """

    auth_type: Literal["serviceAccount", "none"] = "serviceAccount"
    """Who we are: the pod's service account, or nobody (behind `kubectl proxy`)."""
    api_server: str | None = Field(default=None, pattern=r"^https?://")
    """The API server's address; null: that of the cluster this pod runs in."""
    lease_name: str = Field(pattern=f"^{_DNS_NAME}$", max_length=253)
    """The Lease; the same for all replicas, and for nothing else."""
    lease_namespace: str | None = Field(default=None, pattern=f"^{_DNS_NAME}$", max_length=63)
    """Where the Lease is; null: the pod's namespace."""
    lease_duration: Duration = 10.0
    """How long a standby waits, after the last sign of the leader, before it takes over; rounded up to seconds."""
    renew_deadline: Duration = 7.0
    """How long the leader goes on when it can't renew the Lease; below lease_duration."""
    retry_period: Duration = 2.0
    """How often the leader renews and the others look; below renew_deadline."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.auth_type == "serviceAccount" and (self.api_server or "https").startswith("http:"):
            raise PydanticCustomError(
                "insecure-token", "a token is not sent over http; write https, or auth_type none"
            )
        if not 0 < self.retry_period < self.renew_deadline < self.lease_duration:
            raise PydanticCustomError(
                "lease-times",
                "two replicas could lead at once; keep retry_period < renew_deadline < lease_duration",
            )
        return self
