"""For authors of components: contract checkers that say what is broken, and fakes. Needs no test framework.

A checker runs a part against its contract and raises `AssertionError` with a sentence about what it did wrong.
"""

from shipper.testing.clock import ManualClock
from shipper.testing.exporters import Backend, RecordingExporter, check_exporter
from shipper.testing.flaky import FlakyJournal
from shipper.testing.intake import JournalIntake
from shipper.testing.journals import check_journal
from shipper.testing.receivers import check_receiver
from shipper.testing.samples import make_context, make_record, make_window

__all__ = [
    "Backend",
    "FlakyJournal",
    "JournalIntake",
    "ManualClock",
    "RecordingExporter",
    "check_exporter",
    "check_journal",
    "check_receiver",
    "make_context",
    "make_record",
    "make_window",
]
