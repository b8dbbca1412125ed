"""Workbooks: texts stay texts, forms are open where they should be, sums are right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

from pipeline.config.load import CODES_DIR, load_codes
from pipeline.delivery.bureau_forms import cases, judgements
from pipeline.delivery.closing_forms import (
    TOWNSHIP_ITEMS,
    county_inputs,
    decisions,
    form_titles,
)
from pipeline.delivery.delivered import Vocabulary
from pipeline.delivery.forms import register
from pipeline.delivery.sheets import Column, ListSheet, Workbook
from pipeline.io.workbooks import write_workbook
from pipeline.schema.delivered import COUNTY, FORM_COLUMNS, VERIFY
from pipeline.schema.fields import FIELDS
from pipeline.schema.register_layers import CASE_COLUMNS, INPUT_COLUMNS, JUDGEMENT_COLUMNS

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


UNITS = (("379999", "示例县"), ("379999101", "清溪镇"), ("379999002", "垟头街道"))


def test_judgements_and_cases_ask_for_what_the_register_stores() -> None:
    judged = judgements(patches(COUNTY), VOCABULARY, HEADING).lists[0].columns
    filed = cases(patches(COUNTY), VOCABULARY, HEADING).lists[0].columns
    assert {column.key for column in judged if column.is_open} == set(JUDGEMENT_COLUMNS)
    assert {column.key for column in filed} == {
        *CASE_COLUMNS,
        "case_no",
        "patch_ids",
        "township_name",
    }
    for column in (*judged, *filed):
        if column.key in FIELDS:
            assert column.title.startswith(FIELDS[column.key].label_zh)
    details = next(column for column in judged if column.key == "judgement_detail")
    assert not details.is_strict


def test_county_inputs_list_every_item_once_with_its_year(tmp_path: Path) -> None:
    content = county_inputs(UNITS, VOCABULARY, HEADING, 2024)
    sheet = content.lists[0]
    assert tuple(column.key for column in sheet.columns) == INPUT_COLUMNS
    assert all(column.is_open for column in sheet.columns)
    labels = VOCABULARY.tables["county_input"].labels
    ours = [row for row in sheet.rows if row["unit_code"] == "示例县"]
    assert [row["item"] for row in ours] == list(labels.values())
    years = {row["item"]: row["year"] for row in sheet.rows}
    assert years["上级扣减指标"] == 2025
    assert years["新增建设用地总面积"] == 2024
    assert years["上一检查年度扣减数"] == 2023
    of_townships = {row["item"] for row in sheet.rows if row["unit_code"] == "清溪镇"}
    assert of_townships == {labels[item] for item in TOWNSHIP_ITEMS}
    assert not any("value_mu" in row for row in sheet.rows)
    write_workbook(tmp_path / "county_inputs.xlsx", content)
    page = openpyxl.load_workbook(tmp_path / "county_inputs.xlsx")["县填报数据"]
    assert not page.cell(page.max_row, 4).protection.locked


def test_units_of_the_same_name_carry_their_codes() -> None:
    twins = (("379999", "示例县"), ("379999101", "清溪镇"), ("379999102", "清溪镇"))
    content = county_inputs(twins, VOCABULARY, HEADING, None)
    assert content.codes["单位"] == ("示例县", "379999101 清溪镇", "379999102 清溪镇")
    assert {row["year"] for row in content.lists[0].rows} == {None}


def test_only_the_decision_is_open_on_the_form_of_decisions(tmp_path: Path) -> None:
    row = {"record_kind": "乡镇核查结果", "subject": "=1+1", "source_file": "a.xlsx", "row_no": 7}
    write_workbook(tmp_path / "decisions.xlsx", decisions([row], HEADING))
    page = openpyxl.load_workbook(tmp_path / "decisions.xlsx")["冲突裁决"]
    first = next(n for n in range(1, 12) if page.cell(n, 1).value == "record_kind") + 2
    keys = {cell.value: cell.column for cell in page[first - 2]}
    unlocked = {name for name, at in keys.items() if not page.cell(first, at).protection.locked}
    assert unlocked == {"is_adopted", "decided_by", "decided_date", "decision_reason"}
    assert page.cell(first, keys["subject"]).data_type == "s"
    write_workbook(tmp_path / "none.xlsx", decisions([], HEADING))


def test_titles_tell_every_column_of_every_form_apart() -> None:
    titles = form_titles()
    assert len(set(titles.values())) == len(titles)
    forms = (
        register(patches(), VOCABULARY, HEADING, 200.0),
        judgements(patches(COUNTY), VOCABULARY, HEADING),
        cases(patches(COUNTY), VOCABULARY, HEADING),
        county_inputs(UNITS, VOCABULARY, HEADING, 2024),
        decisions([], HEADING),
    )
    for content in forms:
        for column in content.lists[0].columns:
            is_twofold = column.key == "decided_date"  # of the case, or of the decision
            assert titles[column.key] == column.title or is_twofold
