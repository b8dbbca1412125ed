"""The detector `texture`: how built-up the ground looks at either date, without any label.

Roofs, yards and roads look alike everywhere: sharp corners in two directions, strong contrast
within a lot, bright patches, blue sheet roofs, hardly any green and little colour. Each of these is
averaged over a lot (a Gaussian of 16 m on cells of about 4 m) and ranked within its own date, so
that gain, haze and season cancel; the six ranks together are the built-up index of the date. Open
land and built-up land are the two parts of the index's histogram (two Gaussians, found by
expectation maximisation), which gives each date a probability of being built up. The probability of
change is the difference of the two: what was and stays built up, or was never, has none; swapping
the dates changes nothing but the direction. Corners: Harris and Stephens 1988; contrast and corner
measures as built-up index: Pesaresi, Gerhardinger and Kayitakire 2008, IEEE JSTARS 1(3).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import ndtri

from pipeline.change.cells import blur, cell_means, gaussian_taps, gradients, spread_cells
from pipeline.schema.model import Frozen

COLOURS = ("red", "green", "blue")
N_FEATURES = 6
OFFSET = 0.1
"""Added to brightness relative to the date's median before logs: deep shadow is no outlier."""
EDGE_SIGMA_CELLS, CORNER_SIGMA_CELLS = 0.8, 1.5
MAX_LOT_SIGMA_CELLS = 8.0
RANKS = 257
RANK_BOUND = 0.005
"""Ranks are kept this far from 0 and 1, so that no single feature decides."""
ODDS_BOUND = 9.0
MAX_OPEN_ODDS = -3.9
"""Log-odds of being built up at and below the middle of open land (probability 0.02)."""
ROUNDS = 200
TABLE = 401
LEAST_SEPARATION = 1.0
"""Distance of the two parts in units of both spreads below which there is but one part."""


class BuiltUpParams(Frozen):
    """Settings of the detector texture (纹理：建成区指数)."""

    cell_m: float = Field(
        4.0, gt=0, description="计算格的大小，米；取像元的 1、2、4、8、16 倍中最接近的"
    )
    lot_sigma_m: float = Field(16.0, gt=0, description="地块尺度平滑的标准差，米")


@dataclass(frozen=True, eq=False)
class DateScale:
    """One date's bands and brightness in units of that date's own pixels."""

    medians: NDArray[np.float64]
    """Red, green, blue; or of the one band there is."""
    grey: tuple[float, float]
    """Median and robust spread of the log brightness."""
    blue: tuple[float, float]
    """The same of the log ratio of blue to red."""


@dataclass(frozen=True, eq=False)
class DateIndex:
    """From features to the log-odds of being built up, for one date."""

    scale: DateScale
    quantiles: NDArray[np.float64]
    """`(feature, RANKS)`, ascending."""
    index: NDArray[np.float64]
    log_odds: NDArray[np.float64]
    """At each value of `index`; rising."""
    separation: float
    built_share: float


@dataclass(frozen=True, eq=False)
class CellPlan:
    """How pixels become cells."""

    bands: tuple[int, ...]
    """Positions of red, green, blue; or of the one band that is used."""
    factor: int
    """Pixels per cell and side, a power of two."""
    lot_sigma_cells: float

    @property
    def halo_px(self) -> int:
        """Pixels around a tile that its core depends on."""
        reach = sum(
            gaussian_taps(sigma).size // 2
            for sigma in (EDGE_SIGMA_CELLS, CORNER_SIGMA_CELLS, self.lot_sigma_cells)
        )
        return (reach + 2) * self.factor


def cell_plan(roles: tuple[str, ...], gsd_m: float, params: BuiltUpParams) -> CellPlan:
    """Cells for a pair; without red, green and blue only the first band is used."""
    has_colours = all(colour in roles for colour in COLOURS)
    bands = tuple(roles.index(colour) for colour in COLOURS) if has_colours else (0,)
    factor = int(2 ** min(max(round(log2(max(params.cell_m / gsd_m, 1e-6))), 0), 4))
    sigma = params.lot_sigma_m / (gsd_m * factor)
    return CellPlan(bands, factor, min(max(sigma, 1.0), MAX_LOT_SIGMA_CELLS))


def fit_scale(pixels: NDArray[Any], plan: CellPlan) -> DateScale:
    """A date's own units from sample pixels `(band, n)`."""
    chosen = pixels[list(plan.bands)].astype(np.float64)
    medians = np.median(chosen, axis=1)
    medians = np.where(medians > 0, medians, 1.0)
    grey, blue = _grey_and_blue(chosen / medians[:, None])
    return DateScale(medians, _robust(grey), _robust(blue))


def _robust(values: NDArray[np.float64]) -> tuple[float, float]:
    middle = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - middle)))
    return middle, max(spread, 1e-6)


def _grey_and_blue(relative: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    grey = np.log(np.maximum(relative.mean(axis=0), 0.0) + OFFSET)
    first, last = np.maximum(relative[0], 0.0), np.maximum(relative[-1], 0.0)
    return grey, np.log((last + OFFSET) / (first + OFFSET))


def built_up_features(
    image: NDArray[Any], valid: NDArray[np.uint8], scale: DateScale, plan: CellPlan
) -> NDArray[np.float32]:
    """Features of one date, float32 `(N_FEATURES, cell rows, cell columns)`, from pixels
    `(band, y, x)` whose first pixel is the first of a cell. What was not seen counts as the date's
    usual ground; with one band the features of colour are 0."""
    relative = cell_means(image, plan.bands, scale.medians, valid, plan.factor)
    grey, blue = _grey_and_blue(relative)
    z = ((grey - scale.grey[0]) / scale.grey[1]).astype(np.float32)
    bluer = np.maximum((blue - scale.blue[0]) / scale.blue[1] - 1.0, 0.0).astype(np.float32)
    lot = gaussian_taps(plan.lot_sigma_cells)
    mean_z = blur(z, lot)
    contrast = np.sqrt(np.maximum(blur(z * z, lot) - mean_z * mean_z, np.float32(0)))
    planes = [
        blur(_corners(grey.astype(np.float32)), lot),
        contrast,
        blur(np.maximum(z - np.float32(1), np.float32(0)), lot),
    ]
    if len(plan.bands) < len(COLOURS):
        return np.stack([*planes, *[np.zeros_like(z)] * (N_FEATURES - len(planes))])
    red, green, last = (np.maximum(band, 0) + np.float32(OFFSET) for band in relative)
    greenness = np.log(green * green / (red * last)).astype(np.float32)
    own = relative * scale.medians[:, None, None].astype(np.float32)
    colour = (own.max(axis=0) - own.min(axis=0)) / (
        own.mean(axis=0) + np.float32(OFFSET * scale.medians.mean())
    )
    return np.stack([*planes, blur(bluer, lot), -blur(greenness, lot), -blur(colour, lot)])


def _corners(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Root of the smaller eigenvalue of the structure tensor: rows of a field have none."""
    gx, gy = gradients(blur(grey, gaussian_taps(EDGE_SIGMA_CELLS)))
    taps = gaussian_taps(CORNER_SIGMA_CELLS)
    xx, yy, xy = (blur(product, taps) for product in (gx * gx, gy * gy, gx * gy))
    spread = np.sqrt((xx - yy) ** 2 + np.float32(4) * xy * xy)
    corners: NDArray[np.float32] = np.sqrt(np.maximum(xx + yy - spread, np.float32(0)))
    return corners


def fit_index(features: NDArray[np.float32], scale: DateScale) -> DateIndex:
    """One date's index and its two parts from sampled features `(N_FEATURES, n)`."""
    shares = np.linspace(0.0, 1.0, RANKS)
    quantiles = np.quantile(features.astype(np.float64), shares, axis=1).T
    values = _index_of(features, quantiles)
    means, variances, weights = two_gaussians(values)
    grid = np.linspace(float(values.min()), float(values.max()), TABLE)
    log_odds = _rising_log_odds(grid, means, variances, weights)
    separation = float((means[1] - means[0]) / (np.sqrt(variances[0]) + np.sqrt(variances[1])))
    return DateIndex(scale, quantiles, grid, log_odds, separation, float(weights[1]))


def _index_of(features: NDArray[np.float32], quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of the normal scores of the features' ranks, in units of independent features."""
    shares = np.linspace(0.0, 1.0, RANKS)
    total = np.zeros(features.shape[1:])
    used = 0
    for values, table in zip(features, quantiles, strict=True):
        if table[-1] > table[0]:
            # The share that lies below: equal values, such as no blue at all, have no rank.
            steps, first = np.unique(table, return_index=True)
            rank = np.interp(values, steps, shares[first])
            total += ndtri(np.clip(rank, RANK_BOUND, 1.0 - RANK_BOUND))
            used += 1
    index: NDArray[np.float64] = total / np.sqrt(max(used, 1))
    return index


def two_gaussians(
    values: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Means, variances and weights of two Gaussians, the lower first (EM: Dempster, Laird and
    Rubin 1977, JRSS B 39(1)), started from a rare upper part."""
    x = values[:: max(1, values.size // 60_000), None]
    means = np.quantile(x, (0.3, 0.92))
    variances = np.full(2, float(x.var()) / 2 + 1e-9)
    weights = np.array([0.8, 0.2])
    for _ in range(ROUNDS):
        density = weights * np.exp(-((x - means) ** 2) / (2 * variances)) / np.sqrt(variances)
        share = density / (density.sum(axis=1, keepdims=True) + 1e-300)
        count = share.sum(axis=0) + 1e-9
        weights = count / count.sum()
        means = (share * x).sum(axis=0) / count
        variances = (share * (x - means) ** 2).sum(axis=0) / count + 1e-9
    order = np.argsort(means)
    return means[order], variances[order], weights[order]


def _rising_log_odds(
    grid: NDArray[np.float64],
    means: NDArray[np.float64],
    variances: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Log-odds of the upper part along the index. A Gaussian's tails would call the least built-up
    ground built up where the upper part is wider; more of the index is never less built up."""
    logs = np.log(weights) - 0.5 * np.log(variances)
    part = logs - (grid[:, None] - means) ** 2 / (2 * variances)
    odds = part[:, 1] - part[:, 0]
    odds = np.where(grid < means[0], np.minimum(odds, MAX_OPEN_ODDS), odds)
    rising: NDArray[np.float64] = np.maximum.accumulate(np.clip(odds, -ODDS_BOUND, ODDS_BOUND))
    return rising


def built_up_odds(
    image: NDArray[Any], valid: NDArray[np.uint8], date: DateIndex, plan: CellPlan
) -> NDArray[np.float32]:
    """Log-odds of being built up at one date, float32 `(y, x)` of the pixels."""
    features = built_up_features(image, valid, date.scale, plan)
    odds = np.interp(_index_of(features, date.quantiles), date.index, date.log_odds)
    return spread_cells(odds.astype(np.float32), plan.factor, image.shape[1:])


def built_up_change(before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much more probable it is after than before that the ground is built up, −1 … 1."""
    p = [1.0 / (1.0 + np.exp(-odds.astype(np.float64))) for odds in (before, after)]
    change: NDArray[np.float32] = (p[1] - p[0]).astype(np.float32)
    return change
