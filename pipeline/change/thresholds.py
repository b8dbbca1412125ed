"""The global threshold between noise and change, and what the statistic says of its probability.

Pixels that did not change do not follow the χ² their variances promise: noise differs from field to
field, so the sum of squares has the heavier tail of a scaled F distribution (χ² with a variance
that itself varies). Change spreads over decades: log-normal. The two are fitted together to the
sample's histogram of log c by maximum likelihood, without labels (the idea of Bruzzone and Prieto
2000, IEEE TGRS 38(3)); the threshold is where both are equally probable. The probability is

    p = 1 / (1 + (threshold / c)^steepness)

with the steepness that makes all probabilities add up to the number of pixels over the threshold.
It is 1/2 at the threshold, monotone in c and has the inverse c = threshold · odds^(1/steepness).
Below a quantile of the χ² a difference is plain noise, whatever the fit says. Where the mixture has
no such point (change everywhere, or none), the geometric mean of that quantile and of the split of
Otsu 1979 (IEEE TSMC 9(1)) on √c decides: half-way, in ratio, between noise and plain change.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.optimize import minimize
from scipy.special import betainc, gammaincinv, ndtr
from skimage.filters import threshold_otsu

from pipeline.schema.model import Frozen

BINS = 4096
MAX_VALUES = 1_000_000
"""Values looked at; every n-th of a larger sample."""
LOG_EDGES = np.linspace(-4.0, 9.0, 131)
"""Bins of log c; the first and the last take what lies beyond."""
LEAST_TAIL = 4.0
"""Least second degree of freedom of the F: below it, a variance does not exist."""
LEAST_SHARE = 1e-3
"""A part smaller than this is no part: the tail of the other one."""
STARTS = (10.0, 40.0)
"""Medians of change to start from, in degrees of freedom."""
STEEPNESS_RANGE = (1.5, 4.0)
"""Beyond, the stored score would hold no ratio far from the threshold."""
USUAL_STEEPNESS = 2.0
"""Where the mixture does not tell it."""


class ThresholdParams(Frozen):
    """Settings of the global threshold (全局阈值)."""

    noise_quantile: float = Field(
        0.99, gt=0.5, lt=1, description="阈值不低于未变化像元 χ² 分布的这一分位数"
    )
    quiet_quantile: float = Field(
        0.999, gt=0.5, lt=1, description="分不出噪声与变化两部分时，改用的 χ² 分位数"
    )
    histogram_quantile: float = Field(
        0.9999, gt=0.9, le=1, description="直方图上端取到的样本分位数（防止个别极值拉长直方图）"
    )


@dataclass(frozen=True)
class Mixture:
    """Noise (scaled F) and change (log-normal), as fitted to log c."""

    noise_scale: float
    noise_tail: float
    """Second degree of freedom of the F; large: a plain χ²."""
    change_median: float
    change_spread: float
    """Standard deviation of log c."""
    change_share: float


@dataclass(frozen=True)
class Threshold:
    """A threshold on the change statistic c, how steep the odds are, and where both came from."""

    value: float
    otsu: float
    noise_floor: float
    steepness: float = USUAL_STEEPNESS
    mixture: Mixture | None = None
    """None where the mixture did not decide."""

    @property
    def is_noise_floor(self) -> bool:
        """True if the noise alone decided."""
        return self.value <= self.noise_floor


def find_threshold(values: NDArray[np.float32], freedom: int, params: ThresholdParams) -> Threshold:
    """Threshold for statistics `(n,)` of a sample whose unchanged part follows about
    χ²(freedom)."""
    values = values[:: max(1, values.size // MAX_VALUES)]
    noise_floor = 2.0 * float(gammaincinv(freedom / 2, params.noise_quantile))
    otsu = _otsu(np.sqrt(values), params.histogram_quantile)
    mixture = fit_mixture(values, freedom)
    crossing = None if mixture is None else _crossing(mixture, freedom)
    if mixture is None or crossing is None:
        noise_floor = 2.0 * float(gammaincinv(freedom / 2, params.quiet_quantile))
        return Threshold(sqrt(noise_floor * max(otsu, noise_floor)), otsu, noise_floor)
    value = max(crossing, noise_floor)
    return Threshold(value, otsu, noise_floor, _steepness(values, value), mixture)


def _steepness(values: NDArray[np.float32], threshold: float) -> float:
    """The steepness, in halves, whose probabilities add up to the number of values over the
    threshold: right on the whole, whatever the tails of the two parts look like."""
    logs = np.log(np.maximum(values.astype(np.float64), 1e-6) / threshold)
    share = float((logs >= 0).mean())
    choices = np.arange(2 * STEEPNESS_RANGE[0], 2 * STEEPNESS_RANGE[1] + 1) / 2
    gaps = [abs(float((1.0 / (1.0 + np.exp(-k * logs))).mean()) - share) for k in choices]
    return float(choices[int(np.argmin(gaps))])


def _otsu(magnitude: NDArray[np.float32], quantile: float) -> float:
    top = float(np.quantile(magnitude, quantile)) if magnitude.size else 0.0
    if top <= 0:
        return 0.0
    counts, edges = np.histogram(np.minimum(magnitude, top), bins=BINS, range=(0.0, top))
    return float(threshold_otsu(hist=(counts, (edges[:-1] + edges[1:]) / 2))) ** 2


def fit_mixture(values: NDArray[np.float32], freedom: int) -> Mixture | None:
    """The two parts of a sample of statistics `(n,)`; None if there are no two parts."""
    logs = np.log(np.maximum(values.astype(np.float64), exp(LOG_EDGES[0] - 1)))
    counts, _ = np.histogram(np.clip(logs, LOG_EDGES[0], LOG_EDGES[-1]), LOG_EDGES)
    if np.count_nonzero(counts) < 10:
        return None
    shares = counts / counts.sum()

    def loss(point: NDArray[np.float64]) -> float:
        parts = _masses(_mixture_at(point), freedom, LOG_EDGES)
        return -float(shares @ np.log(parts[0] + parts[1] + 1e-14))

    fits = [
        minimize(
            loss,
            [0.0, 3.0, log(start * freedom), 0.0, -2.0],
            method="Nelder-Mead",
            options={"maxiter": 2500, "xatol": 1e-4, "fatol": 1e-10},
        )
        for start in STARTS
    ]
    best = _mixture_at(min(fits, key=lambda fit: float(fit.fun)).x)
    has_parts = LEAST_SHARE < best.change_share < 1.0 - LEAST_SHARE
    return best if has_parts else None


def _mixture_at(point: NDArray[np.float64]) -> Mixture:
    log_scale, tail, log_median, log_spread, logit = np.clip(point, -20.0, 20.0)
    return Mixture(
        exp(log_scale),
        LEAST_TAIL + exp(tail),
        exp(log_median),
        exp(log_spread),
        1.0 / (1.0 + exp(-logit)),
    )


def _masses(
    mixture: Mixture, freedom: int, edges: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares of noise and of change between edges of log c; the outer bins are open."""
    c = np.exp(edges) / mixture.noise_scale
    noise = betainc(freedom / 2, mixture.noise_tail / 2, c / (c + mixture.noise_tail))
    change = ndtr((edges - log(mixture.change_median)) / mixture.change_spread)
    for part in (noise, change):
        part[0], part[-1] = 0.0, 1.0
    return (
        (1.0 - mixture.change_share) * np.diff(noise),
        mixture.change_share * np.diff(change),
    )


def _crossing(mixture: Mixture, freedom: int) -> float | None:
    """c where noise and change are equally probable, change more so above; None if nowhere."""
    noise, change = _masses(mixture, freedom, LOG_EDGES)
    gap = np.log(change[1:-1] + 1e-300) - np.log(noise[1:-1] + 1e-300)
    centres = (LOG_EDGES[1:-2] + LOG_EDGES[2:-1]) / 2
    ups = np.flatnonzero((gap[:-1] < 0) & (gap[1:] >= 0))
    if ups.size == 0:
        return None
    i = int(ups[-1])
    return exp(centres[i] + (centres[i + 1] - centres[i]) * gap[i] / (gap[i] - gap[i + 1]))
