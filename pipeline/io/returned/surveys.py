"""Reading returned survey boundaries: layers of a GIS and tables of points."""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import shapely
from pyproj import CRS
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from pipeline.errors import Finding, InputError, Severity
from pipeline.io.returned.layers import read_tables
from pipeline.io.returned.outline_blobs import OutlineError, read_outline
from pipeline.io.returned.problems import try_reading
from pipeline.io.returned.survey_tables import named_patch, read_point_file
from pipeline.io.returned.xlsx_sheet import MAX_ROWS, too_large
from pipeline.io.returned.zip_members import MIB
from pipeline.io.shapefile import read_shapefile
from pipeline.io.source_files import SHAPEFILE_PARTS, shapefile_parts
from pipeline.patches.layer_crs import GEOGRAPHIC, parse_crs
from pipeline.patches.survey_points import POINT_TITLES
from pipeline.schema.headers import match_header
from pipeline.schema.returned import ReturnedFile, SurveyFeature
from pipeline.schema.returned_text import cell_text, short

MAX_BYTES = 512 * MIB
_SHAPEFILE_MAGIC = b"\x00\x00\x27\x0a"
_ADVICE = "用 QGIS 打开核对，另存为写明坐标系的 GeoPackage 后再交回。"
_NAMES = ("patch_id", "surveyed_by", "surveyed_date")


def read_survey(file: ReturnedFile, default_crs: CRS | None) -> list[SurveyFeature]:
    """Every boundary in the file with its reason where it can not be used; never none.

    `default_crs`: system of the images, for tables of points that state none. A feature without a
    patch id gets the one that the file name begins with.
    """
    if file.problem is not None:
        return [_nothing(file.problem)]
    read = try_reading(lambda: _read(file, default_crs), file.name)
    features = [_nothing(read)] if isinstance(read, Finding) else read
    named = named_patch(file.name)
    return [
        replace(feature, patch_id=named) if feature.patch_id is None else feature
        for feature in features
    ]


def _nothing(problem: Finding) -> SurveyFeature:
    return SurveyFeature(None, None, None, problem=problem)


def _read(file: ReturnedFile, default_crs: CRS | None) -> list[SurveyFeature]:
    path = Path(file.path)
    if path.stat().st_size > MAX_BYTES:
        raise too_large(file.name)
    if file.kind == "gpkg":
        features = _read_gpkg(path, file.name)
    elif file.kind == "shp":
        features = _read_shp(path, file.name)
    elif file.kind == "geojson":
        features = _read_geojson(path, file.name)
    else:
        return read_point_file(file, default_crs)
    if not features:
        what = "文件里没有界址图形。"
        raise InputError(Finding("E-RETURN-FILE", what, file.name, advice=_ADVICE))
    return features


def _read_gpkg(path: Path, where: str) -> list[SurveyFeature]:
    features = []
    for table in read_tables(path):
        if not table.has_geometry:
            continue
        columns = _columns(table.columns)
        for number, values, blob in table.rows:
            place = f"{where} 图层 {short(table.name)} fid {number}"
            try:
                outline = read_outline(blob)
            except OutlineError as problem:
                features.append(_feature(values, columns, number, _bad(place, str(problem))))
                continue
            found = _checked(outline, table.crs, place)
            features.append(_feature(values, columns, number, found))
    return features


def _read_shp(path: Path, where: str) -> list[SurveyFeature]:
    with path.open("rb") as stream:
        if stream.read(4) != _SHAPEFILE_MAGIC:
            raise InputError(_bad(where, "内容不是 Shapefile", "E-RETURN-FILE"))
    parts = shapefile_parts(path)
    with tempfile.TemporaryDirectory(prefix="survey-") as folder:
        # Under a name of ours: GDAL reads commands out of some names.
        for suffix in SHAPEFILE_PARTS:
            if suffix in parts and not parts[suffix].is_symlink():
                shutil.copyfile(parts[suffix], Path(folder) / f"survey{suffix}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            layer, findings = read_shapefile(Path(folder) / "survey.shp", None)
    if len(layer) > MAX_ROWS:
        raise too_large(where)
    columns = _columns(tuple(layer.columns))
    features = []
    for position, number in enumerate(layer.rows.tolist()):
        values = {name: column.values[position] for name, column in layer.columns.items()}
        place = f"{where} 第 {number} 条"
        found = _checked(layer.geometry[position], layer.crs, place)
        feature = _feature(values, columns, number, found)
        unread = [replace(one, where=where) for one in findings if one.code.startswith("E-")]
        features.append(replace(feature, notices=tuple(_doubt(one) for one in unread)))
    return features


def _doubt(finding: Finding) -> Finding:
    """What does not keep the outline from being read."""
    return replace(finding, code="N-RETURN-DOUBT", severity=Severity.NOTICE)


def _read_geojson(path: Path, where: str) -> list[SurveyFeature]:
    try:
        document = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError, RecursionError) as problem:
        raise InputError(_bad(where, "不是 GeoJSON", "E-RETURN-FILE")) from problem
    listed = document.get("features") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        what = "认不出这是什么文件，没有读取。"
        raise InputError(Finding("E-RETURN-UNKNOWN", what, where, "json", "GeoJSON", _ADVICE))
    if len(listed) > MAX_ROWS:
        raise too_large(where)
    crs = _geojson_crs(document)
    features = []
    for number, item in enumerate(listed, start=1):
        entry = item if isinstance(item, dict) else {}
        values = entry.get("properties")
        values = values if isinstance(values, dict) else {}
        columns = _columns(tuple(str(name) for name in values))
        place = f"{where} 第 {number} 个要素"
        found = _checked(_geojson_outline(entry.get("geometry")), crs, place)
        features.append(_feature(values, columns, number, found))
    return features


def _geojson_crs(document: Mapping[str, Any]) -> CRS | None:
    """The standard's degrees, or what the older `crs` member names."""
    stated = document.get("crs")
    if stated is None:
        return CRS.from_epsg(GEOGRAPHIC)
    properties = stated.get("properties") if isinstance(stated, dict) else None
    name = str(properties.get("name", "")) if isinstance(properties, dict) else ""
    if name.upper().endswith("CRS84"):
        return CRS.from_epsg(GEOGRAPHIC)
    return parse_crs(name.rpartition(":")[2])


def _geojson_outline(shape: object) -> BaseGeometry | None:
    """Polygon or multipolygon; None for everything else."""
    if not isinstance(shape, dict):
        return None
    kind, coordinates = shape.get("type"), shape.get("coordinates")
    try:
        if kind == "Polygon":
            return _polygon(coordinates)
        if kind == "MultiPolygon" and isinstance(coordinates, list):
            return MultiPolygon([_polygon(part) for part in coordinates])
    except (TypeError, ValueError, IndexError, shapely.errors.GEOSException):
        pass
    return None


def _polygon(rings: Any) -> Polygon:
    shell, *holes = [[(float(x), float(y)) for x, y, *_ in ring] for ring in rings]
    return Polygon(shell, holes)


def _checked(
    outline: BaseGeometry | None, crs: CRS | None, place: str
) -> tuple[BaseGeometry, CRS] | Finding:
    if outline is None or outline.is_empty or outline.geom_type not in ("Polygon", "MultiPolygon"):
        return _bad(place, "没有图形" if outline is None else outline.geom_type)
    if crs is None:
        what = "界址没有写明坐标系。"
        advice = "补上 .prj，或用 QGIS 指定坐标系后另存为 GeoPackage 再交回。"
        return Finding("E-RETURN-GEOMETRY", what, place, "", "CGCS2000，写明带号", advice)
    return shapely.force_2d(outline), crs


def _columns(names: Iterable[str]) -> dict[str, str]:
    """Columns of a layer by what is read of them."""
    listed = tuple(names)
    found: dict[str, str] = {}
    for name in _NAMES:
        for title in POINT_TITLES[name]:
            same = match_header(title, listed)
            if len(same) == 1:
                found[name] = same[0]
                break
    return found


def _feature(
    values: Mapping[str, Any],
    columns: Mapping[str, str],
    number: int,
    found: tuple[BaseGeometry, CRS] | Finding,
) -> SurveyFeature:
    patch_id, who, day = (
        cell_text(values.get(columns[name])) if name in columns else None for name in _NAMES
    )
    if isinstance(found, Finding):
        return SurveyFeature(patch_id, None, None, number, who, day, found)
    return SurveyFeature(patch_id, found[0], found[1], number, who, day)


def _bad(where: str, value: str, code: str = "E-RETURN-GEOMETRY") -> Finding:
    return Finding(code, "界址图形无法读取。", where, short(value), "面（多边形）", _ADVICE)
