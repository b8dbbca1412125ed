"""Coordinates of several kinds in one delivered file, and features far from all others.

All coordinates are as delivered: nothing is placed yet, because one reference system can not be
right for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from pipeline.patches.layer_crs import CHINA_LAT, CHINA_LON, NORTHING_M, is_number

DEGREES, PLAIN, UNKNOWN = 0, 1, -1
"""Kinds beside zone numbers (13–45): degrees, eastings without a number, anything else."""

SWAPPED = 100
"""Added to the kind where the northern coordinate comes first."""

ZONES = range(13, 46)
FAR_M = 400_000.0
"""A feature this far from the middle of its layer is no part of a county."""
FAR_DEGREES = 4.0
MIN_FEATURES = 3
"""Of two features nobody can say which one strayed."""


@dataclass(frozen=True)
class Spread:
    """What kinds of coordinates a file holds, `(feature,)`."""

    kinds: NDArray[np.int64]
    main: int
    """The kind of most features."""
    is_other: NDArray[np.bool_]
    """Features of another known kind than most."""
    is_stray: NDArray[np.bool_]
    """Features of the same or of no kind that lie far from the middle."""


def spread_of(geometry: NDArray[np.object_]) -> Spread:
    """Kinds of coordinates by feature. NULL and infinite geometries belong to the main kind."""
    boxes = shapely.bounds(geometry).reshape(-1, 4)
    with np.errstate(over="ignore", invalid="ignore"):
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    is_known = is_number(boxes).all(axis=1)
    kinds = np.full(len(middle), UNKNOWN, np.int64)
    kinds[is_known] = [_kind(float(x), float(y)) for x, y in middle[is_known]]
    nothing = np.zeros(len(middle), bool)
    if not is_known.any():
        return Spread(kinds, UNKNOWN, nothing, nothing.copy())
    found, counts = np.unique(kinds[is_known], return_counts=True)
    main = int(found[np.argmax(counts)])
    is_other = is_known & (kinds != main) & (kinds != UNKNOWN) & (main != UNKNOWN)
    rest = is_known & ~is_other
    centre = np.median(middle[rest], axis=0)
    limit = FAR_DEGREES if main % SWAPPED == DEGREES else FAR_M
    far = np.abs(middle - centre).max(axis=1) > limit
    is_stray = rest & np.where(is_known, far, False) & (rest.sum() >= MIN_FEATURES)
    return Spread(kinds, main, is_other, is_stray)


def kind_zh(kind: int) -> str:
    """The kind of coordinates in words."""
    order = "（南北坐标在前）" if kind >= SWAPPED else ""
    kind %= SWAPPED
    if kind == DEGREES:
        return f"经纬度（度）{order}"
    return f"不带带号的平面坐标{order}" if kind == PLAIN else f"带号 {kind} 的平面坐标{order}"


def _kind(x: float, y: float) -> int:
    if (kind := _kind_in_order(x, y)) != UNKNOWN:
        return kind
    swapped = _kind_in_order(y, x)
    return UNKNOWN if swapped == UNKNOWN else swapped + SWAPPED


def _kind_in_order(east: float, north: float) -> int:
    """The kind if the first is the eastern coordinate; UNKNOWN if it can not be."""
    if CHINA_LON[0] <= east <= CHINA_LON[1] and CHINA_LAT[0] <= north <= CHINA_LAT[1]:
        return DEGREES
    if not NORTHING_M[0] < north < NORTHING_M[1]:
        return UNKNOWN
    zone = int(east // 1e6)
    if zone in ZONES:
        return zone
    # A northing below 1,000 km can not be told from an easting: nothing is claimed of such.
    return PLAIN if 0 < east < 1e6 and north >= 1e6 else UNKNOWN
