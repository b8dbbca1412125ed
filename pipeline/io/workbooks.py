"""Writing workbooks of forms; only this module and `table_workbook` import xlsxwriter.

Every text is written as text: what begins with "=" is no formula, ids are no numbers, and a quote
prefix keeps it so when somebody edits the cell. Equal contents give equal bytes.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xlsxwriter
from xlsxwriter.utility import xl_col_to_name, xl_rowcol_to_cell

from pipeline.delivery.sheets import RISKY, Column, ListSheet, Value, Workbook
from pipeline.errors import Finding, InputError
from pipeline.io.atomic import staging_file

CREATED = datetime.datetime(2000, 1, 1)  # noqa: DTZ001  xlsxwriter wants a naive date
CODE_SHEET, HELP_SHEET = "代码表", "填写说明"
FONT = "微软雅黑"
TITLE_ROWS = 1
HEADER_FILL, OPEN_FILL, LOCKED_FILL = "#D9E2EC", "#FFE699", "#F2F2F2"
NUMBER_FORMATS = {
    "mu": "0.00",
    "m2": "#,##0.00",
    "degree": "0.000000",
    "integer": "0",
    "date": "yyyy-mm-dd",
}
FIRST_DATE, LAST_DATE = datetime.date(2000, 1, 1), datetime.date(2099, 12, 31)
OPTIONS = {
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "in_memory": True,
}


def write_workbook(path: Path, content: Workbook) -> None:
    """Write a workbook; raises `InputError` E-FILE-WRITE."""
    try:
        with staging_file(path) as partial, xlsxwriter.Workbook(partial, OPTIONS) as book:
            book.set_properties(
                {
                    "title": content.title,
                    "subject": content.identity,
                    "keywords": content.secrecy,
                    "created": CREATED,
                }
            )
            book.set_size(2400, 1400)
            formats = Formats(book)
            ranges = _code_ranges(content.codes)
            for sheet in content.lists:
                _write_list(book, formats, sheet, content, ranges)
            _write_help(book, formats, content)
            _write_codes(book, formats, content)
    except xlsxwriter.exceptions.XlsxWriterException as problem:
        raise InputError(
            Finding("E-FILE-WRITE", "表格无法写入。", str(path), str(problem)[:200])
        ) from problem


class Formats:
    """Cell formats by what a cell is; each is made once."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self._made: dict[tuple[Any, ...], Any] = {}
        self.known: dict[Any, Any] = {}
        """Formats by whatever the writer of a sheet tells its cells apart by."""

    def get(self, **properties: Any) -> Any:
        """The format with these properties on top of the common ones."""
        key = tuple(sorted(properties.items()))
        if key not in self._made:
            common = {"font_name": FONT, "font_size": 10, "valign": "vcenter"}
            self._made[key] = self._book.add_format(common | properties)
        return self._made[key]

    def cell(self, column: Column, *, is_risky: bool = False, **more: Any) -> Any:
        """The format of a data cell of a column."""
        properties: dict[str, Any] = {"border": 1, "border_color": "#BFBFBF", **more}
        if column.is_open:
            properties |= {"locked": False, "bg_color": "#FFFBEB"}
        if column.kind in NUMBER_FORMATS:
            properties["num_format"] = NUMBER_FORMATS[column.kind]
        else:
            properties["num_format"] = "@"
            properties["text_wrap"] = column.kind in ("long", "text")
        if column.kind in ("integer", "id", "date"):
            properties["align"] = "center"
        if column.kind == "long":
            properties["valign"] = "top"
        if is_risky:
            properties["quote_prefix"] = True
        return self.get(**properties)


def _write_list(
    book: Any,
    formats: Formats,
    sheet: ListSheet,
    content: Workbook,
    ranges: Mapping[str, str],
) -> None:
    page = book.add_worksheet(sheet.name)
    columns = sheet.columns
    header = TITLE_ROWS + len(sheet.notes) + 1
    page.write_string(0, 0, sheet.title, formats.get(bold=True, font_size=14))
    page.set_row(0, 26)
    for row, note in enumerate(sheet.notes, start=1):
        page.write_string(row, 0, note, formats.get(font_color="#7F3F00"))
    # Field names, hidden: a return is read by name, whatever became of the titles.
    key_row = header - 1
    page.set_row(key_row, None, None, {"hidden": True})
    page.set_row(header, 48)
    for number, column in enumerate(columns):
        page.write_string(key_row, number, column.key, formats.get(font_color="#808080"))
        page.write_string(header, number, column.title, _header_format(formats, column))
        page.set_column(number, number, column.width)
    first = header + 1
    for offset, row_values in enumerate(sheet.rows):
        _write_row(page, formats, first + offset, columns, row_values)
    for offset in range(sheet.spare_rows):
        _write_row(page, formats, first + len(sheet.rows) + offset, columns, {})
    n_rows = len(sheet.rows) + sheet.spare_rows
    if n_rows:
        last = first + n_rows - 1
        _validate(page, columns, first, last, ranges)
        page.autofilter(header, 0, last, len(columns) - 1)
    if sheet.rows and any(column.is_summed for column in columns):
        _write_sums(page, formats, sheet, first)
    page.freeze_panes(first, sheet.frozen_columns)
    whole = f"A1:{xl_col_to_name(len(columns))}{first + n_rows}"
    page.ignore_errors({"number_stored_as_text": whole})
    _protect(page)
    _print_setup(page, content, header)


def _header_format(formats: Formats, column: Column) -> Any:
    return formats.get(
        bold=True,
        text_wrap=True,
        align="center",
        border=1,
        border_color="#7F7F7F",
        bg_color=OPEN_FILL if column.is_open else HEADER_FILL,
    )


def _write_row(
    page: Any,
    formats: Formats,
    row: int,
    columns: Sequence[Column],
    values: Mapping[str, Value],
) -> None:
    for number, column in enumerate(columns):
        value = values.get(column.key)
        is_risky = isinstance(value, str) and value.startswith(RISKY)
        cell_format = formats.cell(column, is_risky=is_risky)
        if value is None:
            page.write_blank(row, number, None, cell_format)
        elif isinstance(value, str):
            page.write_string(row, number, value, cell_format)
        else:
            page.write_number(row, number, value, cell_format)
    lines = max((str(values.get(c.key) or "").count("\n") + 1 for c in columns), default=1)
    longest = max(
        (len(str(values.get(c.key) or "")) * 2 / c.width for c in columns if c.kind == "long"),
        default=1,
    )
    page.set_row(row, min(200, 16 * max(lines, longest, 2)))


def _write_sums(page: Any, formats: Formats, sheet: ListSheet, first: int) -> None:
    """Totals with their value, so that programs that do not calculate read them too."""
    row, last = first + len(sheet.rows), first + len(sheet.rows) - 1
    bold = {"bold": True, "bg_color": LOCKED_FILL, "border": 1, "border_color": "#7F7F7F"}
    for number, column in enumerate(sheet.columns):
        page.write_blank(row, number, None, formats.get(**bold))
        if column.is_summed:
            values = [float(value) for r in sheet.rows if (value := r.get(column.key)) is not None]
            if not values:
                page.write_string(row, number, "未提供", formats.get(**bold))
                continue
            top, bottom = xl_rowcol_to_cell(first, number), xl_rowcol_to_cell(last, number)
            number_format = formats.get(**bold, num_format=NUMBER_FORMATS[column.kind])
            page.write_formula(
                row, number, f"=SUM({top}:{bottom})", number_format, _total(values, column.kind)
            )
    page.write_string(row, 0, "合计", formats.get(**bold))


def _total(values: Sequence[float], kind: str) -> float:
    """亩 are summed as hundredths, so that the total is what the column shows."""
    return sum(round(v * 100) for v in values) / 100 if kind == "mu" else sum(values)


def _validate(
    page: Any, columns: Sequence[Column], first: int, last: int, ranges: Mapping[str, str]
) -> None:
    for number, column in enumerate(columns):
        if not column.is_open:
            continue
        rule: dict[str, Any] | None = None
        if column.choices is not None:
            rule = {"validate": "list", "source": ranges[column.choices]}
            rule |= {"error_title": "不在列表中", "error_message": "请从下拉列表中选择。"}
            rule["error_type"] = "stop" if column.is_strict else "information"
        elif column.kind == "date":
            rule = {"validate": "date", "criteria": "between"}
            rule |= {"minimum": FIRST_DATE, "maximum": LAST_DATE}
            rule |= {"error_title": "日期不对", "error_message": "请写成 2026-05-01。"}
        elif column.kind in ("m2", "mu"):
            rule = {"validate": "decimal", "criteria": ">=", "value": 0}
            rule |= {"error_title": "数字不对", "error_message": "请填不小于 0 的数字。"}
        if rule is not None:
            page.data_validation(first, number, last, number, {"ignore_blank": True, **rule})


def _protect(page: Any) -> None:
    """Without a password: a guard against slips, not against people; returns are compared."""
    page.protect(
        "",
        {
            "autofilter": True,
            "sort": True,
            "format_columns": True,
            "format_rows": True,
            "select_locked_cells": True,
            "select_unlocked_cells": True,
        },
    )


def _print_setup(page: Any, content: Workbook, header: int) -> None:
    page.set_landscape()
    page.set_paper(8)  # A3
    page.fit_to_pages(1, 0)
    page.repeat_rows(header)
    page.set_margins(0.4, 0.4, 0.6, 0.6)
    page.set_header(f"&L&9{escaped(content.title)}&R&9密级：{escaped(content.secrecy)}")
    page.set_footer(f"&L&9{escaped(content.identity)}&C&9第 &P 页，共 &N 页")


def escaped(text: str) -> str:
    """An ampersand begins a command in headers and footers."""
    return text.replace("&", "&&")[:120]


def _write_help(book: Any, formats: Formats, content: Workbook) -> None:
    page = book.add_worksheet(HELP_SHEET)
    page.set_column(0, 0, 16)
    page.set_column(1, 1, 100)
    page.write_string(0, 0, content.title, formats.get(bold=True, font_size=14))
    rows = [
        ("编号", content.identity),
        ("密级", content.secrecy),
        *content.instructions,
    ]
    for row, (heading, text) in enumerate(rows, start=2):
        page.write_string(row, 0, heading, formats.get(bold=True, valign="top"))
        page.write_string(row, 1, text, formats.get(text_wrap=True, valign="top"))
        page.set_row(row, 18 * max(1, -(-len(text) // 55)))
    _protect(page)
    page.set_landscape()
    page.fit_to_pages(1, 0)


def _code_ranges(codes: Mapping[str, Sequence[str]]) -> dict[str, str]:
    return {
        name: f"='{CODE_SHEET}'!${letter}$2:${letter}${max(2, len(texts) + 1)}"
        for number, (name, texts) in enumerate(codes.items())
        for letter in (xl_col_to_name(number),)
    }


def _write_codes(book: Any, formats: Formats, content: Workbook) -> None:
    page = book.add_worksheet(CODE_SHEET)
    title = formats.get(bold=True, bg_color=HEADER_FILL, border=1)
    text = formats.get(num_format="@")
    for number, (name, texts) in enumerate(content.codes.items()):
        page.write_string(0, number, name, title)
        page.set_column(number, number, 18)
        for row, item in enumerate(texts, start=1):
            page.write_string(row, number, item, text)
    if content.dictionary:
        start = len(content.codes) + 1
        for offset, (heading, width) in enumerate(
            (("字段", 24), ("中文名", 24), ("规范代码", 12), ("说明", 30))
        ):
            page.write_string(0, start + offset, heading, title)
            page.set_column(start + offset, start + offset, width)
            for row, entry in enumerate(content.dictionary, start=1):
                page.write_string(row, start + offset, entry[offset], text)
    page.freeze_panes(1, 0)
    _protect(page)
