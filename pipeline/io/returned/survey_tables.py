"""Reading boundary points (拐点坐标): tables in CSV and xlsx, and the national text format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pyproj import CRS

from pipeline.errors import Finding, InputError
from pipeline.io.returned.csv_cells import read_text
from pipeline.io.returned.tables import read_sheets
from pipeline.io.returned.xlsx_sheet import SheetCells
from pipeline.patches.survey_point_crs import parse_stated_crs
from pipeline.patches.survey_points import POINT_TITLES, BoundaryPoint, outlines_of_points
from pipeline.schema.form_header import SEARCHED_ROWS, Rows
from pipeline.schema.headers import fold
from pipeline.schema.normalise import Invalid, clean_text, parse_number
from pipeline.schema.returned import ReturnedFile, SurveyFeature

_PARCELS = "[地块坐标]"
_ID = re.compile(r"(?=.{10,40}$)[0-9A-Za-z]+(?:[_-]\d+)*", re.ASCII)
_BRACKETS = re.compile(r"\(([^()]*)\)")
_EAST_MARKS, _NORTH_MARKS = ("东", "横", "经"), ("北", "纵", "纬")
_FIELDS = {title: name for name, titles in POINT_TITLES.items() for title in titles}


def read_point_file(file: ReturnedFile, default: CRS | None) -> list[SurveyFeature]:
    """Boundaries of a CSV, text or workbook of points. Raises `InputError`."""
    if file.kind != "xlsx":
        text = read_text(Path(file.path), file.name)
        if _PARCELS in text or re.search(r",\s*@\s*$", text, re.MULTILINE):
            return _read_national(text, default, file.name)
    sheets, _ = read_sheets(file, lambda rows: len(_find_columns(rows)[1]))
    found: list[SurveyFeature] = []
    is_table = False
    for sheet in sheets:
        row, columns = _find_columns(sheet.rows)
        if columns:
            is_table = True
            stated = parse_stated_crs(_head(sheet.rows, row))
            points = list(_points(sheet, row, columns))
            found += outlines_of_points(points, stated, default, file.name)
    if not is_table or not found:
        what = "没有找到界址点。" if is_table else "没有找到拐点坐标表的表头。"
        allowed = "表头有图斑编号、圈号、点号、X（北）、Y（东）的表，或国家报备坐标格式的文本"
        advice = "按界址点成果表的样子另存后再交回。"
        raise InputError(Finding("E-RETURN-UNKNOWN", what, file.name, "", allowed, advice))
    return found


def named_patch(name: str) -> str | None:
    """The patch id at the start of a file name; None if there is none."""
    base = name.rpartition("/")[2]
    found = re.match(r"\d{6}[0-9A-Za-z]{6,30}(?:_\d+)?", base, re.ASCII)
    return found.group() if found else None


def _find_columns(rows: Rows) -> tuple[int, dict[str, int]]:
    """Row of the header and its columns by field; none without both coordinates."""
    best: tuple[int, dict[str, int]] = (0, {})
    for number in sorted(rows)[:SEARCHED_ROWS]:
        columns: dict[str, int] = {}
        for column, title in sorted(rows[number].items()):
            name = _field(title)
            if name is not None:
                columns.setdefault(name, column)
        is_header = {"first", "second"} <= columns.keys() or {"lat", "lon"} <= columns.keys()
        if is_header and len(columns) > len(best[1]):
            best = number, columns
    return best


def _field(title: str) -> str | None:
    """The field under a title; what stands in brackets may say which axis is meant."""
    folded = fold(title)
    marks = "".join(_BRACKETS.findall(folded))
    plain = re.sub(r"坐标(?!系)|[:：]", "", _BRACKETS.sub("", folded))
    name = _FIELDS.get(plain)
    if name in ("first", "second") and marks.startswith(_EAST_MARKS):
        return "second"
    if name in ("first", "second") and marks.startswith(_NORTH_MARKS):
        return "first"
    return name


def _head(rows: Rows, header: int) -> str:
    """What stands above the header, for what it says of the reference system."""
    texts = [text for row in sorted(rows) if row < header for text in rows[row].values()]
    return "\n".join(texts)[:4_000]


def _points(sheet: SheetCells, header: int, columns: Mapping[str, int]) -> Iterator[BoundaryPoint]:
    """The points below the header; what is written once for several rows holds for all of them."""
    patch_id: str | None = None
    parcel, ring = "", ""
    first, second = ("first", "second") if "first" in columns else ("lat", "lon")
    for number in sorted(row for row in sheet.rows if row > header):
        cells = {name: sheet.rows[number].get(column) for name, column in columns.items()}
        if not any(cells.values()):
            continue
        stated_id = cells.get("patch_id")
        if stated_id is not None and stated_id != patch_id:
            patch_id, parcel, ring = stated_id, "", ""
        if cells.get("parcel") and cells.get("parcel") != parcel:
            parcel, ring = cells.get("parcel") or "", ""
        ring = cells.get("ring") or ring
        if cells.get(first) is None and cells.get(second) is None and cells.get("point") is None:
            continue
        yield BoundaryPoint(
            number,
            patch_id,
            _coordinate(cells.get(first)),
            _coordinate(cells.get(second)),
            parcel,
            ring,
            cells.get("surveyed_by"),
            cells.get("surveyed_date"),
            cells.get("crs") or "",
        )


def _coordinate(text: str | None) -> float | None:
    cleaned = clean_text(text)
    number = None if cleaned is None else parse_number(cleaned)
    if number is None or isinstance(number, Invalid) or abs(number.adjusted()) > 12:
        return None
    return float(number)


def _read_national(text: str, default: CRS | None, where: str) -> list[SurveyFeature]:
    """The text format for reporting coordinates: a head, then parcels that begin with an “@” line.

    Fields of that line: points, hectares, parcel number, parcel name, kind, sheet, use, class, @.
    """
    lines = text.splitlines()
    about = dict(line.split("=", 1) for line in lines if "=" in line)
    stated = parse_stated_crs("\n".join(line for line in lines if "=" in line))
    who, day = (_value(about, key) for key in ("数据产生单位", "数据产生日期"))
    points: list[BoundaryPoint] = []
    patch_id: str | None = None
    parcel = 0
    for number, line in enumerate(lines, start=1):
        fields = [field.strip() for field in line.replace("，", ",").strip().split(",")]
        if fields[-1] == "@":
            parcel += 1
            patch_id = _named_parcel(fields)
        elif any(fields) and "=" not in line and not line.strip().startswith("["):
            x, y = (_coordinate(value) for value in [*fields, "", "", "", ""][2:4])
            ring = fields[1] if len(fields) > 1 else ""
            points.append(BoundaryPoint(number, patch_id, x, y, str(parcel), ring, who, day))
    if not points:
        what = "文本里没有界址点。"
        raise InputError(Finding("E-RETURN-FILE", what, where, advice="重新导出后再交回。"))
    return outlines_of_points(points, stated, default, where)


def _named_parcel(fields: list[str]) -> str | None:
    """The patch id among number and name of a parcel; else its number."""
    named = [value for value in fields[2:4] if value]
    return next((value for value in named if _ID.fullmatch(value)), None) or None


def _value(about: Mapping[str, str], key: str) -> str | None:
    return next((clean_text(text) for name, text in about.items() if name.strip() == key), None)
