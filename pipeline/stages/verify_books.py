"""`verify` of the books: every figure read again from CSV, trace and county file by plain SQL."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from pipeline.errors import Finding
from pipeline.io.geopackage import open_read_only
from pipeline.io.runs import RunPaths
from pipeline.io.tables import read_csv, read_tables_json
from pipeline.stages.book_sql import recipe, recount
from pipeline.stages.trace import agrees, book_settings

SUMMED_UNITS = ("个", "宗", "亩", "㎡")
LIMITED = frozenset({"deduction_before_mu", "deduction_after_mu", "award_mu", "line_mu"})
"""Worked out by multiplier, floor and cap, or given by a rule: no parts add up to them."""
NETTED = ("net_demolished_mu", "net_regularised_mu", "net_both_mu", "net_closed_mu")
PARTS_SQL = """SELECT p.patch_id, coalesce(p.survey_area_mu100, p.area_mu100), sum(q.area_mu100)
FROM patches p LEFT JOIN parts q ON q.patch_id = p.patch_id GROUP BY p.patch_id
HAVING coalesce(p.survey_area_mu100, p.area_mu100) IS NOT sum(q.area_mu100)"""
POSTINGS_SQL = """SELECT posting_no, sum(amount_mu100) FROM quota_ledger GROUP BY posting_no
HAVING sum(amount_mu100) <> 0"""
Rows = list[tuple[str, Mapping[str, Any]]]


def verify_books(paths: RunPaths) -> list[Finding]:
    """Everything about the statistics of a run that does not add up."""
    tables = read_tables_json(paths.tables)
    findings = [found for table in tables.values() for found in _csv(paths, table)]
    settings = book_settings(paths, tables)
    with open_read_only(paths.books) as books, open_read_only(paths.trace) as trace:
        sums = _contributed(trace)
        for table_id, table in tables.items():
            for key, row in _rows(table):
                for column in table["columns"]:
                    shown = row[column["key"]]
                    place = (table_id, key, column["key"])
                    how = recipe(*place, settings)
                    if how is not None:
                        again = recount(books, how)
                        if not agrees(shown, again, how.unit):
                            findings.append(_broken(place, "与 county.gpkg 复算不符", shown, again))
                    if column["unit"] in SUMMED_UNITS:
                        findings += _check_parts(place, shown, column["unit"], sums)
        findings += _layers(books)
    findings += _identities(tables)
    return findings


def _rows(table: Mapping[str, Any]) -> Rows:
    return [
        *zip(table["row_keys"], table["rows"], strict=True),
        *zip(table["total_keys"], table["totals"], strict=True),
    ]


def _csv(paths: RunPaths, table: Mapping[str, Any]) -> Iterator[Finding]:
    """The CSV, cell by cell, against the JSON."""
    path = paths.table(table["name"])
    header, *lines = read_csv(path)
    wanted = [[_text(row[column["key"]]) for column in table["columns"]] for _, row in _rows(table)]
    titles = [
        f"{one['label']}（{one['unit']}）" if one["unit"] else one["label"]
        for one in table["columns"]
    ]
    if header != titles or len(lines) != len(wanted):
        yield _finding(f"{table['name']}.csv 的表头或行数与 tables.json 不同。", path.name, "")
        return
    for number, (found, right) in enumerate(zip(lines, wanted, strict=True), start=2):
        if found != right:
            pairs = zip(titles, found, right, strict=True)
            different = "；".join(f"{t}：{a}≠{b}" for t, a, b in pairs if a != b)
            yield _finding(
                f"{table['name']}.csv 第 {number} 行与 tables.json 不同。", path.name, different
            )


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)


def _contributed(trace: sqlite3.Connection) -> dict[tuple[str, str, str], Decimal | None]:
    """What the contributions of a cell add up to; None if one is a word or a row."""
    sums: dict[tuple[str, str, str], Decimal | None] = defaultdict(Decimal)

    def add(place: tuple[str, str, str], kind: str, amount: str) -> None:
        total = sums[place]
        is_number = kind not in ("row", "column") and amount[:1] in "-0123456789"
        sums[place] = total + Decimal(amount) if is_number and total is not None else None

    for table, row, column, kind, amount, m2 in trace.execute(
        "SELECT table_id, row_key, column_key, subject_kind, amount_text, amount_m2_text "
        "FROM contributions"
    ):
        add((table, row, column), kind, amount)
        if m2 is not None or (kind == "row" and column.endswith("_mu")):
            add((table, row, f"{column.removesuffix('_mu')}_m2"), kind, m2 or "")
    return dict(sums)


def _check_parts(
    place: tuple[str, str, str],
    shown: Any,
    unit: str,
    sums: Mapping[tuple[str, str, str], Decimal | None],
) -> Iterator[Finding]:
    table_id, key, column = place
    is_listed = table_id in ("T12", "T15") or column.startswith("check")
    if is_listed or column in LIMITED or isinstance(shown, str) or shown is None:
        return
    found = sums.get(place, Decimal(0))
    if found is None or (table_id, key.split("|")[0]) == ("T05", "total"):
        return
    tolerance = Decimal("0.01") if unit == "㎡" or column in NETTED else Decimal(0)
    if abs(Decimal(str(shown)) - found) > tolerance:
        yield _broken(place, "与 trace.gpkg 的构成之和不符", shown, found)


def _layers(books: sqlite3.Connection) -> Iterator[Finding]:
    for patch_id, whole, parts in books.execute(PARTS_SQL):
        what = f"图斑 {patch_id} 的面积与分块之和不符（0.01 亩）。"
        yield _finding(what, "statistics/county.gpkg", f"{whole}，分块之和 {parts}")
    for number, total in books.execute(POSTINGS_SQL):
        what = f"指标账第 {number} 号凭证借贷不平。"
        yield _finding(what, "statistics/county.gpkg", f"{total / 100:.2f} 亩")


def _identities(tables: Mapping[str, Any]) -> Iterator[Finding]:
    for row in tables["T15"]["rows"]:
        if row["is_equal"] == "不符":
            value = json.dumps([row["left"], row["right"]], ensure_ascii=False)
            yield _finding(f"核对表不符：{row['identity']}。", "T15_reconcile", value)


def _broken(place: tuple[str, str, str], what: str, shown: Any, again: Any) -> Finding:
    table_id, key, column = place
    return _finding(
        f"{table_id} 行 {key} 列 {column} {what}。",
        "statistics/tables.json",
        f"表中 {_text(shown)}，复算 {again}",
    )


def _finding(what: str, where: str, value: str) -> Finding:
    return Finding(
        "E-VERIFY-SUM",
        what,
        where=where,
        value=value,
        advice="成果被改动或损坏：删除 statistics 文件夹后重新运行。",
    )
