"""How sure a measured share or a measure of agreement is: 95 % intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import sqrt

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
Z = 1.959963984540054
"""Standard normal quantile of the level."""

Interval = tuple[float, float]

# Columns of an array of confusion counts, as in `accuracy.PixelCounts`.
TP, FP, FN, TN = 0, 1, 2, 3
CHUNK = 64
"""Replicates drawn at a time, so that a county's blocks need little memory."""


def wilson(part: int, whole: int) -> Interval | None:
    """95 % interval of the share `part / whole` (Wilson 1927, JASA 22); None of nothing."""
    if not whole:
        return None
    share, step = part / whole, Z * Z / whole
    middle = (share + step / 2) / (1 + step)
    half = Z * sqrt(share * (1 - share) / whole + step / (4 * whole)) / (1 + step)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def _kappa(c: NDArray[np.float64]) -> NDArray[np.float64]:
    n = c[:, :4].sum(axis=1)
    chance = (c[:, TP] + c[:, FP]) * (c[:, TP] + c[:, FN])
    chance += (c[:, FN] + c[:, TN]) * (c[:, FP] + c[:, TN])
    return _share(n * (c[:, TP] + c[:, TN]) - chance, n * n - chance)


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    share: NDArray[np.float64] = np.full(len(part), np.nan)
    np.divide(part, whole, out=share, where=whole > 0)
    return share


MEASURES: Mapping[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "kappa": _kappa,
    "f1": lambda c: _share(2 * c[:, TP], 2 * c[:, TP] + c[:, FP] + c[:, FN]),
    "precision": lambda c: _share(c[:, TP], c[:, TP] + c[:, FP]),
    "recall": lambda c: _share(c[:, TP], c[:, TP] + c[:, FN]),
}
"""Measures of rows of confusion counts `(replicate, 5)`; NaN where undefined."""


def block_bootstrap(
    blocks: NDArray[np.int64], replicates: int, seed: int, min_blocks: int
) -> dict[str, Interval | None]:
    """95 % percentile intervals of pixel measures by drawing blocks with replacement.

    Neighbouring pixels err together, so pixels are no sample; blocks far wider than a patch nearly
    are (block bootstrap, Künsch 1989; Lahiri 2003, *Resampling Methods for Dependent Data*).
    `blocks`: confusion counts `(block, 5)` in the order of `PixelCounts`. Blocks without judged
    pixels are left out; None for every measure if fewer than `min_blocks` are left, and for a
    measure that is undefined in more than one replicate of twenty.
    """
    judged = blocks[blocks[:, :4].sum(axis=1) > 0]
    n = len(judged)
    if n < min_blocks:
        return dict.fromkeys(MEASURES)
    draw = np.random.default_rng(seed)
    sums = np.concatenate(
        [
            judged[draw.integers(0, n, (min(CHUNK, replicates - done), n))].sum(axis=1)
            for done in range(0, replicates, CHUNK)
        ]
    ).astype(np.float64)
    return {name: _percentiles(measure(sums)) for name, measure in MEASURES.items()}


def _percentiles(values: NDArray[np.float64]) -> Interval | None:
    known = values[~np.isnan(values)]
    if known.size < LEVEL * values.size:
        return None
    low, high = np.quantile(known, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(low), float(high)
