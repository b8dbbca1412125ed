"""Law as dated, referenced data, and what follows from it."""
