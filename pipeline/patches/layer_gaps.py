"""Where a layer that should cover the townships does not (空缺): area and places of the gaps."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pipeline.patches.layer_checks import MIN_OVERLAP_M2, Geometries

FEATURES_PER_CELL = 150
"""Features that are united at a time: union costs more than their number, many small ones less."""

MIN_GAP_WIDTH_M = 0.05
"""Twice area by perimeter below this is the rounding of a common boundary, not land left out."""

_POLYGON = shapely.GeometryType.POLYGON


@dataclass(frozen=True)
class Gaps:
    """Uncovered land, the largest pieces first, `(gap,)`."""

    area_m2: NDArray[np.float64]
    places: NDArray[np.float64]
    """`(gap, 2)`: a point inside each gap."""
    whole_m2: float
    """Area that should be covered."""

    @property
    def total_m2(self) -> float:
        """Uncovered area."""
        return float(self.area_m2.sum())


def find_gaps(cover: Geometries, whole: BaseGeometry) -> Gaps:
    """Pieces of `whole` that no polygon of `cover` covers, larger than `MIN_OVERLAP_M2`.

    Cell by cell: `whole` is cut into squares and each is diminished by the features that reach into
    it, so that neither time nor memory grow faster than the layer.
    """
    tree = shapely.STRtree(cover)
    pieces: list[Any] = []
    for cell in _cells(whole, len(cover)):
        wanted = shapely.intersection(whole, shapely.box(*cell))
        if shapely.is_empty(wanted):
            continue
        near = np.sort(tree.query(shapely.box(*cell)))
        left = wanted
        if len(near):
            parts = shapely.clip_by_rect(cover[near], *cell)
            is_broken = ~shapely.is_valid(parts)
            parts[is_broken] = shapely.intersection(cover[near][is_broken], shapely.box(*cell))
            left = shapely.difference(wanted, shapely.union_all(_polygons(parts)))
        if not shapely.is_empty(left):
            pieces.append(left)
    return _listed(pieces, float(whole.area))


def _cells(whole: BaseGeometry, n_features: int) -> list[tuple[float, float, float, float]]:
    left, bottom, right, top = whole.bounds
    per_side = max(1, ceil(sqrt(n_features / FEATURES_PER_CELL)))
    x, y = np.linspace(left, right, per_side + 1), np.linspace(bottom, top, per_side + 1)
    return [
        (float(x[col]), float(y[row]), float(x[col + 1]), float(y[row + 1]))
        for row in range(per_side)
        for col in range(per_side)
    ]


def _polygons(shapes: Geometries) -> Geometries:
    """Every single polygon inside the shapes; clipping leaves points and lines too."""
    parts = shapely.get_parts(shapes)
    while np.any(shapely.get_type_id(parts) > _POLYGON):
        parts = shapely.get_parts(parts)
    single: Geometries = parts[shapely.get_type_id(parts) == _POLYGON]
    return single


def wide_parts(shape: BaseGeometry, min_width_m: float) -> Geometries:
    """Polygons of a geometry without slivers: those whose mean width (2 A / P) exceeds a limit."""
    parts = _polygons(np.array([shape], dtype=object))
    length = shapely.length(parts)
    width = np.divide(2 * shapely.area(parts), length, out=np.zeros(len(parts)), where=length > 0)
    wide: Geometries = parts[width > min_width_m]
    return wide


def _listed(pieces: list[Any], whole_m2: float) -> Gaps:
    """Pieces of neighbouring cells put together again, without slivers."""
    joined = shapely.union_all(pieces) if pieces else shapely.Polygon()
    parts = _polygons(np.array([joined], dtype=object))
    area = shapely.area(parts)
    # A gap along a whole boundary is long and has area, but no width: coordinates were rounded.
    length = shapely.length(parts)
    width = np.divide(2 * area, length, out=np.zeros(len(parts)), where=length > 0)
    is_real = (area > MIN_OVERLAP_M2) & (width > MIN_GAP_WIDTH_M)
    parts, area = parts[is_real], area[is_real]
    points = shapely.get_coordinates(shapely.point_on_surface(parts)).reshape(-1, 2)
    order = np.lexsort((points[:, 1], points[:, 0], -area))
    return Gaps(area[order], points[order], whole_m2)
