"""`trace`: one figure of the tables walked back to patches, rules and inputs, and counted again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from pipeline.config.load import CODES_DIR, load_codes
from pipeline.errors import Finding, UsageError, VerifyError
from pipeline.io.geopackage import open_read_only
from pipeline.io.manifest import read_manifest
from pipeline.io.runs import RunPaths
from pipeline.io.tables import read_tables_json
from pipeline.stages.book_sql import Settings, recipe, recount
from pipeline.stages.trace_sources import (
    image_lines,
    input_lines,
    open_pixels,
    pixel_words,
    rule_lines,
)
from pipeline.units import format_mu100

TOTAL_WORDS = ("合计", "全县", "total")
GROUPS = {"下发": "issued", "自主提取": "detected", "全部": "all", "县级": "county"}
LIST_TABLE = "T12"
"""Its rows are patches: every one is made of itself."""
MAX_PARTS = 200
"""Patches listed of one figure; the rest is counted."""
M2_TOLERANCE = Decimal("0.01")
"""Two orders of adding the same unrounded areas may differ in the last printed place."""

PATCH_SQL = """SELECT township_name, suspected_class, judgement, counted_basis, counted_area_mu100,
  counted_area_m2, case_nos, net_way, is_rectified, lineage_id FROM patches
  WHERE patch_id = ?"""


class _Sources(NamedTuple):
    """Where the parts of a figure are looked up."""

    parts: sqlite3.Connection
    books: sqlite3.Connection
    pixels: sqlite3.Connection | None


@dataclass(frozen=True)
class _Cell:
    """One figure."""

    table_id: str
    title: str
    row_key: str
    row_name: str
    column: Mapping[str, str]
    value: Any


def trace(
    paths: RunPaths, table: str, unit: str, column: str | None = None, group: str | None = None
) -> list[str]:
    """Lines in Chinese on the figures of a unit: `unit` by code, name, or 合计.

    Raises `UsageError` if there is no such table, row or column, `VerifyError` E-VERIFY-SUM if a
    figure is not what the data give when counted again.
    """
    tables = read_tables_json(paths.tables)
    cells = list(_cells(tables, table.strip().upper(), unit.strip(), column, group))
    settings = book_settings(paths, tables)
    lines: list[str] = []
    broken: list[Finding] = []
    with (
        open_read_only(paths.trace) as parts,
        open_read_only(paths.books) as books,
        open_pixels(paths) as pixels,
    ):
        sources = _Sources(parts, books, pixels)
        for cell in cells:
            again, findings = _again(books, cell, settings)
            broken += findings
            if column is None:
                again = again[:1] + again[-1:] if len(again) > 1 else []
            lines += ["", *_head(cell), *_parts(sources, cell), *again]
        lines += ["", *rule_lines(parts, tables, cells[0].table_id)]
        lines += [*image_lines(parts, paths), *input_lines(parts)]
    if broken:
        raise VerifyError(broken)
    return lines[1:]


def book_settings(paths: RunPaths, tables: Mapping[str, Any]) -> Settings:
    """What the statements need to know beside the data."""
    manifest = read_manifest(paths.manifest("statistics"))
    given = {} if manifest is None else manifest.head.settings
    with open_read_only(paths.trace) as connection:
        row = connection.execute(
            "SELECT rule_value FROM rules_used WHERE rule_id = 'quota.base'"
        ).fetchone()
    quota, ratio = tables["T05"], tables["T06"]
    return {
        "closes_on": given.get("closes_on"),
        "target_year": quota["totals"][0]["target_year"],
        "county_code": ratio["rows"][0]["unit_code"],
        "base": "new_construction" if row is None else row[0],
    }


def _cells(
    tables: Mapping[str, Any], table_id: str, unit: str, column: str | None, group: str | None
) -> Iterator[_Cell]:
    if table_id not in tables:
        raise _unknown("没有这张表。", table_id, "、".join(tables))
    table = tables[table_id]
    columns = [one for one in table["columns"] if one["unit"] and _is_meant(one, column)]
    if not columns:
        labels = [one["label"] for one in table["columns"] if one["unit"]]
        if not labels:
            raise _unknown("这张表没有可以追溯的数字列。", table_id, "请追溯它所核对的表")
        raise _unknown("表里没有这一列。", str(column), "、".join(labels))
    wanted = None if group is None else GROUPS.get(group, group)
    if wanted is not None and wanted not in GROUPS.values():
        raise _unknown("没有这个来源分组。", str(group), "、".join(GROUPS))
    found = False
    for key, row in _rows(table):
        if not _is_row(key, row, unit) or wanted not in (None, _group(key, row)):
            continue
        found = True
        name = " ".join(str(cell) for cell in list(row.values())[1:4] if isinstance(cell, str))
        for one in columns:
            yield _Cell(
                table_id, table["title"], key, _name(table, row) or name, one, row[one["key"]]
            )
    if not found:
        names = dict.fromkeys(str(row.get("unit_name")) for _, row in _rows(table))
        raise _unknown("表里没有这一行。", unit, "、".join(names))


def _rows(table: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [
        *zip(table["row_keys"], table["rows"], strict=True),
        *zip(table["total_keys"], table["totals"], strict=True),
    ]


def _name(table: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    keys = [one["key"] for one in table["columns"] if not one["unit"] and one["key"] != "unit_code"]
    names = (
        "unit_name",
        "source_group",
        "judgement",
        "suspected_class",
        "measure",
        "clock",
        "period",
    )
    return " ".join(str(row[key]) for key in names if key in keys and row.get(key))


def _group(key: str, row: Mapping[str, Any]) -> str:
    """Group of sources of a row; where the table has none, of its key."""
    return GROUPS.get(str(row.get("source_group")), key.rpartition("|")[2])


def _is_meant(column: Mapping[str, str], asked: str | None) -> bool:
    header = f"{column['label']}（{column['unit']}）"
    return asked is None or asked in (column["key"], column["label"], header)


def _is_row(key: str, row: Mapping[str, Any], unit: str) -> bool:
    if unit in TOTAL_WORDS:
        is_county = len(str(row.get("unit_code"))) == 6
        return key.startswith("total|") or is_county
    return unit in (row.get("unit_code"), row.get("unit_name"), row.get("patch_id"))


def _head(cell: _Cell) -> list[str]:
    column = cell.column
    return [
        f"{cell.table_id} {cell.title}｜{cell.row_name}｜{column['label']}："
        f"{_number(cell.value)} {column['unit']}"
    ]


def _number(value: Any) -> str:
    return "（空）" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)


def _parts(sources: _Sources, cell: _Cell) -> Iterator[str]:
    key, parts = cell.column["key"], sources.parts
    found = parts.execute(
        "SELECT subject_kind, subject_id, amount_text, amount_unit FROM contributions "
        "WHERE table_id = ? AND row_key = ? AND column_key = ? ORDER BY contribution_no",
        (cell.table_id, cell.row_key, key),
    ).fetchall()
    if key.endswith("_m2"):
        # Areas in ㎡ stand beside the same areas in 亩.
        found += parts.execute(
            "SELECT subject_kind, subject_id, coalesce(amount_m2_text, ''), '㎡' "
            "FROM contributions WHERE table_id = ? AND row_key = ? AND column_key = ? "
            "ORDER BY contribution_no",
            (cell.table_id, cell.row_key, f"{key.removesuffix('_m2')}_mu"),
        ).fetchall()
    if not found and cell.table_id == LIST_TABLE:
        is_total = cell.row_key.startswith("total|")
        yield "  构成：本表同一来源的各行" if is_total else "  构成：1 项"
        if not is_total:
            yield f"    图斑 {cell.row_key}{_patch(sources, cell.row_key)}"
        return
    if not found:
        yield "  构成：无（没有计入的图斑、案件或凭证；比例和校核由同一行其他列算出）。"
        return
    yield f"  构成：{len(found)} 项"
    for kind, subject, amount, unit in found[:MAX_PARTS]:
        detail = _patch(sources, subject) if kind == "patch" else ""
        yield f"    {KINDS.get(kind, kind)} {subject}　{amount} {unit if amount else ''}{detail}"
    if len(found) > MAX_PARTS:
        yield f"    其余 {len(found) - MAX_PARTS} 项见 trace.gpkg 表 contributions。"


KINDS = {
    "patch": "图斑",
    "case": "案件",
    "posting": "指标凭证（凭证号-分录号）",
    "input": "县填报",
    "township": "辖区",
    "row": "本表的行",
    "column": "本行的列",
}


def _patch(sources: _Sources, patch_id: str) -> str:
    row = sources.books.execute(PATCH_SQL, (patch_id,)).fetchone()
    if row is None:
        return "　｜往期图斑（见 county.gpkg 表 year_patches）"
    town, suspected, judgement, basis, mu100, m2, cases, way, is_rectified, lineage = row
    said = [
        town or "未落入乡镇",
        f"初判 {_label('suspected_class', suspected)}",
        f"判定 {_label('judgement', judgement) or '未判定'}",
        f"计入 {format_mu100(mu100 or 0)} 亩 / {m2 or 0:.2f} ㎡",
        f"依据 {_label('counted_basis', basis)}",
    ]
    if cases and cases != "[]":
        said.append(f"案件 {'、'.join(json.loads(cases))}")
    if way or is_rectified is not None:
        said.append(f"整改 {_label('case_outcome', way) or '未到位'}")
    said += [f"沿革 {lineage}", pixel_words(sources.pixels, patch_id)]
    return f"　｜{'，'.join(said)}"


@lru_cache
def _labels(table: str) -> Mapping[str, str]:
    return load_codes(CODES_DIR / f"{table}.csv").labels


def _label(table: str, code: str | None) -> str | None:
    return None if code is None else _labels(table).get(code, code)


def _again(
    books: sqlite3.Connection, cell: _Cell, settings: Settings
) -> tuple[list[str], list[Finding]]:
    """The figure counted again by SQL, and what does not agree."""
    how = recipe(cell.table_id, cell.row_key, cell.column["key"], settings)
    if how is None:
        return ["  复算：这一列由规则或其他列算出，构成见上。"], []
    again = recount(books, how)
    sql = " ".join(how.sql.split())
    values = "，".join(f":{name}＝{value}" for name, value in how.values.items())
    lines = [
        f"  复算（county.gpkg）：{again}",
        f"    {sql}",
        *([f"    {values}"] if values else []),
    ]
    if agrees(cell.value, again, how.unit):
        return [*lines, "    与表中数字相符。"], []
    finding = Finding(
        "E-VERIFY-SUM",
        f"{cell.table_id} {cell.row_name} 的“{cell.column['label']}”与复算不符。",
        where="statistics/tables.json",
        value=f"表中 {_number(cell.value)}，复算 {again}",
        advice="成果被改动或损坏：删除 statistics 文件夹后重新运行。",
    )
    return [*lines, "    与表中数字不符！"], [finding]


def agrees(shown: Any, again: Any, unit: str) -> bool:
    """Whether a figure is the recount; a word for nothing seen or stated is a count of nothing."""
    if isinstance(shown, str) or shown is None:
        return again in (shown, 0)
    if isinstance(again, str):
        return False
    tolerance = M2_TOLERANCE if unit == "m2" else Decimal(0)
    return abs(Decimal(str(shown)) - Decimal(again)) <= tolerance


def _unknown(what: str, value: str, allowed: str) -> UsageError:
    return UsageError(Finding("E-USAGE", what, value=value, allowed=allowed))
