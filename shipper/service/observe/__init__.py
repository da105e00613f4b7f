"""What a running shipper tells of itself: logs, metrics, probes, status, live records."""
