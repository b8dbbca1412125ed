"""Outlines without pixel stairs (图斑边界化简), equal in area and nowhere far from the pixels.

Stair corners go by the area they enclose with their neighbours (Visvalingam and Whyatt 1993,
Cartogr. J. 30(1)); the outline is then scaled about its centroid until its area is that of its
pixels again. An outline that would move too far keeps its pixel edges, and so does one that touches
another: edges that two patches share stay the same edge, and no area moves from one to the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from pydantic import Field

from pipeline.schema.model import Frozen

GENTLER = 0.8
"""Second try for outlines that the full tolerance moves too far: only single stair corners go."""
MAX_RESCALING = 0.05
"""Share of its area that scaling may give back to an outline; more would hide a lost shape."""


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
    is_free = ~_touches_another(raw)
    is_open = is_free.copy()
    for factor in (1.0, GENTLER):
        at = np.flatnonzero(is_open)
        if at.size:
            tried = _simplified(raw[at], factor * params.tolerance_px * pixel_size)
            fits = ~_changes_too_much(raw[at], tried, pixel_size, params)
            outlines[at[fits]] = tried[fits]
            is_open[at[fits]] = False
    is_simplified = is_free & ~is_open
    _give_back_overlaps(raw, outlines, is_simplified)
    return _result(raw, outlines, is_simplified)


def _result(
    raw: NDArray[np.object_], outlines: NDArray[np.object_], is_simplified: NDArray[np.bool_]
) -> Simplified:
    before = shapely.area(raw)
    return Simplified(outlines, (shapely.area(outlines) - before) / before, is_simplified)


def _touches_another(raw: NDArray[np.object_]) -> NDArray[np.bool_]:
    first, second = shapely.STRtree(raw).query(raw, predicate="intersects")
    touches = np.zeros(raw.size, np.bool_)
    touches[first[first != second]] = True
    return touches


def _simplified(raw: NDArray[np.object_], tolerance: float) -> NDArray[np.object_]:
    """Outlines without their small corners, of the area they had.

    As a coverage of all of them at once, so that close neighbours do not come to cross.
    """
    straight = np.asarray(shapely.coverage_simplify(raw, tolerance, simplify_boundary=True))
    return _scaled_to(straight, shapely.area(raw))


def _scaled_to(outlines: NDArray[np.object_], area: NDArray[np.float64]) -> NDArray[np.object_]:
    """Outlines scaled about their centroids to the given areas, if they are nearly that large."""
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
    raw: NDArray[np.object_], outlines: NDArray[np.object_], is_simplified: NDArray[np.bool_]
) -> None:
    """Give outlines that came to meet another one their pixel edges back, in place.

    Each turn gives at least one back, so it ends.
    """
    touched = _touches_another(raw)
    while is_simplified.any():
        back = _touches_another(outlines) & ~touched & is_simplified
        if not back.any():
            break
        outlines[back] = raw[back]
        is_simplified[back] = False
