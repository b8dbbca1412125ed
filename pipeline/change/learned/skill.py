"""Histograms of probability by label: thresholds and figures without keeping any pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BINS = 200
"""Probability is counted in steps of half a percent."""
LEAST_BIN, LAST_BIN = 10, 190
"""Thresholds stay between 0.05 and 0.95."""
F1_GIVEN_UP = 0.01
"""What a lower threshold, and so fewer omissions, may cost."""


class Skill(NamedTuple):
    """Precision, recall and F1 at one threshold; None where undefined."""

    threshold: float
    precision: float | None
    recall: float | None
    f1: float | None


def probability_counts(
    probability: NDArray[np.float32], label: NDArray[np.uint8]
) -> NDArray[np.int64]:
    """Pixels by label (0, 1) and step of probability, `(2, BINS)`; others are not labelled."""
    step = np.clip((probability * BINS).astype(np.int64), 0, BINS - 1)
    return np.stack([np.bincount(step[label == value], minlength=BINS) for value in (0, 1)])


def skill_at(counts: NDArray[np.int64], threshold_bin: int) -> Skill:
    """Figures if every step from `threshold_bin` on is change."""
    false, true = (int(row[threshold_bin:].sum()) for row in counts)
    whole = int(counts[1].sum())
    f1 = 2 * true / (whole + true + false) if whole + true + false else None
    return Skill(
        threshold_bin / BINS,
        true / (true + false) if true + false else None,
        true / whole if whole else None,
        f1,
    )


def best_skill(counts: NDArray[np.int64]) -> Skill:
    """The highest F1, and the lowest of the thresholds that come within `F1_GIVEN_UP` of it:
    acceptance fails on omissions (DESIGN §7), and near its top F1 hardly tells thresholds apart."""
    found = [skill_at(counts, step) for step in range(LEAST_BIN, LAST_BIN + 1)]
    enough = max(skill.f1 or 0.0 for skill in found) - F1_GIVEN_UP
    return next(skill for skill in found if (skill.f1 or 0.0) >= enough)


def interval(
    parts: Sequence[NDArray[np.int64]], threshold: float, draws: int, seed: int
) -> dict[str, list[float] | None]:
    """95 % intervals of precision, recall and F1 from counts per group, drawn anew with
    replacement (cluster bootstrap, Efron & Tibshirani 1993): pixels of one group are not
    independent, groups are taken to be. None with fewer than five groups."""
    if len(parts) < 5:
        return {"precision": None, "recall": None, "f1": None}
    at = round(threshold * BINS)
    table = np.array(
        [[part[1, at:].sum(), part[0, at:].sum(), part[1, :at].sum()] for part in parts], np.float64
    )
    picks = np.random.default_rng(seed).integers(len(parts), size=(draws, len(parts)))
    hit, false, missed = table[picks].sum(axis=1).T
    with np.errstate(invalid="ignore"):
        figures = {
            "precision": hit / (hit + false),
            "recall": hit / (hit + missed),
            "f1": 2 * hit / (2 * hit + false + missed),
        }
    return {name: _middle_95(values) for name, values in figures.items()}


def _middle_95(values: NDArray[np.float64]) -> list[float] | None:
    known = values[np.isfinite(values)]
    if not known.size:
        return None
    return [round(float(v), 4) for v in np.quantile(known, (0.025, 0.975))]
