"""Reading delivered reference layers (参考图层).

Shapefile, File Geodatabase, GeoPackage, GeoJSON and CSV: the format follows from suffix and first
bytes, and only these are opened; VRT, `/vsi*`, URLs and anything else are refused before GDAL sees
them (DESIGN §9). Nothing is interpreted here: attributes come as text, coordinates as they are in
the file, x then y.
"""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
from numpy.typing import NDArray
from pyogrio.errors import DataSourceError

from pipeline.errors import Finding, InputError
from pipeline.io.gdal_vectors import crs_of, gdal_read, geometries, unreadable
from pipeline.io.geopackage import open_read_only, user_tables
from pipeline.io.point_table import read_point_table
from pipeline.io.shapefile import read_shapefile
from pipeline.schema.messages import suggest
from pipeline.schema.raw_layer import RawColumn, RawLayer

FORMATS_ZH = "Shapefile（.shp）、文件地理数据库（.gdb）、GeoPackage（.gpkg）、GeoJSON、点表 CSV"


_SHAPEFILE_MAGIC = b"\x00\x00\x27\x0a"
_GDB_TABLE = "a00000001.gdbtable"
_GEOJSON_TYPES = frozenset(
    {
        "FeatureCollection",
        "Feature",
        "GeometryCollection",
        *(
            f"{multi}{kind}"
            for multi in ("", "Multi")
            for kind in ("Point", "LineString", "Polygon")
        ),
    }
)
_NAMED = re.compile(rb'^\{\s*"type"\s*:\s*"(%s)"' % "|".join(_GEOJSON_TYPES).encode())


@dataclass(frozen=True)
class SourceRequest:
    """A delivered layer as the mapping names it."""

    path: Path
    layer: str | None = None
    encoding: str | None = None
    point_columns: tuple[str, str] | None = None
    """Names of the coordinate columns of a table of points, x and y."""
    takes_points: bool = False
    """Whether the layer consists of points, so that a table can hold it."""


def read_source(request: SourceRequest) -> tuple[RawLayer, list[Finding]]:
    """The layer, and findings that do not prevent reading it.

    Raises `InputError` (E-FILE-MISSING, E-FILE-REFUSED, E-FILE-UNREADABLE, E-LAYER-MISSING,
    E-LAYER-FIELD) if there is nothing to read.
    """
    try:
        return _read(request)
    except OSError as problem:
        raise unreadable(request.path, problem.strerror or str(problem)) from problem


def _read(request: SourceRequest) -> tuple[RawLayer, list[Finding]]:
    kind = format_of(request.path)
    if kind == "CSV":
        _require_points(request)
        return read_point_table(request.path, request.point_columns or ("x", "y"), request.encoding)
    with warnings.catch_warnings():
        # Curves, measures and odd rings: what matters of them shows in the geometries themselves.
        warnings.simplefilter("ignore")
        if kind == "ESRI Shapefile":
            return read_shapefile(request.path, request.encoding)
        name = _choose_layer(request, kind)
        return _read_with_gdal(request.path, None if kind == "GeoJSON" else name), []


def format_of(path: Path) -> str:
    """The one format a path is opened as. Raises `InputError` for everything else."""
    text = path.as_posix()
    is_url = re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", text) is not None
    if is_url or text.startswith("/vsi") or "!" in text or path.suffix.lower() == ".vrt":
        what = "只接受本机上的普通文件；网址、虚拟文件系统、VRT 和带“!”的路径不接受。"
        raise _refused(path, what, "把文件复制到本机的数据文件夹后再写它的路径。")
    if not path.exists():
        what = f"找不到文件“{path.name}”。"
        advice = "核对路径和文件名（含大小写）；相对路径从数据文件夹算起。"
        near = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        advice = suggest(path.name, near) or advice
        raise InputError(Finding("E-FILE-MISSING", what, path.name, advice=advice))
    kind = _by_content(path)
    if kind is None:
        what = "不是可以接受的矢量文件，或内容与后缀不符。"
        raise _refused(path, what, "用 QGIS 或 ArcGIS 另存为 GeoPackage 后再给出。")
    return kind


def _by_content(path: Path) -> str | None:
    suffix = path.suffix.lower()
    if path.is_dir():
        return "OpenFileGDB" if suffix == ".gdb" and (path / _GDB_TABLE).is_file() else None
    with path.open("rb") as stream:
        head = stream.read(4096)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    found = {
        ".shp": ("ESRI Shapefile", head.startswith(_SHAPEFILE_MAGIC)),
        ".gpkg": ("GPKG", head.startswith(b"SQLite format 3\0")),
        ".geojson": ("GeoJSON", text.startswith(b"{")),
        ".json": ("GeoJSON", text.startswith(b"{")),
        ".csv": ("CSV", b"\0" not in head),
    }.get(suffix)
    if found is None or not found[1]:
        return None
    is_other_json = found[0] == "GeoJSON" and not (_NAMED.search(text) or _is_geojson(path))
    return None if is_other_json else found[0]


def _is_geojson(path: Path) -> bool:
    """Whether the top level is GeoJSON: GDAL knows other formats that begin with a brace."""
    try:
        content = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError, RecursionError) as problem:
        raise unreadable(path, str(problem)[:200]) from problem
    return isinstance(content, dict) and content.get("type") in _GEOJSON_TYPES


def _require_points(request: SourceRequest) -> None:
    if not request.takes_points:
        what = "CSV 表格只能用作点图层（巡查台账、线索）。"
        raise _refused(request.path, what, "面和线图层请给 Shapefile、GeoPackage 或 gdb。")


def _choose_layer(request: SourceRequest, kind: str) -> str:
    """The layer asked for, or the only one there is."""
    path = request.path
    if kind == "GPKG":
        with open_read_only(path) as connection:
            # Views and virtual tables are refused before GDAL would run their SQL.
            user_tables(connection, path)
    try:
        listed = pyogrio.list_layers(path)
    except (DataSourceError, UnicodeDecodeError) as problem:
        raise unreadable(path, str(problem)[:200]) from problem
    names = [str(name) for name, geometry_type in listed if geometry_type is not None]
    wanted = request.layer
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted in names:
        return str(wanted)
    if wanted is None:
        what = "文件里有几个图层，映射没有写明用哪个。" if names else "文件里没有带图形的图层。"
    else:
        what = f"文件里没有图层“{wanted}”。"
        if wanted in [str(name) for name, _ in listed]:
            what = f"“{wanted}”是没有图形的表。"
    advice = suggest(wanted or "", names) or "在映射里用 layer: 写明图层名。"
    allowed = f"文件里的图层：{'、'.join(names) or '（无）'}"
    raise InputError(Finding("E-LAYER-MISSING", what, path.name, wanted or "", allowed, advice))


def _read_with_gdal(path: Path, layer: str | None) -> RawLayer:
    meta, fids, geometry, columns = gdal_read(path, layer=layer, datetime_as_string=True)
    names = [str(name) for name in meta["fields"]]
    table = {
        name: RawColumn(_texts(values), np.asarray(values).dtype.kind in "iuf")
        for name, values in zip(names, columns, strict=True)
    }
    n = len(fids)
    return RawLayer(
        path.name,
        table,
        geometries(geometry, n),
        np.arange(1, n + 1, dtype=np.int64),
        crs_of(meta["crs"]),
        "UTF-16" if path.suffix.lower() == ".gdb" else "UTF-8",
    )


def _texts(values: Any) -> NDArray[np.object_]:
    """A column of GDAL as text; None for NULL."""
    cells = np.asarray(values).tolist()
    texts = np.empty(len(cells), dtype=object)
    texts[:] = [_text(cell) for cell in cells]
    return texts


def _text(cell: Any) -> str | None:
    if cell is None or (isinstance(cell, float) and isnan(cell)):
        return None
    if isinstance(cell, bool):
        return "1" if cell else "0"
    if isinstance(cell, float):
        return f"{cell:.15g}"
    if isinstance(cell, np.ndarray | list):
        return json.dumps(np.asarray(cell).tolist(), ensure_ascii=False, default=str)
    if isinstance(cell, bytes):
        return None
    return str(cell)


def _refused(path: Path, what: str, advice: str) -> InputError:
    return InputError(Finding("E-FILE-REFUSED", what, path.name, path.name, FORMATS_ZH, advice))
