"""Outlines without pixel stairs (图斑边界化简), equal in area and nowhere far from the pixels.

Stair corners go by the area they enclose with their neighbours (Visvalingam and Whyatt 1993,
Cartogr. J. 30(1)), with edges that patches share kept shared. A patch that touches no other is then
scaled about its centroid until its area is that of its pixels again. An outline that would change
too much keeps its pixel edges, and so do all that touch it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipeline.schema.model import Frozen

GENTLER = 0.8
"""Second try for outlines that the full tolerance moves too far: only single stair corners go."""
MAX_RESCALING = 0.05
"""Share of its area that scaling may give back to an outline; more would hide a lost shape."""
SAME_PLACE = 1e-6
"""Pixels within which two pixel corners are one: what rounding of coordinates leaves."""


class SimplifyParams(Frozen):
    """Settings of simplifying outlines (边界化简)."""

    tolerance_px: float = Field(
        1.0, ge=0, le=4, description="化简强度：所围面积小于此值平方的折角被拉直；0 为保留像元边界"
    )
    max_area_change: float = Field(
        0.001, ge=0, le=0.01, description="化简后面积改变的最大比例，超过的保留像元边界"
    )
    max_move_px: float = Field(1.0, gt=0, le=4, description="边界移动的最大距离，像元")


@dataclass(frozen=True, eq=False)
class Simplified:
    """Outlines `(patch,)` and by which share each changed its area, signed."""

    outlines: NDArray[np.object_]
    area_change: NDArray[np.float64]
    is_simplified: NDArray[np.bool_]


def simplify_outlines(
    raw: NDArray[np.object_], pixel_size: float, params: SimplifyParams
) -> Simplified:
    """Simplify pixel-edge polygons `(patch,)` that may share edges but do not overlap.

    `pixel_size` is in units of their coordinates. Valid polygons stay valid, with their holes, and
    do not overlap afterwards either.
    """
    outlines = raw.copy()
    if raw.size == 0 or params.tolerance_px == 0:
        return _result(raw, outlines, np.zeros(raw.size, np.bool_))
    group = _touching_groups(raw)
    is_open = np.ones(raw.size, np.bool_)
    for factor in (1.0, GENTLER):
        at = np.flatnonzero(is_open)
        if at.size == 0:
            break
        tried = _simplified(raw[at], group[at], pixel_size, factor * params.tolerance_px)
        is_bad = _changes_too_much(raw[at], tried, pixel_size, params)
        taken = at[~np.isin(group[at], group[at][is_bad])]
        outlines[taken] = tried[np.isin(at, taken)]
        is_open[taken] = False
    is_simplified = ~is_open
    _give_back_overlaps(raw, outlines, group, is_simplified)
    return _result(raw, outlines, is_simplified)


def _result(
    raw: NDArray[np.object_], outlines: NDArray[np.object_], is_simplified: NDArray[np.bool_]
) -> Simplified:
    before = shapely.area(raw)
    return Simplified(outlines, (shapely.area(outlines) - before) / before, is_simplified)


def _touching_groups(raw: NDArray[np.object_]) -> NDArray[np.int32]:
    """Number of the group of outlines that meet each one, directly or through others."""
    first, second = shapely.STRtree(raw).query(raw, predicate="intersects")
    links = coo_array((np.ones(first.size, np.bool_), (first, second)), shape=(raw.size,) * 2)
    return np.asarray(connected_components(links, directed=False)[1], np.int32)


def _simplified(
    raw: NDArray[np.object_], group: NDArray[np.int32], pixel_size: float, tolerance_px: float
) -> NDArray[np.object_]:
    """Simplified outlines; those that touch no other have the area they had."""
    is_single = np.bincount(group)[group] == 1
    joined = _with_common_vertices(raw, np.flatnonzero(~is_single), pixel_size)
    tolerance = tolerance_px * pixel_size
    out = np.asarray(shapely.coverage_simplify(joined, tolerance, simplify_boundary=True))
    single = np.flatnonzero(is_single)
    out[single] = _scaled_to(out[single], shapely.area(raw[single]))
    return out


def _with_common_vertices(
    raw: NDArray[np.object_], touching: NDArray[np.int64], pixel_size: float
) -> NDArray[np.object_]:
    """The outlines with every vertex of a neighbour that lies on an edge of theirs as their own.

    Pixel-edge outlines have no vertex where a neighbour's edge ends on theirs, so that the shared
    edge is not one edge of a coverage.
    """
    out = raw.copy()
    tree = shapely.STRtree(raw[touching])
    for at in touching:
        near = touching[np.sort(tree.query(raw[at]))]
        corners = shapely.multipoints(shapely.get_coordinates(raw[near]))
        out[at] = shapely.snap(raw[at], corners, SAME_PLACE * pixel_size)
    return out


def _scaled_to(outlines: NDArray[np.object_], area: NDArray[np.float64]) -> NDArray[np.object_]:
    """Outlines scaled about their centroids to the given areas, if they are nearly that large."""
    if outlines.size == 0:
        return outlines
    centre = shapely.get_coordinates(shapely.centroid(outlines))
    found = shapely.area(outlines)
    is_near = np.abs(found - area) <= MAX_RESCALING * area
    factor = np.sqrt(np.divide(area, found, out=np.ones_like(area), where=is_near))
    points, owner = shapely.get_coordinates(outlines, return_index=True)
    moved = centre[owner] + (points - centre[owner]) * factor[owner, None]
    return np.asarray(shapely.set_coordinates(outlines.copy(), moved))


def _changes_too_much(
    raw: NDArray[np.object_],
    tried: NDArray[np.object_],
    pixel_size: float,
    params: SimplifyParams,
) -> NDArray[np.bool_]:
    area = shapely.area(raw)
    change = np.abs(shapely.area(tried) - area) / area
    move = shapely.hausdorff_distance(raw, tried)
    is_lost = shapely.is_empty(tried) | ~shapely.is_valid(tried)
    is_lost |= shapely.get_type_id(tried) != shapely.GeometryType.POLYGON
    holes = shapely.get_num_interior_rings(raw) != shapely.get_num_interior_rings(tried)
    # NaN, as for an empty outline, is too much.
    fits = (change <= params.max_area_change) & (move <= params.max_move_px * pixel_size)
    return np.asarray(is_lost | holes | ~fits, np.bool_)


def _give_back_overlaps(
    raw: NDArray[np.object_],
    outlines: NDArray[np.object_],
    group: NDArray[np.int32],
    is_simplified: NDArray[np.bool_],
) -> None:
    """Give outlines of different groups that came to overlap their pixel edges back, in place.

    Groups are simplified without a look at each other's later rounds, so close neighbours may
    cross; each turn gives at least one group back, so it ends.
    """
    while is_simplified.any():
        first, second = shapely.STRtree(outlines).query(outlines, predicate="intersects")
        apart = group[first] != group[second]
        crossing = np.unique(np.concatenate([first[apart], second[apart]]))
        back = np.isin(group, group[crossing]) & is_simplified
        if not back.any():
            break
        outlines[back] = raw[back]
        is_simplified[back] = False
