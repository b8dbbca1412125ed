"""Gauss-Krüger zones (分带): which zone a system belongs to, what of a county lies beyond it."""

from __future__ import annotations

import numpy as np
import shapely
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from pipeline.patches.layer_crs import epsg_of, to_crs

_CGCS2000_3_DEGREES = range(4513, 4555)
_CGCS2000_6_DEGREES = range(4491, 4513)


def central_meridian(crs: CRS) -> float | None:
    """Central meridian of a transverse Mercator system, degrees; None for other projections."""
    operation = crs.coordinate_operation
    method = "" if operation is None else operation.method_name.casefold().replace("_", " ")
    if operation is None or not ("transverse mercator" in method or "gauss" in method):
        return None
    for parameter in operation.params:
        name = parameter.name.casefold().replace("_", " ")
        if name in ("longitude of natural origin", "central meridian"):
            return float(parameter.value)
    return None


def zone_width(crs: CRS) -> float | None:
    """Width of the zone of a CGCS2000 Gauss-Krüger system, degrees; None for other systems."""
    code = epsg_of(crs)
    if code in _CGCS2000_3_DEGREES:
        return 3.0
    return 6.0 if code in _CGCS2000_6_DEGREES else None


def beyond_zone(area: BaseGeometry, crs: CRS) -> BaseGeometry | None:
    """The part of an area, in `crs`, that lies outside the zone of `crs`; None if there is none.

    Zones end half their width east and west of the central meridian.
    """
    meridian, width = central_meridian(crs), zone_width(crs)
    geodetic = crs.geodetic_crs
    if meridian is None or width is None or geodetic is None:
        return None
    zone = shapely.box(meridian - width / 2, -90.0, meridian + width / 2, 90.0)
    (lon_lat,) = to_crs(np.array([area], dtype=object), crs, geodetic)
    outside = shapely.difference(lon_lat, zone)
    if shapely.is_empty(outside):
        return None
    (placed,) = to_crs(np.array([outside], dtype=object), geodetic, crs)
    found: BaseGeometry = placed
    return found


def zone_beside(area: BaseGeometry, crs: CRS) -> int | None:
    """EPSG code of the zone of the same kind that holds the middle of an area given in `crs`."""
    meridian, width, code = central_meridian(crs), zone_width(crs), epsg_of(crs)
    geodetic = crs.geodetic_crs
    if meridian is None or width is None or code is None or geodetic is None:
        return None
    middle = shapely.centroid(area)
    (lon_lat,) = to_crs(np.array([middle], dtype=object), crs, geodetic)
    return code + round((float(shapely.get_x(lon_lat)) - meridian) / width)
