"""Tables in memory and on disk: shares, layout, the same cells in CSV, JSON and workbook."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from pipeline.delivery.tables.layout import Frame, Plan, Split, Unit, lay_out, nothing_derived
from pipeline.delivery.tables.reconcile import Identity, reconcile_table
from pipeline.delivery.tables.table import (
    KEY_COLUMNS,
    Column,
    Table,
    areas,
    cell_text,
    mu_cell,
    percent,
)
from pipeline.delivery.tables.tally import Item
from pipeline.io.table_workbook import text_width, write_table_workbook
from pipeline.io.tables import read_csv, read_tables_json, write_csv, write_tables_json
from pipeline.units import two_places

FRAME = Frame(
    "379999",
    "示例县",
    (
        Unit("379999001", "东镇", 0.5),
        Unit("379999002", "西镇", 0.0),
        Unit("379999003", "南镇", None),
    ),
    0.25,
)
HEADING = {
    "county": "示例县",
    "period": "2024年第三季度",
    "closes_on": "2024-12-31",
    "secrecy": "内部",
}


def plan(split: Split | None = None, **more: Any) -> Plan:
    columns = (*KEY_COLUMNS, Column("patches", "图斑个数", "个"), *areas("area", "面积"))
    return Plan("T99", "T99_try", "试表", columns, split, **more)


def items(row: str, mu100: int | None, m2: float | None, subject: str = "P1") -> list[Item]:
    return [
        Item(row, "patches", "patch", subject, 1),
        Item(row, "area_mu", "patch", subject, mu100),
        Item(row, "area_m2", "patch", subject, m2),
    ]


@pytest.mark.parametrize(
    ("numerator", "denominator", "shown"),
    [
        (1, 3, Decimal("33.33")),
        (2, 3, Decimal("66.67")),
        (14.996, 100.0, Decimal("15.00")),
        (0.125, 1000, Decimal("0.01")),
        (0, 5, Decimal("0.00")),
        (1, 0, "无法计算"),
    ],
)
def test_percent_is_exact_and_half_up(numerator: Any, denominator: Any, shown: object) -> None:
    assert percent(numerator, denominator) == shown


def test_rounding_is_half_up_on_the_exact_value() -> None:
    assert two_places(Decimal("2.675")) == Decimal("2.68")
    assert two_places(2.675) == Decimal("2.67")  # the float lies below
    assert mu_cell(-5) == Decimal("-0.05")


def test_unseen_townships_say_so_and_never_zero() -> None:
    table = lay_out(FRAME, plan(), items("379999001|issued", 150, 1000.0), nothing_derived)
    rows = dict(zip(table.row_keys, table.rows, strict=True))
    assert rows["379999001|issued"]["patches"] == 1
    assert rows["379999001|detected"]["patches"] == 0
    assert {rows["379999002|issued"][key] for key in ("patches", "area_mu", "area_m2")} == {
        "未观测"
    }
    assert rows["379999003|issued"]["patches"] == 0
    totals = dict(zip(table.total_keys, table.totals, strict=True))
    assert totals["total|issued"]["area_mu"] == Decimal("1.50")
    assert totals["total|detected"]["area_mu"] == Decimal("0.00")
    assert totals["total|all"]["unit_name"] == "合计"


def test_an_unseen_township_with_an_issued_patch_shows_it() -> None:
    table = lay_out(FRAME, plan(), items("379999002|issued", 150, 1000.0), nothing_derived)
    rows = dict(zip(table.row_keys, table.rows, strict=True))
    assert rows["379999002|issued"]["patches"] == 1
    assert rows["379999002|detected"]["patches"] == "未观测"


def test_unknown_areas_are_words_in_row_and_total() -> None:
    given = [*items("379999001|issued", 150, 1000.0), *items("379999001|issued", None, None, "P2")]
    given += items("379999003|issued", None, None, "P3")
    table = lay_out(FRAME, plan(), given, nothing_derived)
    rows = dict(zip(table.row_keys, table.rows, strict=True))
    assert rows["379999001|issued"]["area_mu"] == "无法计算"
    assert rows["379999003|issued"]["area_mu"] == "未提供"
    assert table.totals[0]["area_mu"] == "无法计算"
    assert table.totals[0]["patches"] == 3


def test_sparse_splits_list_only_what_is_there() -> None:
    split = Split("kind", {"a": "甲", "b": "乙"}, is_sparse=True)
    table = lay_out(FRAME, plan(split), items("379999001|issued|b", 1, 7.0), nothing_derived)
    assert list(table.row_keys) == ["379999001|issued|b"]
    assert list(table.total_keys) == ["total|issued|b", "total|all|b"]
    assert table.rows[0]["kind"] == "乙"


def test_assumptions_add_the_column() -> None:
    table = lay_out(FRAME, plan(assumptions=("系数＝1",)), [], nothing_derived)
    assert table.columns[-1].key == "basis_note"
    assert {row["basis_note"] for row in (*table.rows, *table.totals)} == {
        "示例口径，待上级文件确认"
    }
    plain = lay_out(FRAME, plan(), [], nothing_derived)
    assert "basis_note" not in plain.rows[0]
    assert plain.columns[-1].key == "area_m2"


def full_table() -> Table:
    """Every sort of cell."""
    columns = (
        *KEY_COLUMNS,
        Column("patches", "图斑个数", "个"),
        *areas("area", "面积"),
        Column("check_sum", "校核", "个"),
        Column("remark", "备注", width=20.0),
    )
    rows = [
        {
            "unit_code": "037999001",
            "unit_name": "东镇",
            "source_group": "下发",
            "patches": 3,
            "area_mu": Decimal("1234.50"),
            "area_m2": Decimal("823000.00"),
            "check_sum": 0,
            "remark": "=1+1",
        },
        {
            "unit_code": "037999002",
            "unit_name": "西镇",
            "source_group": "下发",
            "patches": "未观测",
            "area_mu": "未提供",
            "area_m2": "无法计算",
            "check_sum": 2,
            "remark": "-3 亩",
        },
    ]
    total = {**rows[0], "unit_name": "合计", "remark": None}
    return Table(
        "T98", "T98_full", "全表", columns, rows, ["a|issued", "b|issued"], [total], ["total|all"]
    )


def test_csv_json_and_workbook_hold_the_same_cells(tmp_path: Path) -> None:
    table = full_table()
    write_csv(tmp_path / "t.csv", table)
    write_tables_json(tmp_path / "t.json", [table])
    write_table_workbook(tmp_path / "t.xlsx", [table], HEADING)
    header, *lines = read_csv(tmp_path / "t.csv")
    assert header[3:6] == ["图斑个数（个）", "面积（亩）", "面积（㎡）"]
    keys = [column.key for column in table.columns]
    stored = read_tables_json(tmp_path / "t.json")["T98"]
    json_rows = [[row[key] for key in keys] for row in (*stored["rows"], *stored["totals"])]
    sheet = openpyxl.load_workbook(tmp_path / "t.xlsx")["T98 全表"]
    values = list(sheet.iter_rows(values_only=True))
    start = next(n for n, row in enumerate(values) if row[0] == "单位代码")
    sheet_rows = [list(row[: len(keys)]) for row in values[start + 1 : start + 1 + len(lines)]]
    assert sheet_rows == json_rows

    def text(cell: Any) -> str:
        return "" if cell is None else f"{cell:.2f}" if isinstance(cell, float) else str(cell)

    assert [[text(cell) for cell in row] for row in json_rows] == lines
    assert lines[0][4] == "1234.50"
    assert sheet["A1"].value == "T98　全表"


def test_csv_is_for_excel_and_inert(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", full_table())
    raw = (tmp_path / "t.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    assert "'=1+1" in raw.decode("utf-8-sig")


def test_workbook_prints_on_a4_and_marks_checks(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    write_table_workbook(path, [full_table()], HEADING)
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["目录", "T98 全表"]
    sheet = book["T98 全表"]
    assert (sheet.page_setup.paperSize, sheet.page_setup.orientation) == (9, "landscape")
    assert "密级：内部" in sheet.oddHeader.right.text
    rows = {row[1].value: row for row in sheet.iter_rows()}
    good, bad = rows["东镇"][6], rows["西镇"][6]
    assert good.font.color is None or good.font.color.rgb != "FFC00000"
    assert bad.font.color.rgb == "FFC00000"
    assert rows["东镇"][4].number_format == "#,##0.00"
    assert rows["东镇"][0].value == "037999001"
    assert rows["东镇"][7].data_type == "s"
    assert rows["东镇"][7].quotePrefix
    assert sheet.freeze_panes == f"C{rows['东镇'][0].row}"
    texts = " ".join(str(row[0].value) for row in sheet.iter_rows())
    assert "统计截止日期：2024-12-31" in texts
    assert "填表人" in texts


def test_text_width_counts_a_chinese_character_twice() -> None:
    assert text_width("379999001") == 9
    assert text_width("下发合计（上报口径）") == 20


def test_rows_are_as_high_as_their_text_and_notes_stay_on_the_first_page(tmp_path: Path) -> None:
    """Ids of nine digits take one line; a wide table repeats its first columns, never its words."""
    table = full_table()
    columns = (*table.columns, *(Column(f"more_{n}", f"另一列{n}", "亩") for n in range(20)))
    notes = ["很长的说明。" * 60]
    wide = replace(table, columns=columns, notes=notes)
    path = tmp_path / "t.xlsx"
    write_table_workbook(path, [wide], HEADING)
    sheet = openpyxl.load_workbook(path)["T98 全表"]
    assert sheet.page_setup.fitToWidth == 2
    assert sheet.print_title_cols == "$A:$B"
    assert (sheet["A1"].value, sheet["C1"].value) == ("T98", "全表")
    first = next(row[0].row for row in sheet.iter_rows() if row[0].value == "037999001")
    assert sheet.row_dimensions[first].height == 18
    note = next(cell for row in sheet.iter_rows() for cell in row if cell.value == notes[0])
    [merged] = [area for area in sheet.merged_cells.ranges if note.coordinate in area]
    assert merged.min_col == 3
    widths = [column.width for column in columns]
    assert sum(widths[: merged.max_col]) < sum(widths) / 2
    lines = text_width(notes[0]) / sum(widths[2 : merged.max_col])
    assert note.alignment.wrap_text
    assert sheet.row_dimensions[note.row].height >= 13 * lines


def test_equal_tables_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_table_workbook(tmp_path / f"{name}.xlsx", [full_table()], HEADING)
        write_tables_json(tmp_path / f"{name}.json", [full_table()])
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("identity", "verdict", "difference"),
    [
        (Identity("甲", "左", Decimal("1.10"), "右", Decimal("1.10")), "相符", Decimal("0.00")),
        (Identity("甲", "左", Decimal("1.10"), "右", Decimal("1.11")), "不符", Decimal("-0.01")),
        (Identity("甲", "左", "未提供", "右", Decimal("1.11")), "无法核对", None),
        (Identity("甲", "左", 0, is_note=True), "相符", None),
        (Identity("甲", "左", 3, is_note=True), "提示", None),
    ],
)
def test_identities(identity: Identity, verdict: str, difference: Any) -> None:
    row = reconcile_table([identity]).rows[0]
    assert (row["is_equal"], row["difference"]) == (verdict, difference)
    assert cell_text(row["serial"]) == "1"
