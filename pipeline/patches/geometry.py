"""Geometry of patches in other frames."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from pipeline.grid import Grid


def rings_in_pixels(
    geometries: NDArray[np.object_], grid: Grid, step: int
) -> list[list[tuple[float, float]]]:
    """All rings of polygons as `(x, y)` in pixels of a grid thinned by `step`, for drawing."""
    rings = shapely.get_rings(shapely.get_parts(geometries))
    coordinates, ring_numbers = shapely.get_coordinates(rings, return_index=True)
    rows, cols = grid.rowcol(coordinates[:, 0], coordinates[:, 1])
    points = list(zip((cols / step).tolist(), (rows / step).tolist(), strict=True))
    ends = np.cumsum(np.bincount(ring_numbers, minlength=len(rings))).tolist()
    return [points[first:end] for first, end in zip([0, *ends], ends, strict=False)]
