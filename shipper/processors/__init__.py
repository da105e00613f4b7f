"""Processors: functions of records that run between a receiver and the journal."""
