"""CVA: change vector analysis in units of the noise of unchanged pixels.

The difference of the dates after relative normalisation, each band divided by its own spread on
unchanged pixels, summed in squares (Malila 1980; Bruzzone and Prieto 2000, IEEE TGRS 38(3)). The
detector for fewer than four common bands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from scipy.special import gammainccinv

from pipeline.change.linear import LinearStatistic, statistic_of_sample
from pipeline.change.sample import PairSample


class BandLine(Protocol):
    """`before ≈ gain · after + offset`, with the spread around it."""

    @property
    def gain(self) -> float:
        """Before's units per after's unit."""

    @property
    def offset(self) -> float:
        """Before's units."""

    @property
    def sigma(self) -> float:
        """Spread of unchanged pixels around the line, before's units."""


def fit_cva(sample: PairSample, lines: Sequence[BandLine]) -> LinearStatistic:
    """The CVA statistic for given normalisation lines, scaled to the median of its χ².

    Like in IR-MAD the scale only ever shrinks the statistic.
    """
    bands = len(lines)
    sigma = np.array([line.sigma for line in lines])
    gain = np.array([line.gain for line in lines])
    forms = np.concatenate([np.diag(1.0 / sigma), np.diag(-gain / sigma)], axis=1)
    # Both centres lie on the line, so the offset drops out of the difference of centred values.
    after_centre = sample.after.mean(axis=1, dtype=np.float64)
    before_centre = gain * after_centre + np.array([line.offset for line in lines])
    centre = np.concatenate([before_centre, after_centre])
    statistic = LinearStatistic(centre, forms, bands)
    values = statistic_of_sample(statistic, sample.before, sample.after)
    scale = float(np.median(values)) / (2.0 * float(gammainccinv(bands / 2, 0.5)))
    return LinearStatistic(centre, forms / np.sqrt(max(scale, 1.0)), bands)
