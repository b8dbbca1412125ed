"""First change kinds per pixel: what covered the ground at both dates, and of which material.

Values are those of `configs/codes/change_kind.csv`. Only three are told apart here: water, crop or
other vegetation (with bare and ploughed fields), and construction-like (疑似建设): ground that ends
bare, of a material that is built rather than soil (`change.materials`). Where the material can not
be told, everything that ends bare is construction-like: an omission costs more than a false alarm.
Without band roles nothing is said: value 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import Field

from pipeline.change.cover import PLANTS, CoverParams
from pipeline.change.cover import WATER as WATER_COVER
from pipeline.change.materials import MaterialParams
from pipeline.schema.model import Frozen

UNKNOWN, CONSTRUCTION, WATER, CROP = 0, 10, 30, 40
"""Pixel values; labels and TBLX mapping in the code table."""


class KindParams(Frozen):
    """Settings of the first change kinds (变化类别初分)."""

    cover: CoverParams = Field(default=CoverParams(), description="单时相地表覆盖")
    materials: MaterialParams = Field(default=MaterialParams(), description="建设材质证据")
    min_built_evidence: int = Field(
        120,
        ge=0,
        le=255,
        description="材质证据达到此值视为建设材质（128 为两可，每 8 为一个自然对数）",
    )
    min_built_on_water_evidence: int = Field(
        168, ge=0, le=255, description="原为水面的，材质证据达到此值才视为建设（露滩、退水）"
    )


def classify_kinds(
    covers: Mapping[str, NDArray[np.uint8]], built: NDArray[np.uint8] | None, params: KindParams
) -> NDArray[np.uint8]:
    """Kind of every pixel `(y, x)` as if it had changed.

    `covers` are those of `before` and `after`; `built` is the stored evidence of built material at
    the after date, None if it can not be told.
    """
    before, after = covers["before"], covers["after"]
    limits = np.array([params.min_built_evidence, params.min_built_on_water_evidence], np.int64)
    out = np.empty(after.shape, np.uint8)
    known = built if built is not None else np.full(after.shape, 255, np.uint8)
    _classify(before.reshape(-1), after.reshape(-1), known.reshape(-1), limits, out.reshape(-1))
    return out


@njit(nogil=True, cache=True)
def _classify(before, after, built, limits, out):  # type: ignore[no-untyped-def]
    for j in range(out.size):
        was_water = before[j] == WATER_COVER
        if after[j] == WATER_COVER:
            kind = np.uint8(WATER)
        elif after[j] == PLANTS:
            kind = np.uint8(WATER) if was_water else np.uint8(CROP)
        elif built[j] >= limits[np.int64(was_water)]:
            kind = np.uint8(CONSTRUCTION)
        else:
            kind = np.uint8(WATER) if was_water else np.uint8(CROP)
        out[j] = kind
