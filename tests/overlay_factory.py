"""Patches and reference layers in memory, for the overlay's tests; areas by another formula."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from pyproj import CRS, Transformer
from shapely.geometry.base import BaseGeometry

from pipeline.patches.area import area_mu100, ellipsoidal_area_m2, perimeter_m
from pipeline.patches.covering import PatchDates, as_days, prepare_layer
from pipeline.patches.measures import width_m
from pipeline.patches.overlay import Overlaid, OverlayCodes, overlay_patches
from pipeline.patches.townships import AssignmentParams
from pipeline.schema.fields import FIELDS
from pipeline.schema.layers import PATCHES
from pipeline.schema.reference import REFERENCE_LAYERS

CRS_4547 = CRS.from_epsg(4547)
X0, Y0 = 500_000.0, 4_000_000.0
"""A corner on the central meridian near 36° N, where tests draw their squares."""

CODES = OverlayCodes(
    {"01": "cultivated", "0301": "other_agricultural", "1006": "other_agricultural",
     "0404": "unused", "07": "construction"},
    {"010": True, "300": False, "420": None},
)  # fmt: skip

LAYER_DEFAULTS = {
    "township_kind": "town",
    "township_name": "某镇",
    "village_name": "某村",
    "land_class_code": "0101",
    "zone_code": "300",
    "permit_kind": "rural",
    "patrol_grade": "3",
    "patrol_area_id": "XC01",
}


def square(x: float, y: float, width: float, height: float | None = None) -> BaseGeometry:
    """A rectangle with its lower left corner `x`, `y` metres from the tests' corner."""
    x, y = X0 + x, Y0 + y
    return shapely.box(x, y, x + width, y + (width if height is None else height))


def reference(name: str, rows: Sequence[Mapping[str, Any]]) -> gpd.GeoDataFrame:
    """A reference layer from rows with `geometry` and what matters; ids are numbered."""
    fields = REFERENCE_LAYERS[name].fields
    data: dict[str, list[Any]] = {field: [] for field in (*fields, "geometry")}
    for number, row in enumerate(rows, start=1):
        unknown = row.keys() - data.keys()
        assert not unknown, unknown
        given = {"feature_id": f"{name}-{number:06d}", **row}
        for field in data:
            data[field].append(given.get(field, LAYER_DEFAULTS.get(field)))
    table = gpd.GeoDataFrame(data, geometry="geometry", crs=CRS_4547)
    for field in fields:
        kind = np.float64 if FIELDS[field].dtype == "real" else object
        table[field] = table[field].astype(kind)
    return table


def townships(*rows: Mapping[str, Any]) -> gpd.GeoDataFrame:
    """Townships; without rows one that covers everything."""
    everything = {"geometry": square(-5000, -5000, 10_000), "township_code": "379999001"}
    return reference("townships", rows or (everything,))


def patch_table(outlines: Sequence[BaseGeometry], **columns: Any) -> gpd.GeoDataFrame:
    """Patches as `extract` writes them."""
    shapes = np.array(outlines, dtype=object)
    n = len(shapes)
    area = ellipsoidal_area_m2(shapes, CRS_4547)
    perimeter = perimeter_m(shapes, CRS_4547)
    data = {
        "patch_id": [f"379999ZJ24{number:06d}" for number in range(1, n + 1)],
        "issued_id": np.full(n, None, dtype=object),
        "source": "detected",
        "theme": "land",
        "before_date": "2024-05-06",
        "after_date": "2024-10-18",
        "change_kind": "building",
        "probability": 0.9,
        "residual_shift_px": 0.1,
        "observed_ratio": 1.0,
        "area_m2": area,
        "area_planar_m2": shapely.area(shapes),
        "perimeter_m": perimeter,
        "width_m": width_m(area, perimeter),
        "n_pixels": 100,
        "first_row": np.arange(n),
        "first_col": 0,
        "area_mu100": area_mu100(area),
    }
    table = gpd.GeoDataFrame({**data, **columns}, geometry=shapes, crs=CRS_4547)
    return table[[*PATCHES.fields, "geometry"]]


def overlay(
    patches: gpd.GeoDataFrame,
    layers: Mapping[str, gpd.GeoDataFrame],
    params: AssignmentParams | None = None,
) -> Overlaid:
    """`overlay_patches` with the patches' own dates; a township covers all if none is given."""
    params = params or AssignmentParams()
    outlines = patches.geometry.to_numpy()
    prepared = {
        name: prepare_layer(table, outlines, development_zone_first=params.development_zone_first)
        for name, table in {"townships": townships(), **layers}.items()
    }
    dates = PatchDates(as_days(patches["before_date"]), as_days(patches["after_date"]))
    return overlay_patches(patches, dates, prepared, CODES, params)


def geodesic_area_m2(geometry: BaseGeometry, step_m: float = 20.0) -> float:
    """Area by GeographicLib from densified rings: another formula, another program."""
    to_lon_lat = Transformer.from_crs(CRS_4547, CRS_4547.geodetic_crs, always_xy=True)
    geod = CRS_4547.get_geod()
    assert geod is not None
    dense = shapely.orient_polygons(shapely.segmentize(geometry, step_m))
    lon_lat = shapely.transform(dense, to_lon_lat.transform, interleaved=False)
    return abs(float(geod.geometry_area_perimeter(lon_lat)[0]))
