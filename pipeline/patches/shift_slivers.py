"""Slivers that the remaining misregistration explains (配准误差窄条)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.schema.model import Frozen

MOST_PX = 2.0
"""A residual is taken for no more than this: what lies further apart is no sliver."""


class ShiftSliverParams(Frozen):
    """When a narrow object counts as made by misregistration."""

    min_residual_px: float = Field(
        0.25, gt=0, description="配准窄条：局部残余错位小于此值（像元）时不剔除任何对象"
    )
    min_explained: float = Field(0.8, gt=0, le=1, description="配准窄条：错位能解释的像元比例下限")
    max_core: float = Field(
        0.05, ge=0, le=1, description="配准窄条：按残余错位腐蚀后剩下的像元比例上限"
    )


@dataclass(frozen=True, eq=False)
class SliverFigures:
    """What is known of each object, `(object,)` each."""

    residual_px: NDArray[np.float64]
    """Local misregistration; NaN if unknown."""
    n_pixels: NDArray[np.int64]
    explained: dict[int, NDArray[np.int64]]
    """By displacement in whole pixels: how many pixels it explains."""
    core: dict[int, NDArray[np.int64]]
    """By displacement: how many pixels are left when the object is eroded so far."""


def shift_slivers(figures: SliverFigures, params: ShiftSliverParams) -> NDArray[np.bool_]:
    """Objects narrow enough for the local residual, and explained by it, `(object,)`.

    An unknown residual explains nothing.
    """
    residual = np.where(np.isfinite(figures.residual_px), figures.residual_px, 0.0)
    can_be = residual >= params.min_residual_px
    result = np.zeros(residual.shape, np.bool_)
    n = np.maximum(figures.n_pixels, 1)
    for reach in sorted(figures.explained):
        is_its = can_be & (np.ceil(np.minimum(residual, MOST_PX)) == reach)
        is_narrow = figures.core[reach] <= params.max_core * n
        is_explained = figures.explained[reach] >= params.min_explained * n
        result |= is_its & is_narrow & is_explained
    return result
