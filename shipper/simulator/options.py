"""What a simulated GitHub is like: everything that may be chosen, with the demo organization as the default."""

from dataclasses import dataclass, replace
from typing import Any, Final, Literal

DEFAULT_ORGANIZATION: Final = "acme-corp"
DEFAULT_ENTERPRISE: Final = "acme"
DEFAULT_PORT: Final = 9180
"""Where `shipper simulate github` listens unless told otherwise."""

#: Versions of the REST API that are served; any other is answered 400.
API_VERSIONS: Final = ("2022-11-28", "2026-03-10")


@dataclass(frozen=True)
class Options:
    """How the simulated GitHub behaves. Times are seconds, shares are 0 to 1."""

    organizations: tuple[str, ...] = ()
    """Logins that exist; empty: `acme-corp`, and any other login comes to life when it is asked for."""
    enterprise: str | None = None
    """The one enterprise slug that exists; None: any slug. It owns all organizations."""
    seed: int = 0

    rate: float = 1.0
    """Live audit events per second and organization."""
    backlog: int = 300
    """Past audit events per organization."""
    backlog_period: float = 3600.0
    """How far back the past events go."""
    late: float = 0.03
    """Share of events that can be listed only some time after they happened."""
    late_bound: float = 120.0
    """The longest time an event stays invisible."""
    ties: float = 0.05
    """Share of events that bear the timestamp of the event before."""
    oddities: float = 0.01
    """Share of events with the wire's known breaches of GitHub's own schema."""
    actor_ip: bool = False
    """Whether organizations disclose `actor_ip`; the enterprise endpoint always does."""
    alerts: int = 24
    """Past changes of alerts per organization."""
    alert_interval: float = 20.0
    """Mean seconds between live changes of alerts; 0: none."""

    events: tuple[Any, ...] | None = None
    """Serve these as every organization's audit log, exactly as they are, instead of generated ones."""
    any_period: bool = False
    """Whether the audit log is listed whole, whatever period is asked for: a recorded page as it was."""
    alert_file: tuple[Any, ...] | None = None
    """Serve these as alerts, exactly as they are, instead of generated ones."""

    retention: float | None = 180 * 86400.0
    """How long events can be listed; None: for ever."""
    git_retention: float | None = 7 * 86400.0
    default_window: float | None = 90 * 86400.0
    """How far back a listing without `created` reaches."""

    server_version: str | None = None
    """Behave as an Enterprise Server of this version: `/api/v3`, page numbers, no rate limits."""
    include_supported: bool = True
    """Whether `include` is understood; old Enterprise Servers answer it with 404."""
    numeric_links: bool = True
    """Whether `Link` names organizations and enterprises by number, as GitHub does."""
    rewritten_phrase: bool = False
    """Whether `Link` rewrites the phrase's times."""

    rate_limits: bool | None = None
    """None: as GitHub, on for the cloud and off for Enterprise Server."""
    core_limit: int = 5000
    audit_log_limit: int = 1750
    audit_log_per_minute: int | None = None
    """The announced second limit of 15 a minute; None: not enforced."""
    secondary_limit: int = 900
    """Points a minute and endpoint."""
    limit_status: Literal[403, 429] = 403
    """Status of an exhausted primary limit: GitHub uses both."""
    others: float = 0.0
    """Calls an hour that other users of the same token make, of each resource."""

    tokens: tuple[str, ...] = ()
    """Tokens that are accepted; empty: any."""
    app_public_key: str | None = None
    """PEM to verify the App's JWTs with; None: only their claims are checked."""
    app_id: int = 271828
    app_client_id: str = "Iv23limulatedClient00"
    installation_token_lifetime: float = 3600.0

    keep_requests: int = 100_000
    """How many of the last requests are remembered for `Simulator.requests`."""

    @classmethod
    def quiet(cls, **changes: Any) -> "Options":
        """An organization where nothing happens but what a test makes happen."""
        return replace(cls(rate=0, backlog=0, alerts=0, alert_interval=0, oddities=0, late=0), **changes)

    def for_enterprise(self) -> "Options":
        """What happens in the enterprise itself, not in its organizations: little, and no alerts."""
        own = replace(self, events=None, alert_file=None, alerts=0, alert_interval=0)
        return own if self.events is None else replace(own, rate=0, backlog=0)

    @property
    def limited(self) -> bool:
        """Whether there are rate limits at all."""
        return self.server_version is None if self.rate_limits is None else self.rate_limits
