"""Geometry of delivered layers: what can be used, what was repaired, what overlaps.

All coordinates are in the run's projected CRS; areas here are planar m² and only shown or compared
with tolerances. Nothing is cut or moved to remove an overlap: the overlay's own rule decides there.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import GeometryType
from shapely.geometry.base import BaseGeometry

Geometries = NDArray[np.object_]

MIN_OVERLAP_M2 = 0.5
"""Overlaps and gaps up to this size are noise of coordinates (DOMAIN §5)."""
PAIRS_PER_BATCH = 100_000
"""Pairs of neighbours looked at together; bounds the memory."""

_POLYGONS = (GeometryType.POLYGON, GeometryType.MULTIPOLYGON)
_LINES = (GeometryType.LINESTRING, GeometryType.MULTILINESTRING)
_POINTS = (GeometryType.POINT, GeometryType.MULTIPOINT)
_WANTED = {"MultiPolygon": _POLYGONS, "MultiLineString": _LINES, "Point": _POINTS}


@dataclass(frozen=True)
class Usable:
    """Geometries made fit for a layer, and what happened to each, `(feature,)`."""

    geometry: Geometries
    """2D, valid, of the wanted kind; None where `is_missing`, `is_mistyped` or `is_lost`."""
    is_missing: NDArray[np.bool_]
    """NULL or empty as delivered, or without finite coordinates."""
    is_mistyped: NDArray[np.bool_]
    """Another kind of geometry than the layer's."""
    is_repaired: NDArray[np.bool_]
    is_lost: NDArray[np.bool_]
    """Nothing of the wanted kind was left by the repair."""
    area_change_m2: NDArray[np.float64]
    """Area after the repair less the area before it."""
    reasons: dict[int, str]
    """Why a repaired geometry was invalid, by position."""


def make_usable(geometry: Geometries, wanted: str) -> Usable:
    """Drop Z and M, repair, keep what is of the layer's kind. `wanted` is a `GeometryType` name."""
    flat = np.asarray(shapely.force_2d(geometry), dtype=object)
    is_missing = shapely.is_missing(flat) | shapely.is_empty(flat)
    is_missing[_with_infinite_coordinates(flat)] = True
    types = shapely.get_type_id(flat)
    is_collection = types == GeometryType.GEOMETRYCOLLECTION
    is_mistyped = ~is_missing & ~is_collection & ~np.isin(types, _WANTED[wanted])
    flat[is_missing | is_mistyped] = None
    is_broken = ~(is_missing | is_mistyped) & ~shapely.is_valid(flat)
    reasons = {int(n): str(shapely.is_valid_reason(flat[n])) for n in np.flatnonzero(is_broken)}
    before = shapely.area(flat)
    flat[is_broken] = shapely.make_valid(flat[is_broken], method="structure")
    is_mixed = ~shapely.is_missing(flat) & ~np.isin(shapely.get_type_id(flat), _WANTED[wanted])
    for n in np.flatnonzero(is_mixed):
        flat[n] = _of_kind(flat[n], wanted)
    if wanted == "Point":
        is_many = shapely.get_type_id(flat) == GeometryType.MULTIPOINT
        flat[is_many] = shapely.get_geometry(flat[is_many], 0)
        is_broken |= is_many
    is_empty = shapely.is_missing(flat) | shapely.is_empty(flat)
    is_lost = is_empty & ~is_missing & ~is_mistyped
    flat[is_empty] = None
    change = np.where(is_broken & ~is_lost, shapely.area(flat) - before, 0.0)
    return Usable(
        flat,
        is_missing,
        is_mistyped | (is_lost & is_collection),
        is_broken & ~is_lost,
        is_lost & ~is_collection,
        np.nan_to_num(change),
        reasons,
    )


def _with_infinite_coordinates(geometry: Geometries) -> NDArray[np.int64]:
    """Positions of geometries with a coordinate that is no number."""
    points, owner = shapely.get_coordinates(geometry, return_index=True)
    return np.unique(owner[~np.isfinite(points).all(axis=1)])


def _of_kind(shape: BaseGeometry, wanted: str) -> BaseGeometry | None:
    """The parts of a mixed geometry that are of the wanted kind, as one; None if there are none."""
    single = _WANTED[wanted][0]
    parts = shapely.get_parts(shape)
    while np.isin(shapely.get_type_id(parts), [4, 5, 6, 7]).any():
        parts = shapely.get_parts(parts)
    parts = parts[shapely.get_type_id(parts) == single]
    if not len(parts):
        return None
    if wanted == "MultiPolygon":
        # Parts of a collection may overlap; as one geometry they may not.
        return shapely.union_all(parts)
    joined: BaseGeometry = (
        shapely.multilinestrings(parts) if wanted == "MultiLineString" else parts[0]
    )
    return joined


@dataclass(frozen=True)
class Overlaps:
    """Pairs of features that share area, the largest first, `(pair,)`."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    area_m2: NDArray[np.float64]
    places: NDArray[np.float64]
    """`(pair, 2)`: a point inside each overlap."""


PairFilter = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]]
"""Which pairs of features (by position) may not overlap."""


def find_overlaps(geometry: Geometries, is_rival: PairFilter | None = None) -> Overlaps:
    """Pairs of polygons that share more than `MIN_OVERLAP_M2`, in an order free of chance."""
    tree = shapely.STRtree(geometry)
    shapely.prepare(geometry)
    firsts, seconds, areas, places = [], [], [], []
    for first, second in _neighbours(tree, geometry, is_rival):
        # Most neighbours only touch; the prepared test is far quicker than cutting them.
        apart = shapely.touches(geometry[first], geometry[second])
        first, second = first[~apart], second[~apart]
        shared = shapely.intersection(geometry[first], geometry[second])
        area = shapely.area(shared)
        is_real = area > MIN_OVERLAP_M2
        inside = shapely.point_on_surface(_surfaces(shared[is_real]))
        firsts.append(first[is_real])
        seconds.append(second[is_real])
        areas.append(area[is_real])
        places.append(shapely.get_coordinates(inside))
    first = np.concatenate([np.empty(0, np.int64), *firsts])
    second = np.concatenate([np.empty(0, np.int64), *seconds])
    area = np.concatenate([np.empty(0), *areas])
    place = np.concatenate([np.empty((0, 2)), *places])
    order = np.lexsort((second, first, -area))
    return Overlaps(first[order], second[order], area[order], place[order])


def find_twins(
    geometry: Geometries, values: Sequence[Hashable]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Features that repeat an earlier one (same shape, same values), and the first of each kind."""
    boxes = shapely.bounds(geometry)
    _, where, counts = np.unique(boxes, axis=0, return_inverse=True, return_counts=True)
    candidates = np.flatnonzero(counts[where.ravel()] > 1)
    shapes = shapely.to_wkb(shapely.normalize(geometry[candidates]))
    seen: dict[Hashable, int] = {}
    later: list[int] = []
    first: list[int] = []
    for position, shape in zip(candidates.tolist(), shapes, strict=True):
        earlier = seen.setdefault((shape, values[position]), position)
        if earlier != position:
            later.append(position)
            first.append(earlier)
    return np.array(later, np.int64), np.array(first, np.int64)


def _neighbours(
    tree: shapely.STRtree, geometry: Geometries, is_rival: PairFilter | None
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs whose boxes meet, each once, in batches."""
    first, second = tree.query(geometry)
    chosen = first < second
    first, second = first[chosen], second[chosen]
    if is_rival is not None:
        chosen = is_rival(first, second)
        first, second = first[chosen], second[chosen]
    cuts = np.arange(PAIRS_PER_BATCH, len(first), PAIRS_PER_BATCH)
    return list(zip(np.split(first, cuts), np.split(second, cuts), strict=True))


def _surfaces(shared: Geometries) -> Geometries:
    """Intersections without the points and lines that come with them."""
    flat = shared.copy()
    for n in np.flatnonzero(shapely.get_type_id(flat) == GeometryType.GEOMETRYCOLLECTION):
        flat[n] = _of_kind(flat[n], "MultiPolygon")
    return flat


def share_inside(geometry: Geometries, area: BaseGeometry) -> NDArray[np.float64]:
    """Share of each polygon's area that lies inside `area`, 0 to 1."""
    shapely.prepare(area)
    shares = np.zeros(len(geometry))
    is_within = shapely.covers(area, geometry)
    shares[is_within] = 1.0
    is_cut = ~is_within & shapely.intersects(area, geometry)
    cut = geometry[is_cut]
    whole = shapely.area(cut)
    inside = shapely.area(shapely.intersection(cut, area))
    shares[is_cut] = np.divide(inside, whole, out=np.zeros(len(cut)), where=whole > 0)
    return shares


def periods_meet(starts: NDArray[np.object_], ends: NDArray[np.object_]) -> PairFilter:
    """A pair filter: both features are valid on some common day. NULL (None) is open.

    Dates are ISO text; both the first and the last day count.
    """
    low = np.array([start or "0000-00-00" for start in starts], dtype="U10")
    high = np.array([end or "9999-99-99" for end in ends], dtype="U10")

    def meet(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.bool_]:
        result: NDArray[np.bool_] = (low[first] <= high[second]) & (low[second] <= high[first])
        return result

    return meet
