"""SFA: iterative slow feature analysis.

Wu, Du and Zhang 2014, IEEE TGRS 52(5), 2858-2874. Of all mixtures of the bands, each date in units
of its own spread, those that differ least between the dates on unchanged pixels are the slow
features; the differences in units of their own spread add up to a χ². Pixels are reweighted by
their probability of no change until the eigenvalues settle (`change.reweighting`). Both dates get
the same mixture: what IR-MAD leaves free is tied here.
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


class SfaParams(ReweightingParams):
    """Settings of slow feature analysis (迭代慢特征分析)."""


def fit_sfa(sample: PairSample, params: SfaParams, mapper: Mapper) -> ReweightedFit:
    """Iterate on a sample of at least a few hundred pixels, `(band, n)` each."""
    return fit_reweighted(sample, params, mapper, _slow_forms)


def _slow_forms(
    covariance: NDArray[np.float64], noise: NDArray[np.float64], bands: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Unit-variance differences of slow features as rows over the stacked bands, and the
    generalised eigenvalues (variance of the difference to variance of the feature), ascending."""
    diagonal = np.diag(covariance)
    least = noise + RELATIVE_NOISE * diagonal + 1e-30
    unit = 1.0 / np.sqrt(diagonal + least)
    scaled = (covariance + np.diag(least)) * np.outer(unit, unit)
    s11, s12, s22 = scaled[:bands, :bands], scaled[:bands, bands:], scaled[bands:, bands:]
    difference = s11 + s22 - s12 - s12.T
    eigenvalues, mixture = scipy.linalg.eigh(difference, (s11 + s22) / 2)
    stacked = np.concatenate([mixture, -mixture])
    # Never below the rounding noise that the two features carry.
    rounding = np.einsum("ij,i,ij->j", stacked, noise * unit * unit, stacked) + RELATIVE_NOISE
    variance = np.maximum(eigenvalues, rounding)
    forms = stacked.T * unit / np.sqrt(variance)[:, None]
    return forms, eigenvalues
