"""Reading and writing our own vector layers: GeoPackages that match a registered `LayerSpec`."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fiona
import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from pipeline.errors import Finding, InputError
from pipeline.io.atomic import staging_file
from pipeline.io.geopackage import open_read_only, user_tables
from pipeline.schema.check import GEOMETRY_COLUMN, require
from pipeline.schema.fields import Dtype, FieldSpec
from pipeline.schema.layer import LayerSpec

FIXED_STAMP = "2000-01-01T00:00:00Z"
"""Default of the date inside the files: a clock would make equal contents differ in bytes."""

GPKG_VERSION = "1.3"
"""Newest version that QGIS 3.22 opens without a warning."""

_UNDEFINED_SRS_ID = -1
"""Undefined cartesian reference system (GeoPackage 1.3, table 22)."""

_UNDEFINED_CRS = (
    'ENGCRS["Undefined Cartesian SRS",EDATUM[""],CS[Cartesian,2],'
    'AXIS["x",east],AXIS["y",north],LENGTHUNIT["metre",1]]'
)
"""GDAL recognises the name and stores the id above; writing no CRS at all would mean degrees."""

_TEXT = pd.StringDtype(na_value=np.nan)

_write_lock = threading.Lock()
"""OGR_CURRENT_DATE is an option of the whole process, so one file is written at a time."""


@dataclass(frozen=True)
class Record:
    """One row of a layer, as stored: dates and lists are text."""

    properties: Mapping[str, Any]
    geometry: BaseGeometry | None


def write_layers(
    path: Path,
    tables: Mapping[LayerSpec, pd.DataFrame],
    crs_wkt: str | None,
    stamp: str = FIXED_STAMP,
) -> None:
    """Write a GeoPackage with one layer per table, replacing the file in one step.

    Every table is checked against its specification first. Equal arguments give equal bytes.
    `crs_wkt` None means pixel or local coordinates without a reference system.
    """
    for spec, table in tables.items():
        require(table, spec, f"{path} 图层 {spec.name}")
    _require_crs(path, tables, crs_wkt)
    with staging_file(path) as partial, _fixed_date(stamp):
        for number, (spec, table) in enumerate(tables.items()):
            try:
                _write_layer(partial, spec, table, crs_wkt, is_first=number == 0)
            except (OSError, RuntimeError) as problem:
                raise InputError(
                    Finding(
                        "E-FILE-WRITE",
                        f"图层 {spec.name} 无法写入。",
                        where=str(path),
                        value=str(problem)[:200],
                        advice="关闭正在使用它的 QGIS，检查磁盘空间和写权限后重新运行。",
                    )
                ) from problem


def read_layer(path: Path, spec: LayerSpec) -> gpd.GeoDataFrame:
    """One layer of one of our own GeoPackages, with the types of its specification, checked.

    Columns that may be NULL come as nullable types whether or not a NULL is there.
    """
    has_crs = _require_layer(path, spec.name)
    try:
        table = pyogrio.read_dataframe(path, layer=spec.name)
    except RuntimeError as problem:
        raise _unreadable(path, spec.name, problem) from problem
    if spec.geometry is not None and not has_crs:
        table = gpd.GeoDataFrame(
            table.drop(columns=GEOMETRY_COLUMN), geometry=np.asarray(table.geometry), crs=None
        )
    for field in spec.field_specs:
        if field.name in table.columns:
            table[field.name] = _decode(table[field.name], field)
    require(table, spec, f"{path} 图层 {spec.name}")
    return table


def stream_records(path: Path, layer: str) -> Iterator[Record]:
    """The rows of a layer one after another in constant memory, by another reader than ours.

    Used to recompute sums: fiona brings its own GDAL and shares no code with `read_layer`.
    """
    _require_layer(path, layer)
    try:
        with fiona.open(path, layer=layer, enabled_drivers=["GPKG"]) as source:
            for row in source:
                shape = None if row.geometry is None else shapely.geometry.shape(row.geometry)
                yield Record(dict(row.properties), shape)
    except fiona.errors.FionaError as problem:
        raise _unreadable(path, layer, problem) from problem


@contextmanager
def _fixed_date(stamp: str) -> Iterator[None]:
    with _write_lock:
        # The finished file is flushed once by `staging_file`; SQLite need not do it all the time.
        options = {"OGR_CURRENT_DATE": stamp, "OGR_SQLITE_SYNCHRONOUS": "OFF"}
        previous = {name: pyogrio.get_gdal_config_option(name) for name in options}
        pyogrio.set_gdal_config_options(options)
        try:
            yield
        finally:
            pyogrio.set_gdal_config_options(previous)


def _write_layer(
    path: Path, spec: LayerSpec, table: pd.DataFrame, crs_wkt: str | None, *, is_first: bool
) -> None:
    columns = [_encode(table[field.name], field.dtype) for field in spec.field_specs]
    layer_options = {}
    geometry = None
    if spec.geometry is not None:
        geometry = shapely.to_wkb(
            np.asarray(table[GEOMETRY_COLUMN], dtype=object), output_dimension=2
        )
        layer_options = {"GEOMETRY_NAME": "geom", "SPATIAL_INDEX": "YES"}
    pyogrio.raw.write(
        path,
        geometry,
        [values for values, _ in columns],
        np.array(spec.fields, dtype=object),
        field_mask=[null for _, null in columns],
        layer=spec.name,
        driver="GPKG",
        geometry_type=spec.geometry,
        promote_to_multi=str(spec.geometry).startswith("Multi"),
        crs=crs_wkt or _UNDEFINED_CRS,
        encoding="UTF-8",
        append=not is_first,
        dataset_options={"VERSION": GPKG_VERSION} if is_first else None,
        layer_options=layer_options,
    )


def _encode(column: pd.Series[Any], dtype: Dtype) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Values in the type to be stored, and which of them are NULL.

    The type comes from the register, not from the data: an all-NULL or empty column keeps it.
    """
    null = column.isna().to_numpy(dtype=bool)
    match dtype:
        case "integer":
            return column.to_numpy(dtype=np.int64, na_value=0), null
        case "real":
            return column.to_numpy(dtype=np.float64, na_value=np.nan), null
        case "boolean":
            return column.to_numpy(dtype=np.bool_, na_value=False), null
        case "text" | "date" | "json":
            values = column.to_numpy(dtype=object, copy=True)
            if dtype == "json":
                values[~null] = [json.dumps(value, ensure_ascii=False) for value in values[~null]]
            values[null] = None
            return values, null


def _decode(column: pd.Series[Any], field: FieldSpec) -> pd.Series[Any]:
    """A column as read, in the type of the register; left alone if it does not fit."""
    wanted: dict[Dtype, Any] = {
        "text": _TEXT,
        "date": _TEXT,
        "json": object,
        "integer": "Int64" if field.nullable else np.int64,
        "real": np.float64,
        "boolean": "boolean" if field.nullable else np.bool_,
    }
    try:
        if field.dtype == "json":
            column = column.map(json.loads, na_action="ignore")
        return column.astype(wanted[field.dtype])
    except (TypeError, ValueError):
        # The check that follows names the rows; a conversion error would not.
        return column


def _require_crs(path: Path, tables: Mapping[LayerSpec, pd.DataFrame], crs_wkt: str | None) -> None:
    """Every GeoDataFrame must be in the reference system it is to be written with."""
    wanted = None if crs_wkt is None else CRS.from_wkt(crs_wkt)
    findings = [
        Finding(
            "E-LAYER-SCHEMA",
            "图层的坐标系与要写入的坐标系不同。",
            where=f"{path} 图层 {spec.name}",
            value="无坐标系" if table.crs is None else str(table.crs.name),
            allowed="无坐标系" if wanted is None else wanted.name,
        )
        for spec, table in tables.items()
        if isinstance(table, gpd.GeoDataFrame) and table.crs != wanted
    ]
    if findings:
        raise InputError(findings)


def _require_layer(path: Path, layer: str) -> bool:
    """Refuse anything but an ordinary table; returns whether it has a reference system."""
    with open_read_only(path) as connection:
        if layer not in user_tables(connection, path):
            raise InputError(
                Finding(
                    "E-LAYER-SCHEMA",
                    f"文件里没有图层 {layer}。",
                    where=str(path),
                    advice="重新运行写出这个文件的阶段。",
                )
            )
        row = connection.execute(
            "SELECT srs_id FROM gpkg_contents WHERE table_name = ?", (layer,)
        ).fetchone()
    return row is not None and row[0] != _UNDEFINED_SRS_ID


def _unreadable(path: Path, layer: str, problem: Exception) -> InputError:
    return InputError(
        Finding(
            "E-FILE-UNREADABLE",
            f"图层 {layer} 无法读取，文件可能已损坏。",
            where=str(path),
            value=str(problem)[:200],
            advice="重新运行写出这个文件的阶段。",
        )
    )
