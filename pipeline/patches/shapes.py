"""Shape figures of outlines: how well a rectangle, and their convex hull, are filled.

Both are usual in object-based image analysis (rectangular fit, solidity), taken in the
outline's own plane; the values have no unit.
"""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

GeometryArray = NDArray[np.object_]


def shape_figures(outlines: GeometryArray) -> dict[str, NDArray[np.float64]]:
    """`rectangle_fill`, `solidity` and `elongation` of polygons, `(outline,)` each."""
    shells = shapely.polygons(shapely.get_exterior_ring(outlines)) if len(outlines) else outlines
    areas, filled = shapely.area(outlines), shapely.area(shells)
    rectangles = shapely.oriented_envelope(shells)
    corners = shapely.get_coordinates(shapely.get_exterior_ring(rectangles)).reshape(-1, 5, 2)
    sides = np.hypot(*np.moveaxis(np.diff(corners, axis=1), 2, 0))[:, :2]
    short, long = np.minimum(*sides.T), np.maximum(*sides.T)
    return {
        "rectangle_fill": areas / np.maximum(shapely.area(rectangles), 1e-9),
        "solidity": areas / np.maximum(shapely.area(shapely.convex_hull(shells)), 1e-9),
        "elongation": np.log(long / np.maximum(short, 1e-9)),
        "holes": 1.0 - areas / np.maximum(filled, 1e-9),
    }
