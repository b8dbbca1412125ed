"""Disjoint pieces (套合分块) of patches, cut along the boundaries of reference features.

All edges inside a patch, its own outline included, are noded together and polygonised: the faces
share their edges point for point, so they neither overlap nor leave gaps, whatever the layers look
like. Two edges that cross get their common point rounded to the spacing of float64 (about 5e-10 m
at four million metres); that is all by which the sum of the faces can miss the patch. Where all
crossings are clear this is done by `arrangement`, else by GEOS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon
from shapely.geometry.base import BaseGeometry

from pipeline.errors import Finding, PipelineError
from pipeline.patches.arrangement import arrange
from pipeline.patches.lines import Edges

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
    """The faces that make up patches, `(face,)`, patch by patch."""

    faces: GeometryArray
    points: GeometryArray
    """A point of each face that is not on a speck joined to it: it speaks for all of the face."""
    patch: NDArray[np.int64]
    """Index of the patch each face belongs to."""


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


def split_patches(patch_ids: Sequence[Any], patches: GeometryArray, edges: Edges) -> Pieces:
    """Disjoint valid polygons that make up each patch; none crosses an edge but by a speck.

    `edges` are boundaries of valid polygons near the patches in the same plane, in metres. Order of
    the result inside a patch: as found, the same for the same input. Raises E-INTERNAL with the id
    of a patch whose faces do not add up.
    """
    faces, owner, is_clear = _clear_faces(patches, edges)
    is_uncut = np.diff(edges.first) == 0
    whole, part = shapely.get_parts(patches[is_uncut], return_index=True)
    found, owners = [faces, whole], [owner, np.flatnonzero(is_uncut)[part]]
    for index in np.flatnonzero(~is_clear & ~is_uncut).tolist():
        near = edges.xyxy[edges.first[index] : edges.first[index + 1]]
        hard = split_by_noding(str(patch_ids[index]), patches[index], near)
        found.append(hard)
        owners.append(np.full(hard.size, index))
    patch = np.concatenate(owners)
    order = np.argsort(patch, kind="stable")
    return _without_specks(np.concatenate(found)[order], patch[order])


def _clear_faces(
    patches: GeometryArray, edges: Edges
) -> tuple[GeometryArray, NDArray[np.int64], NDArray[np.bool_]]:
    """Faces of patches in which everything meets clearly, their patches, and which these are."""
    parts = shapely.get_num_geometries(patches) == 1
    polygons = shapely.get_geometry(patches, 0)
    is_simple = parts & (shapely.get_num_interior_rings(polygons) == 0)
    is_wanted = is_simple & (np.diff(edges.first) > 0)
    points, index = shapely.get_coordinates(polygons[is_wanted], return_index=True)
    size = np.zeros(patches.size, dtype=np.int64)
    size[is_wanted] = np.bincount(index, minlength=int(is_wanted.sum()))
    first = np.concatenate(([0], np.cumsum(size)))
    is_clear, rings, per_face, owner = arrange(points, first, edges.xyxy, edges.first)
    offsets = np.concatenate(([0], np.cumsum(per_face))), np.arange(per_face.size + 1)
    faces = shapely.from_ragged_array(shapely.GeometryType.POLYGON, rings, offsets)
    return np.asarray(faces, dtype=object), owner, is_clear


def split_by_noding(
    patch_id: str, patch: BaseGeometry, edges: NDArray[np.float64]
) -> GeometryArray:
    """The faces of one patch by GEOS, however its outline and the edges `(edge, 4)` lie."""
    near = np.asarray(shapely.linestrings(edges.reshape(-1, 2, 2)), dtype=object)
    lines = [shapely.boundary(patch), *near]
    area = shapely.area(patch)
    total = 0.0
    for grid_m in (None, SNAP_M):
        faces = _faces_inside(patch, shapely.unary_union(lines, grid_size=grid_m))
        total = float(shapely.area(faces).sum())
        is_closed = not deviates(np.array([total]), np.array([area]))[0]
        if is_closed and shapely.is_valid(faces).all():
            return faces
    raise not_closed(patch_id, f"分块合计 {total!r}，图斑 {area!r}（平面，平方米）")


def _faces_inside(patch: BaseGeometry, noded: BaseGeometry) -> GeometryArray:
    faces: GeometryArray = shapely.get_parts(shapely.polygonize([noded]))
    points = shapely.point_on_surface(faces)
    shapely.prepare(patch)
    inside: GeometryArray = faces[
        shapely.contains_xy(patch, shapely.get_x(points), shapely.get_y(points))
    ]
    return inside


def _without_specks(faces: GeometryArray, patch: NDArray[np.int64]) -> Pieces:
    """Faces sorted by patch, every speck joined to a neighbour in its patch if it has one."""
    # Taken before: a long speck may be the widest thing half way up the face it is joined to.
    points = np.asarray(shapely.point_on_surface(faces), dtype=object)
    is_speck = shapely.area(faces) < SPECK_M2
    stays = np.ones(faces.size, dtype=np.bool_)
    joined = faces.copy()
    for index in np.unique(patch[is_speck]):
        begin, end = np.searchsorted(patch, [index, index + 1])
        _absorb(joined[begin:end], is_speck[begin:end], stays[begin:end])
    return Pieces(joined[stays], points[stays], patch[stays])


def _absorb(faces: GeometryArray, is_speck: NDArray[np.bool_], stays: NDArray[np.bool_]) -> None:
    """Join the specks of one patch to its other faces, in place; what is joined does not stay."""
    if is_speck.all():
        return
    group = _hosts(faces, is_speck)
    stays[:] = group == np.arange(faces.size)
    for target in np.unique(group[is_speck]):
        faces[target] = merge_faces(faces[group == target])


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
