"""Whether a layer lies off by the offset of public web maps (GCJ-02), by outlines it should share.

Districts, land survey and plans share boundaries. A layer whose outlines meet those of another one
only after the offset is taken off was in all likelihood drawn from a web map. The offset points in
a known direction, so it also tells which of the two is off. Nothing is moved here.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from pipeline.patches.gcj02 import from_gcj02, to_gcj02

Geometries = NDArray[np.object_]
Points = NDArray[np.float64]

N_POINTS = 400
"""About how many points of a layer's outlines are looked at."""
MAX_FEATURES = 200
TOLERANCES_M = (2.0, 10.0, 40.0)
"""Distances at which outlines count as the same: survey, digitised, generalised."""
LOT_TOLERANCES_M = TOLERANCES_M[:1]
"""The same for scattered lots: those come near the outlines of other layers by chance."""
MIN_SHARE, MIN_GAIN = 0.6, 0.4
"""Share of points that must meet without the offset, and how many more than with it."""
MIN_POINTS = 20
MIN_WIDTH_M = 250.0
"""Spread that the meeting points need: a straight line or a small lot meets others by chance."""
CHUNK = 256
"""Corners of one piece of an outline; bounds the time of a distance."""


@dataclass(frozen=True)
class Offset:
    """Evidence that a layer carries the offset."""

    share_now: float
    share_without: float
    """Share of the compared outline that meets the other layer's, now and without the offset."""
    tolerance_m: float
    east_m: float
    north_m: float
    """The offset at the layer's middle."""


@dataclass(frozen=True, eq=False)
class Outlines:
    """What of a layer is compared."""

    points: Points
    back: Points
    """The points with the offset taken off."""
    forth: Points
    """The points with the offset put on."""
    tree: shapely.STRtree
    """Pieces of all outlines."""


def outlines_of(geometry: Geometries, crs: CRS) -> Outlines:
    """The outlines of a layer of polygons in `crs`, a projected system."""
    points = outline_points(geometry)
    geodetic = crs.geodetic_crs
    assert geodetic is not None  # a working CRS is projected
    transformer = Transformer.from_crs(crs, geodetic, always_xy=True)
    lon, lat = map(np.asarray, transformer.transform(points[:, 0], points[:, 1]))

    def placed(moved: tuple[Points, Points]) -> Points:
        return np.column_stack(transformer.transform(*moved, direction="INVERSE"))

    back, forth = placed(from_gcj02(lon, lat)), placed(to_gcj02(lon, lat))
    return Outlines(points, back, forth, shapely.STRtree(_pieces(geometry)))


def find_offset(
    suspect: Outlines, reference: Outlines, tolerances_m: tuple[float, ...] = TOLERANCES_M
) -> Offset | None:
    """The offset of `suspect` against `reference`; None if there is no sign of one.

    Points of the suspect are moved back and compared with the reference; where the reference is
    the coarser layer its points are moved forth and compared with the suspect.
    """
    found = [
        _compare(suspect.points, suspect.back, reference.tree, tolerances_m),
        _compare(reference.points, reference.forth, suspect.tree, tolerances_m),
    ]
    best = max((one for one in found if one), key=lambda one: one[1] - one[0], default=None)
    if best is None:
        return None
    east, north = (suspect.points - suspect.back).mean(axis=0)
    return Offset(*best, float(east), float(north))


def outline_points(geometry: Geometries) -> Points:
    """Points at even steps on the outlines of evenly chosen features."""
    step = max(1, ceil(len(geometry) / MAX_FEATURES))
    outlines = shapely.boundary(geometry[::step])
    outlines = outlines[~(shapely.is_missing(outlines) | shapely.is_empty(outlines))]
    if not len(outlines):
        return np.empty((0, 2))
    per_outline = max(2, ceil(N_POINTS / len(outlines)))
    at = (np.arange(per_outline) + 0.5) / per_outline
    # A boundary of several rings counts along all of them, one after the other.
    rings, owner = shapely.get_parts(outlines, return_index=True)
    length = shapely.length(rings)
    end = np.cumsum(length)
    first = np.concatenate([[0.0], end[:-1]])
    total = np.bincount(owner, length)
    start = first[np.searchsorted(owner, np.arange(len(outlines)))]
    wanted = (start[:, None] + at * total[:, None]).ravel()
    chosen = np.minimum(np.searchsorted(end, wanted), len(rings) - 1)
    points = shapely.line_interpolate_point(rings[chosen], wanted - first[chosen])
    coordinates: Points = shapely.get_coordinates(points)
    return coordinates


def _compare(
    points: Points, moved: Points, tree: shapely.STRtree, tolerances_m: tuple[float, ...]
) -> tuple[float, float, float] | None:
    """Shares that meet now and moved, and the distance at which that is plain; None if it isn't."""
    left, bottom, right, top = shapely.total_bounds(tree.geometries)
    margin = max(TOLERANCES_M)
    is_inside = (
        (moved[:, 0] >= left - margin)
        & (moved[:, 0] <= right + margin)
        & (moved[:, 1] >= bottom - margin)
        & (moved[:, 1] <= top + margin)
    )
    if is_inside.sum() < MIN_POINTS:
        return None
    points, moved = points[is_inside], moved[is_inside]
    now, then = _distances(tree, points), _distances(tree, moved)
    for tolerance in tolerances_m:
        meets = then <= tolerance
        shares = float((now <= tolerance).mean()), float(meets.mean())
        is_plain = shares[1] >= MIN_SHARE and shares[1] - shares[0] >= MIN_GAIN
        if is_plain and _width_m(moved[meets]) >= MIN_WIDTH_M:
            return (*shares, tolerance)
    return None


def _width_m(points: Points) -> float:
    """Spread of points across their main direction: nothing for points on one line."""
    return float(np.sqrt(max(np.linalg.eigvalsh(np.cov(points.T))[0], 0.0)))


def _distances(tree: shapely.STRtree, points: Points) -> NDArray[np.float64]:
    """Distance to the nearest outline, infinite beyond the widest tolerance."""
    found = np.full(len(points), np.inf)
    (position, _), distance = tree.query_nearest(
        shapely.points(points),
        max_distance=max(TOLERANCES_M),
        return_distance=True,
        all_matches=False,
    )
    found[position] = distance
    return found


def _pieces(geometry: Geometries) -> Geometries:
    """Outlines of polygons, long ones cut into pieces."""
    rings = shapely.get_parts(shapely.boundary(geometry))
    is_long = shapely.get_num_coordinates(rings) > CHUNK
    pieces = list(rings[~is_long])
    for ring in rings[is_long]:
        points = shapely.get_coordinates(ring)
        pieces += [
            shapely.LineString(points[n : n + CHUNK + 1]) for n in range(0, len(points) - 1, CHUNK)
        ]
    found = np.empty(len(pieces), dtype=object)
    found[:] = pieces
    return found
