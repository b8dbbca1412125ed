"""Small delivered layers with known faults: one county of squares around a small image pair."""

from __future__ import annotations

import datetime
import struct
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyogrio
import shapely
from affine import Affine

from pipeline.config.models import ImageInput, LayerSource, RunConfig
from tests.factories import CGCS2000_GK_114E, ROLES, texture, to_dtype, write_raster

LEFT, TOP = 500_000.0, 3_400_000.0
"""Corner of the image: the county lies south-east of it."""
SIDE_M = 400.0
"""The image is 200 px of 2 m."""
BEFORE, AFTER = datetime.date(2024, 5, 6), datetime.date(2024, 10, 18)

TOWN_FIELDS = {"township_code": "XZQDM", "township_name": "XZQMC", "township_kind": "LX"}


def square(col: float, row: float, width: float = 100.0, height: float = 100.0) -> shapely.Polygon:
    """A rectangle whose upper left corner lies `col` m right and `row` m below the image's."""
    return shapely.box(LEFT + col, TOP - row - height, LEFT + col + width, TOP - row)


def towns(crs: int = CGCS2000_GK_114E) -> gpd.GeoDataFrame:
    """Two townships side by side that fill the image."""
    table = gpd.GeoDataFrame(
        {
            "XZQDM": ["379999001", "379999002"],
            "XZQMC": ["东河镇", "西山乡"],
            "LX": ["镇", "乡"],
        },
        geometry=[square(0, 0, 200, 400), square(200, 0, 200, 400)],
        crs=CGCS2000_GK_114E,
    )
    return table.to_crs(crs)


def write(table: gpd.GeoDataFrame, path: Path, **options: Any) -> Path:
    """A delivered file by its suffix; names are cut as other programs cut them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    driver = {
        ".shp": "ESRI Shapefile",
        ".gdb": "OpenFileGDB",
        ".gpkg": "GPKG",
        ".geojson": "GeoJSON",
    }[path.suffix]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pyogrio.write_dataframe(table, path, driver=driver, **options)
    return path


def write_dbf(
    path: Path, columns: Mapping[bytes, Sequence[bytes]], language_id: int = 0, kind: bytes = b"C"
) -> Path:
    """A dbf of text fields byte by byte, in whatever encoding the bytes are."""
    widths = [max(1, *(len(cell) for cell in cells)) for cells in columns.values()]
    n = len(next(iter(columns.values())))
    header_size, record_size = 33 + 32 * len(columns), 1 + sum(widths)
    head = struct.pack("<BBBBIHH", 3, 124, 1, 1, n, header_size, record_size)
    head += bytes(17) + bytes([language_id]) + bytes(2)
    for name, width in zip(columns, widths, strict=True):
        head += struct.pack("<11sc4xBB14x", name, kind, width, 0)
    body = b"".join(
        b" " + b"".join(c[i].ljust(w) for c, w in zip(columns.values(), widths, strict=True))
        for i in range(n)
    )
    path.write_bytes(head + b"\r" + body + b"\x1a")
    return path


def old_shapefile(
    path: Path,
    geometry: Sequence[Any],
    columns: Mapping[str, Sequence[str]],
    encoding: str,
    language_id: int = 0,
    crs: int | None = CGCS2000_GK_114E,
) -> Path:
    """A Shapefile as old ArcGIS left it: dbf in `encoding`, names cut at 10 bytes, no .cpg."""
    table = gpd.GeoDataFrame({"A": range(len(geometry))}, geometry=list(geometry), crs=crs)
    write(table, path)
    path.with_suffix(".cpg").unlink(missing_ok=True)
    write_dbf(
        path.with_suffix(".dbf"),
        {
            name.encode(encoding)[:10]: [cell.encode(encoding) for cell in cells]
            for name, cells in columns.items()
        },
        language_id,
    )
    return path


def write_images(folder: Path) -> tuple[Path, Path]:
    """Two small images of the county: the same land, each with noise of its own."""
    transform = Affine(2.0, 0.0, LEFT, 0.0, -2.0, TOP)
    land = texture((200, 200), 4, 5)
    paths = [
        write_raster(
            folder / f"{name}.tif",
            to_dtype(land + np.random.default_rng(seed).normal(0, 0.05, land.shape), "uint16"),
            crs=CGCS2000_GK_114E,
            transform=transform,
            descriptions=ROLES[:4],
        )
        for name, seed in (("before", 1), ("after", 2))
    ]
    return paths[0], paths[1]


def run_config(
    folder: Path, layers: Mapping[str, LayerSource | tuple[LayerSource, ...]], **changes: Any
) -> RunConfig:
    """A run of the small county with these layers; the images are made if they are not there."""
    if not (folder / "before.tif").exists():
        write_images(folder)
    given: dict[str, Any] = {
        "run": "test",
        "county": "test",
        "county_code": "379999",
        "county_name": "示例县",
        "before": ImageInput(path=str(folder / "before.tif"), date=BEFORE),
        "after": ImageInput(path=str(folder / "after.tif"), date=AFTER),
        "layers": {
            name: source if isinstance(source, tuple) else (source,)
            for name, source in layers.items()
        },
    }
    return RunConfig(**(given | changes))


def town_source(folder: Path) -> LayerSource:
    """A faultless townships layer."""
    path = folder / "towns.gpkg"
    if not path.exists():
        write(towns(), path)
    return LayerSource(path=str(path), fields=TOWN_FIELDS)
