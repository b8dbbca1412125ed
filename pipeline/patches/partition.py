"""Disjoint pieces (套合分块) of a patch, cut along the boundaries of reference features.

All lines inside a patch, its own outline included, are noded together and polygonised: the faces
share their edges point for point, so they neither overlap nor leave gaps, whatever the layers look
like. Two lines that cross get their common point rounded to the spacing of float64 (about 5e-10 m
at four million metres); that is all by which the sum of the faces can miss the patch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon
from shapely.geometry.base import BaseGeometry

from pipeline.errors import Finding, PipelineError

GeometryArray = NDArray[np.object_]

RELATIVE_TOLERANCE = 1e-6
"""Largest difference allowed between a patch and the sum of its pieces, as a share of the patch."""
ABSOLUTE_TOLERANCE_M2 = 1e-4
"""The same in m², for patches so small that rounding is a larger share."""
SPECK_M2 = 1e-6
"""Faces below one square millimetre come from rounding where edges nearly coincide; each joins the
neighbour with the longest common edge."""
SNAP_M = 1e-7
"""Grid to which crossings are rounded where noding in plain float64 failed; coarser than float64 at
forty million metres (eastings with zone prefix), still below `RELATIVE_TOLERANCE` for 1 m²."""


@dataclass(frozen=True, eq=False)
class Pieces:
    """The faces that make up a patch, `(face,)`."""

    faces: GeometryArray
    points: GeometryArray
    """A point of each face that is not on a speck joined to it: it speaks for all of the face."""


def deviates(total: NDArray[np.float64], area: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether sums of pieces miss their patches' areas by more than the tolerance, both m²."""
    allowed = np.maximum(RELATIVE_TOLERANCE * area, ABSOLUTE_TOLERANCE_M2)
    result: NDArray[np.bool_] = ~(np.abs(total - area) <= allowed)
    return result


def not_closed(patch_id: str, value: str) -> PipelineError:
    """The error for a patch whose pieces do not make up the patch (E-INTERNAL)."""
    return PipelineError(
        Finding(
            "E-INTERNAL",
            "套合分块的面积之和与图斑面积不符。",
            where=f"图斑 {patch_id}",
            value=value,
            allowed="相对误差不超过百万分之一，或不超过 0.0001 平方米",
            advice="把 run.log、intake/layers.gpkg 和 extract/patches.gpkg 一起反馈给开发者。",
        )
    )


def lines_near(patch: BaseGeometry, features: GeometryArray) -> GeometryArray:
    """Boundaries of polygons, cut to the patch's bounding box and a margin of 1 unit."""
    x0, y0, x1, y1 = shapely.bounds(patch).tolist()
    clipped = shapely.clip_by_rect(shapely.boundary(features), x0 - 1, y0 - 1, x1 + 1, y1 + 1)
    lines: GeometryArray = clipped[~shapely.is_empty(clipped)]
    return lines


def split_patch(patch_id: str, patch: BaseGeometry, features: GeometryArray) -> Pieces:
    """Disjoint valid polygons that make up `patch`; none crosses a boundary but by a speck.

    `features` are valid polygons in the same plane, in metres. Order of the result: as polygonised,
    the same for the same input. Raises E-INTERNAL with `patch_id` if the faces do not add up.
    """
    lines = [shapely.boundary(patch), *lines_near(patch, features)]
    if len(lines) == 1:
        parts = np.asarray(shapely.get_parts(patch))
        return Pieces(parts, shapely.point_on_surface(parts))
    area = shapely.area(patch)
    total = 0.0
    for grid_m in (None, SNAP_M):
        faces = _faces_inside(patch, shapely.unary_union(lines, grid_size=grid_m))
        total = float(shapely.area(faces).sum())
        is_closed = not deviates(np.array([total]), np.array([area]))[0]
        if is_closed and shapely.is_valid(faces).all():
            return _absorb_specks(faces)
    raise not_closed(patch_id, f"分块合计 {total!r}，图斑 {area!r}（平面，平方米）")


def _faces_inside(patch: BaseGeometry, noded: BaseGeometry) -> GeometryArray:
    faces: GeometryArray = shapely.get_parts(shapely.polygonize([noded]))
    points = shapely.point_on_surface(faces)
    shapely.prepare(patch)
    inside: GeometryArray = faces[
        shapely.contains_xy(patch, shapely.get_x(points), shapely.get_y(points))
    ]
    return inside


def _absorb_specks(faces: GeometryArray) -> Pieces:
    """The faces with every speck joined to a neighbour; one without a neighbour stays."""
    is_speck = shapely.area(faces) < SPECK_M2
    # Taken before: a long speck may be the widest thing half way up the face it is joined to.
    points = shapely.point_on_surface(faces)
    if not is_speck.any() or is_speck.all():
        return Pieces(faces, points)
    group = _hosts(faces, is_speck)
    kept = np.unique(group)
    joined = faces[kept]
    for target in np.unique(group[is_speck]):
        joined[np.searchsorted(kept, target)] = merge_faces(faces[group == target])
    return Pieces(joined, points[kept])


def _hosts(faces: GeometryArray, is_speck: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The face that each face becomes part of `(face,)`; specks behind specks follow these."""
    one, two, length = _common_edges(faces, is_speck)
    group, is_settled = np.arange(faces.size), ~is_speck
    while True:
        open_edges = np.flatnonzero(~is_settled[one] & is_settled[two])
        if open_edges.size == 0:
            return group
        order = open_edges[np.lexsort((two[open_edges], -length[open_edges], one[open_edges]))]
        specks, first = np.unique(one[order], return_index=True)
        group[specks] = group[two[order[first]]]
        is_settled[specks] = True


def _common_edges(
    faces: GeometryArray, is_speck: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Pairs of a speck and a face beside it, with the length they have in common.

    Faces share edges point for point, so equal segments are found without geometry, which could
    not see a speck narrower than its own precision.
    """
    near = np.unique(shapely.STRtree(faces).query(faces[is_speck])[1])
    rings, face = shapely.get_rings(faces[near], return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    is_edge = ring[1:] == ring[:-1]
    begin, end = points[:-1][is_edge], points[1:][is_edge]
    turned = (begin[:, 0] > end[:, 0]) | ((begin[:, 0] == end[:, 0]) & (begin[:, 1] > end[:, 1]))
    begin, end = np.where(turned[:, None], end, begin), np.where(turned[:, None], begin, end)
    owner = near[face[ring[:-1][is_edge]]]
    order = np.lexsort((end[:, 1], end[:, 0], begin[:, 1], begin[:, 0]))
    begin, end, owner = begin[order], end[order], owner[order]
    same = np.flatnonzero((begin[1:] == begin[:-1]).all(axis=1) & (end[1:] == end[:-1]).all(axis=1))
    one = np.concatenate([owner[same], owner[same + 1]])
    two = np.concatenate([owner[same + 1], owner[same]])
    is_wanted = is_speck[one]
    pairs, number = np.unique(
        np.stack([one[is_wanted], two[is_wanted]], axis=1), axis=0, return_inverse=True
    )
    lengths = np.tile(np.hypot(*(end - begin)[same].T), 2)[is_wanted]
    common = np.bincount(number.reshape(-1), weights=lengths, minlength=len(pairs))
    return pairs[:, 0], pairs[:, 1], common.astype(np.float64)


def merge_faces(faces: GeometryArray) -> Any:
    """One valid geometry made of faces that share their edges exactly; no vertex moves."""
    if faces.size == 1:
        return faces[0]
    polygons = shapely.get_parts(shapely.coverage_union_all(faces))
    merged = polygons[0] if polygons.size == 1 else MultiPolygon(polygons.tolist())
    # A general union nodes again and may move a crossing by its rounding; it is never needed where
    # the faces come from one polygonisation.
    return merged if merged.is_valid else shapely.unary_union(faces)
