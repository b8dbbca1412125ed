"""How much of a unit's land both dates show, and what hides the rest (可观测比例).

Land beyond the images counts as without image. A unit of which nothing was seen has no change
figures at all: not seen is not unchanged (DESIGN §1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OBSERVED, NODATA, CLOUD, SHADOW = 0, 1, 2, 3
"""Codes of `align/valid.tif`; what is none of these is hidden for another reason."""
LEAST_PIXELS, LEAST_SHARE = 1e-6, 1e-9
"""Less than that of a pixel, or of a whole outline, is rounding and no land."""
LEVELS = ("township", "village")


@dataclass(frozen=True)
class Unit:
    """A township or village on the after date."""

    code: str
    name: str
    level: str
    """One of `LEVELS`."""
    land_m2: float
    """On the ellipsoid."""


@dataclass(frozen=True)
class ObservedLand:
    """One unit's land by what was seen of it; the five areas add up to its land."""

    unit: Unit
    observed_m2: float
    nodata_m2: float
    cloud_m2: float
    shadow_m2: float
    other_unobserved_m2: float

    @property
    def observed_ratio(self) -> float:
        """Share seen on both dates, 0–1."""
        return self.observed_m2 / self.unit.land_m2 if self.unit.land_m2 else 0.0

    @property
    def is_unseen(self) -> bool:
        """Whether nothing at all was seen."""
        return self.observed_m2 == 0.0

    @property
    def row(self) -> dict[str, str | float]:
        """As a row of the layer `observed`."""
        return {
            "unit_code": self.unit.code,
            "unit_name": self.unit.name,
            "unit_level": self.unit.level,
            "land_m2": self.unit.land_m2,
            "observed_m2": self.observed_m2,
            "observed_ratio": self.observed_ratio,
            "nodata_m2": self.nodata_m2,
            "cloud_m2": self.cloud_m2,
            "shadow_m2": self.shadow_m2,
            "other_unobserved_m2": self.other_unobserved_m2,
        }


def observed_land(unit: Unit, cover: NDArray[np.float64], planar_pixels: float) -> ObservedLand:
    """From the pixels by code that the unit covers and the pixels its whole outline would fill.

    `cover`: `(256,)`, pixels covered in part count in part. `planar_pixels`: planar area of the
    outline over that of a pixel; what of it the image does not reach is without image.
    """
    cover = np.where(cover < LEAST_PIXELS, 0.0, cover)
    inside = float(cover.sum())
    beyond = planar_pixels - inside
    beyond = beyond if beyond > max(LEAST_PIXELS, LEAST_SHARE * planar_pixels) else 0.0
    whole = inside + beyond
    if whole <= 0.0:
        return ObservedLand(unit, 0.0, unit.land_m2, 0.0, 0.0, 0.0)
    per_pixel = unit.land_m2 / whole
    return ObservedLand(
        unit,
        float(cover[OBSERVED]) * per_pixel,
        (float(cover[NODATA]) + beyond) * per_pixel,
        float(cover[CLOUD]) * per_pixel,
        float(cover[SHADOW]) * per_pixel,
        float(cover[SHADOW + 1 :].sum()) * per_pixel,
    )
