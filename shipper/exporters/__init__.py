"""To where records go: one component a module."""
