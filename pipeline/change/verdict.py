"""The verdict on construction candidates: a scorecard over their figures.

Each figure is turned into a normal score by its distribution over the candidates the card was
fitted on (so that no outlier weighs more than the rarest candidate did), and the log-odds of
construction are the weighted sum: logistic regression, which anyone can recompute with the file
and a table of figures. The weights go with the logarithm of the pixel size, for the larger the
pixels, the more of an outline are mixed ones. `scripts/train_verdict.py` fits it to one network.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import expit

from pipeline.schema.model import Frozen

MIDDLE_M = 3.2


class FigureCard(Frozen):
    """One figure of the scorecard."""

    name: str
    quantiles: tuple[float, ...] = Field(min_length=2)
    """Of the candidates fitted on, at the middles of equal shares of them."""
    weight: float
    """Log-odds per normal score."""
    size_weight: float
    """What `size_term` times this adds to the weight."""


class VerdictCard(Frozen):
    """The scorecard."""

    network_sha256: str
    """The network whose candidates it was fitted on."""
    trained_on: str
    intercept: float
    size_weight: float
    """Log-odds per `size_term`."""
    figures: tuple[FigureCard, ...] = Field(min_length=1)


def normal_scores(n: int) -> NDArray[np.float64]:
    """Normal scores at the middles of `n` equal shares."""
    normal = NormalDist()
    return np.array([normal.inv_cdf((k + 0.5) / n) for k in range(n)])


def scored(values: NDArray[np.float64], quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normal scores `(candidate,)` of one figure; beyond the first and last quantile, theirs."""
    return np.interp(values, quantiles, normal_scores(quantiles.size))


def size_term(pixel_m: float) -> float:
    """How the pixel size enters: 0 in the middle of what was learned from (2 to 5 m), 1 at twice
    that; beyond them as at them."""
    return math.log2(min(max(pixel_m, 2.0), 5.0) / MIDDLE_M)


def verdicts(
    figures: Mapping[str, NDArray[np.float64]], card: VerdictCard, pixel_m: float
) -> NDArray[np.float64]:
    """Probability `(candidate,)` that a candidate is construction, at pixels of `pixel_m`."""
    size = size_term(pixel_m)
    total = np.full(len(next(iter(figures.values()))), card.intercept + card.size_weight * size)
    for figure in card.figures:
        weight = figure.weight + figure.size_weight * size
        total += weight * scored(figures[figure.name], np.array(figure.quantiles))
    probability: NDArray[np.float64] = expit(total)
    return probability
