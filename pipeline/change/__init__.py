"""Change detection: detectors, thresholds, kinds, cleaning."""
