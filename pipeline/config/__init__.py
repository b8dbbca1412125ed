"""Typed settings: models, loading, generation."""
