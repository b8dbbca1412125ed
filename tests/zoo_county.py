"""A small county of faultless layers, of which the zoo of bad inputs spoils one at a time."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import geopandas as gpd
import shapely
from pyproj import CRS

from pipeline.config.models import ImageInput, LayerSource, RunConfig
from pipeline.schema.problems import Problem
from pipeline.stages.intake import take_layers
from pipeline.stages.intake_images import Frame
from tests.reference_files import write

WEST, NORTH = 520_000.0, 3_400_000.0
SIDE_M = 2_000.0
EPSG = 4547
BEFORE, AFTER = datetime.date(2024, 5, 6), datetime.date(2024, 10, 18)
FRAME = Frame(
    CRS.from_epsg(EPSG),
    shapely.box(WEST - 500, NORTH - SIDE_M - 500, WEST + SIDE_M + 500, NORTH + 500),
)
"""The images reach half a kilometre beyond the county."""

Layers = dict[str, LayerSource | tuple[LayerSource, ...]]


def box(col: float, row: float, width: float, height: float) -> shapely.Polygon:
    """A rectangle whose upper left corner lies `col` m right and `row` m below the county's."""
    return shapely.box(WEST + col, NORTH - row - height, WEST + col + width, NORTH - row)


def layer_of(
    columns: Mapping[str, Any], shapes: list[Any], crs: int | None = EPSG
) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(dict(columns), geometry=shapes, crs=crs)


def townships() -> gpd.GeoDataFrame:
    return layer_of(
        {
            "XZQDM": ["379999001", "379999002"],
            "XZQMC": ["东河镇", "西山乡"],
            "LX": ["镇", "乡"],
            "Q": ["20200101", "20200101"],
            "Z": [None, "99991231"],
        },
        [box(0, 0, 1100, 2000), box(1100, 0, 900, 2000)],
    )


def villages() -> gpd.GeoDataFrame:
    return layer_of(
        {
            "DM": ["379999001001", "379999001002", "379999002001", "379999002002"],
            "MC": ["一村", "二村", "三村", "四村"],
        },
        [
            box(0, 0, 1100, 900),
            box(0, 900, 1100, 1100),
            box(1100, 0, 900, 1300),
            box(1100, 1300, 900, 700),
        ],
    )


def land_use() -> gpd.GeoDataFrame:
    """Strips of uneven width: no shift of a boundary meets another one by chance."""
    shapes = [
        box(x0, y0, x1 - x0, y1 - y0)
        for x0, x1 in pairwise([0, 190, 520, 830, 1100, 1490, 2000])
        for y0, y1 in pairwise([0, 170, 410, 630, 900, 1170, 1300, 1430, 1790, 2000])
    ]
    classes = ["0101", "0301", "0702", "1003"]
    return layer_of(
        {
            "BSM": [f"{n:05d}" for n in range(len(shapes))],
            "DLBM": [classes[n % 4] for n in range(len(shapes))],
            "KCXS": ["0.12"] * len(shapes),
        },
        shapes,
    )


def issued() -> gpd.GeoDataFrame:
    shapes = [box(100, 100, 90, 80), box(700, 400, 60, 60), box(1500, 1500, 120, 70)]
    return layer_of(
        {
            "JCBH": ["A1", "A2", "A3"],
            "TBLX": ["20", "YH", "TD"],
            "JCMJ": [shape.area * 0.0015 for shape in shapes],
        },
        shapes,
    )


def approvals() -> gpd.GeoDataFrame:
    return layer_of(
        {"WH": ["1号", "2号"], "RQ": ["20230405", "20230607"]},
        [box(300, 300, 200, 150), box(1300, 700, 150, 150)],
    )


def facilities() -> gpd.GeoDataFrame:
    return layer_of({"BH": ["备1"], "Q": ["20230101"], "Z": ["20271231"]}, [box(800, 1200, 80, 60)])


def redline() -> gpd.GeoDataFrame:
    shape = box(1200, 100, 300, 200)
    return layer_of({"MC": ["红线一"], "QYMJ": [shape.area / 1e6]}, [shape])


def reserves() -> gpd.GeoDataFrame:
    return layer_of({"MC": ["湿地", "林场"]}, [box(1600, 400, 200, 300), box(300, 1500, 200, 200)])


def zones() -> gpd.GeoDataFrame:
    return layer_of(
        {"DM": ["410", "520"], "MC": ["集中建设区", "一般农业区"]},
        [box(0, 0, 1100, 2000), box(1100, 0, 900, 2000)],
    )


def roads() -> gpd.GeoDataFrame:
    points = [(WEST, NORTH - 640), (WEST + 2000, NORTH - 640)]
    return layer_of({"DJ": ["县道"]}, [shapely.LineString(points)])


def records() -> gpd.GeoDataFrame:
    return layer_of(
        {"RQ": ["20240601", "20240701", "20240801"]},
        [shapely.Point(WEST + x, NORTH - y) for x, y in ((50, 50), (900, 950), (1500, 300))],
    )


BUILDERS = {
    "townships": townships,
    "villages": villages,
    "land_use": land_use,
    "issued_patches": issued,
    "approvals": approvals,
    "facility_land": facilities,
    "ecological_redline": redline,
    "nature_reserve": reserves,
    "planning_zones": zones,
    "roads": roads,
    "patrol_records": records,
}

MAPPINGS: dict[str, dict[str, Any]] = {
    "townships": {
        "fields": {
            "township_code": "XZQDM",
            "township_name": "XZQMC",
            "township_kind": "LX",
            "valid_from_date": "Q",
            "valid_to_date": "Z",
        }
    },
    "villages": {"fields": {"village_code": "DM", "village_name": "MC"}},
    "land_use": {
        "fields": {"feature_id": "BSM", "land_class_code": "DLBM", "bund_ratio": "KCXS"},
        "vintage": datetime.date(2023, 12, 31),
    },
    "issued_patches": {
        "fields": {"issued_id": "JCBH", "tblx": "TBLX", "stated_area_m2": "JCMJ"},
        "units": {"stated_area_m2": "mu"},
    },
    "approvals": {"fields": {"document_no": "WH", "approved_date": "RQ"}},
    "facility_land": {
        "fields": {"document_no": "BH", "valid_from_date": "Q", "valid_to_date": "Z"}
    },
    "ecological_redline": {
        "fields": {"feature_name": "MC", "stated_area_m2": "QYMJ"},
        "units": {"stated_area_m2": "km2"},
    },
    "nature_reserve": {"fields": {"feature_name": "MC"}},
    "planning_zones": {"fields": {"zone_code": "DM", "zone_name": "MC"}},
    "roads": {"fields": {"road_class": "DJ"}},
    "patrol_records": {"fields": {"patrol_date": "RQ"}},
}


def source(name: str, path: Path, **changes: Any) -> LayerSource:
    """The faultless mapping of a layer, with some of it changed."""
    return LayerSource(path=str(path), **(MAPPINGS[name] | changes))


def clean_layers(folder: Path) -> Layers:
    """Every layer of the county, written once."""
    return {
        name: source(name, write(build(), folder / f"{name}.gpkg"))
        for name, build in BUILDERS.items()
    }


def county_run(layers: Layers) -> RunConfig:
    return RunConfig(
        run="zoo",
        county="zoo",
        county_code="379999",
        county_name="示例县",
        before=ImageInput(path="before.tif", date=BEFORE),
        after=ImageInput(path="after.tif", date=AFTER),
        layers={n: s if isinstance(s, tuple) else (s,) for n, s in layers.items()},
    )


def examine(layers: Layers) -> list[Problem]:
    """Every problem of the layers, beside layers that are not supplied."""
    _, _, problems = take_layers(county_run(layers), FRAME, lambda done, total: None)
    return [problem for problem in problems if problem.code != "N-LAYER-ABSENT"]
