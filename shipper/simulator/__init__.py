"""A GitHub organization on localhost: events, alerts, quotas, faults; deterministic by a seed."""

from shipper.simulator.access import Token
from shipper.simulator.alerts import Alert
from shipper.simulator.faults import Fault, FaultPlan
from shipper.simulator.options import DEFAULT_ORGANIZATION, DEFAULT_PORT, Options
from shipper.simulator.rules import Rule
from shipper.simulator.server import Seen, Simulator
from shipper.simulator.world import Happened

__all__ = [
    "DEFAULT_ORGANIZATION",
    "DEFAULT_PORT",
    "Alert",
    "Fault",
    "FaultPlan",
    "Happened",
    "Options",
    "Rule",
    "Seen",
    "Simulator",
    "Token",
]
