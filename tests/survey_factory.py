"""Returned boundaries in memory, with areas that are known to the last digit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from pyproj import CRS
from shapely.geometry import MultiPolygon
from shapely.geometry.base import BaseGeometry

from pipeline.patches.area import ellipsoidal_area_m2
from pipeline.patches.covering import PatchDates, as_days, prepare_layer
from pipeline.patches.survey import SurveyLayers
from pipeline.patches.survey_outline import SurveyLimits
from pipeline.patches.survey_reading import Returned, SurveyMaterial
from pipeline.patches.townships import AssignmentParams
from pipeline.schema.events import NewEvent
from pipeline.schema.returned import ReturnedFile, SurveyFeature
from tests.overlay_factory import CODES, CRS_4547, X0, Y0, townships

LIMITS = SurveyLimits(
    max_distance_m=50.0,
    min_overlap_ratio=0.5,
    max_area_ratio=2.0,
    min_area_m2=0.5,
    max_repair_m2=0.5,
    max_shared_m2=0.5,
    max_area_difference_ratio=0.01,
)
HEIGHT_M = 60.0


def area_m2(shape: BaseGeometry, crs: CRS = CRS_4547) -> float:
    return float(ellipsoidal_area_m2(np.array([shape], dtype=object), crs)[0])


def normal(shape: BaseGeometry) -> MultiPolygon:
    """As boundaries are kept: areas are equal to the last digit only in one form."""
    return MultiPolygon(shapely.get_parts(shapely.normalize(shape)).tolist())


def outline_of(wanted_m2: float, x: float = 0.0, y: float = 0.0) -> MultiPolygon:
    """A rectangle of a given area, to less than 1e-7 m², metres from the tests' corner."""
    return min(outlines_beside(wanted_m2, x, y), key=lambda one: abs(area_m2(one) - wanted_m2))


def outlines_beside(
    wanted_m2: float, x: float = 0.0, y: float = 0.0
) -> tuple[MultiPolygon, MultiPolygon]:
    """Two rectangles a float step of their width apart: just below an area, and not below it."""
    low, high = 0.0, 2.0 * wanted_m2 / HEIGHT_M

    def rectangle(width: float) -> MultiPolygon:
        return normal(shapely.box(X0 + x, Y0 + y, X0 + x + width, Y0 + y + HEIGHT_M))

    while X0 + x + low < X0 + x + (low + high) / 2 < X0 + x + high:
        middle = (low + high) / 2
        low, high = (middle, high) if area_m2(rectangle(middle)) < wanted_m2 else (low, middle)
    below, above = rectangle(low), rectangle(high)
    assert wanted_m2 - 1e-7 < area_m2(below) < wanted_m2 <= area_m2(above) < wanted_m2 + 1e-7
    return below, above


def returned(name: str = "survey/a.gpkg") -> ReturnedFile:
    return ReturnedFile(name, PurePosixPath(name), f"{sum(name.encode()):064x}", "gpkg")


def feature(
    patch_id: str | None, shape: BaseGeometry | None, file: str = "survey/a.gpkg", **fields: Any
) -> Returned:
    """A returned polygon in the run's CRS, signed by a surveyor."""
    given = {"crs": CRS_4547, "row_no": 1, "surveyed_by": "甲测绘", "surveyed_date": "2024-11-01"}
    return returned(file), SurveyFeature(patch_id, shape, **{**given, **fields})


def material(
    patches: gpd.GeoDataFrame, layers: Mapping[str, gpd.GeoDataFrame] | None = None, **fields: Any
) -> SurveyMaterial:
    """What boundaries are held against; a township covers all if none is given."""
    table = {"townships": townships(), **(layers or {})}
    dates = PatchDates(as_days(patches["before_date"]), as_days(patches["after_date"]))
    if "township_code" not in patches:
        patches = patches.assign(township_code="379999001")
    given = {"run": "r1", "limits": LIMITS, "township_of": {}, "decided": {}}

    def read_cutters(surveys: gpd.GeoDataFrame) -> SurveyLayers:
        return cutters(surveys, table)

    return SurveyMaterial(
        patches=patches, dates=dates, read_cutters=read_cutters, **{**given, **fields}
    )


def cutters(surveys: gpd.GeoDataFrame, layers: Mapping[str, gpd.GeoDataFrame]) -> SurveyLayers:
    """The reference layers near surveys."""
    outlines = surveys.geometry.to_numpy()
    prepared = {
        name: prepare_layer(layer, outlines, development_zone_first=True)
        for name, layer in layers.items()
    }
    return SurveyLayers(prepared, CODES, AssignmentParams())


def outline_in(event: NewEvent) -> BaseGeometry:
    return shapely.from_wkb(event.payload["wkb"])
