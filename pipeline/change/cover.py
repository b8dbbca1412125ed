"""What covered the ground at one date: plants, water, or neither (bare).

Read from NDVI (Rouse et al. 1974) and NDWI (McFeeters 1996, Int. J. Remote Sensing 17(7)) of
digital numbers with each band's dark value taken off first (Chavez 1988, RSE 24(3)); the limit of
vegetation is the scene's own (Otsu 1979), inside bounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import Field
from skimage.filters import threshold_otsu

from pipeline.schema.model import Frozen

BARE, PLANTS, WATER = 0, 1, 2
"""Values of a cover."""
BINS = 256
MIN_OTSU_PIXELS = 64


class CoverParams(Frozen):
    """Settings of the ground cover of one date (单时相地表覆盖)."""

    dark_quantile: float = Field(
        0.002, ge=0, le=0.05, description="各波段暗值取样本的这一分位数（扣除大气和仪器偏置）"
    )
    min_vegetation_ndvi: float = Field(
        0.25, gt=-1, lt=1, description="植被 NDVI 界限的下限；界限由影像自身的直方图得出"
    )
    max_vegetation_ndvi: float = Field(0.45, gt=-1, lt=1, description="植被 NDVI 界限的上限")
    water_ndwi: float = Field(
        0.0, gt=-1, lt=1, description="NDWI（绿、近红外）高于此值才可能是水面"
    )
    water_nir_ratio: float = Field(
        0.5,
        gt=0,
        description="水面的近红外亮度低于全图中位数的这一比例（亮屋顶的 NDWI 也会偏高）",
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


@dataclass(frozen=True)
class CoverRule:
    """How the cover of one date is read from its digital numbers."""

    dark: tuple[float, float, float]
    """Dark values of green, red, nir."""
    vegetation_ndvi: float
    water_ndwi: float
    water_nir: float
    """Near infrared over its dark value from which it is no water."""


def fit_cover(pixels: NDArray[Any], bands: KindBands, params: CoverParams) -> CoverRule:
    """The rule of one date from sample pixels `(band, n)`; `bands` must be usable."""
    chosen = pixels[[bands.green, bands.red, bands.nir]].astype(np.float64)
    dark = np.quantile(chosen, params.dark_quantile, axis=1)
    _, red, nir = np.maximum(chosen - dark[:, None], 0.0)
    total = nir + red
    ndvi = (nir - red)[total > 0] / total[total > 0]
    land = ndvi[ndvi > 0]
    limit = params.min_vegetation_ndvi
    if land.size >= MIN_OTSU_PIXELS:
        counts, edges = np.histogram(land, bins=BINS, range=(0.0, 1.0))
        limit = float(threshold_otsu(hist=(counts, (edges[:-1] + edges[1:]) / 2)))
    limit = min(max(limit, params.min_vegetation_ndvi), params.max_vegetation_ndvi)
    return CoverRule(
        (float(dark[0]), float(dark[1]), float(dark[2])),
        limit,
        params.water_ndwi,
        params.water_nir_ratio * float(np.median(nir)),
    )


def cover_of(pixels: NDArray[Any], bands: KindBands, rule: CoverRule) -> NDArray[np.uint8]:
    """Cover of pixels `(band, …)`: bare, plants or water."""
    out = np.empty(pixels.shape[1:], np.uint8)
    _cover(
        pixels[bands.green].reshape(-1),
        pixels[bands.red].reshape(-1),
        pixels[bands.nir].reshape(-1),
        np.array([*rule.dark, rule.vegetation_ndvi, rule.water_ndwi, rule.water_nir], np.float32),
        out.reshape(-1),
    )
    return out


@njit(nogil=True, cache=True)
def _cover(green, red, nir, rule, out):  # type: ignore[no-untyped-def]
    # index > limit is written as difference > limit · sum: no division, no zero denominators
    zero = np.float32(0)
    for j in range(out.size):
        g = max(np.float32(green[j]) - rule[0], zero)
        r = max(np.float32(red[j]) - rule[1], zero)
        n = max(np.float32(nir[j]) - rule[2], zero)
        is_water = g - n > rule[4] * (g + n) and n < rule[5]
        is_plant = n - r >= rule[3] * (n + r) and n > zero
        cover = np.uint8(PLANTS) if is_plant else np.uint8(BARE)
        out[j] = np.uint8(WATER) if is_water else cover
