"""From the journal to the exporters: limits, retries, splitting, dead letters."""

from shipper.delivery.loop import Delivery
from shipper.delivery.window import Window

__all__ = ["Delivery", "Window"]
