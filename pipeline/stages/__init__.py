"""One thin module per Make target: read, compute, write."""
