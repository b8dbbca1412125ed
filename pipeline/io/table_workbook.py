"""All tables of the books as one workbook, one sheet each, ready to be printed and signed.

Cells hold the very values of the CSV: numbers as numbers, words where nothing can be computed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import ceil
from pathlib import Path
from typing import Any

import xlsxwriter

from pipeline.delivery.sheets import RISKY
from pipeline.delivery.tables.table import (
    ABSENT_ZH,
    COUNT_UNITS,
    UNKNOWN_ZH,
    UNSEEN_ZH,
    Cell,
    Column,
    Row,
    Table,
)
from pipeline.errors import Finding, InputError
from pipeline.io.atomic import staging_file
from pipeline.io.workbooks import (
    CREATED,
    HEADER_FILL,
    LOCKED_FILL,
    OPTIONS,
    Formats,
    escaped,
)

CONTENTS_SHEET = "目录"
PAGE_CHARS = 218
"""Characters of column width that an A4 page in landscape shows readably."""
NOTE_SHARE = 0.85
"""Of a page's width, what notes take: where a page ends is the spreadsheet's to decide."""
CELL_MARGIN = 1.5
"""Characters that the margins of a cell take."""
INDENT = 1.0
"""Characters that a text stands in."""
WORDS = (UNKNOWN_ZH, ABSENT_ZH, UNSEEN_ZH)
CENTRED = ("serial", "unit_code", "source_group", "target_year", "is_sent", "unit", "is_equal")
"""Columns of short marks, which stand in the middle."""
RED, RED_FILL, GREY = "#C00000", "#FCE4E4", "#7F7F7F"
ASSUMED_NOTE_ZH = "本表用到示例口径，待上级文件确认，见表后说明。"
SIGNATURES_ZH = "填表人：＿＿＿＿＿＿　　审核人：＿＿＿＿＿＿　　日期：＿＿＿＿＿＿"


def write_table_workbook(path: Path, tables: Sequence[Table], heading: Mapping[str, str]) -> None:
    """Write the workbook; `heading`: county, period, closes_on, secrecy.

    Raises `InputError` E-FILE-WRITE.
    """
    title = f"{heading['county']}卫片执法统计表"
    try:
        with staging_file(path) as partial, xlsxwriter.Workbook(partial, OPTIONS) as book:
            book.set_properties(
                {"title": title, "keywords": heading["secrecy"], "created": CREATED}
            )
            book.set_size(2400, 1400)
            formats = Formats(book)
            _write_contents(book, formats, tables, heading)
            for table in tables:
                _write_sheet(book, formats, table, heading)
    except xlsxwriter.exceptions.XlsxWriterException as problem:
        raise InputError(
            Finding("E-FILE-WRITE", "表格无法写入。", str(path), str(problem)[:200])
        ) from problem


def heading_line(heading: Mapping[str, str]) -> str:
    """What stands under every title."""
    closes_on = heading["closes_on"] or "未定"
    return (
        f"单位：{heading['county']}　期次：{heading['period'] or '—'}　"
        f"统计截止日期：{closes_on}　密级：{heading['secrecy']}"
    )


def _write_contents(
    book: Any, formats: Formats, tables: Sequence[Table], heading: Mapping[str, str]
) -> None:
    page = book.add_worksheet(CONTENTS_SHEET)
    page.hide_gridlines(2)
    for column, width in enumerate((8, 30, 20, 90)):
        page.set_column(column, column, width)
    page.write_string(0, 0, f"{heading['county']}卫片执法统计表", _title(formats))
    page.write_string(1, 0, heading_line(heading), _note(formats))
    page.set_row(0, 28)
    head = formats.get(bold=True, border=1, bg_color=HEADER_FILL, align="center")
    for column, text in enumerate(("表号", "表名", "文件", "所用示例口径")):
        page.write_string(3, column, text, head)
    text = formats.get(border=1, border_color="#BFBFBF", text_wrap=True, valign="top")
    link = formats.get(border=1, border_color="#BFBFBF", font_color="#0563C1", underline=1)
    for row, table in enumerate(tables, start=4):
        page.write_url(row, 0, f"internal:'{_sheet_name(table)}'!A1", link, table.id)
        page.write_string(row, 1, table.title, text)
        page.write_string(row, 2, f"{table.name}.csv", text)
        page.write_string(row, 3, "\n".join(table.assumptions) or "—", text)
        page.set_row(row, 16 * max(1, len(table.assumptions)) + 2)
    page.freeze_panes(4, 0)
    _print_setup(page, heading, 1)


def _write_sheet(book: Any, formats: Formats, table: Table, heading: Mapping[str, str]) -> None:
    page = book.add_worksheet(_sheet_name(table))
    page.hide_gridlines(2)
    n_keys = sum(column.key in ("serial", "unit_code", "unit_name") for column in table.columns)
    n_pages = ceil(sum(column.width for column in table.columns) / PAGE_CHARS)
    # The first columns come again on every page: words that run over them would be cut there.
    left = n_keys if n_pages > 1 else 0
    page.write_string(0, 0, table.id if left else f"{table.id}　{table.title}", _title(formats))
    if left:
        page.write_string(0, left, table.title, _title(formats))
    page.set_row(0, 28)
    # Few lines above: they stay on the screen with the header when people scroll.
    lines = [heading_line(heading), *([ASSUMED_NOTE_ZH] if table.assumptions else [])]
    for row, line in enumerate(lines, start=1):
        page.write_string(row, left, line, _note(formats))
    header = len(lines) + 1
    _write_header(page, formats, table.columns, header)
    row = header
    for values in table.rows:
        row += 1
        _write_row(page, formats, table.columns, (row, values), is_total=False)
    for values in table.totals:
        row += 1
        _write_row(page, formats, table.columns, (row, values), is_total=True)
    page.write_string(row + 1, left, SIGNATURES_ZH, formats.get())
    page.set_row(row + 1, 26)
    _write_notes(page, formats, table, (row + 2, left, n_pages))
    page.freeze_panes(header + 1, n_keys)
    if table.rows:
        page.autofilter(header, 0, header + len(table.rows), len(table.columns) - 1)
    page.repeat_rows(header)
    if left:
        page.repeat_columns(0, left - 1)
    page.ignore_errors({"number_stored_as_text": f"A1:XFD{row + 1}"})
    _print_setup(page, heading, n_pages)


def _write_notes(page: Any, formats: Formats, table: Table, place: tuple[int, int, int]) -> None:
    """The notes below the table, wrapped within the first page; `place`: row, column, pages."""
    first, left, n_pages = place
    widths = [column.width for column in table.columns]
    room = min(PAGE_CHARS, sum(widths) / n_pages) * (1 if n_pages == 1 else NOTE_SHARE)
    right = left + 1
    while right + 1 < len(widths) and sum(widths[: right + 2]) <= room:
        right += 1
    held = sum(widths[left : right + 1])
    assumed = [f"示例口径，待上级文件确认：{line}" for line in table.assumptions]
    style = formats.get(font_color="#7F3F00", font_size=9, text_wrap=True, valign="top")
    for row, line in enumerate((*table.notes, *assumed), start=first):
        page.merge_range(row, left, row, right, line, style)
        page.set_row(row, 13 * ceil(text_width(line) / held) + 3)


def text_width(text: str) -> int:
    """Width in characters of a column: a Chinese character is two wide."""
    return sum(2 if unicodedata.east_asian_width(char) in "WFA" else 1 for char in text)


def _n_lines(text: str, width: float) -> int:
    return max(1, ceil(text_width(text) / (width - CELL_MARGIN)))


def _write_header(page: Any, formats: Formats, columns: Sequence[Column], row: int) -> None:
    style = formats.get(
        bold=True,
        text_wrap=True,
        align="center",
        border=1,
        border_color="#7F7F7F",
        bg_color=HEADER_FILL,
    )
    lines = 1
    for number, column in enumerate(columns):
        page.write_string(row, number, column.header, style)
        page.set_column(number, number, column.width)
        lines = max(lines, _n_lines(column.header, column.width))
    page.set_row(row, 15 * lines + 4)


def _write_row(
    page: Any,
    formats: Formats,
    columns: Sequence[Column],
    place: tuple[int, Row],
    *,
    is_total: bool,
) -> None:
    row, values = place
    lines = 1
    for number, column in enumerate(columns):
        cell = values.get(column.key)
        style = _cell_format(formats, column, cell, is_total=is_total)
        if cell is None:
            page.write_blank(row, number, None, style)
        elif isinstance(cell, str):
            page.write_string(row, number, cell, style)
            indent = 0 if column.key in CENTRED else INDENT
            lines = max(lines, _n_lines(cell, column.width - indent))
        else:
            page.write_number(
                row, number, float(cell) if isinstance(cell, Decimal) else cell, style
            )
    page.set_row(row, min(120, 15 * lines + 3))


def _cell_format(formats: Formats, column: Column, cell: Cell, *, is_total: bool) -> Any:
    """The format of a cell; a list has hundreds of thousands, so that kinds of cells are known."""
    kind = cell if isinstance(cell, str) and cell in WORDS else type(cell)
    is_risky = isinstance(cell, str) and cell.startswith(RISKY)
    is_centred = column.key in CENTRED
    key = (column.unit, column.is_check and bool(cell), kind, is_risky, is_total, is_centred)
    if key not in formats.known:
        formats.known[key] = _new_format(formats, column, cell, is_total=is_total)
    return formats.known[key]


def _new_format(formats: Formats, column: Column, cell: Cell, *, is_total: bool) -> Any:
    style: dict[str, Any] = {"border": 1, "border_color": "#BFBFBF"}
    if is_total:
        style |= {"bold": True, "bg_color": LOCKED_FILL}
    if isinstance(cell, str):
        style |= {"num_format": "@", "text_wrap": True}
        # Apart from the figure in the cell before it.
        style |= {"align": "center"} if column.key in CENTRED else {"indent": 1}
        if cell.startswith(RISKY):
            style["quote_prefix"] = True
        if cell in WORDS:
            style |= {"align": "center", "font_color": GREY, "italic": True}
            style.pop("indent", None)
    elif isinstance(cell, Decimal):
        style["num_format"] = "#,##0.00"
    elif column.unit in COUNT_UNITS or column.key in CENTRED:
        style |= {"num_format": "0", "align": "center"}
    if column.is_check and cell not in (0, None) and not isinstance(cell, str):
        style |= {"font_color": RED, "bg_color": RED_FILL, "bold": True}
    return formats.get(**style)


def _title(formats: Formats) -> Any:
    return formats.get(bold=True, font_size=14)


def _note(formats: Formats) -> Any:
    return formats.get(font_color="#7F3F00", font_size=9)


def _sheet_name(table: Table) -> str:
    return f"{table.id} {table.title}"[:31]


def _print_setup(page: Any, heading: Mapping[str, str], n_pages: int) -> None:
    page.set_landscape()
    page.set_paper(9)  # A4
    page.fit_to_pages(n_pages, 0)
    page.set_margins(0.4, 0.4, 0.6, 0.6)
    page.set_header(
        f"&L&9{escaped(heading['county'])}卫片执法统计表&R&9密级：{escaped(heading['secrecy'])}"
    )
    page.set_footer("&L&9&A&C&9第 &P 页，共 &N 页")
