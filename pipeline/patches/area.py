"""Areas and lengths of outlines whose edges are straight in a given CRS.

The ellipsoidal area is the stored truth (DESIGN §4). With the authalic latitude β and the radius
R_q of the sphere of equal surface,

    A = R_q² ∮ (sin β(φ) - sin β₀) dλ,   R_q² sin β = a² q / 2,
    q(φ) = (1 - e²) [ sin φ / (1 - e² sin² φ) + artanh(e sin φ) / e ]

(Snyder 1987, Map Projections: A Working Manual, USGS Professional Paper 1395, eq. 3-11 to 3-16;
his logarithm is -2 artanh(e sin φ)). The integral runs along the edges as they lie in the CRS:
each edge is cut into pieces of at most `MAX_PIECE_M`; both ends and the middle of a piece go
through the inverse projection; λ and q are taken as the parabolas through the three points, for
which Simpson's rule is exact. λ and q count from the ring's first point, so nothing cancels.
"""

from __future__ import annotations

from math import pi, sqrt

import numpy as np
import shapely
from numba import njit
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from pipeline.grid import Grid
from pipeline.units import mu100_from_m2

MAX_PIECE_M = 1000.0
"""Longest piece of an edge, metres; the third-order bend left out is then below 1e-6 m."""

EARTH_RADIUS_M = 6_371_000.0
"""Turns a length in radians into metres where only the order of magnitude counts."""

BATCH_POINTS = 2**19
"""How many outline points are projected at once, unless one ring has more; bounds the memory."""

GeometryArray = NDArray[np.object_]


@njit(nogil=True, cache=True)
def _nodes(
    points: NDArray[np.float64], ring_offsets: NDArray[np.int64], max_piece: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Ends and middles of the pieces of closed rings, `(2, node)`, and each ring's node offset.

    `points` is `(point, 2)`. A ring of k pieces has 2 k + 1 nodes: end, middle, end, …, end.
    """
    n_rings = ring_offsets.size - 1
    pieces = np.zeros(points.shape[0], np.int64)
    node_offsets = np.zeros(n_rings + 1, np.int64)
    for r in range(n_rings):
        n = 0
        for p in range(ring_offsets[r], ring_offsets[r + 1] - 1):
            dx, dy = points[p + 1, 0] - points[p, 0], points[p + 1, 1] - points[p, 1]
            pieces[p] = max(1, int(np.ceil(sqrt(dx * dx + dy * dy) / max_piece)))
            n += pieces[p]
        node_offsets[r + 1] = node_offsets[r] + 2 * n + 1
    nodes = np.empty((2, node_offsets[-1]))
    k = 0
    for r in range(n_rings):
        for p in range(ring_offsets[r], ring_offsets[r + 1] - 1):
            steps = 2 * pieces[p]
            for s in range(steps):
                t = s / steps
                for axis in range(2):
                    nodes[axis, k] = points[p, axis] * (1.0 - t) + points[p + 1, axis] * t
                k += 1
        for axis in range(2):
            nodes[axis, k] = points[ring_offsets[r + 1] - 1, axis]
        k += 1
    return nodes, node_offsets


@njit(nogil=True, cache=True)
def _authalic_q(sin_lat: float, e: float) -> float:
    """Snyder's q (eq. 3-12); 2 sin φ on a sphere."""
    if e == 0.0:
        return 2.0 * sin_lat
    s = e * sin_lat
    q: float = (1.0 - e * e) * (sin_lat / (1.0 - s * s) + np.arctanh(s) / e)
    return q


@njit(nogil=True, cache=True)
def _ring_areas(
    lon_lat: NDArray[np.float64],
    node_offsets: NDArray[np.int64],
    ellipsoid: tuple[float, float],
    wrap: bool,
) -> NDArray[np.float64]:
    """Unsigned areas of rings, m², from their nodes `(2, node)` in radians (see `_nodes`).

    `ellipsoid` is (semi-major axis in metres, eccentricity). With `wrap` a ring may cross the
    longitude at which the inverse projection jumps by 2 π.
    """
    a, e = ellipsoid
    areas = np.zeros(node_offsets.size - 1)
    for r in range(areas.size):
        first, last = node_offsets[r], node_offsets[r + 1] - 1
        q_first = _authalic_q(np.sin(lon_lat[1, first]), e)
        lon0 = q0 = total = 0.0
        lon1 = q1 = 0.0
        for k in range(first + 1, last + 1):
            lon2 = lon_lat[0, k] - lon_lat[0, first]
            if wrap:
                lon2 -= 2.0 * pi * np.round(lon2 / (2.0 * pi))
            q2 = _authalic_q(np.sin(lon_lat[1, k]), e) - q_first
            if (k - first) % 2 == 0:
                total += q0 * (4.0 * lon1 - 3.0 * lon0 - lon2) + 4.0 * q1 * (lon2 - lon0)
                total += q2 * (lon0 - 4.0 * lon1 + 3.0 * lon2)
                lon0, q0 = lon2, q2
            lon1, q1 = lon2, q2
        areas[r] = abs(total) / 6.0 * 0.5 * a * a
    return areas


def _polygons(geometries: GeometryArray) -> tuple[GeometryArray, NDArray[np.int64]]:
    """Single geometries out of (nested) collections, and the index of the geometry each is from."""
    parts, owner = shapely.get_parts(geometries, return_index=True)
    while np.any(shapely.get_type_id(parts) >= shapely.GeometryType.MULTIPOINT):
        parts, inner = shapely.get_parts(parts, return_index=True)
        owner = owner[inner]
    return parts, owner


def _batches(ring_offsets: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Consecutive ranges of rings with at most `BATCH_POINTS` points, but at least one ring."""
    ranges = []
    first, n_rings = 0, ring_offsets.size - 1
    while first < n_rings:
        fitting = np.searchsorted(ring_offsets, ring_offsets[first] + BATCH_POINTS, side="right")
        last = max(first + 1, int(fitting) - 1)
        ranges.append((first, last))
        first = last
    return ranges


def _areas_of_rings(rings: GeometryArray, crs: CRS) -> NDArray[np.float64]:
    """Unsigned ellipsoidal areas of linear rings in `crs`, m², `(ring,)`."""
    geodetic = crs.geodetic_crs
    if geodetic is None or geodetic.ellipsoid is None:
        raise ValueError(f"CRS without an ellipsoid: {crs.name}")
    radian = float(geodetic.axis_info[0].unit_conversion_factor)
    if crs.is_geographic:
        max_piece = MAX_PIECE_M / EARTH_RADIUS_M / radian
    else:
        max_piece = MAX_PIECE_M / metres_per_unit(crs)
    a, b = geodetic.ellipsoid.semi_major_metre, geodetic.ellipsoid.semi_minor_metre
    ellipsoid = (float(a), sqrt((a - b) * (a + b)) / a)
    inverse = Transformer.from_crs(crs, geodetic, always_xy=True)
    points = shapely.get_coordinates(rings)
    offsets = np.concatenate(([0], np.cumsum(shapely.get_num_coordinates(rings), dtype=np.int64)))
    areas = np.empty(rings.size)
    for first, last in _batches(offsets):
        nodes, node_offsets = _nodes(points, offsets[first : last + 1], max_piece)
        if not crs.is_geographic:
            inverse.transform(nodes[0], nodes[1], inplace=True)
        nodes *= radian
        areas[first:last] = _ring_areas(nodes, node_offsets, ellipsoid, not crs.is_geographic)
    if not np.isfinite(areas).all():
        raise ValueError(f"outlines reach outside the domain of {crs.name}")
    return areas


def ellipsoidal_area_m2(geometries: GeometryArray, crs: CRS) -> NDArray[np.float64]:
    """Areas on the ellipsoid of `crs`, m², `(geometry,)`.

    Edges are straight in `crs`: in its plane, or in longitude and latitude if it is geographic;
    x is east, y is north. No datum shift enters. Holes are subtracted, parts of a collection
    added; points and lines count 0. An empty geometry has area 0, a missing one (None) NaN.
    """
    parts, part_owner = _polygons(geometries)
    rings, ring_part = shapely.get_rings(parts, return_index=True)
    is_shell = np.diff(ring_part, prepend=-1) != 0
    areas = _areas_of_rings(rings, crs)
    signed = np.where(is_shell, areas, -areas)
    sums = np.bincount(part_owner[ring_part], weights=signed, minlength=len(geometries))
    return np.where(shapely.is_missing(geometries), np.nan, sums)


def planar_area_m2(n_pixels: NDArray[np.int64], grid: Grid) -> NDArray[np.float64]:
    """Planar areas of whole pixels, m², `(component,)`; independent of where the grid lies.

    On a grid without CRS this is the only area there is: pixels times `gsd_m` squared.
    """
    return n_pixels.astype(np.float64) * grid.pixel_area_m2


def metres_per_unit(crs: CRS) -> float:
    """Length of one unit of a projected CRS, metres."""
    if crs.is_geographic:
        raise ValueError(f"{crs.name} is in angles: lengths in its plane are not defined")
    return float(crs.axis_info[0].unit_conversion_factor)


def perimeter_m(geometries: GeometryArray, crs: CRS) -> NDArray[np.float64]:
    """Planar perimeters in a projected CRS including holes, metres, `(geometry,)`.

    Not reduced to the ellipsoid: the scale of a 3° zone differs from 1 by less than 4e-4.
    """
    return np.asarray(shapely.length(geometries) * metres_per_unit(crs))


def perimeter_without_crs_m(geometries: GeometryArray, grid: Grid) -> NDArray[np.float64]:
    """Perimeters on a grid that has only `gsd_m`, including holes, metres, `(geometry,)`."""
    a, b, _, d, e, _ = grid.transform
    return np.asarray(shapely.length(geometries) * (grid.pixel_size_m / sqrt(abs(a * e - b * d))))


def area_mu100(area_m2: NDArray[np.float64]) -> NDArray[np.int64]:
    """Areas as whole numbers of 0.01 亩 (mu), HALF_UP, `(geometry,)`."""
    return np.array([mu100_from_m2(float(a)) for a in area_m2], dtype=np.int64)
