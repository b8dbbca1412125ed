"""Surveyed boundaries (实测界址) against the reference layers: their areas and their parts.

The same partition as for patches (`patches.overlay`), on the boundary instead of the patch's
outline, so a survey's parts make up the survey and its 亩 columns are sums of its parts'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.errors import Finding
from pipeline.patches.area import area_mu100, ellipsoidal_area_m2
from pipeline.patches.covering import PatchDates, ReferenceLayer
from pipeline.patches.layer_checks import Geometries
from pipeline.patches.overlay import Overlaid, OverlayCodes, overlay_patches
from pipeline.patches.partition import SPECK_M2
from pipeline.patches.survey_outline import SurveyLimits, doubt
from pipeline.patches.townships import AssignmentParams
from pipeline.schema.book_layers import SURVEY_DIFFERENCES
from pipeline.schema.layers import PATCHES
from pipeline.schema.register_layers import SURVEY_AREAS

OF_WHICH = {
    "cultivated": ("land_category", "cultivated"),
    "construction": ("land_category", "construction"),
    "pbf": ("pbf_id", None),
    "reserve": ("reserve_id", None),
}
"""Area → column of the parts that count for it, and its value; None: any."""


@dataclass(frozen=True, eq=False)
class SurveyLayers:
    """What surveys are cut with; the same as what the patches were cut with."""

    layers: Mapping[str, ReferenceLayer]
    """The supplied ones of `overlay.OVERLAY_LAYERS`, near the surveys."""
    codes: OverlayCodes
    assignment: AssignmentParams


@dataclass(frozen=True)
class Measured:
    """One survey with what covers it."""

    areas: Mapping[str, float | int | None]
    """`SURVEY_AREAS`; None where the layer was not supplied."""
    township_code: str | None
    """The township with the largest share; None outside all."""
    outside_m2: float
    """Area that lies in no township; 0 where it is no more than noise of the overlay."""


def measure_surveys(
    surveys: gpd.GeoDataFrame, dates: PatchDates, cutters: SurveyLayers
) -> list[Measured]:
    """Areas of surveys in the run's projected CRS `(survey,)`; `dates` are their patches'.

    `surveys` has outlines and `patch_id`, each once. Raises E-INTERNAL if the parts of a survey do
    not make it up.
    """
    done = _cut(surveys, dates, cutters)
    owner = pd.Index(surveys["patch_id"])
    columns: dict[str, list[float | int | None]] = {
        "survey_area_m2": done.patches["area_m2"].astype(float).tolist(),
        "survey_area_mu100": done.patches["area_mu100"].astype(int).tolist(),
    }
    for name, (column, wanted) in OF_WHICH.items():
        chosen = done.parts[column].notna() if wanted is None else done.parts[column] == wanted
        counting = done.parts[chosen.fillna(False).to_numpy(dtype=bool)]
        mu100 = counting.groupby("patch_id")["area_mu100"].sum().reindex(owner, fill_value=0)
        m2 = done.patches[f"{name}_m2"].astype(float).tolist()
        columns[f"survey_{name}_m2"] = [None if isnan(area) else area for area in m2]
        columns[f"survey_{name}_mu100"] = [
            None if isnan(area) else int(mu) for area, mu in zip(m2, mu100, strict=True)
        ]
    nowhere = done.parts[done.parts["township_code"].isna().to_numpy(dtype=bool)]
    outside = nowhere.groupby("patch_id")["area_m2"].sum().reindex(owner, fill_value=0.0)
    codes = [None if pd.isna(code) else str(code) for code in done.patches["township_code"]]
    noise = cutters.assignment.min_touch_m2
    return [
        Measured(
            {name: columns[name][n] for name in SURVEY_AREAS},
            code,
            float(beyond) if beyond >= noise else 0.0,
        )
        for n, (code, beyond) in enumerate(zip(codes, outside, strict=True))
    ]


def partition_surveys(
    surveys: gpd.GeoDataFrame, dates: PatchDates, cutters: SurveyLayers
) -> gpd.GeoDataFrame:
    """`PARTS` rows of surveys, with the outlines and areas that measuring them gave."""
    return _cut(surveys, dates, cutters).parts


def _cut(surveys: gpd.GeoDataFrame, dates: PatchDates, cutters: SurveyLayers) -> Overlaid:
    outlines = np.asarray(surveys.geometry.to_numpy(), dtype=object)
    area = ellipsoidal_area_m2(outlines, surveys.crs)
    table = gpd.GeoDataFrame(
        {name: np.full(len(surveys), None, dtype=object) for name in PATCHES.fields},
        geometry=outlines,
        crs=surveys.crs,
    ).assign(
        patch_id=surveys["patch_id"].to_numpy(dtype=object),
        area_m2=area,
        area_mu100=area_mu100(area),
    )
    return overlay_patches(table, dates, cutters.layers, cutters.codes, cutters.assignment)


def outline_differences(surveys: gpd.GeoDataFrame, patches: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """`SURVEY_DIFFERENCES` rows: what survey and image outline share and what only one of them has.

    Both tables are in one projected CRS and have `patch_id`; every survey has its patch. The rows
    of a patch are disjoint: common and survey only make up the survey, common and image only the
    outline from the image.
    """
    image = patches.set_index("patch_id").geometry.loc[surveys["patch_id"]].to_numpy()
    survey = surveys.geometry.to_numpy()
    shapes = {
        "common": shapely.intersection(image, survey),
        "survey_only": shapely.difference(survey, image),
        "image_only": shapely.difference(image, survey),
    }
    tables = [
        gpd.GeoDataFrame(
            {"patch_id": surveys["patch_id"].to_numpy(dtype=object), "outline_state": state},
            geometry=[_areas_only(shape) for shape in of_state],
            crs=surveys.crs,
        )
        for state, of_state in shapes.items()
    ]
    rows = gpd.GeoDataFrame(pd.concat(tables, ignore_index=True), crs=surveys.crs)
    rows = rows[~rows.geometry.is_empty.to_numpy()].sort_values("patch_id", kind="stable")
    outlines = np.asarray(rows.geometry.to_numpy(), dtype=object)
    rows["area_m2"] = ellipsoidal_area_m2(outlines, surveys.crs)
    return rows[[*SURVEY_DIFFERENCES.fields, "geometry"]].reset_index(drop=True)


def _areas_only(shape: BaseGeometry) -> BaseGeometry:
    """The polygons of an intersection, without the points and lines where outlines only touch."""
    parts = shapely.get_parts(shape)
    while np.any(shapely.get_type_id(parts) > shapely.GeometryType.POLYGON):
        parts = shapely.get_parts(parts)
    is_area = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    return shapely.MultiPolygon(parts[is_area & (shapely.area(parts) >= SPECK_M2)].tolist())


@dataclass(frozen=True)
class SharedArea:
    """Two surveys that overlap."""

    first: int
    second: int
    """Positions of the surveys."""
    area_m2: float
    """Planar."""
    is_refused: bool
    """False where the patches themselves overlap as much: they were issued so."""


def find_shared_areas(
    surveys: Geometries, patches: Geometries, limits: SurveyLimits
) -> list[SharedArea]:
    """Pairs of surveys that have more in common than `max_shared_m2`; `patches` are theirs."""
    first, second = shapely.STRtree(surveys).query(surveys, predicate="intersects")
    found = []
    for one, two in sorted(zip(first.tolist(), second.tolist(), strict=True)):
        if one < two:
            shared = float(shapely.intersection(surveys[one], surveys[two]).area)
            issued = float(shapely.intersection(patches[one], patches[two]).area)
            if shared > limits.max_shared_m2:
                is_refused = shared - issued > limits.max_shared_m2
                found.append(SharedArea(one, two, shared, is_refused))
    return found


def measured_area_doubt(
    measured_area_m2: float | None, survey_area_m2: float | None, limits: SurveyLimits
) -> Finding | None:
    """A notice if the area filled in (实测面积) is not the boundary's; None if either lacks."""
    if measured_area_m2 is None or survey_area_m2 is None:
        return None
    ratio = limits.max_area_difference_ratio
    if abs(measured_area_m2 - survey_area_m2) <= ratio * survey_area_m2:
        return None
    value = f"填写 {measured_area_m2:.2f} 平方米，界址 {survey_area_m2:.2f} 平方米"
    allowed = f"相差不超过 {100 * ratio:g} %"
    advice = "核对填写的面积和界址；计量以界址计算的面积为准。"
    return doubt("填写的实测面积与界址的面积不符。", value, advice, allowed)
