"""The durable hand-over between receiving and exporting; nobody outside knows what it stands on."""

from shipper.journal.memory import memory_journal
from shipper.journal.sqlite import open_journal

__all__ = ["memory_journal", "open_journal"]
