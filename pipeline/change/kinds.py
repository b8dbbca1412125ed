"""First change kinds per pixel from vegetation and water indices.

Values are those of `configs/codes/change_kind.csv`. Only three are told apart here: water, crop or
other vegetation, and everything that ended bare or built (construction-like, 疑似建设). Without
band roles nothing is said: value 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import Field

from pipeline.schema.model import Frozen

UNKNOWN, CONSTRUCTION, WATER, CROP = 0, 10, 30, 40
"""Pixel values; labels and TBLX mapping in the code table."""


class KindParams(Frozen):
    """Settings of the first change kinds (变化类别初分)."""

    vegetation_ndvi: float = Field(
        0.3, gt=-1, lt=1, description="变化后 NDVI 不低于此值视为植被（示例口径，随传感器调整）"
    )
    water_ndwi: float = Field(
        0.0, gt=-1, lt=1, description="NDWI（绿、近红外）高于此值视为水面（示例口径，随传感器调整）"
    )


@dataclass(frozen=True)
class KindBands:
    """Positions of the bands the rules need among the common bands; −1 if a role is missing."""

    green: int
    red: int
    nir: int

    @property
    def is_usable(self) -> bool:
        """True if all three roles are there."""
        return min(self.green, self.red, self.nir) >= 0


def classify_kinds(
    before: NDArray[Any],
    after: NDArray[Any],
    bands: KindBands,
    params: KindParams,
) -> NDArray[np.uint8]:
    """Kind of every pixel `(y, x)` as if it had changed; pixels `(band, y, x)`.

    Indices are ratios of digital numbers of one date, so a common gain does not move them.
    """
    out = np.zeros(before.shape[1:], np.uint8)
    if bands.is_usable:
        _classify(
            before[bands.green],
            before[bands.nir],
            after[bands.green],
            after[bands.red],
            after[bands.nir],
            np.float32(params.vegetation_ndvi),
            np.float32(params.water_ndwi),
            out,
        )
    return out


@njit(nogil=True, cache=True)
def _classify(green_b, nir_b, green_a, red_a, nir_a, ndvi_limit, ndwi_limit, out):  # type: ignore[no-untyped-def]
    # index > limit is written as difference > limit · sum: no division, no zero denominators
    rows, cols = out.shape
    for i in range(rows):
        for j in range(cols):
            g0, n0 = np.float32(green_b[i, j]), np.float32(nir_b[i, j])
            g1, r1 = np.float32(green_a[i, j]), np.float32(red_a[i, j])
            n1 = np.float32(nir_a[i, j])
            was_water = g0 - n0 > ndwi_limit * (g0 + n0)
            is_water = g1 - n1 > ndwi_limit * (g1 + n1)
            is_green = n1 - r1 >= ndvi_limit * (n1 + r1)
            if is_water:
                out[i, j] = WATER
            elif is_green:
                out[i, j] = WATER if was_water else CROP
            else:
                out[i, j] = CONSTRUCTION
