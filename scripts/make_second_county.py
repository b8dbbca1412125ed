"""Makes the files of a second fictional county, 河湾县 (389998), unlike the demo county's.

    python scripts/make_second_county.py --data data

Writes `<data>/raw/hewan/` and `<data>/reference/hewan/` for `configs/runs/hewan.yaml`. It shows
that another county is configuration only: 8-bit images in red, green, blue, near infrared at
2.5 m, zone 40 (layers with the zone in the easting, images without), Chinese field names in GBK
shapefiles, hectares, no patrol areas but the patrol profile `xuzhou`. No randomness but a seed.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyogrio
import rasterio
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.transform import from_origin
from shapely import LineString, Polygon, box
from shapely.geometry.base import BaseGeometry

SEED = 20260
GSD_M = 2.5
WIDTH_PX, HEIGHT_PX = 640, 560
LEFT_M, TOP_M = 512_000.0, 4_001_400.0
EPSG_IMAGES, EPSG_LAYERS, EPSG_DEGREES = 4549, 4528, 4490
"""CGCS2000 3° zone 40 without and with the zone in the easting; degrees."""
FIXED_DATE = "2025-10-01"

Row = dict[str, Any]
Bands = NDArray[np.float64]

SOIL, CROP, ROOF, ASPHALT, WATER, WOOD = (
    np.array(values, dtype=np.float64)
    for values in (
        (126, 112, 92, 138),
        (66, 92, 58, 182),
        (214, 216, 220, 205),
        (92, 92, 94, 88),
        (38, 52, 60, 20),
        (44, 66, 46, 150),
    )
)
"""Red, green, blue, near infrared of the ground, 8 bit."""


def rect(x: float, y: float, width: float, height: float) -> Polygon:
    """A rectangle by metres from the upper left corner: to the right, down."""
    return box(LEFT_M + x, TOP_M - y - height, LEFT_M + x + width, TOP_M - y)


COUNTY = rect(0, 0, 1600, 1400)
WEST, EAST = rect(0, 0, 800, 1400), rect(800, 0, 800, 1400)
MOVED = rect(800, 1000, 240, 400)
"""Went from the eastern to the western township on 2025-07-01."""
ZONE = rect(1250, 120, 300, 340)
TOWN = rect(120, 140, 300, 260)
VILLAGE = rect(1150, 900, 200, 160)
WOODS, POND = rect(0, 1100, 420, 300), rect(560, 1180, 180, 140)
HIGHWAY = LineString([(LEFT_M, TOP_M - 620), (LEFT_M + 1600, TOP_M - 640)])
LANE = LineString([(LEFT_M + 620, TOP_M), (LEFT_M + 600, TOP_M - 1400)])
BUILT = {
    "road_side": rect(480, 650, 70, 45),
    "farmland": rect(300, 850, 60, 50),
    "zone": rect(1330, 220, 80, 60),
    "border": rect(760, 300, 90, 40),
    "moved": rect(880, 1150, 60, 60),
    "lane_side": rect(640, 480, 40, 40),
    "approved": rect(1000, 240, 70, 60),
}
"""What was built between the images, by where it lies."""


def main() -> int:
    """Write the county's files; 0 when done."""
    parser = argparse.ArgumentParser(description="生成第二个虚构县（河湾县）的影像和图层。")
    parser.add_argument("--data", type=Path, default=Path("data"), help="数据目录")
    data = parser.parse_args().data
    raw, reference = data / "raw" / "hewan", data / "reference" / "hewan"
    os.environ["OGR_CURRENT_DATE"] = f"{FIXED_DATE}T00:00:00.000Z"
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": f"{FIXED_DATE}T00:00:00.000Z"})
    for folder in (raw, reference):
        folder.mkdir(parents=True, exist_ok=True)
    write_images(raw)
    write_layers(reference)
    write_issued(raw)
    print(f"已生成河湾县：{raw.as_posix()}、{reference.as_posix()}")
    return 0


def fields() -> list[tuple[Polygon, bool]]:
    """Parcels of farmland and whether they bear a crop on the before date."""
    rng = np.random.default_rng([SEED, 1])
    parcels = []
    y = 0.0
    while y < 1400:
        height, x = float(rng.uniform(60, 110)), 0.0
        while x < 1600:
            width = float(rng.uniform(70, 160))
            parcels.append((rect(x, y, width, height), bool(rng.random() < 0.6)))
            x += width
        y += height
    return parcels


def ground(*, is_after: bool) -> Bands:
    """What the camera would see without noise `(row, column, band)`."""
    rng = np.random.default_rng([SEED, 2])
    image: Bands = np.zeros((HEIGHT_PX, WIDTH_PX, 4))
    for parcel, has_crop in fields():
        tone = (CROP if has_crop else SOIL) * rng.uniform(0.85, 1.15)
        paint(image, parcel, tone)
    houses = [rect(150 + 34 * (k % 8), 170 + 44 * (k // 8), 20 + k % 5, 26) for k in range(40)] + [
        rect(1165 + 38 * (k % 5), 915 + 46 * (k // 5), 24, 20 + k % 4) for k in range(15)
    ]
    for shape, tone in ((TOWN, SOIL), (VILLAGE, SOIL), (WOODS, WOOD), (POND, WATER)):
        paint(image, shape, tone)
    for house in houses:
        paint(image, house, ROOF * rng.uniform(0.75, 1.0))
    paint(image, HIGHWAY.buffer(8), ASPHALT)
    paint(image, LANE.buffer(3), ASPHALT)
    if is_after:
        for yard in BUILT.values():
            paint(image, yard, ROOF * 0.97)
    return image


def paint(image: Bands, shape: BaseGeometry, tone: NDArray[np.float64]) -> None:
    """Fill a shape with one tone, in place."""
    transform = from_origin(LEFT_M, TOP_M, GSD_M, GSD_M)
    inside = rasterize([shape], out_shape=image.shape[:2], transform=transform)
    image[inside == 1] = tone


def write_images(folder: Path) -> None:
    """Both images: the ground's own texture is on both, noise and light are each image's own."""
    texture = np.random.default_rng([SEED, 3]).normal(0, 5, (HEIGHT_PX, WIDTH_PX, 1))
    for number, (name, gain, offset) in enumerate((("qian", 0.95, 4.0), ("hou", 1.06, -3.0))):
        noise = np.random.default_rng([SEED, 4, number]).normal(0, 2, (HEIGHT_PX, WIDTH_PX, 4))
        seen = (ground(is_after=number == 1) + texture) * gain + offset + noise
        values = np.clip(np.rint(seen), 1, 255).astype(np.uint8)
        with rasterio.open(
            folder / f"{name}.tif", "w", driver="GTiff", width=WIDTH_PX, height=HEIGHT_PX,
            count=4, dtype="uint8", nodata=0, crs=f"EPSG:{EPSG_IMAGES}", compress="deflate",
            ALPHA="NO", transform=from_origin(LEFT_M, TOP_M, GSD_M, GSD_M),
        ) as image:  # fmt: skip
            image.write(values.transpose(2, 0, 1))


def write_layers(folder: Path) -> None:
    """The county's standing layers in the forms in which its departments keep them."""
    shapefile(folder / "乡镇界.shp", townships())
    shapefile(folder / "地类.shp", land_use())
    shapefile(folder / "基本农田.shp", [{"编号": "JN-1", "geometry": rect(200, 760, 380, 320)}])
    degrees(folder / "道路.geojson", [
        {"路名": "河湾线", "等级": "S级", "geometry": HIGHWAY},
        {"路名": "李庄路", "等级": "X级", "geometry": LANE},
    ])  # fmt: skip
    degrees(folder / "批文.geojson", [
        {"文件号": "河政地〔2025〕3号", "项目": "粮库", "批复日期": "2025/02/18",
         "geometry": BUILT["approved"].buffer(6, join_style="mitre")},
    ])  # fmt: skip
    package(folder / "规划.gpkg", "城镇边界", [{"名称": "集中建设区", "geometry": TOWN}])
    package(folder / "规划.gpkg", "村庄", [{"名称": "李庄", "geometry": VILLAGE}])
    package(folder / "规划.gpkg", "巡查范围", [
        {"类型": "集镇规划区", "名称": "东河镇驻地", "geometry": rect(1100, 560, 160, 140)},
        {"类型": "工业集中区", "名称": "河湾工业集中区", "geometry": ZONE},
    ])  # fmt: skip


def townships() -> list[Row]:
    """Two townships in two versions, and the development zone inside the eastern one."""
    founded, moved_on, eve = "20100101", "20250701", "20250630"
    west, east = ("389998101", "西河镇", "镇"), ("389998102", "东河镇", "镇")
    versions = [
        (west, founded, eve, WEST),
        (west, moved_on, "", WEST.union(MOVED)),
        (east, founded, eve, EAST),
        (east, moved_on, "", EAST.difference(MOVED)),
        (("389998401", "河湾工业园", "园区"), founded, "", ZONE),
    ]
    return [
        {"代码": code, "名称": name, "类别": kind, "启用": begin, "停用": end, "geometry": shape}
        for (code, name, kind), begin, end, shape in versions
    ]


def land_use() -> list[Row]:
    """Land classes that tile the county, areas in hectares as the survey office keeps them."""
    taken: BaseGeometry = Polygon()
    rows: list[Row] = []
    for shape, code, name in (
        (HIGHWAY.buffer(8), "1003", "公路用地"),
        (LANE.buffer(3), "1006", "农村道路"),
        (TOWN, "0701", "城镇住宅用地"),
        (VILLAGE, "0702", "农村宅基地"),
        (POND, "1104", "坑塘水面"),
        (WOODS, "0301", "乔木林地"),
        (rect(640, 470, 60, 60), "1204", "盐碱地"),
        (COUNTY, "0103", "旱地"),
    ):
        left = shape.intersection(COUNTY).difference(taken)
        taken = taken.union(shape)
        rows.append({"图斑号": f"D{len(rows) + 1:03d}", "地类码": code, "地类名": name,
                     "公顷": round(left.area / 10_000, 4), "geometry": left})  # fmt: skip
    return rows


def write_issued(folder: Path) -> None:
    """Patches issued from above, areas in hectares: three that were built and one that was not."""
    chosen = [BUILT[name] for name in ("road_side", "border", "moved")] + [rect(60, 500, 50, 30)]
    shapefile(folder / "下发.shp", [
        {"线索编号": f"389998WP25{number:06d}", "前时相": "20250406", "后时相": "20250922",
         "类型": "20", "公顷": round(shape.area / 10_000, 4), "geometry": shape}
        for number, shape in enumerate(chosen, start=1)
    ])  # fmt: skip


def frame(rows: Sequence[Mapping[str, Any]], epsg: int) -> gpd.GeoDataFrame:
    """Rows in a map projection."""
    table = gpd.GeoDataFrame([dict(row) for row in rows], crs=f"EPSG:{EPSG_IMAGES}")
    return table.to_crs(epsg=epsg)


def shapefile(path: Path, rows: Sequence[Row]) -> None:
    """A GBK shapefile with the zone in its eastings."""
    pyogrio.write_dataframe(
        frame(rows, EPSG_LAYERS), path, driver="ESRI Shapefile", encoding="GBK",
        DBF_DATE_LAST_UPDATE=FIXED_DATE,
    )  # fmt: skip


def degrees(path: Path, rows: Sequence[Row]) -> None:
    """GeoJSON in degrees."""
    table = frame(rows, EPSG_DEGREES)
    pyogrio.write_dataframe(table, path, driver="GeoJSON", COORDINATE_PRECISION=9)


def package(path: Path, layer: str, rows: Sequence[Row]) -> None:
    """One layer of a GeoPackage, written anew with the first one."""
    is_first = layer == "城镇边界"
    if is_first:
        path.unlink(missing_ok=True)
    more = {"VERSION": "1.3"} if is_first else {"append": True}
    pyogrio.write_dataframe(
        frame(rows, EPSG_LAYERS), path, layer=layer, driver="GPKG",
        geometry_type="MultiPolygon", promote_to_multi=True, **more,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
