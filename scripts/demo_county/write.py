"""Files of the demo: each layer in the form its source would deliver, the same bytes every time."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path

import geopandas
import pandas
import pyogrio

from .place import EPSG, EPSG_DEGREES, to_map

FIXED_TIME = "2024-10-25T00:00:00.000Z"
FIXED_DATE = "2024-10-25"
"""Written into files instead of the clock."""
LDID_BYTE = 29
"""Where a dBase file says its code page."""

Rows = Sequence[dict[str, object]]


def fix_clock() -> None:
    """Make GDAL write a fixed date, and numbered instead of random identifiers."""
    os.environ["OGR_CURRENT_DATE"] = FIXED_TIME
    pyogrio.set_gdal_config_options(
        {"OGR_CURRENT_DATE": FIXED_TIME, "OPENFILEGDB_REPRODUCIBLE_UUID": "YES"}
    )


def frame_of(rows: Rows, epsg: int = EPSG) -> geopandas.GeoDataFrame:
    """Rows with a `geometry` in scene metres → a table in a map projection."""
    table = pandas.DataFrame([{k: v for k, v in row.items() if k != "geometry"} for row in rows])
    shapes = [to_map(row["geometry"]) for row in rows]
    made = geopandas.GeoDataFrame(table, geometry=shapes, crs=EPSG)
    return made if epsg == EPSG else made.to_crs(epsg)


def write_gpkg(path: Path, layer: str, rows: Rows) -> None:
    """One layer of a GeoPackage; rows without `geometry` make a plain table."""
    is_spatial = "geometry" in rows[0]
    table = frame_of(rows) if is_spatial else pandas.DataFrame(rows)
    kind = _geometry_type(table) if is_spatial else None
    more = {"append": True} if path.exists() else {"VERSION": "1.3"}
    pyogrio.write_dataframe(
        table, path, layer=layer, driver="GPKG", geometry_type=kind,
        promote_to_multi=bool(kind and kind.startswith("Multi")), **more,
    )  # fmt: skip


def write_shapefile(path: Path, rows: Rows, encoding: str, epsg: int = EPSG) -> None:
    """A shapefile with a `.cpg`."""
    table = frame_of(rows, epsg)
    pyogrio.write_dataframe(
        table, path, driver="ESRI Shapefile", encoding=encoding, geometry_type="Polygon",
        DBF_DATE_LAST_UPDATE=FIXED_DATE,
    )  # fmt: skip


def forget_code_page(path: Path) -> None:
    """Make a shapefile say nothing of its encoding, as old ArcGIS did."""
    path.with_suffix(".cpg").unlink(missing_ok=True)
    dbf = path.with_suffix(".dbf")
    content = bytearray(dbf.read_bytes())
    content[LDID_BYTE] = 0
    dbf.write_bytes(bytes(content))


def write_geojson(path: Path, layer: str, rows: Rows) -> None:
    """GeoJSON in degrees (EPSG:4490), nine decimals."""
    pyogrio.write_dataframe(
        frame_of(rows, EPSG_DEGREES), path, layer=layer, driver="GeoJSON", COORDINATE_PRECISION=9
    )


def write_gdb(path: Path, layer: str, rows: Rows) -> None:
    """A File Geodatabase with one polygon layer."""
    pyogrio.write_dataframe(
        frame_of(rows), path, layer=layer, driver="OpenFileGDB", geometry_type="MultiPolygon",
        promote_to_multi=True,
    )  # fmt: skip


def write_csv(path: Path, rows: Rows, encoding: str) -> None:
    """A table as an office program saves it."""
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)


def _geometry_type(table: geopandas.GeoDataFrame) -> str:
    first = str(table.geometry.iloc[0].geom_type)
    return first if first == "Point" else f"Multi{first.removeprefix('Multi')}"
