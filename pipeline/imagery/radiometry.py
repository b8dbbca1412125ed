"""Relative radiometry: what the after image would look like under the before image's conditions.

Per band `before ≈ gain · after + offset`, fitted on the pixels that did not change. The line is the
reduced major axis (ratio of spreads), which treats both dates alike: swapping them gives the
inverse line. Change is kept out by weights from a chi-square of all bands together, repeated until
stable, with its scale tied to the median so that the weights can not collapse onto a few pixels.
Canty, Nielsen and Schmidt 2004, RSE 91 (the idea of fitting on invariant pixels).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import gammaincc, gammainccinv

from pipeline.scene import rounding_variance
from pipeline.schema.model import Frozen

INVARIANT_WEIGHT = 0.1
"""A pixel this likely to be unchanged counts among the invariant ones of the report."""
RELATIVE_FLOOR = 1e-9
"""Smallest variance taken as real, relative to the band's own."""


class RadiometryParams(Frozen):
    """Settings of the relative normalisation (相对辐射归一)."""

    rounds: int = Field(12, ge=1, le=100, description="迭代轮数")
    max_pixels: int = Field(100_000, ge=1000, description="参与拟合的最多像元数")
    min_invariant_share: float = Field(
        0.1, ge=0, le=1, description="不变像元的比例低于此值时提示拟合把握不大"
    )
    min_r2: float = Field(
        0.3, ge=0, le=1, description="任一波段在不变像元上的决定系数低于此值时提示拟合把握不大"
    )


@dataclass(frozen=True)
class BandFit:
    """One band's line and the spread around it on unchanged pixels."""

    gain: float
    offset: float
    sigma: float
    """Standard deviation of `before − (gain · after + offset)`, in before's units."""


@dataclass(frozen=True)
class RadiometryFit:
    """Lines of all common bands, in their order."""

    bands: tuple[BandFit, ...]
    unchanged_share: float
    """Mean weight of the sample: roughly the share of pixels taken for unchanged."""


def fit_radiometry(
    before: NDArray[Any], after: NDArray[Any], params: RadiometryParams
) -> RadiometryFit:
    """Fit on a sample of co-located pixels, `(band, n)` each; needs at least two pixels."""
    step = max(1, -(-before.shape[1] // params.max_pixels))
    x = before[:, ::step].astype(np.float64)
    y = after[:, ::step].astype(np.float64)
    bands = x.shape[0]
    floor = rounding_variance(before.dtype), rounding_variance(after.dtype)
    weights = np.ones(x.shape[1])
    median = 2 * float(gammainccinv(bands / 2, 0.5))
    steps = np.arange(0.0, 80.0, 1 / 64)
    survival = gammaincc(bands / 2, steps / 2)
    fits: list[BandFit] = []
    for _ in range(params.rounds):
        fits = [_fit_band(x[k], y[k], weights, floor) for k in range(bands)]
        chi2 = np.zeros(x.shape[1])
        for k, fit in enumerate(fits):
            chi2 += ((x[k] - fit.gain * y[k] - fit.offset) / fit.sigma) ** 2
        scale = max(float(np.median(chi2)) / median, 1e-12)
        weights = np.interp(chi2 / scale, steps, survival)
    # The weights shrink the variance they are computed from, by a factor known for the χ².
    shrinkage = _shrinkage(steps, survival, bands)
    fits = [BandFit(f.gain, f.offset, f.sigma / float(np.sqrt(shrinkage))) for f in fits]
    return RadiometryFit(tuple(fits), float(weights.mean()))


@dataclass(frozen=True)
class BandQuality:
    """How well one band's line holds on the invariant pixels; in before's digital numbers."""

    gain: float
    offset: float
    r2: float
    """Squared correlation of both dates."""
    rmse_raw: float
    """Root mean square difference of both dates as delivered."""
    rmse_fitted: float
    """The same after the line."""


@dataclass(frozen=True)
class RadiometryQuality:
    """What the fit rests on, for the report."""

    n_sample: int
    n_invariant: int
    bands: tuple[BandQuality, ...]

    @property
    def invariant_share(self) -> float:
        """Share of the sample that is taken for unchanged."""
        return self.n_invariant / self.n_sample if self.n_sample else 0.0

    @property
    def least_r2(self) -> float:
        """R² of the worst band."""
        return min((band.r2 for band in self.bands), default=0.0)

    def is_poor(self, params: RadiometryParams) -> bool:
        """Whether the lines rest on too little."""
        is_thin = self.invariant_share < params.min_invariant_share
        return is_thin or self.least_r2 < params.min_r2


def assess_fit(
    before: NDArray[Any], after: NDArray[Any], fit: RadiometryFit, params: RadiometryParams
) -> RadiometryQuality:
    """Judge the lines on the same sample `(band, n)` they were fitted on."""
    step = max(1, -(-before.shape[1] // params.max_pixels))
    x = before[:, ::step].astype(np.float64)
    y = after[:, ::step].astype(np.float64)
    chi2 = np.zeros(x.shape[1])
    for k, line in enumerate(fit.bands):
        chi2 += ((x[k] - line.gain * y[k] - line.offset) / line.sigma) ** 2
    scale = max(float(np.median(chi2)) / (2 * float(gammainccinv(len(fit.bands) / 2, 0.5))), 1e-12)
    is_invariant = gammaincc(len(fit.bands) / 2, chi2 / scale / 2) >= INVARIANT_WEIGHT
    bands = tuple(
        _band_quality(x[k][is_invariant], y[k][is_invariant], line)
        for k, line in enumerate(fit.bands)
    )
    return RadiometryQuality(x.shape[1], int(is_invariant.sum()), bands)


def _band_quality(x: NDArray[np.float64], y: NDArray[np.float64], line: BandFit) -> BandQuality:
    raw, fitted = x - y, x - line.gain * y - line.offset
    spread = float(np.sqrt(x.var() * y.var()))
    covariance = float(((x - x.mean()) * (y - y.mean())).mean())
    r2 = (covariance / spread) ** 2 if spread > 0 else 1.0
    return BandQuality(
        line.gain,
        line.offset,
        r2,
        float(np.sqrt((raw**2).mean())),
        float(np.sqrt((fitted**2).mean())),
    )


def _shrinkage(steps: NDArray[np.float64], survival: NDArray[np.float64], bands: int) -> float:
    """E[w·x²] / E[w] of one of `bands` standard normal variables, w the survival of their χ²."""
    probability = -np.diff(survival)
    middle = (steps[1:] + steps[:-1]) / 2
    weight = (survival[1:] + survival[:-1]) / 2
    return float((weight * middle * probability).sum() / (weight * probability).sum() / bands)


def _fit_band(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    weights: NDArray[np.float64],
    floor: tuple[float, float],
) -> BandFit:
    mean_x, mean_y = np.average(x, weights=weights), np.average(y, weights=weights)
    var_x = np.average((x - mean_x) ** 2, weights=weights) + floor[0] + 1e-30
    var_y = np.average((y - mean_y) ** 2, weights=weights) + floor[1] + 1e-30
    gain = float(np.sqrt(var_x / var_y))
    offset = float(mean_x - gain * mean_y)
    residual = np.average((x - gain * y - offset) ** 2, weights=weights)
    least = floor[0] + gain * gain * floor[1] + RELATIVE_FLOOR * var_x
    return BandFit(gain, offset, float(np.sqrt(residual + least)))
