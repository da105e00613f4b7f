"""Commands that use a configuration's parts once and end: check, backfill, reconcile, state."""
