"""The loop that IR-MAD and iterative slow features share: moments, forms, weights, again.

Pixels are weighted by their probability of no change under the forms of the round before, until
the quantities that the forms rest on settle.

Two departures from the papers, both measured on real pairs of farmland: (1) the scale of the χ² is
tied to the median at every iteration. The plain scheme estimates variances from a sample it has
just truncated, so its no-change set shrinks from round to round; where crops changed everywhere it
ends on 0.3 % of the pixels. (2) rounding noise (1/12 DN² per band and date) is added to the
variances, which keeps identical or collinear bands finite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import gammaincc, gammainccinv

from pipeline.change.linear import LinearStatistic, accumulate_moments, statistic_of_sample
from pipeline.change.sample import PairSample
from pipeline.scene import rounding_variance
from pipeline.schema.model import Frozen

Mapper = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
"""Maps a function over items, results in order; the caller decides on how many threads."""
FormsOf = Callable[
    [NDArray[np.float64], NDArray[np.float64], int],
    tuple[NDArray[np.float64], NDArray[np.float64]],
]
"""Covariance of the stacked bands, noise variances, bands → forms and what must settle."""

CHUNK_PX = 1 << 17
"""Fixed pieces of the sample whose moments are summed in order."""
SCALE_PIXELS = 1 << 16
"""Pixels from which the median scale is found."""
RELATIVE_NOISE = 1e-9
TABLE_STEP = 1.0 / 64.0
TABLE_END = 80.0


class ReweightingParams(Frozen):
    """Settings of an iteratively reweighted detector (迭代加权)."""

    min_iterations: int = Field(20, ge=1, le=1000, description="最少迭代次数")
    max_iterations: int = Field(40, ge=1, le=1000, description="最多迭代次数")
    tolerance: float = Field(1e-4, gt=0, description="特征值的变化小于此值即收敛")


@dataclass(frozen=True)
class ReweightedFit:
    """The converged statistic and how it got there."""

    statistic: LinearStatistic
    correlations: tuple[float, ...]
    """What settled: canonical correlations of IR-MAD, eigenvalues of slow features; ascending."""
    iterations: int
    is_converged: bool


def fit_reweighted(
    sample: PairSample, params: ReweightingParams, mapper: Mapper, forms_of: FormsOf
) -> ReweightedFit:
    """Iterate on a sample of at least a few hundred pixels, `(band, n)` each."""
    bands, n_pixels = sample.before.shape
    noise = np.repeat(
        [rounding_variance(sample.before.dtype), rounding_variance(sample.after.dtype)], bands
    )
    table = gammaincc(bands / 2, np.arange(0, TABLE_END, TABLE_STEP) / 2).astype(np.float32)
    chunks = [
        (
            np.ascontiguousarray(sample.before[:, i : i + CHUNK_PX]),
            np.ascontiguousarray(sample.after[:, i : i + CHUNK_PX]),
        )
        for i in range(0, n_pixels, CHUNK_PX)
    ]
    centre = _rough_centre(sample)
    forms = np.zeros((0, 2 * bands))
    previous = np.zeros(bands)
    for iteration in range(1, params.max_iterations + 1):
        mean, covariance = _weighted_moments(chunks, centre, forms, table, mapper)
        raw_forms, settling = forms_of(covariance, noise, bands)
        centre = mean
        forms = _scale_to_median(sample, centre, raw_forms)
        settled = float(np.abs(settling - previous).max()) < params.tolerance
        previous = settling
        if settled and iteration >= params.min_iterations:
            break
    return ReweightedFit(
        LinearStatistic(centre, forms, bands), tuple(map(float, settling)), iteration, settled
    )


def _rough_centre(sample: PairSample) -> NDArray[np.float64]:
    """A centre near the mean, so that float32 sums of squares lose nothing."""
    step = max(1, sample.before.shape[1] // SCALE_PIXELS)
    stacked = np.concatenate([sample.before[:, ::step], sample.after[:, ::step]])
    centre: NDArray[np.float64] = np.round(stacked.mean(axis=1, dtype=np.float64), 3)
    return centre


def _weighted_moments(
    chunks: list[tuple[NDArray[Any], NDArray[Any]]],
    centre: NDArray[np.float64],
    forms: NDArray[np.float64],
    table: NDArray[np.float32],
    mapper: Mapper,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    n_vars = centre.size
    centre32, forms32 = centre.astype(np.float32), forms.astype(np.float32)

    def of_chunk(chunk: tuple[NDArray[Any], NDArray[Any]]) -> NDArray[np.float64]:
        sums: NDArray[np.float64] = accumulate_moments(*chunk, centre32, forms32, table, TABLE_STEP)
        return sums

    totals = np.zeros(1 + n_vars + n_vars * (n_vars + 1) // 2)
    for part in mapper(of_chunk, chunks):  # in chunk order: the sum does not depend on workers
        totals += part
    first, second, row = np.zeros(n_vars), np.zeros((n_vars, n_vars)), 1
    for p in range(n_vars):
        first[p] = totals[row]
        second[p, p:] = second[p:, p] = totals[row + 1 : row + 1 + n_vars - p]
        row += 1 + n_vars - p
    first, second = first / totals[0], second / totals[0]
    return centre32.astype(np.float64) + first, second - np.outer(first, first)


def _scale_to_median(
    sample: PairSample, centre: NDArray[np.float64], forms: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Forms divided so that the median of the statistic is the median of its χ².

    Only ever shrinks the statistic: where nothing changed at all it is left below the χ².
    """
    bands = sample.before.shape[0]
    step = max(1, sample.before.shape[1] // SCALE_PIXELS)
    values = statistic_of_sample(
        LinearStatistic(centre, forms, bands),
        np.ascontiguousarray(sample.before[:, ::step]),
        np.ascontiguousarray(sample.after[:, ::step]),
    )
    scale = float(np.median(values)) / (2.0 * float(gammainccinv(bands / 2, 0.5)))
    scaled: NDArray[np.float64] = forms / np.sqrt(max(scale, 1.0))
    return scaled
