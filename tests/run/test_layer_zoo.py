"""The zoo of bad layers: each is one mistake in an otherwise faultless county.

Every mistake must be told under its own code and no other, with where it is and what to do.
"""

from __future__ import annotations

import datetime
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from pyproj import Transformer

from pipeline.config.models import LayerSource
from pipeline.errors import CODES
from pipeline.patches.gcj02 import to_gcj02
from pipeline.schema.problems import Problem, findings_table, unplaced_table
from tests.reference_files import old_shapefile, write, write_dbf
from tests.zoo_county import (
    BUILDERS,
    EPSG,
    NORTH,
    WEST,
    Layers,
    box,
    clean_layers,
    examine,
    source,
)

Spoil = Callable[[Path], LayerSource]


@dataclass(frozen=True)
class Case:
    """One bad input."""

    name: str
    code: str
    layer: str
    spoil: Spoil
    row: int | None = None
    """Row in the file that the first finding must name; None for a mistake of the whole file."""
    near: tuple[float, float] | None = None
    """Metres right and down of the county's corner where a finding must lie."""
    says: str = ""
    """A word that the finding must contain."""


def table(layer: str, change: Callable[[gpd.GeoDataFrame], object], /, **mapping: Any) -> Spoil:
    """The layer's faultless table, changed in place or replaced, as a GeoPackage."""

    def spoil(folder: Path) -> LayerSource:
        made = BUILDERS[layer]()
        changed = change(made)
        made = changed if isinstance(changed, gpd.GeoDataFrame) else made
        return source(layer, write(made, folder / "bad.gpkg"), **mapping)

    return spoil


def cell(layer: str, row: int, column: str, value: object, **mapping: Any) -> Spoil:
    """One cell of the layer's table set to a value; rows from 1."""

    def change(made: gpd.GeoDataFrame) -> None:
        made[column] = made[column].astype(object)
        made.loc[row - 1, column] = value

    return table(layer, change, **mapping)


def shape(layer: str, row: int, new: object) -> Spoil:
    """One geometry replaced; rows from 1."""

    def change(made: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        shapes = list(made.geometry)
        shapes[row - 1] = new
        return made.set_geometry(gpd.GeoSeries(shapes, crs=made.crs))

    return table(layer, change)


def again(layer: str, row: int) -> Spoil:
    """One row delivered a second time, at the end."""

    def change(made: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        rows = [*range(len(made)), row - 1]
        return made.iloc[rows].reset_index(drop=True)

    return table(layer, change)


def mapped(layer: str, /, **mapping: Any) -> Spoil:
    """A faultless file with a faulty mapping."""
    return table(layer, lambda made: None, **mapping)


def moved(
    layer: str, transform: Callable[[Any], Any], stated: int | None, /, **mapping: Any
) -> Spoil:
    """Coordinates put through a function, in a file that states a system."""

    def change(made: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        return gpd.GeoDataFrame(
            made.drop(columns="geometry"), geometry=transform(np.asarray(made.geometry)), crs=stated
        )

    return table(layer, change, **mapping)


def shifted(east: float, north: float, *rows: int) -> Callable[[Any], Any]:
    """Coordinates shifted, of all rows or of these (from 1)."""

    def transform(shapes: Any) -> Any:
        chosen = np.isin(np.arange(1, len(shapes) + 1), rows or np.arange(1, len(shapes) + 1))
        shapes = shapes.copy()
        shapes[chosen] = shapely.transform(shapes[chosen], lambda p: p + np.array([east, north]))
        return shapes

    return transform


def swapped(shapes: Any) -> Any:
    return shapely.transform(shapes, lambda points: points[:, ::-1])


def projected(code: int, *, swap: bool = False) -> Callable[[Any], Any]:
    """Coordinates as another system has them, whatever the file will state."""
    there = Transformer.from_crs(EPSG, code, always_xy=True)

    def transform(shapes: Any) -> Any:
        placed = shapely.transform(shapes, lambda p: np.column_stack(there.transform(*p.T)))
        return swapped(placed) if swap else placed

    return transform


def from_a_web_map(shapes: Any) -> Any:
    there = Transformer.from_crs(EPSG, 4490, always_xy=True)
    back = Transformer.from_crs(4490, EPSG, always_xy=True)
    return shapely.transform(
        shapes, lambda p: np.column_stack(back.transform(*to_gcj02(*there.transform(*p.T))))
    )


def shapefile(
    columns: dict[str, list[str]],
    encoding: str,
    after: Callable[[Path], object] = lambda path: None,
    layer: str = "nature_reserve",
    **mapping: Any,
) -> Spoil:
    """A Shapefile of a layer as old software left it, then damaged."""

    def spoil(folder: Path) -> LayerSource:
        shapes = list(BUILDERS[layer]().geometry)
        path = old_shapefile(folder / "bad.shp", shapes, columns, encoding)
        after(path)
        return source(layer, path, **mapping)

    return spoil


def cut_to(suffix: str, keep: float) -> Callable[[Path], None]:
    """The part of a Shapefile cut to a share of its length."""

    def cut(path: Path) -> None:
        part = path.with_suffix(suffix)
        content = part.read_bytes()
        part.write_bytes(content[: int(len(content) * keep) // 8 * 8 + 4])

    return cut


def other_file(name: str, content: bytes = b"nothing") -> Spoil:
    def spoil(folder: Path) -> LayerSource:
        (folder / name).write_bytes(content)
        return source("nature_reserve", folder / name)

    return spoil


def two_layers(folder: Path) -> LayerSource:
    path = write(BUILDERS["nature_reserve"](), folder / "bad.gpkg", layer="a")
    write(BUILDERS["nature_reserve"](), path, layer="b", append=True)
    return source("nature_reserve", path)


def infinite(folder: Path) -> LayerSource:
    """The second outline of a Shapefile has a corner that is no number."""
    shapes = list(BUILDERS["nature_reserve"]().geometry)
    path = old_shapefile(folder / "bad.shp", shapes, {"MC": ["a", "b"]}, "gbk")
    content = bytearray(path.read_bytes())
    content[-32:-16] = struct.pack("<dd", float("nan"), float("nan"))
    path.write_bytes(bytes(content))
    return source("nature_reserve", path)


BOW_TIE = shapely.Polygon(
    [
        (WEST + 1600, NORTH - 700),
        (WEST + 1800, NORTH - 400),
        (WEST + 1800, NORTH - 700),
        (WEST + 1600, NORTH - 400),
    ]
)
LINE = shapely.LineString([(WEST + 10, NORTH - 10), (WEST + 60, NORTH - 60)])
FLAT = shapely.Polygon([(WEST, NORTH), (WEST + 9, NORTH - 9), (WEST + 18, NORTH - 18)])
HOLED = shapely.difference(box(0, 0, 1100, 2000), box(400, 700, 40, 30))
LIST = {"MC": ["湿地", "林场"]}
DAY = datetime.date
MU = {"stated_area_m2": "mu"}
UNITLESS: dict[str, str] = {}
LAND = {"land_class_code": "DLBM", "feature_id": "BSM"}
NAMED = {"feature_name": "MC"}

FILES = [
    Case(
        "no such file",
        "E-FILE-MISSING",
        "nature_reserve",
        lambda f: source("nature_reserve", f / "x.gpkg"),
    ),
    Case(
        "no dbf",
        "E-FILE-PART",
        "nature_reserve",
        shapefile(LIST, "gbk", lambda p: p.with_suffix(".dbf").unlink()),
        says=".dbf",
    ),
    Case(
        "no shx",
        "E-FILE-PART",
        "nature_reserve",
        shapefile(LIST, "gbk", lambda p: p.with_suffix(".shx").unlink()),
        says=".shx",
    ),
    Case(
        "dbf cut short",
        "E-FILE-UNREADABLE",
        "nature_reserve",
        shapefile(LIST, "gbk", cut_to(".dbf", 0.9)),
        says="属性表",
    ),
    Case(
        "geojson cut short",
        "E-FILE-UNREADABLE",
        "nature_reserve",
        other_file("a.geojson", b'{"features": [{"type": "Fea'),
    ),
    Case(
        "shp cut short",
        "E-FILE-TRUNCATED",
        "nature_reserve",
        shapefile(LIST, "gbk", cut_to(".shp", 0.6)),
        says="bad.shp",
    ),
    Case(
        "shx cut short",
        "E-FILE-TRUNCATED",
        "nature_reserve",
        shapefile(LIST, "gbk", cut_to(".shx", 0.9)),
    ),
    Case("VRT", "E-FILE-REFUSED", "nature_reserve", other_file("a.vrt", b"<OGRVRTDataSource/>")),
    Case(
        "suffix belies content", "E-FILE-REFUSED", "nature_reserve", other_file("a.shp", b"PK\3\4")
    ),
    Case("two layers, none named", "E-LAYER-MISSING", "nature_reserve", two_layers, says="a、b"),
    Case(
        "layer misspelt",
        "E-LAYER-MISSING",
        "nature_reserve",
        mapped("nature_reserve", layer="baf"),
        says="bad",
    ),
    Case(
        "no features",
        "N-LAYER-EMPTY",
        "nature_reserve",
        table("nature_reserve", lambda t: t.iloc[:0]),
    ),
    Case("no townships", "E-LAYER-EMPTY", "townships", table("townships", lambda t: t.iloc[:0])),
]

TEXTS = [
    Case(
        "GBK without cpg",
        "N-LAYER-ENCODING",
        "nature_reserve",
        shapefile(LIST, "gbk", fields=NAMED),
        says="GBK",
    ),
    Case(
        "wrong cpg",
        "N-LAYER-CPG",
        "nature_reserve",
        shapefile(LIST, "gbk", lambda p: p.with_suffix(".cpg").write_text("UTF-8"), fields=NAMED),
        says="UTF-8",
    ),
    Case(
        "bytes of no encoding",
        "E-LAYER-ENCODING",
        "nature_reserve",
        shapefile({"MC": ["a", "x\xff\xff"]}, "latin1", fields=NAMED),
        says="第 2 行",
    ),
    Case(
        "name cut inside a character",
        "N-FIELD-CUT",
        "nature_reserve",
        shapefile(
            {"保护地名": ["a", "b"]},
            "utf-8",
            lambda p: p.with_suffix(".cpg").write_text("UTF-8"),
            fields={"feature_name": "保护地名称"},
        ),
        says="保护地",
    ),
    Case(
        "two names cut to the same",
        "E-FIELD-AMBIGUOUS",
        "nature_reserve",
        shapefile(
            {"名": ["a", "b"]},
            "utf-8",
            lambda p: (
                write_dbf(
                    p.with_suffix(".dbf"),
                    {
                        "保护地名".encode()[:10]: [b"a", b"b"],
                        "保护地类".encode()[:10]: [b"1", b"2"],
                    },
                ),
                p.with_suffix(".cpg").write_text("UTF-8"),
            ),
            fields={"feature_name": "保护地名称"},
        ),
        says="保护地_1",
    ),
    Case(
        "field not there",
        "E-LAYER-FIELD",
        "nature_reserve",
        mapped("nature_reserve", fields={"feature_name": "MCC"}),
        says="MC",
    ),
    Case(
        "required field not mapped",
        "E-LAYER-FIELD",
        "land_use",
        mapped("land_use", fields={"feature_id": "BSM"}),
        says="land_class_code",
    ),
    Case(
        "mapping of an unknown field",
        "E-CONFIG-VALUE",
        "nature_reserve",
        mapped("nature_reserve", fields={"feature_nam": "MC"}),
        says="feature_name",
    ),
    Case(
        "mapping of an unknown system",
        "E-CONFIG-VALUE",
        "nature_reserve",
        mapped("nature_reserve", crs="国家2000"),
        says="EPSG",
    ),
]

VALUES = [
    Case(
        "land class empty",
        "E-LAYER-NULL",
        "land_use",
        cell("land_use", 7, "DLBM", None),
        7,
        (95, 1365),
    ),
    Case(
        "village without name",
        "N-LAYER-NULL",
        "villages",
        cell("villages", 2, "MC", None),
        2,
        (550, 1450),
    ),
    Case(
        "village code too short",
        "E-LAYER-VALUE",
        "villages",
        cell("villages", 3, "DM", "37999900200"),
        3,
        (1550, 650),
    ),
    Case(
        "ratio in percent",
        "N-LAYER-VALUE",
        "land_use",
        cell("land_use", 1, "KCXS", "12.5"),
        1,
        (95, 85),
    ),
    Case(
        "road class unknown",
        "E-LAYER-CODE",
        "roads",
        cell("roads", 1, "DJ", "铁路"),
        1,
        (0, 640),
    ),
    Case(
        "land class in no table",
        "N-LAYER-CODE",
        "land_use",
        cell("land_use", 2, "DLBM", "9999"),
        2,
        (95, 290),
    ),
    Case(
        "issued kind in no table",
        "N-LAYER-CODE",
        "issued_patches",
        cell("issued_patches", 2, "TBLX", "ZZ"),
        2,
        (730, 430),
    ),
    Case(
        "1 for 01",
        "N-CODE-FIXED",
        "land_use",
        cell("land_use", 1, "DLBM", "1"),
        1,
        (95, 85),
        "1 → 01",
    ),
    Case(
        "101 for 0101",
        "N-CODE-FIXED",
        "land_use",
        cell("land_use", 1, "DLBM", "101"),
        1,
        (95, 85),
        "101 → 0101",
    ),
    Case(
        "1 for 01 as issued",
        "N-CODE-FIXED",
        "issued_patches",
        cell("issued_patches", 1, "TBLX", "1"),
        1,
        (145, 140),
    ),
    Case(
        "1208",
        "N-CODE-IGNORED",
        "land_use",
        cell("land_use", 4, "DLBM", "1208"),
        4,
        (95, 765),
        "1208",
    ),
    Case(
        "month 13",
        "E-LAYER-DATE",
        "approvals",
        cell("approvals", 2, "RQ", "20231305"),
        2,
        (1375, 775),
    ),
    Case(
        "year 0204",
        "E-LAYER-DATE",
        "approvals",
        cell("approvals", 1, "RQ", "0204-05-06"),
        1,
        (400, 375),
    ),
    Case(
        "year 2924",
        "E-LAYER-DATE",
        "facility_land",
        cell("facility_land", 1, "Z", "29240101"),
        1,
        (840, 1230),
    ),
    Case(
        "31 June in a ledger",
        "N-LAYER-DATE",
        "patrol_records",
        cell("patrol_records", 2, "RQ", "20240631"),
        2,
        (900, 950),
    ),
    Case(
        "ends before it begins",
        "E-LAYER-PERIOD",
        "facility_land",
        cell("facility_land", 1, "Z", "20220101"),
        1,
        (840, 1230),
    ),
    Case(
        "township twice",
        "E-LAYER-VERSION",
        "townships",
        again("townships", 2),
        3,
        (1550, 1000),
        "379999002",
    ),
    Case(
        "no township is valid",
        "E-LAYER-VALID",
        "townships",
        table("townships", lambda t: t.assign(Z="20210101")),
    ),
    Case(
        "issued number twice",
        "E-LAYER-DUPLICATE",
        "issued_patches",
        cell("issued_patches", 3, "JCBH", "A1"),
        3,
        (1560, 1535),
        "A1",
    ),
    Case(
        "feature id twice",
        "N-LAYER-DUPLICATE",
        "land_use",
        cell("land_use", 9, "BSM", "00000"),
        9,
        (95, 1895),
        "00000",
    ),
    Case("row delivered twice", "N-LAYER-TWIN", "approvals", again("approvals", 1), 3, (400, 375)),
    Case(
        "issued twice under two numbers",
        "N-LAYER-TWIN",
        "issued_patches",
        table(
            "issued_patches", lambda t: t.iloc[[0, 1, 2, 1]].assign(JCBH=["A1", "A2", "A3", "A4"])
        ),
        4,
        (730, 430),
    ),
    Case(
        "village of another township",
        "N-LAYER-NEST",
        "villages",
        cell("villages", 1, "DM", "379999009001"),
        1,
        (550, 450),
    ),
    Case(
        "mu taken for square metres",
        "N-LAYER-UNIT",
        "issued_patches",
        mapped("issued_patches", units=UNITLESS),
        1,
        (145, 140),
        "units: {stated_area_m2: mu}",
    ),
    Case(
        "square metres declared mu",
        "N-LAYER-UNIT",
        "issued_patches",
        table("issued_patches", lambda t: t.assign(JCMJ=t.area)),
        1,
        (145, 140),
        "units: {stated_area_m2: m2}",
    ),
    Case(
        "hectares declared mu",
        "N-LAYER-UNIT",
        "issued_patches",
        table("issued_patches", lambda t: t.assign(JCMJ=t.area / 1e4)),
        1,
        (145, 140),
        "units: {stated_area_m2: ha}",
    ),
    Case(
        "square kilometres not declared",
        "N-LAYER-UNIT",
        "ecological_redline",
        mapped("ecological_redline", units=UNITLESS),
        1,
        (1350, 200),
        "units: {stated_area_m2: km2}",
    ),
    Case(
        "one area is wrong",
        "N-LAYER-AREA",
        "issued_patches",
        cell("issued_patches", 3, "JCMJ", 99.0),
        3,
        (1560, 1535),
        "A3",
    ),
    Case(
        "survey after the images",
        "N-LAYER-VINTAGE",
        "land_use",
        mapped("land_use", vintage=DAY(2024, 12, 31)),
        1,
        (95, 85),
        "2024-12-31",
    ),
    Case(
        "survey without a day",
        "N-VINTAGE-NONE",
        "land_use",
        mapped("land_use", vintage=None),
        1,
        (95, 85),
    ),
    Case(
        "survey of long ago",
        "N-VINTAGE-OLD",
        "land_use",
        mapped("land_use", vintage=DAY(2019, 12, 31)),
        1,
        (95, 85),
        "2019-12-31",
    ),
]

PLACES = [
    Case(
        "no system",
        "E-LAYER-NOCRS",
        "nature_reserve",
        shapefile({"MC": ["a", "b"]}, "gbk", lambda p: p.with_suffix(".prj").unlink()),
        None,
        (1050, 1050),
        "EPSG:4547",
    ),
    Case(
        "zone number, system without",
        "E-LAYER-ZONE",
        "nature_reserve",
        moved("nature_reserve", shifted(38e6, 0), 4547),
        None,
        (1050, 1050),
        "EPSG:4526",
    ),
    Case(
        "no zone number, system with",
        "E-LAYER-ZONE",
        "nature_reserve",
        moved("nature_reserve", lambda g: g, 4526),
        None,
        (1050, 1050),
        "EPSG:4547",
    ),
    Case(
        "number of the zone next door",
        "E-LAYER-ZONE",
        "nature_reserve",
        moved("nature_reserve", shifted(38e6, 0), 4527),
        None,
        (1050, 1050),
        "EPSG:4526",
    ),
    Case(
        "north before east",
        "E-LAYER-AXES",
        "nature_reserve",
        moved("nature_reserve", swapped, 4547),
        None,
        (1050, 1050),
    ),
    Case(
        "latitude before longitude",
        "E-LAYER-AXES",
        "nature_reserve",
        moved("nature_reserve", projected(4490, swap=True), 4490),
        None,
        (1050, 1050),
    ),
    Case(
        "degrees said to be metres",
        "E-LAYER-DEGREES",
        "nature_reserve",
        moved("nature_reserve", projected(4490), 4547),
        None,
        (1050, 1050),
        "EPSG:4490",
    ),
    Case(
        "metres said to be degrees",
        "E-LAYER-DEGREES",
        "nature_reserve",
        moved("nature_reserve", lambda g: g, 4490),
        None,
        (1050, 1050),
        "EPSG:4547",
    ),
    Case(
        "Xi'an 80",
        "E-LAYER-DATUM",
        "nature_reserve",
        moved("nature_reserve", lambda g: g, 2382),
        says="西安80",
    ),
    Case(
        "two zones' numbers in one file",
        "E-LAYER-MIXED",
        "land_use",
        moved("land_use", shifted(38e6, 0, 5, 6), 4547),
        5,
        (95, 1035),
        "带号 38",
    ),
    Case(
        "degrees among metres",
        "E-LAYER-MIXED",
        "land_use",
        moved("land_use", lambda g: np.concatenate([g[:-1], projected(4490)(g[-1:])]), 4547),
        54,
        (1745, 1895),
        "经纬度",
    ),
    Case(
        "the zone next door",
        "E-LAYER-CRS",
        "nature_reserve",
        moved("nature_reserve", lambda g: g, 4549),
        None,
        (1050, 1050),
        "EPSG:4547",
    ),
    Case(
        "mapping against file",
        "N-LAYER-CRS",
        "nature_reserve",
        moved("nature_reserve", lambda g: g, 4549, crs="EPSG:4547"),
        says="EPSG:4549",
    ),
    Case(
        "from a web map",
        "N-LAYER-OFFSET",
        "planning_zones",
        moved("planning_zones", from_a_web_map, EPSG),
        1,
        None,
        "GCJ-02",
    ),
    Case(
        "one point at nought",
        "N-LAYER-STRAY",
        "patrol_records",
        shape("patrol_records", 2, shapely.Point(0, 0)),
        2,
        (-WEST, NORTH),
    ),
    Case(
        "another county's file",
        "N-LAYER-EXTENT",
        "nature_reserve",
        moved("nature_reserve", shifted(90_000, 0), EPSG),
        None,
        (91_050, 1050),
    ),
    Case(
        "issued for another county",
        "N-LAYER-OUTSIDE",
        "issued_patches",
        shape("issued_patches", 1, box(9000, 100, 90, 80)),
        1,
        (9045, 140),
        "A1",
    ),
]

SHAPES = [
    Case("no outline", "N-GEOMETRY-NONE", "nature_reserve", shape("nature_reserve", 2, None), 2),
    Case("corner that is no number", "N-GEOMETRY-NONE", "nature_reserve", infinite, 2),
    Case(
        "issued without outline",
        "E-GEOMETRY-NONE",
        "issued_patches",
        shape("issued_patches", 2, None),
        2,
    ),
    Case(
        "empty outline",
        "N-GEOMETRY-NONE",
        "nature_reserve",
        shape("nature_reserve", 1, shapely.Polygon()),
        1,
    ),
    Case(
        "line among polygons",
        "N-GEOMETRY-KIND",
        "nature_reserve",
        shape("nature_reserve", 2, LINE),
        2,
        (35, 35),
    ),
    Case(
        "issued patch drawn as a line",
        "E-GEOMETRY-KIND",
        "issued_patches",
        shape("issued_patches", 3, LINE),
        3,
        (35, 35),
    ),
    Case(
        "outline without area",
        "N-GEOMETRY-LOST",
        "nature_reserve",
        shape("nature_reserve", 1, FLAT),
        1,
        (9, 9),
    ),
    Case(
        "issued outline without area",
        "E-GEOMETRY-LOST",
        "issued_patches",
        shape("issued_patches", 1, FLAT),
        1,
        (9, 9),
    ),
    Case(
        "lines for polygons",
        "E-LAYER-GEOMETRY",
        "nature_reserve",
        table("nature_reserve", lambda t: t.set_geometry(t.boundary)),
    ),
    Case(
        "bow tie",
        "N-LAYER-REPAIRED",
        "nature_reserve",
        shape("nature_reserve", 1, BOW_TIE),
        1,
        (1700, 550),
        "自相交",
    ),
    Case(
        "townships overlap",
        "E-LAYER-OVERLAP",
        "townships",
        shape("townships", 1, box(0, 0, 1150, 2000)),
        1,
        (1125, 1000),
    ),
    Case(
        "townships overlap by a line",
        "N-LAYER-OVERLAP",
        "townships",
        shape("townships", 1, box(0, 0, 1100.2, 2000)),
        1,
        (1100, 1000),
    ),
    Case(
        "land use overlaps",
        "N-LAYER-OVERLAP",
        "land_use",
        shape("land_use", 1, box(0, 0, 190, 180)),
        1,
        (95, 175),
    ),
    Case(
        "zones overlap",
        "N-LAYER-OVERLAP",
        "planning_zones",
        shape("planning_zones", 1, box(0, 0, 1120, 2000)),
        1,
        (1110, 1000),
    ),
    Case(
        "gap in the land use",
        "N-LAYER-GAP",
        "land_use",
        table("land_use", lambda t: t.drop(index=10)),
        None,
        (355, 290),
    ),
    Case(
        "gap between the villages",
        "N-LAYER-GAP",
        "villages",
        shape("villages", 2, box(0, 950, 1100, 1050)),
        None,
        (550, 925),
    ),
    Case(
        "hole between the townships",
        "N-LAYER-GAP",
        "townships",
        shape("townships", 1, HOLED),
        None,
        (420, 715),
    ),
]

CASES = [*FILES, *TEXTS, *VALUES, *PLACES, *SHAPES]


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory) -> Layers:
    return clean_layers(tmp_path_factory.mktemp("zoo"))


def test_a_clean_county_yields_no_finding(county: Layers) -> None:
    assert [(p.code, p.what, p.value) for p in examine(county)] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_mistake_is_told_as_what_it_is(case: Case, county: Layers, tmp_path: Path) -> None:
    problems = examine(county | {case.layer: case.spoil(tmp_path)})
    assert {p.code for p in problems} == {case.code}, [(p.code, p.what, p.value) for p in problems]
    first = problems[0]
    assert first.layer == case.layer
    assert first.file
    assert all(p.advice for p in problems)
    assert first.row == case.row
    _assert_near(case, problems)
    assert case.says in " ".join(
        f"{p.what}{p.value}{p.allowed}{p.advice}{p.file}" for p in problems
    )
    # In the GeoPackage every problem is a point to click on, or a row of the list beside it.
    crs = "EPSG:4547"
    assert len(findings_table(problems, crs)) + len(unplaced_table(problems)) == len(problems)


def _assert_near(case: Case, problems: list[Problem]) -> None:
    places = [(p.place[0] - WEST, NORTH - p.place[1]) for p in problems if p.place]
    if case.near is not None:
        assert any(np.hypot(x - case.near[0], y - case.near[1]) < 60 for x, y in places), places
    elif case.row is None and case.code != "N-LAYER-GAP":
        assert places == []


def test_townships_must_be_there(county: Layers) -> None:
    without = {name: layer for name, layer in county.items() if name != "townships"}
    assert [p.code for p in examine(without)] == ["E-COUNTY-MISSING"]


def test_the_zoo_is_large_and_its_codes_are_many() -> None:
    assert len(CASES) >= 80
    assert len({case.code for case in CASES}) >= 55
    assert len({case.name for case in CASES}) == len(CASES)
    layer_codes = {c for c in CODES if c.split("-")[1] in ("LAYER", "GEOMETRY", "FIELD", "VINTAGE")}
    layer_codes |= {"N-CODE-FIXED", "N-CODE-IGNORED", "E-FILE-PART", "E-FILE-TRUNCATED"}
    # Seen elsewhere: our own files, what is not supplied, another county's townships.
    layer_codes -= {"E-LAYER-SCHEMA", "N-LAYER-ABSENT", "E-LAYER-EXTENT"}
    assert layer_codes - {case.code for case in CASES} == set()


def test_a_county_drawn_from_a_web_map_is_told_itself(county: Layers, tmp_path: Path) -> None:
    """The offset has a direction: the layer that carries it is named, not the one beside it."""
    spoil = moved("townships", from_a_web_map, EPSG)
    offsets = [
        p for p in examine(county | {"townships": spoil(tmp_path)}) if p.code == "N-LAYER-OFFSET"
    ]
    assert [p.layer for p in offsets] == ["townships"]
    assert "偏约 58" in offsets[0].value
