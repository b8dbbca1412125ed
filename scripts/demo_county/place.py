"""From scene metres (x right, y down) to the map, and areas on the ellipsoid."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import Polygon
from shapely.affinity import scale
from shapely.geometry.base import BaseGeometry

EPSG = 4547
"""CGCS2000, 3-degree Gauss-Kruger, central meridian 114° E."""
EPSG_ZONED = 4526
"""The same with the zone number 38 before the easting."""
EPSG_DEGREES = 4490
ORIGIN_M = (523_000.0, 3_412_000.0)
"""Easting and northing of the upper left corner; the place has no meaning."""


def to_map(geometry: BaseGeometry) -> BaseGeometry:
    """Scene metres → EPSG:4547."""

    def moved(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([ORIGIN_M[0] + xy[:, 0], ORIGIN_M[1] - xy[:, 1]], 1)

    return shapely.transform(geometry, moved)


def ellipsoid_area_m2(polygon: BaseGeometry) -> float:
    """Area on the CGCS2000 ellipsoid of a polygon in scene metres."""
    import pyproj

    degrees = shapely.transform(
        to_map(polygon),
        pyproj.Transformer.from_crs(EPSG, EPSG_DEGREES, always_xy=True).transform,
        interleaved=False,
    )
    area, _ = pyproj.Geod(a=6378137.0, rf=298.257222101).geometry_area_perimeter(degrees)
    return abs(float(area))


def scaled_to(polygon: Polygon, area_m2: float) -> Polygon:
    """The polygon scaled about its centre to an ellipsoidal area."""
    for _ in range(4):
        factor = (area_m2 / ellipsoid_area_m2(polygon)) ** 0.5
        polygon = scale(polygon, factor, factor)
    return polygon
