"""Reading what comes back: hostile archives, forms, layers, photos, survey boundaries."""
