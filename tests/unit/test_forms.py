"""Workbooks: texts stay texts, forms are open where they should be, sums are right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

from pipeline.config.load import CODES_DIR, load_codes
from pipeline.delivery.delivered import Vocabulary
from pipeline.delivery.forms import cases, judgements, register
from pipeline.delivery.sheets import Column, ListSheet, Workbook
from pipeline.io.workbooks import write_workbook
from pipeline.schema.delivered import COUNTY, FORM_COLUMNS, VERIFY
from pipeline.schema.fields import FIELDS

VOCABULARY = Vocabulary({path.stem: load_codes(path) for path in CODES_DIR.glob("*.csv")})
HEADING = {
    "county": "示例县",
    "township": "清溪镇",
    "period": "2024年第三季度",
    "secrecy": "内部资料",
    "package_id": "T1-379999101-abcdef01",
    "due": "2024-11-20",
}
HOSTILE = ("=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0", "http://x.y", "007", "\t=1")


def patches(spec: Any = VERIFY) -> pd.DataFrame:
    rows = []
    for number, mu100 in enumerate((533, 1067, 5), start=1):
        row: dict[str, Any] = dict.fromkeys(spec.fields)
        row |= {
            "serial_no": number,
            "patch_id": f"379999ZJ24{number:06d}",
            "issued_id": "00123" if number == 1 else None,
            "source": "both",
            "township_name": "清溪镇",
            "suspected_class": "suspected_violation",
            "change_kind": "building",
            "handling_route": "field_check",
            "area_mu100": mu100,
            "area_mu": mu100 / 100,
            "cultivated_mu": mu100 / 100,
            "area_m2": mu100 * 20 / 3,
            "is_straddling": number == 2,
            "priority": 5,
            "reasons_zh": HOSTILE[number],
            "center_lon": 114.1,
            "center_lat": 30.7,
        }
        rows.append(row)
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("forms") / "register.xlsx"
    write_workbook(path, register(patches(), VOCABULARY, HEADING, 200.0))
    return openpyxl.load_workbook(path)


def layout(sheet: Any) -> tuple[int, dict[str, int]]:
    """Row of the hidden field names, and column by field name."""
    row = next(n for n in range(1, 12) if sheet.cell(n, 2).value == "patch_id")
    return row, {cell.value: cell.column for cell in sheet[row] if cell.value}


def test_ids_and_formulas_are_text(book: Any) -> None:
    sheet = book["图斑台账"]
    row, column = layout(sheet)
    issued = sheet.cell(row + 2, column["issued_id"])
    assert (issued.value, issued.data_type) == ("00123", "s")
    for number in range(3):
        cell = sheet.cell(row + 2 + number, column["reasons_zh"])
        assert cell.data_type == "s"
        assert cell.value == HOSTILE[number + 1]
        assert cell.quotePrefix


def test_only_the_form_is_unlocked_and_the_sheet_is_protected(book: Any) -> None:
    sheet = book["图斑台账"]
    row, column = layout(sheet)
    assert sheet.protection.sheet
    assert not sheet.protection.password
    unlocked = {
        name for name, at in column.items() if not sheet.cell(row + 2, at).protection.locked
    }
    assert unlocked == set(FORM_COLUMNS)
    assert sheet.row_dimensions[row].hidden


def test_drop_downs_point_at_the_code_sheet(book: Any) -> None:
    sheet, codes = book["图斑台账"], book["代码表"]
    row, column = layout(sheet)
    letter = openpyxl.utils.get_column_letter(column["site_state"])
    lists = {
        str(rule.sqref): rule for rule in sheet.data_validations.dataValidation
        if rule.type == "list"
    }  # fmt: skip
    rule = lists[f"{letter}{row + 2}:{letter}{row + 4}"]
    assert rule.formula1 == "'代码表'!$A$2:$A$6"
    assert rule.errorStyle in (None, "stop")
    texts = [codes.cell(n, 1).value for n in range(1, 7)]
    assert texts == ["现状", *load_codes(CODES_DIR / "site_state.csv").labels.values()]
    assert len(lists) == 4


def test_totals_add_up_in_hundredths_and_carry_their_value(tmp_path: Path) -> None:
    path = tmp_path / "register.xlsx"
    write_workbook(path, register(patches(), VOCABULARY, HEADING, 200.0))
    formulas, values = (openpyxl.load_workbook(path, data_only=flag) for flag in (False, True))
    row, column = layout(formulas["图斑台账"])
    last = row + 2 + 3
    at = column["area_mu"]
    assert values["图斑台账"].cell(last, 1).value == "合计"
    assert values["图斑台账"].cell(last, at).value == 16.05
    assert str(formulas["图斑台账"].cell(last, at).value).startswith("=SUM(")
    # Not supplied is no zero.
    assert values["图斑台账"].cell(last, column["redline_mu"]).value == "未提供"
    assert values["图斑台账"].cell(row + 2, column["redline_mu"]).value is None


def test_labels_stand_for_codes_and_yes_for_true(book: Any) -> None:
    sheet = book["图斑台账"]
    row, column = layout(sheet)
    assert sheet.cell(row + 2, column["suspected_class"]).value == "疑似违法"
    assert sheet.cell(row + 3, column["is_straddling"]).value == "是"
    assert sheet.cell(row + 2, column["is_straddling"]).value == "否"


def test_the_dictionary_lists_every_delivered_column(book: Any) -> None:
    cells = [[cell.value for cell in row] for row in book["代码表"].iter_rows()]
    at = cells[0].index("字段")
    assert [row[at] for row in cells[1 : len(VERIFY.fields) + 1]] == list(VERIFY.fields)
    codes = {row[at]: row[at + 2] for row in cells[1:] if row[at]}
    assert codes["patch_id"] == "JCBH"


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.xlsx", "b.xlsx"):
        write_workbook(tmp_path / name, register(patches(), VOCABULARY, HEADING, 200.0))
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


def test_every_open_column_is_a_form_field_and_back() -> None:
    content = register(patches(), VOCABULARY, HEADING, 200.0)
    columns = content.lists[0].columns
    assert tuple(column.key for column in columns if column.is_open) == FORM_COLUMNS
    assert {column.key for column in columns} <= FIELDS.keys()
    assert not any(column.is_open for column in columns if column.key not in FORM_COLUMNS)


def test_judgements_offer_the_words_of_the_national_form(tmp_path: Path) -> None:
    content = judgements(patches(COUNTY), VOCABULARY, HEADING)
    assert content.codes["合法性判定"] == ("合法新增建设用地", "违法用地", "其他用地")
    sheet = content.lists[0]
    assert all(row.get("judgement") is None for row in sheet.rows)
    assert [row["patch_id"] for row in sheet.rows] == list(patches()["patch_id"])
    write_workbook(tmp_path / "judgements.xlsx", content)


def test_cases_have_empty_rows_and_the_list_of_patches(tmp_path: Path) -> None:
    content = cases(patches(COUNTY), VOCABULARY, HEADING)
    assert not content.lists[0].rows
    assert content.lists[0].spare_rows >= 50
    assert len(content.lists[1].rows) == 3
    write_workbook(tmp_path / "cases.xlsx", content)
    sheet = openpyxl.load_workbook(tmp_path / "cases.xlsx")["案件台账"]
    first = next(n for n in range(1, 12) if sheet.cell(n, 1).value == "case_no") + 2
    assert not sheet.cell(first, 1).protection.locked
    assert not sheet.cell(first + 49, 5).protection.locked


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_becomes_a_formula_a_link_or_a_number(tmp_path: Path, text: str) -> None:
    sheet = ListSheet("表", text, (text,), [Column("a", text, "id")], [{"a": text}], 1)
    write_workbook(tmp_path / "a.xlsx", Workbook(text, text, text, [sheet], [(text, text)]))
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    for page in book:
        for cell in (cell for row in page.iter_rows() for cell in row if cell.value is not None):
            assert cell.data_type == "s", (page.title, cell.coordinate)
            assert cell.hyperlink is None
