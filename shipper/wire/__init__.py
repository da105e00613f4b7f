"""Bytes to records and back: pure functions, without I/O, clock or logging."""
