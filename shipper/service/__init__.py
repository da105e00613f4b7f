"""Builds what the configuration says, runs it, reloads it and tells how it is: the one place that knows all."""
