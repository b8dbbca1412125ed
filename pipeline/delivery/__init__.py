"""Builds the content of deliverables; writes nothing."""
