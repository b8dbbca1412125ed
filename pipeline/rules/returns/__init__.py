"""Whether a returned record can be accepted, and what becomes of it."""
