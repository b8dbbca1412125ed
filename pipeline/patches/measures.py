"""Which components become change patches (变化图斑), and their number and width."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from math import ceil, pi

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.grid import Grid
from pipeline.patches.components import Components
from pipeline.schema.model import Frozen

ROUNDING = 1e-9
"""Relative allowance for pixel areas such as 0.1 m × 0.1 m that are not exact in binary."""

MAX_PATCHES = 999_999
"""A patch id has six digits for the running number."""


class PatchParams(Frozen):
    """Which sizes of connected change become patches."""

    min_area_m2: float = Field(default=200.0, gt=0, description="最小上图面积，平方米")
    coarse_gsd_m: float = Field(
        default=10.0, gt=0, description="分辨率等于或粗于此值（米）时，最小图斑为 1 个像元"
    )
    speckle_px: int = Field(
        default=4, ge=1, description="像元数少于此值的连通块按噪点计数，不出图形（粗分辨率除外）"
    )
    min_area_by_kind: Mapping[str, float] = Field(
        default={"water": 400.0, "crop": 400.0},
        description="各变化类型的最小面积，平方米：类型代码: 面积；没有列出的用 min_area_m2。"
        "缺省参照三调农用地最小上图面积 400 平方米（未取得原文，示例口径）",
    )


class DropReason(StrEnum):
    """Why a component does not become a patch; empty if it does."""

    KEPT = ""
    SPECKLE = "speckle"
    """Too few pixels to be drawn; only counted."""
    WEAK_CHANGE = "weak_change"
    """Looked like construction, is not by its score, and is below the threshold of change."""
    BELOW_MIN_AREA = "below_min_area"
    """Smaller than the minimum area; kept in the layer of dropped patches."""
    COVERED_BY_ISSUED = "covered_by_issued"
    """Left over beside an issued outline with which its patch is one; kept in the same layer."""
    BELOW_KIND_MIN = "below_kind_min"
    """Smaller than the minimum area of its kind."""
    CLOUD_EDGE = "cloud_edge"
    HAZE = "haze"
    SHIFT = "shift"
    SHADOW = "shadow"
    WATER_LEVEL = "water_level"
    GREENHOUSE = "greenhouse"
    DRYING_YARD = "drying_yard"
    MULCH_FILM = "mulch_film"
    PLOUGHING = "ploughing"
    CROP_CYCLE = "crop_cycle"
    DEMOLITION = "demolition"
    """Less built up after than before."""
    LOW_PROBABILITY = "low_probability"
    """Below the limit that was learned from returns and signed."""
    NOT_REQUESTED = "not_requested"
    """Found by us in a run that sends out issued patches only."""
    SETTLED_BEFORE = "settled_before"
    """On land judged lawful or no real change in an earlier run, and not grown since."""


def _is_coarse(params: PatchParams, grid: Grid) -> bool:
    """Whether one pixel is already as large as a patch may be small."""
    return grid.pixel_size_m >= params.coarse_gsd_m * (1.0 - ROUNDING)


def minimum_pixels(params: PatchParams, grid: Grid) -> int:
    """Smallest number of pixels of a patch: the minimum area in whole pixels, at least 1."""
    if _is_coarse(params, grid):
        return 1
    return ceil(params.min_area_m2 / grid.pixel_area_m2 * (1.0 - ROUNDING))


def classify_drops(components: Components, params: PatchParams, grid: Grid) -> NDArray[np.str_]:
    """The `DropReason` of each component, text `(component,)`; empty for those that stay.

    Sizes are planar pixel counts, so that moving the grid by whole pixels changes nothing.
    """
    reasons = np.full(len(components), DropReason.KEPT.value, dtype="U16")
    reasons[components.n_pixels < minimum_pixels(params, grid)] = DropReason.BELOW_MIN_AREA.value
    if not _is_coarse(params, grid):
        reasons[components.n_pixels < params.speckle_px] = DropReason.SPECKLE.value
    return reasons


def width_m(area_m2: NDArray[np.float64], perimeter_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean width of patches, metres, `(patch,)`: the short side of the equivalent rectangle.

    The rectangle with the same area A and perimeter P has sides w <= l with w l = A and
    2 (w + l) = P, so w = 2 A / (h + sqrt(h² - 4 A)) with h = P / 2. A shape rounder than a square
    has no such rectangle (h² < 4 A); its width is sqrt(A). The perimeter of a pixel outline is
    that of its stairs, so a slanting strip comes out narrower than it is.
    """
    half = perimeter_m / 2.0
    discriminant = half * half - 4.0 * area_m2
    root = np.sqrt(np.maximum(discriminant, 0.0))
    return np.where(discriminant < 0.0, np.sqrt(area_m2), 2.0 * area_m2 / (half + root))


def width_of_pixels_m(
    area_m2: NDArray[np.float64], sides: NDArray[np.float64], pixel_size_m: float
) -> NDArray[np.float64]:
    """`width_m` of objects `(object,)` from the number of pixel sides of their outlines.

    Stairs of a straight outline in any direction are 4 / pi longer than it on average.
    """
    return width_m(area_m2, sides * pixel_size_m * pi / 4)


def patch_ids(county_code: str, year: int | None, n: int) -> list[str]:
    """Ids of `n` patches in component order: `<county6>ZJ<yy><6 digits>`, numbered from 1.

    `yy` is the last two digits of the after date's year, 00 if that is unknown.
    """
    if not re.fullmatch(r"[0-9]{6}", county_code):
        raise ValueError(f"county code must have six digits, got {county_code!r}")
    if n > MAX_PATCHES:
        raise ValueError(f"{n} patches do not fit into six digits")
    return [f"{id_stem(county_code, year)}{number:06d}" for number in range(1, n + 1)]


def id_stem(county_code: str, year: int | None) -> str:
    """What all ids of a county and year begin with."""
    return f"{county_code}ZJ{0 if year is None else year % 100:02d}"
