"""Patches against the reference layers (套合分析): disjoint parts, and areas by what covers them.

Every part carries what covers it in each layer; every area column of a patch is a sum over its
parts, so the columns agree with each other and with the patch by construction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from pipeline.patches.area import ellipsoidal_area_m2
from pipeline.patches.balance import balance_mu100, close_areas
from pipeline.patches.columns import area_columns, looked_up, permit_classes
from pipeline.patches.covering import GeometryArray, PatchDates, ReferenceLayer
from pipeline.patches.gaps_overlaps import Stack, gap_overlap_rows, stacked
from pipeline.patches.lines import together
from pipeline.patches.partition import deviates, merge_faces, not_closed, split_patches
from pipeline.patches.patrol_grades import Grading
from pipeline.patches.responsibility import assign_units
from pipeline.patches.shares import Faces, summed
from pipeline.patches.townships import AssignmentParams, Covered
from pipeline.schema.layers import OVERLAID, PARTS, RESPONSIBILITY

CODE_COLUMNS = {
    "townships": "township_code",
    "villages": "village_code",
    "patrol_areas": "patrol_area_id",
}
"""Layers with versions, taken as of the after date: a part names the unit, not the feature."""

ID_COLUMNS = {
    "land_use": "land_use_id",
    "permanent_basic_farmland": "pbf_id",
    "ecological_redline": "redline_id",
    "nature_reserve": "reserve_id",
    "urban_boundary": "urban_boundary_id",
    "settlements": "settlement_id",
    "planning_zones": "plan_zone_id",
    "approvals": "approval_id",
    "supply": "supply_id",
    "registration": "registration_id",
    "facility_land": "facility_id",
    "temporary_land": "temporary_id",
    "permits": "planning_permit_id",
    "mining_rights": "mining_right_id",
}
"""Layers of which a part names the feature; all features count, whatever their dates."""

ATTRIBUTES = {
    "land_class_code": ("land_use", "land_class_code"),
    "land_use_date": ("land_use", "vintage_date"),
    "bund_ratio": ("land_use", "bund_ratio"),
    "plan_zone_code": ("planning_zones", "zone_code"),
}
"""Further columns of a part: layer and column of the feature that covers it."""

OVERLAY_LAYERS = (*CODE_COLUMNS, *ID_COLUMNS)
"""Every layer whose boundaries cut patches."""


@dataclass(frozen=True)
class OverlayCodes:
    """What the code tables say; an entry holds for all codes that begin with its code."""

    land_categories: Mapping[str, str]
    """Land class → cultivated, other_agricultural, unused or construction."""
    plan_conforms: Mapping[str, bool | None]
    """Planning zone → whether construction conforms; None undecided."""


@dataclass(frozen=True, eq=False)
class Overlaid:
    """Some patches with their columns, and the parts they are made of."""

    patches: gpd.GeoDataFrame
    parts: gpd.GeoDataFrame
    gaps_overlaps: gpd.GeoDataFrame
    """`GAPS_OVERLAPS` rows."""
    responsibility: pd.DataFrame
    """`RESPONSIBILITY` rows."""
    closure_error: float
    """Largest relative difference between a patch and its parts before the residual was placed."""


@dataclass(frozen=True, eq=False)
class _Cut:
    """The faces of some patches, what covers them and what counts on them."""

    faces: Faces
    geometry: GeometryArray
    dates: PatchDates
    """Of the faces."""
    covered: Mapping[str, Covered]
    """By core name, the supplied ones of `OVERLAY_LAYERS`."""

    def stacks(self) -> dict[str, Stack]:
        """What lies on the faces in each layer; of layers with versions, on the after date."""
        return {
            name: stacked(
                one.layer,
                one.hits.valid_on(one.layer, self.dates.after)
                if name in CODE_COLUMNS
                else one.hits,
                self.faces.patch.size,
            )
            for name, one in self.covered.items()
        }


def overlay_patches(
    patches: gpd.GeoDataFrame,
    dates: PatchDates,
    layers: Mapping[str, ReferenceLayer],
    codes: OverlayCodes,
    params: AssignmentParams,
    grading: Grading | None = None,
) -> Overlaid:
    """`OVERLAID` and `PARTS` rows of some patches, in the order of the patches.

    `patches` are `PATCHES` rows in a projected CRS, `layers` the supplied ones of `OVERLAY_LAYERS`
    in the same CRS, townships among them; `grading` says how these patches are graded where no
    supplied patrol area does. Raises E-INTERNAL naming the patch if the parts miss it
    by more than one in a million and 1e-4 m².
    """
    cut = _cut(patches, dates, layers)
    closure_error = _require_closed(patches, cut.faces)
    parts, owner, stacks = _parts(patches, cut, codes)
    units = assign_units(cut.faces, cut.covered, dates, params, grading)
    columns = units.columns | area_columns(parts, owner, len(patches), layers.keys())
    overlaid = patches.reset_index(drop=True).assign(**columns)
    then = units.periods.assign(patch_id=overlaid["patch_id"].to_numpy()[units.periods["patch"]])
    return Overlaid(
        overlaid[[*OVERLAID.fields, "geometry"]],
        parts[[*PARTS.fields, "geometry"]],
        gap_overlap_rows(parts, owner, stacks),
        then[[*RESPONSIBILITY.fields]],
        closure_error,
    )


def _cut(
    patches: gpd.GeoDataFrame, dates: PatchDates, layers: Mapping[str, ReferenceLayer]
) -> _Cut:
    outlines = np.asarray(patches.geometry.to_numpy(), dtype=object)
    bounds = shapely.bounds(outlines)
    edges = [layer.lines.near(bounds, outlines) for layer in layers.values()]
    pieces = split_patches(patches["patch_id"].tolist(), outlines, together(edges, len(patches)))
    geometry, points, owner = pieces.faces, pieces.points, pieces.patch
    area = ellipsoidal_area_m2(geometry, patches.crs)
    covered = {name: Covered(layer, layer.hits(points)) for name, layer in layers.items()}
    return _Cut(Faces(owner, area, len(patches)), geometry, dates.of(owner), covered)


def _require_closed(patches: gpd.GeoDataFrame, faces: Faces) -> float:
    whole = patches["area_m2"].to_numpy(dtype=np.float64)
    total = summed(faces.area_m2, faces.patch, whole.size)
    wrong = np.flatnonzero(deviates(total, whole))
    if wrong.size:
        first = int(wrong[0])
        value = f"分块合计 {float(total[first])!r}，图斑 {float(whole[first])!r}（平方米）"
        raise not_closed(str(patches["patch_id"].iloc[first]), value)
    return float((np.abs(total - whole) / whole).max(initial=0.0))


def _parts(
    patches: gpd.GeoDataFrame, cut: _Cut, codes: OverlayCodes
) -> tuple[gpd.GeoDataFrame, NDArray[np.int64], dict[str, Stack]]:
    """Parts with all columns in row-major order inside each patch, each part's patch index, and
    what lies on the parts in each layer."""
    stacks = cut.stacks()
    columns = _face_columns(stacks, cut.faces.patch.size)
    part_of_face, first_face = _equal_faces(cut.faces.patch, columns, stacks)
    geometry = _merged(cut.geometry, part_of_face, first_face)
    owner = cut.faces.patch[first_face]
    area = summed(cut.faces.area_m2, part_of_face, first_face.size)
    points = shapely.point_on_surface(geometry)
    order = np.lexsort((-area, shapely.get_x(points), -shapely.get_y(points), owner))
    owner, first_face = owner[order], first_face[order]
    whole = patches["area_m2"].to_numpy(dtype=np.float64)
    area = close_areas(area[order], owner, whole)
    table: dict[str, Any] = {name: values[first_face] for name, values in columns.items()}
    parts = gpd.GeoDataFrame(table, geometry=geometry[order], crs=patches.crs)
    number = np.arange(owner.size) - np.searchsorted(owner, owner)
    patch_id = patches["patch_id"].to_numpy(dtype=object)[owner]
    parts["patch_id"] = patch_id
    parts["part_id"] = [f"{name}-{n + 1}" for name, n in zip(patch_id, number, strict=True)]
    parts["bund_ratio"] = parts["bund_ratio"].astype(np.float64)
    parts["land_category"] = looked_up(table["land_class_code"], codes.land_categories)
    parts["is_plan_conforming"] = looked_up(table["plan_zone_code"], codes.plan_conforms)
    parts["permit_class"] = permit_classes(parts)
    parts["area_m2"] = area
    parts["area_mu100"] = _balanced(area, owner, patches["area_mu100"].to_numpy(dtype=np.int64))
    return parts, owner, {name: stack.of(first_face) for name, stack in stacks.items()}


def _face_columns(stacks: Mapping[str, Stack], n_faces: int) -> dict[str, NDArray[np.object_]]:
    """Columns of the parts that come straight from a feature, `(face,)`; None if not covered."""
    sources = {column: (layer, column) for layer, column in CODE_COLUMNS.items()}
    sources |= {column: (layer, "feature_id") for layer, column in ID_COLUMNS.items()}
    sources |= ATTRIBUTES
    nothing = np.full(n_faces, None, dtype=object)
    return {
        column: stacks[layer].layer.values(source, stacks[layer].top)
        if layer in stacks
        else nothing
        for column, (layer, source) in sources.items()
    }


def _equal_faces(
    patch: NDArray[np.int64],
    columns: Mapping[str, NDArray[np.object_]],
    stacks: Mapping[str, Stack],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Faces of one patch covered by the same things: part of each face, first face of each part.

    What lies below counts too: land claimed twice is a part of its own.
    """
    keys = [patch, *(pd.factorize(stack.below)[0] for stack in stacks.values())]
    for name in (*CODE_COLUMNS.values(), *ID_COLUMNS.values()):
        keys.append(pd.factorize(columns[name])[0].astype(np.int64))
    _, first, part = np.unique(
        np.column_stack(keys), axis=0, return_index=True, return_inverse=True
    )
    return part.reshape(-1), first


def _merged(
    faces: GeometryArray, part: NDArray[np.int64], first: NDArray[np.int64]
) -> GeometryArray:
    """One geometry per part from its faces; `first` is the first face of each part."""
    merged = faces[first]
    order = np.argsort(part, kind="stable")
    begin = np.searchsorted(part[order], np.arange(first.size + 1))
    for number in np.flatnonzero(np.diff(begin) > 1):
        merged[number] = merge_faces(faces[order[begin[number] : begin[number + 1]]])
    return merged


def _balanced(
    area_m2: NDArray[np.float64], owner: NDArray[np.int64], total_mu100: NDArray[np.int64]
) -> NDArray[np.int64]:
    """`balance_mu100` for each patch; `owner` is sorted and names every patch."""
    balanced = np.empty(owner.size, dtype=np.int64)
    first = np.searchsorted(owner, np.arange(total_mu100.size + 1))
    for begin, end, total in zip(first, first[1:], total_mu100.tolist(), strict=False):
        balanced[begin:end] = balance_mu100(area_m2[begin:end], total)
    return balanced
