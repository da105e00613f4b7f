"""An OpenTelemetry-style log shipper for GitHub: receivers, processors, a journal, exporters.

The public surface is this package and `shipper.testing`; everything else is private and may change.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
