"""IR-MAD: iteratively reweighted multivariate alteration detection.

Nielsen 2007, IEEE TIP 16(2), 463-478. Canonical correlation pairs the two dates' bands; the
differences of the pairs (MAD variates) are invariant to gain, offset and band mixing. Pixels are
reweighted by their probability of no change until the correlations settle (`change.reweighting`).
"""

from __future__ import annotations

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from pipeline.change.reweighting import (
    RELATIVE_NOISE,
    Mapper,
    ReweightedFit,
    ReweightingParams,
    fit_reweighted,
)
from pipeline.change.sample import PairSample


class IrmadParams(ReweightingParams):
    """Settings of IR-MAD (迭代加权多元变化检测)."""


def fit_irmad(sample: PairSample, params: IrmadParams, mapper: Mapper) -> ReweightedFit:
    """Iterate on a sample of at least a few hundred pixels, `(band, n)` each."""
    return fit_reweighted(sample, params, mapper, _canonical_forms)


def _canonical_forms(
    covariance: NDArray[np.float64], noise: NDArray[np.float64], bands: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Unit-variance MAD variates as rows over the stacked bands, and the correlations."""
    diagonal = np.diag(covariance)
    least = noise + RELATIVE_NOISE * diagonal + 1e-30
    # Unit diagonal: bands of very different spread would make the system ill-conditioned.
    unit = 1.0 / np.sqrt(diagonal + least)
    noisy = (covariance + np.diag(least)) * np.outer(unit, unit)
    noise = noise * unit * unit
    s11, s12 = noisy[:bands, :bands], noisy[:bands, bands:]
    s22 = noisy[bands:, bands:]
    regression = scipy.linalg.solve(s22, s12.T, assume_a="pos")
    squared, left = scipy.linalg.eigh(s12 @ regression, s11)
    correlations = np.sqrt(np.clip(squared, 0.0, 1.0))
    right = regression @ left
    spread = np.sqrt(np.einsum("ij,ik,kj->j", right, s22, right))
    right = right / np.where(spread > 0, spread, 1.0)
    # Var(U − V) = 2 (1 − ρ) of unit variates; never below the rounding noise they carry.
    stacked = np.concatenate([left, right])
    rounding = np.einsum("ij,i,ij->j", stacked, noise, stacked) + RELATIVE_NOISE
    variance = np.maximum(2.0 * (1.0 - correlations), rounding)
    forms = np.concatenate([left, -right]).T * unit / np.sqrt(variance)[:, None]
    return forms, correlations
