"""Whether stored probabilities mean what they say: ranking (AUC) and reliability curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.patches.intervals import Interval, wilson

SCORE_TOP = 10_000
"""Stored score of probability 1."""


@dataclass(frozen=True)
class Bin:
    """Cases whose probability lies in `[low, high)`; the last bin has its upper end too."""

    low: float
    high: float
    n: int
    n_changed: int
    mean_probability: float | None
    """None in an empty bin."""

    @property
    def changed_share(self) -> float | None:
        """Share that really changed; None in an empty bin."""
        return self.n_changed / self.n if self.n else None

    @property
    def interval(self) -> Interval | None:
        """95 % interval of that share as if cases were independent."""
        return wilson(self.n_changed, self.n)


@dataclass(frozen=True)
class Reliability:
    """The reliability curve of probabilities (Murphy & Winkler 1977; Guo et al. 2017)."""

    bins: tuple[Bin, ...]
    brier: float | None
    """Mean squared difference of probability and outcome (Brier 1950)."""

    @property
    def n(self) -> int:
        """Number of cases."""
        return sum(one.n for one in self.bins)

    @property
    def expected_error(self) -> float | None:
        """Expected calibration error: mean |probability − share| over bins, weighted by cases."""
        if not self.n:
            return None
        gaps = (
            one.n * abs(one.mean_probability - one.n_changed / one.n)
            for one in self.bins
            if one.n and one.mean_probability is not None
        )
        return sum(gaps) / self.n


class ScoreHistogram:
    """Judged pixels by stored score and label; integer counts, so windows may come in any order."""

    def __init__(self) -> None:
        self.counts = np.zeros((SCORE_TOP + 1, 2), np.int64)

    def add(self, score: NDArray[np.uint16], label: NDArray[np.uint8]) -> None:
        """Add pixels `(y, x)`: scores up to 10,000 (above: unobserved), labels 0 and 1."""
        seen = score <= SCORE_TOP
        for value in (0, 1):
            chosen = score[seen & (label == value)]
            self.counts[:, value] += np.bincount(chosen, minlength=SCORE_TOP + 1)

    def merge(self, other: ScoreHistogram) -> None:
        """Add another scene's pixels."""
        self.counts += other.counts

    @property
    def auc(self) -> float | None:
        """Probability that a changed pixel scores above an unchanged one, ties half (Hanley &
        McNeil 1982); None without pixels of both kinds."""
        unchanged, changed = self.counts[:, 0].astype(np.float64), self.counts[:, 1]
        pairs = float(unchanged.sum()) * float(changed.sum())
        if not pairs:
            return None
        below = np.cumsum(unchanged) - unchanged
        return float((changed * (below + unchanged / 2.0)).sum() / pairs)

    def reliability(self, n_bins: int) -> Reliability:
        """The reliability curve in `n_bins` bins of equal width."""
        scores = np.arange(SCORE_TOP + 1, dtype=np.int64)
        probability = scores / SCORE_TOP
        return _curve(probability, self.counts.sum(axis=1), self.counts[:, 1], n_bins)


def reliability_of(
    probability: NDArray[np.float64], is_true: NDArray[np.bool_], n_bins: int
) -> Reliability:
    """The reliability curve of single cases, `(case,)` each."""
    ones = np.ones(probability.size, np.int64)
    return _curve(probability, ones, is_true.astype(np.int64), n_bins)


def _curve(
    probability: NDArray[np.float64],
    n: NDArray[np.int64],
    n_changed: NDArray[np.int64],
    n_bins: int,
) -> Reliability:
    which = np.minimum((probability * n_bins).astype(np.int64), n_bins - 1)
    bins = []
    for number in range(n_bins):
        own = which == number
        count = int(n[own].sum())
        mean = float((probability[own] * n[own]).sum() / count) if count else None
        low, high = number / n_bins, (number + 1) / n_bins
        bins.append(Bin(low, high, count, int(n_changed[own].sum()), mean))
    total = int(n.sum())
    squares = n_changed * (1.0 - probability) ** 2 + (n - n_changed) * probability**2
    return Reliability(tuple(bins), float(squares.sum() / total) if total else None)
