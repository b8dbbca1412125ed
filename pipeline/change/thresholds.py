"""The global threshold between noise and change.

Two limits frame it. Below a high quantile of the χ² that unchanged pixels follow, a difference is
noise. Above the split of Otsu 1979 (IEEE TSMC 9(1)) on the square root of the statistic it is plain
change; Otsu, though, leans towards the wider class, so it sits deep inside the change where change
is strong and rare. An omission costs more than a false alarm here (acceptance fails on omissions),
so the threshold is their geometric mean: half-way, in ratio, between noise and plain change.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import gammaincinv
from skimage.filters import threshold_otsu

from pipeline.schema.model import Frozen

BINS = 4096
MAX_VALUES = 1_000_000
"""Values looked at; every n-th of a larger sample."""


class ThresholdParams(Frozen):
    """Settings of the global threshold (全局阈值)."""

    noise_quantile: float = Field(
        0.999, gt=0.5, lt=1, description="阈值不低于未变化像元 χ² 分布的这一分位数"
    )
    histogram_quantile: float = Field(
        0.9999, gt=0.9, le=1, description="直方图上端取到的样本分位数（防止个别极值拉长直方图）"
    )


@dataclass(frozen=True)
class Threshold:
    """A threshold on the change statistic c and where it came from."""

    value: float
    otsu: float
    noise_floor: float

    @property
    def is_noise_floor(self) -> bool:
        """True if Otsu fell inside the noise, so that the floor alone decided."""
        return self.noise_floor >= self.otsu


def find_threshold(values: NDArray[np.float32], freedom: int, params: ThresholdParams) -> Threshold:
    """Threshold for statistics `(n,)` of a sample whose unchanged part follows χ²(freedom)."""
    magnitude = np.sqrt(values[:: max(1, values.size // MAX_VALUES)])
    noise_floor = 2.0 * float(gammaincinv(freedom / 2, params.noise_quantile))
    top = float(np.quantile(magnitude, params.histogram_quantile)) if magnitude.size else 0.0
    otsu = 0.0
    if top > 0:
        counts, edges = np.histogram(np.minimum(magnitude, top), bins=BINS, range=(0.0, top))
        centres = (edges[:-1] + edges[1:]) / 2
        otsu = float(threshold_otsu(hist=(counts, centres))) ** 2
    return Threshold(sqrt(noise_floor * max(otsu, noise_floor)), otsu, noise_floor)
