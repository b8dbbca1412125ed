"""The verdict on construction candidates: a scorecard over their figures.

Each figure is turned into a normal score by its distribution over the candidates the card was
fitted on (so that no outlier weighs more than the rarest candidate did), and the log-odds of
construction are the weighted sum: logistic regression, which anyone can recompute with the file
and a table of figures. The weights go with the logarithm of the pixel size, for the larger the
pixels, the more of an outline are mixed ones. `scripts/train_verdict.py` fits it to one network.

A candidate is worth what its surroundings make likely: in a dry spring a county has hundreds of
pale spots for every yard. So the share of construction among the pair's own candidates is estimated
from all of them, without labels, and takes the place of the share that the card was fitted on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.optimize import brentq
from scipy.special import expit, logit

from pipeline.schema.model import Frozen

MIDDLE_M = 3.2
MOST_LOG_ODDS = 20.0
"""Beyond them a candidate is as good as certain."""
SHARE_COUNTS = 30.0
"""As many candidates the share that the card was fitted on counts for, beside the pair's own."""


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
    built_share: float = Field(gt=0, lt=1)
    """Of the candidates fitted on, as they were counted, those that were construction."""
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


def log_odds_by_card(
    figures: Mapping[str, NDArray[np.float64]], card: VerdictCard, pixel_m: float
) -> NDArray[np.float64]:
    """Log-odds `(candidate,)` of construction at pixels of `pixel_m`, where the share of
    construction is that which the card was fitted on."""
    size = size_term(pixel_m)
    total = np.full(len(next(iter(figures.values()))), card.intercept + card.size_weight * size)
    for figure in card.figures:
        weight = figure.weight + figure.size_weight * size
        total += weight * scored(figures[figure.name], np.array(figure.quantiles))
    limited: NDArray[np.float64] = np.clip(total, -MOST_LOG_ODDS, MOST_LOG_ODDS)
    return limited


def own_share(log_odds: NDArray[np.float64], usual_share: float) -> float:
    """Share of construction among the candidates of one pair, most likely by their log-odds.

    `log_odds` `(candidate,)` hold where the share is `usual_share`; that counts as `SHARE_COUNTS`
    candidates, so that a few do not decide. The likelihood is concave in the share (Saerens,
    Latinne & Decaestecker 2002, Neural Computation 14(1), climb it by expectation maximisation).
    """
    excess = np.expm1(log_odds - logit(usual_share))
    for_usual, against = SHARE_COUNTS * usual_share, SHARE_COUNTS * (1 - usual_share)

    def slope(share: float) -> float:
        own = np.sum(excess / (1 + share * excess))
        return float(own + for_usual / share - against / (1 - share))

    return float(brentq(slope, 1e-9, 1 - 1e-9))


def in_own_share(
    log_odds: NDArray[np.float64], usual_share: float
) -> tuple[NDArray[np.float64], float]:
    """Probabilities `(candidate,)` of one pair's candidates at the pair's own share of
    construction, and that share; given are their log-odds at `usual_share`."""
    share = own_share(log_odds, usual_share)
    told: NDArray[np.float64] = expit(log_odds + logit(share) - logit(usual_share))
    return told, share
