"""Reading filled forms: workbooks and CSV, as townships and the bureau send them back."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.errors import Finding, InputError, Severity
from pipeline.io.returned.csv_cells import read_csv_cells
from pipeline.io.returned.problems import try_reading
from pipeline.io.returned.xlsx_cells import read_book
from pipeline.io.returned.xlsx_sheet import MAX_CELLS, SheetCells, too_large
from pipeline.schema.form_header import (
    Header,
    KnownTitles,
    Rows,
    find_header,
    is_repeated_header,
    is_totals,
)
from pipeline.schema.headers import fold
from pipeline.schema.returned import FormRow, FormTable, ReturnedFile
from pipeline.schema.returned_text import short

_ID_NOTE = re.compile(r"(?:核查包编号|运行编号)\s*[:：]\s*([^\s　，,;；]{1,120})")
_PACKAGE_ID = re.compile(r".+-\d{9}-[0-9a-f]{8}")
_NOTE_ROWS = 20


def read_form(file: ReturnedFile, known: Mapping[str, str]) -> FormTable:
    """The lines of a form in a workbook or CSV; the table's `problem` if it can not be read.

    `known`: field name → title on the form that was sent; other columns are not read.
    """
    if file.problem is not None:
        return FormTable(problem=file.problem)
    read = try_reading(lambda: _read(file, KnownTitles(known)), file.name)
    return FormTable(problem=read) if isinstance(read, Finding) else read


def read_sheets(
    file: ReturnedFile, score: Callable[[Rows], int]
) -> tuple[list[SheetCells], str | None]:
    """All cells of a workbook or CSV, and the property 主题. Raises `InputError`.

    `score` tells how well rows fit what is looked for; it decides about the separator of a CSV.
    """
    path = Path(file.path)
    if file.kind == "xlsx":
        book = read_book(path, file.name)
        return list(book.sheets), book.subject
    if file.kind in ("csv", "survey_table"):
        return [read_csv_cells(path, file.name, score)], None
    raise _unknown(file.name, file.kind, "xlsx 或 csv")


def _read(file: ReturnedFile, titles: KnownTitles) -> FormTable:
    def score(rows: Rows) -> int:
        header = find_header(rows, titles)
        return len(header.columns) if header else 0

    sheets, subject = read_sheets(file, score)
    found = [(sheet, header) for sheet in sheets if (header := find_header(sheet.rows, titles))]
    if not found:
        names = "、".join(sheet.name for sheet in sheets if sheet.name)
        raise _unknown(file.name, names, "有表头的填报表（字段名行或中文列名）")
    sheet, header = max(found, key=lambda pair: len(pair[1].columns))
    rows = _form_rows(sheet, header, titles)
    for other, its_header in found:
        if other is not sheet and len(its_header.columns) == len(header.columns):
            _require_equal(file.name, (sheet, other), rows, _form_rows(other, its_header, titles))
    ids = _ids(sheets, subject)
    return FormTable(
        columns=tuple(header.columns.values()),
        rows=rows,
        package_id=_chosen_id(ids),
        unknown_headers=header.unknown,
        sheet=sheet.name,
        notices=_id_notices(file.name, ids),
    )


def _form_rows(sheet: SheetCells, header: Header, titles: KnownTitles) -> tuple[FormRow, ...]:
    rows = []
    filled = _fill_merged(sheet, header)
    for number in sorted(row for row in sheet.rows if row > header.last_row):
        if is_totals(sheet.rows[number]):
            continue
        cells = filled.get(number, sheet.rows[number])
        values = {name: cells.get(column) for column, name in header.columns.items()}
        if any(values.values()) and not is_repeated_header(values, titles):
            rows.append(FormRow(number, values))
    return tuple(rows)


def _fill_merged(sheet: SheetCells, header: Header) -> dict[int, dict[int, str]]:
    """Rows with what cells merged downwards show for them; rows without an own value stay empty."""
    filled: dict[int, dict[int, str]] = {}
    numbers = sorted(sheet.rows)
    n_filled = 0
    for first_row, column, last_row, last_column in sheet.merges:
        shown = sheet.rows.get(first_row, {}).get(column)
        if shown is None or column != last_column or first_row <= header.last_row:
            continue
        for row in numbers[bisect_right(numbers, first_row) : bisect_right(numbers, last_row)]:
            own = sheet.rows[row]
            n_filled += 1
            if n_filled > MAX_CELLS:
                raise too_large(sheet.name)
            if own.keys() & header.columns.keys():
                filled.setdefault(row, dict(own)).setdefault(column, shown)
    return filled


def _require_equal(
    where: str,
    sheets: tuple[SheetCells, SheetCells],
    first: Sequence[FormRow],
    second: Sequence[FormRow],
) -> None:
    """Two sheets with the same columns: one of them counts only if both say the same."""
    if not second or [row.values for row in first] == [row.values for row in second]:
        return
    raise InputError(
        Finding(
            "E-RETURN-FILE",
            "工作簿里有两张同样的填报表，内容不同，不知以哪张为准。",
            where,
            "、".join(f"“{short(sheet.name)}”" for sheet in sheets),
            "一张填报表",
            "只留要交的一张工作表，其余删掉后另存再交回。",
        )
    )


def _ids(sheets: Sequence[SheetCells], subject: str | None) -> list[str]:
    """The ids that the file names, the most reliable place first."""
    found = [subject] if subject else []
    found += [text for sheet in sheets for text in _help_ids(sheet)]
    found += [
        match.group(1)
        for sheet in sheets
        for number in sorted(sheet.rows)[:_NOTE_ROWS]
        for text in sheet.rows[number].values()
        if (match := _ID_NOTE.search(text))
    ]
    return list(dict.fromkeys(found))


def _help_ids(sheet: SheetCells) -> Iterator[str]:
    """What stands beside 编号 on the page of instructions."""
    for number in sorted(sheet.rows)[:_NOTE_ROWS]:
        cells = sheet.rows[number]
        first = min(cells)
        if fold(cells[first]) == "编号" and len(cells) == 2 and first + 1 in cells:
            yield cells[first + 1]


def _chosen_id(ids: Sequence[str]) -> str | None:
    return next((text for text in ids if _PACKAGE_ID.fullmatch(text)), next(iter(ids), None))


def _id_notices(where: str, ids: Sequence[str]) -> tuple[Finding, ...]:
    packages = [text for text in ids if _PACKAGE_ID.fullmatch(text)]
    if len(packages) < 2:
        return ()
    return (
        Finding(
            "N-RETURN-DOUBT",
            "文件里写了几个核查包编号，按第一个读取。",
            where,
            "、".join(short(text) for text in packages),
            "一个核查包编号",
            "核对是不是把两个乡镇的表贴到了一起。",
            Severity.NOTICE,
        ),
    )


def _unknown(where: str, value: str, allowed: str) -> InputError:
    return InputError(
        Finding(
            "E-RETURN-UNKNOWN",
            "没有找到填报表的表头，认不出交回的是什么表。",
            where,
            short(value),
            allowed,
            "用下发的原表填写，不要改动表头；另起的表请把内容粘贴到原表。",
        )
    )
