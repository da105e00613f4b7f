"""Measurements and long runs: `make bench`, or `python -m bench NAME`."""
