from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest

from pipeline.io.returned.tables import read_form
from pipeline.schema.delivered import FORM_COLUMNS
from pipeline.schema.returned import FormTable
from tests.returned_factory import (
    FILLED,
    IDS,
    KNOWN,
    LOCKED,
    PACKAGE_ID,
    as_file,
    form_rows,
    rezip,
    write_form,
)

EXPECTED: dict[str, str | None] = dict.fromkeys(FORM_COLUMNS) | {
    "site_state": "在建",
    "occupant_name": "=张三",
    "start_date": "2024-05-06",
    "measured_area_m2": "1234.5",
    "is_notified": "是",
    "filled_by": "李四",
    "checked_by": "王五",
    "filled_date": "2024-11-01",
}


def read(path: Path) -> FormTable:
    return read_form(as_file(path, "xlsx"), KNOWN)


def problem(path: Path, kind: str = "xlsx") -> tuple[str, str]:
    table = read_form(as_file(path, kind), KNOWN)  # type: ignore[arg-type]
    assert table.problem is not None
    assert table.rows == ()
    assert table.problem.where == path.name
    assert table.problem.advice
    return table.problem.code, table.problem.what


def require_filled(table: FormTable) -> None:
    assert table.problem is None, table.problem
    assert [row.values["patch_id"] for row in table.rows] == list(IDS)
    for row in table.rows:
        assert {name: row.values[name] for name in FORM_COLUMNS} == EXPECTED
    assert table.package_id == PACKAGE_ID


@pytest.fixture
def form(tmp_path: Path) -> Path:
    return write_form(tmp_path / "register.xlsx", form_rows(**FILLED))


def edit(path: Path, change: Callable[[openpyxl.Workbook], None]) -> Path:
    book = openpyxl.load_workbook(path)
    change(book)
    book.save(path)
    return path


def test_form_as_written(form: Path) -> None:
    table = read(form)
    require_filled(table)
    assert table.columns == (*LOCKED[:4], *FORM_COLUMNS, *LOCKED[4:])
    assert [row.row_no for row in table.rows] == [6, 7, 8]
    assert table.rows[0].values["area_m2"] == "2395.66082997164"
    assert table.rows[0].values["serial_no"] == "1"
    assert table.unknown_headers == ()
    assert table.notices == ()


def test_same_bytes_give_same_table(form: Path) -> None:
    assert read(form) == read(form)


def test_saved_by_openpyxl(form: Path) -> None:
    require_filled(read(edit(form, lambda book: None)))


def test_totals_and_spare_rows_are_no_records(tmp_path: Path) -> None:
    table = read(write_form(tmp_path / "a.xlsx"))
    assert len(table.rows) == 3
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx")["图斑台账"]
    assert "合计" in {cell.value for cell in sheet["A"]}


def _delete_keys(book: openpyxl.Workbook) -> None:
    book["图斑台账"].delete_rows(4)


def _half_width(book: openpyxl.Workbook) -> None:
    _delete_keys(book)
    for cell in book["图斑台账"][4]:
        text = str(cell.value).replace("（", "(").replace("）", ")")
        cell.value = f" {re.sub('[A-Z]+$', '', text)}　"


def _bare_titles(book: openpyxl.Workbook) -> None:
    _delete_keys(book)
    for cell in book["图斑台账"][4]:
        cell.value = str(cell.value).split("（")[0].split(" ")[0]


def _rename(book: openpyxl.Workbook) -> None:
    book["图斑台账"].title = "Sheet1"
    book.move_sheet("填写说明", -1)


def _insert_column(book: openpyxl.Workbook) -> None:
    sheet = book["图斑台账"]
    sheet.insert_cols(6)
    sheet.cell(5, 6).value = "我的备注"
    sheet.cell(6, 6).value = "随手写的"


def _insert_rows_above(book: openpyxl.Workbook) -> None:
    book["图斑台账"].insert_rows(1, 5)


def _reverse_columns(book: openpyxl.Workbook) -> None:
    sheet = book["图斑台账"]
    _delete_keys(book)
    last = sheet.max_column
    for row in sheet.iter_rows(min_row=4, max_row=7):
        values = [cell.value for cell in row]
        for cell, value in zip(row, reversed(values), strict=True):
            cell.value = value
    assert sheet.cell(4, last).value == "序号"


def _merge_header(book: openpyxl.Workbook) -> None:
    """Titles merged over two rows, some under a common heading."""
    sheet = book["图斑台账"]
    _delete_keys(book)
    sheet.insert_rows(5)
    for column in (5, 6, 7):
        sheet.cell(5, column).value = sheet.cell(4, column).value
        sheet.cell(4, column).value = None
    sheet.cell(4, 5).value = "现场情况"
    sheet.merge_cells("E4:G4")
    for column in ("A", "B", "C", "D", *"HIJ"):
        sheet.merge_cells(f"{column}4:{column}5")


def _texts(book: openpyxl.Workbook) -> None:
    """Dates and numbers typed as text, blanks behind words."""
    for row in book["图斑台账"].iter_rows(min_row=6, max_row=8):
        for cell in row:
            if cell.value is not None:
                cell.value = f"{cell.value}  "
                cell.number_format = "@"


def _real_dates(book: openpyxl.Workbook) -> None:
    for row in book["图斑台账"].iter_rows(min_row=6, max_row=8):
        for cell in row:
            if cell.value == "2024-05-06":
                cell.value = date(2024, 5, 6)
            if cell.value == "2024-11-01":
                cell.value = datetime(2024, 11, 1, 15, 30)  # noqa: DTZ001
                cell.number_format = 'yyyy"年"m"月"d"日"'
            if cell.value == "是":
                cell.value = True


def _repeated_titles(book: openpyxl.Workbook) -> None:
    sheet = book["图斑台账"]
    sheet.insert_rows(7)
    for cell in sheet[5]:
        sheet.cell(7, cell.column).value = cell.value


def _merged_signatures(book: openpyxl.Workbook) -> None:
    sheet = book["图斑台账"]
    column = next(cell.column_letter for cell in sheet[4] if cell.value == "filled_by")
    for row in (7, 8):
        sheet[f"{column}{row}"] = None
    sheet.merge_cells(f"{column}6:{column}60")


@pytest.mark.parametrize(
    "change",
    [
        _delete_keys,
        _half_width,
        _bare_titles,
        _rename,
        _insert_column,
        _insert_rows_above,
        _reverse_columns,
        _merge_header,
        _texts,
        _real_dates,
        _repeated_titles,
        _merged_signatures,
    ],
)
def test_what_people_do_to_forms(form: Path, change: Callable[[openpyxl.Workbook], None]) -> None:
    table = read(edit(form, change))
    if change is _bare_titles:
        # 图斑面积 alone may be 亩 or ㎡: neither is read; the form's own columns are.
        assert "area_mu" not in table.columns
        assert "图斑面积" in table.unknown_headers
    require_filled(table)


def test_inserted_column_is_told(form: Path) -> None:
    assert read(edit(form, _insert_column)).unknown_headers == ("我的备注",)


def test_repeated_column_is_told_and_the_first_counts(form: Path) -> None:
    def change(book: openpyxl.Workbook) -> None:
        sheet = book["图斑台账"]
        sheet.cell(4, 40).value = "filled_by"
        sheet.cell(5, 40).value = "填表人"
        sheet.cell(6, 40).value = "别人"

    table = read(edit(form, change))
    require_filled(table)
    assert table.unknown_headers == ("填表人（重复的列）",)


@pytest.mark.parametrize("n_left", [2, 1, 0])
def test_package_id_from_property_help_page_or_note(form: Path, n_left: int) -> None:
    def change(book: openpyxl.Workbook) -> None:
        book.properties.subject = None
        if n_left < 2:
            del book["填写说明"]
        if n_left < 1:
            book["图斑台账"]["A2"] = "期次：2024年"

    assert read(edit(form, change)).package_id == (PACKAGE_ID if n_left else None)


def test_two_package_ids_are_told(form: Path) -> None:
    def change(book: openpyxl.Workbook) -> None:
        book["图斑台账"]["A2"] = "核查包编号：demo-379999101-00000000"

    table = read(edit(form, change))
    assert table.package_id == PACKAGE_ID
    assert [notice.code for notice in table.notices] == ["N-RETURN-DOUBT"]


def test_copied_sheet_counts_once_if_equal(form: Path) -> None:
    def copy(book: openpyxl.Workbook) -> None:
        book.copy_worksheet(book["图斑台账"])

    require_filled(read(edit(form, copy)))

    def alter(book: openpyxl.Workbook) -> None:
        book["图斑台账 Copy"]["E6"] = "已拆"

    code, what = problem(edit(form, alter))
    assert code == "E-RETURN-FILE"
    assert "两张" in what


def test_formula_shows_its_value_or_itself(form: Path) -> None:
    def change(book: openpyxl.Workbook) -> None:
        sheet = book["图斑台账"]
        sheet["E6"] = '=WEBSERVICE("http://example.invalid")'
        sheet["F6"] = "=1/0"

    edit(form, change)

    def with_value(name: str, content: bytes) -> bytes:
        return content.replace(b"<f>1/0</f><v></v>", b"<f>1/0</f><v>#DIV/0!</v>").replace(
            b"<f>1/0</f><v/>", b"<f>1/0</f><v>#DIV/0!</v>"
        )

    first = read(rezip(form, with_value)).rows[0].values
    assert first["site_state"] == '=WEBSERVICE("http://example.invalid")'
    assert first["occupant_name"] == "#DIV/0!"


def test_chinese_built_in_date_format(form: Path) -> None:
    """Format 31 (yyyy年m月d日) stands in no file; numbers with it are days all the same."""

    def change(book: openpyxl.Workbook) -> None:
        book["图斑台账"]["H6"].value = date(2024, 5, 6)
        book["图斑台账"]["H6"].number_format = "0.000000000"

    edit(form, change)

    def use_31(name: str, content: bytes) -> bytes:
        if name != "xl/styles.xml":
            return content
        found = re.search(rb'numFmtId="(\d+)" formatCode="0.000000000"', content)
        assert found is not None
        old = b'numFmtId="%s"' % found.group(1)
        whole = re.search(rb"<numFmt [^>]*0\.000000000[^>]*/>", content)
        assert whole is not None
        return content.replace(whole.group(), b"").replace(old, b'numFmtId="31"')

    assert read(rezip(form, use_31)).rows[0].values["start_date"] == "2024-05-06"


def test_long_numbers_keep_their_digits(form: Path) -> None:
    def change(book: openpyxl.Workbook) -> None:
        sheet = book["图斑台账"]
        sheet["C6"] = 123456789012345
        sheet["C7"] = 1.5e-7
        sheet["C8"] = 45603

    def lengthen(_: str, content: bytes) -> bytes:
        return content.replace(b"<v>123456789012345<", b"<v>379999001000012345678<")

    rows = read(rezip(edit(form, change), lengthen)).rows
    assert [row.values["issued_id"] for row in rows] == [
        "379999001000012345678",
        "0.00000015",
        "45603",
    ]


def csv_bytes(encoding: str, delimiter: str = ",", *, with_keys: bool = False) -> bytes:
    names = (*LOCKED, *FORM_COLUMNS)
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(["示例县城关镇核查台账"])
    writer.writerow([f"核查包编号：{PACKAGE_ID}　密级：内部，注意保管"])
    if with_keys:
        writer.writerow(names)
    writer.writerow([KNOWN[name] for name in names])
    for row in form_rows(**FILLED):
        cells = [row.get(name) for name in names]
        cells[1] = f'="{cells[1]}"'
        writer.writerow(cells)
    writer.writerow([])
    writer.writerow(["合计", "", "", "10.77"])
    return out.getvalue().encode(encoding)


@pytest.mark.parametrize("with_keys", [True, False])
@pytest.mark.parametrize(
    ("encoding", "delimiter"),
    [("utf-8-sig", ","), ("gb18030", ","), ("utf-16", "\t"), ("gbk", ";"), ("utf-8", "，")],
)
def test_csv(tmp_path: Path, encoding: str, delimiter: str, with_keys: bool) -> None:
    path = tmp_path / "register.csv"
    if delimiter == "，":
        text = csv_bytes("utf-8", "\x1f", with_keys=with_keys).decode().replace("，", "、")
        path.write_bytes(text.replace("\x1f", "，").encode(encoding))
    else:
        path.write_bytes(csv_bytes(encoding, delimiter, with_keys=with_keys))
    table = read_form(as_file(path, "csv"), KNOWN)
    require_filled(table)
    assert table.rows[0].row_no == 4 + with_keys


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"\xff\xfe\x00", "E-RETURN-FILE"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\xff\xff", "E-RETURN-FILE"),
        ("一封信，不是表。\n再见".encode(), "E-RETURN-UNKNOWN"),
        (b'patch_id,site_state,filled_by,checked_by\n"' + b"a" * 200_000, "E-RETURN-FILE"),
    ],
)
def test_csv_that_is_none(tmp_path: Path, content: bytes, code: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    assert problem(tmp_path / "a.csv", "csv")[0] == code


def insert_doctype(part: str, encoding: str = "utf-8") -> Callable[[str, bytes], bytes]:
    def change(name: str, content: bytes) -> bytes:
        if name != part:
            return content
        text = content.decode("utf-8").replace("UTF-8", encoding)
        head, mark, rest = text.partition("?>")
        entity = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
        return f"{head}{mark}{entity}{rest}".encode(encoding)

    return change


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    "part", ["xl/worksheets/sheet1.xml", "xl/workbook.xml", "docProps/core.xml", "xl/styles.xml"]
)
def test_document_types_are_refused(form: Path, part: str, encoding: str) -> None:
    assert problem(rezip(form, insert_doctype(part, encoding)))[0] == "E-RETURN-REFUSED"


def test_document_type_in_a_part_nobody_reads(form: Path) -> None:
    extra = {"xl/comments1.xml": b"<?xml version='1.0'?>" + b" " * 70_000 + b"<!DOCTYPE a []><a/>"}
    assert problem(rezip(form, lambda _, c: c, extra))[0] == "E-RETURN-REFUSED"


def test_macros_are_refused(form: Path) -> None:
    extra = {"xl/vbaProject.bin": b"\xd0\xcf"}
    assert problem(rezip(form, lambda _, c: c, extra))[0] == "E-RETURN-REFUSED"


def test_bomb_inside_a_workbook(form: Path) -> None:
    extra = {"xl/media/image1.bin": b"\0" * (64 << 20)}
    code, what = problem(rezip(form, lambda _, c: c, extra))
    assert code == "E-RETURN-REFUSED"
    assert "压缩" in what


def sheet_of(rows: bytes) -> Callable[[str, bytes], bytes]:
    def change(name: str, content: bytes) -> bytes:
        if name != "xl/worksheets/sheet1.xml":
            return content
        return re.sub(rb"</sheetData>", rows + b"</sheetData>", content)

    return change


def test_rows_far_below_and_columns_far_right_cost_nothing(form: Path) -> None:
    rows = b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    rows += b'<row r="99999999999"><c r="ZZZ99999999999"><v>1</v></c></row>'
    require_filled(read(rezip(form, sheet_of(rows))))


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        (b"<a>" * 100 + b"</a>" * 100, "E-RETURN-REFUSED"),
        (b'<row r="9"><c t="s"><v>99999</v></c></row>', "E-RETURN-FILE"),
        (b'<row r="9"><c t="s"><v>-1</v></c></row>', "E-RETURN-FILE"),
        (b"<row>", "E-RETURN-FILE"),
        (b"&e;", "E-RETURN-FILE"),
    ],
)
def test_sheets_that_no_program_writes(form: Path, rows: bytes, code: str) -> None:
    assert problem(rezip(form, sheet_of(rows)))[0] == code


def test_too_many_rows(form: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.io.returned.xlsx_sheet.MAX_ROWS", 5)
    assert problem(form)[0] == "E-RETURN-REFUSED"


@pytest.mark.parametrize("content", [b"\xd0\xcf\x11\xe0" + b"\0" * 600, b"PK\x03\x04", b"<html>"])
def test_no_workbook(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.xlsx").write_bytes(content)
    assert problem(tmp_path / "a.xlsx")[0] == "E-RETURN-FILE"


def test_other_table_is_unknown(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active["A1"] = "会议签到表"
    book.save(tmp_path / "a.xlsx")
    assert problem(tmp_path / "a.xlsx")[0] == "E-RETURN-UNKNOWN"
