"""Reading a returned verify.gpkg: the layer of patches as plain rows, with its outlines.

The file is opened as data: read-only, its views, triggers and generated columns never run, and no
answer of it may be larger than a limit.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyproj import CRS
from pyproj.exceptions import CRSError
from shapely.geometry import MultiPolygon, Polygon

from pipeline.errors import Finding, InputError, Severity
from pipeline.io.geopackage import open_read_only, quoted, user_tables
from pipeline.io.returned.outline_blobs import MAX_BLOB_BYTES, OutlineError, read_outline
from pipeline.io.returned.problems import try_reading
from pipeline.io.returned.xlsx_sheet import MAX_COLUMNS, MAX_ROWS, too_large
from pipeline.schema.delivered import FORM_COLUMNS, VERIFY
from pipeline.schema.fields import FIELDS
from pipeline.schema.returned import FormRow, FormTable, ReturnedFile
from pipeline.schema.returned_text import NO_ZH, YES_ZH, cell_text, short

MAX_STEPS = 4_000
"""Calls of the progress handler, one per 100,000 instructions of sqlite: minutes of work."""

_WKT_STARTS = ("PROJCS[", "GEOGCS[", "PROJCRS[", "GEOGCRS[", "COMPD_CS[", "COMPOUNDCRS[")
_TRUTHS = {"1": YES_ZH, "0": NO_ZH, "true": YES_ZH, "false": NO_ZH}
_BOOLEANS = frozenset(name for name in VERIFY.fields if FIELDS[name].dtype == "boolean")


@dataclass(frozen=True)
class RawTable:
    """One table of a returned GeoPackage."""

    name: str
    columns: tuple[str, ...]
    """Without the geometry."""
    rows: tuple[tuple[int, Mapping[str, Any], object], ...]
    """Row id, values by column, geometry blob."""
    crs: CRS | None
    has_geometry: bool


def read_verify_gpkg(file: ReturnedFile) -> FormTable:
    """The filled layer `patches`; the table's `problem` if it can not be read.

    Texts are in the same normal form as those of a workbook, coded values as codes.
    """
    if file.problem is not None:
        return FormTable(problem=file.problem)
    read = try_reading(lambda: _read(file), file.name)
    return FormTable(problem=read) if isinstance(read, Finding) else read


def read_tables(path: Path) -> list[RawTable]:
    """All listed tables of a GeoPackage, by name. Raises `InputError` and what sqlite raises."""
    with _opened(path) as connection:
        names = [name for name in user_tables(connection, path) if name != "layer_styles"]
        return [_read_table(connection, name) for name in names]


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with open_read_only(path) as connection:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_BLOB_BYTES)
        steps = 0

        def on_progress() -> int:
            nonlocal steps
            steps += 1
            return int(steps > MAX_STEPS)

        connection.set_progress_handler(on_progress, 100_000)
        try:
            yield connection
        except UnicodeDecodeError as problem:
            # Names of columns and sqlite's own messages are decoded strictly.
            what = "GeoPackage 已损坏：表名或字段名里有读不通的字节。"
            advice = "用 QGIS 打开核对，必要时另存为 GeoPackage 后再交回。"
            raise InputError(Finding("E-RETURN-FILE", what, path.name, advice=advice)) from problem


def _read(file: ReturnedFile) -> FormTable:
    path = Path(file.path)
    with _opened(path) as connection:
        name = _patch_table(connection, user_tables(connection, path), file.name)
        table = _read_table(connection, name)
    rows = tuple(FormRow(number, _texts(values)) for number, values, _ in table.rows)
    ids = {row.values.get("package_id") for row in rows} - {None}
    outlines, notices = _outlines(table, file.name)
    known = tuple(name for name in table.columns if name in VERIFY.fields)
    return FormTable(
        columns=known,
        rows=tuple(row for row in rows if any(row.values.values())),
        package_id=min(filter(None, ids)) if len(ids) == 1 else None,
        unknown_headers=tuple(short(one) for one in table.columns if one not in VERIFY.fields),
        sheet=short(name),
        outlines=outlines,
        crs=table.crs,
        notices=notices,
    )


def _patch_table(connection: sqlite3.Connection, names: Sequence[str], where: str) -> str:
    """The layer of patches, also where somebody saved it under another name."""
    needed = {"patch_id", *FORM_COLUMNS[:1]}
    fitting = [name for name in names if needed <= set(_columns(connection, name))]
    if VERIFY.name in fitting:
        return VERIFY.name
    if len(fitting) == 1:
        return fitting[0]
    raise InputError(
        Finding(
            "E-RETURN-UNKNOWN",
            "GeoPackage 里没有核查图斑层，认不出交回的是什么。",
            where,
            "、".join(short(name) for name in names[:20]),
            f"图层 {VERIFY.name}（有 patch_id 和填报字段）",
            "交回下发的 verify.gpkg，不要改图层名和字段名。",
        )
    )


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    """Stored columns; generated and hidden ones are not listed by this pragma."""
    found = [str(row[1]) for row in connection.execute(f"PRAGMA table_info({quoted(table)})")]
    if len(found) > MAX_COLUMNS:
        raise too_large(table)
    return found


def _read_table(connection: sqlite3.Connection, name: str) -> RawTable:
    columns = _columns(connection, name)
    geometry, crs = _geometry(connection, name)
    shape = geometry if geometry in columns else None
    plain = [column for column in columns if column != shape]
    wanted = ", ".join(quoted(column) for column in [*plain, *([shape] if shape else [])])
    # Without an alias for the row id every table has its own; views were refused before.
    query = f"SELECT rowid, {wanted or 'NULL'} FROM {quoted(name)} ORDER BY rowid"
    rows: list[tuple[int, Mapping[str, Any], object]] = []
    for number, *cells in connection.execute(query):
        if len(rows) >= MAX_ROWS:
            raise too_large(name)
        blob = cells.pop() if shape else None
        values = dict(zip(plain, cells, strict=False))
        rows.append((int(number), values, blob))
    attributes = tuple(column for column in plain if column not in ("fid", "ogc_fid"))
    return RawTable(name, attributes, tuple(rows), crs, shape is not None)


def _geometry(connection: sqlite3.Connection, table: str) -> tuple[str | None, CRS | None]:
    """Name of the geometry column and its reference system."""
    if not connection.execute("PRAGMA table_info(gpkg_geometry_columns)").fetchone():
        return None, None
    found = connection.execute(
        "SELECT column_name, srs_id FROM gpkg_geometry_columns WHERE table_name = ?", (table,)
    ).fetchone()
    if found is None:
        return None, None
    system = connection.execute(
        "SELECT organization, organization_coordsys_id, definition FROM gpkg_spatial_ref_sys "
        "WHERE srs_id = ?",
        (found[1],),
    ).fetchone()
    return str(found[0]), _crs(*system) if system else None


def _crs(organization: object, number: object, definition: object) -> CRS | None:
    """The system by its EPSG code, else by its WKT; nothing else is given to PROJ."""
    try:
        if str(organization).upper() == "EPSG" and isinstance(number, int):
            return _usable(CRS.from_epsg(number))
        text = str(definition).strip()
        if len(text) < 20_000 and text.upper().startswith(_WKT_STARTS):
            return _usable(CRS.from_wkt(text))
    except CRSError:
        pass
    return None


def _usable(crs: CRS) -> CRS | None:
    return crs if crs.is_projected or crs.is_geographic else None


def _texts(values: Mapping[str, Any]) -> dict[str, str | None]:
    return {name: _text(name, value) for name, value in values.items() if name in VERIFY.fields}


def _text(name: str, value: object) -> str | None:
    shown = cell_text(value)
    return _TRUTHS.get(shown.lower(), shown) if shown and name in _BOOLEANS else shown


def _outlines(
    table: RawTable, where: str
) -> tuple[dict[str, Polygon | MultiPolygon], tuple[Finding, ...]]:
    """Outlines by patch id; the pieces of a patch that was cut up are put together."""
    pieces: dict[str, list[Polygon]] = {}
    notices: list[Finding] = []
    for number, values, blob in table.rows:
        patch_id = cell_text(values.get("patch_id"))
        try:
            outline = read_outline(blob)
        except OutlineError as problem:
            notices.append(_no_outline(where, f"fid {number}：{problem}"))
            continue
        if patch_id is not None and outline is not None:
            parts = outline.geoms if isinstance(outline, MultiPolygon) else [outline]
            pieces.setdefault(patch_id, []).extend(parts)
    outlines = {
        patch_id: parts[0] if len(parts) == 1 else MultiPolygon(parts)
        for patch_id, parts in sorted(pieces.items())
    }
    return outlines, tuple(notices)


def _no_outline(where: str, value: str) -> Finding:
    advice = "图斑范围以下发的为准；范围有出入时另附实测界址。"
    what = "图斑的图形无法读取，只读取填写的内容。"
    return Finding("N-RETURN-DOUBT", what, where, value, advice=advice, severity=Severity.NOTICE)
