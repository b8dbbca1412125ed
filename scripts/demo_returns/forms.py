"""Filling in spreadsheets as people do, with files that are the same every time."""

from __future__ import annotations

import csv
import datetime
import io
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.worksheet.worksheet import Worksheet

from .story import LABELS, Values

FIXED_TIME = (2024, 11, 10, 9, 0, 0)
_MODIFIED = re.compile(rb"(<dcterms:(?:modified|created)[^>]*>)[^<]*(<)")


class Form:
    """A list with a row of field names, and where its lines are."""

    def __init__(self, path: Path, key: str | None = "patch_id") -> None:
        self.book = openpyxl.load_workbook(path)
        self.sheet: Worksheet = self.book.worksheets[0]
        self.names_row = next(
            row for row in range(1, 12) if re.fullmatch("[a-z_0-9]+", self._text(row, 1))
        )
        self.columns = {
            self._text(self.names_row, column): column
            for column in range(1, self.sheet.max_column + 1)
        }
        self.first_row = self.names_row + 2
        self.row_of: dict[str, int] = {}
        if key is not None:
            for row in range(self.first_row, self.sheet.max_row + 1):
                if self._text(row, 1) != "合计" and self._text(row, self.columns[key]):
                    self.row_of[self._text(row, self.columns[key])] = row

    def _text(self, row: int, column: int) -> str:
        value = self.sheet.cell(row, column).value
        return "" if value is None else str(value)

    def get(self, row: int, name: str) -> Any:
        """What stands in a cell."""
        return self.sheet.cell(row, self.columns[name]).value

    def put(self, row: int, name: str, value: Any) -> None:
        """Write a cell; raises KeyError where the form has no such column."""
        self.sheet.cell(row, self.columns[name]).value = value

    def fill(self, row: int, values: Values) -> None:
        """Write a line as a person would: words for codes, dates as dates."""
        for name, value in values.items():
            if value is not None:
                self.put(row, name, shown(name, value))

    def copy_line(self, source: Form, source_row: int, row: int) -> None:
        """Copy a whole line of a form with the same columns."""
        for name in self.columns:
            self.put(row, name, source.get(source_row, name))

    def free_row(self) -> int:
        """A line below everything."""
        return self.sheet.max_row + 1

    def save(self, path: Path) -> None:
        """Save in place of the empty form."""
        save_book(self.book, path)

    def lines(self) -> list[list[str]]:
        """All lines as another program would export them: dates and numbers as text."""
        return [
            [exported(cell.value, cell.number_format) for cell in row]
            for row in self.sheet.iter_rows()
        ]


def shown(name: str, value: Any) -> Any:
    """A value as it is written into a cell."""
    if isinstance(value, bool):
        return "是" if value else "否"
    if (
        name.endswith("_date")
        and isinstance(value, str)
        and re.fullmatch(r"\d{4}-\d\d-\d\d", value)
    ):
        return datetime.date.fromisoformat(value)
    if isinstance(value, list):
        return "、".join(value)
    return LABELS.get(name, {}).get(value, value) if isinstance(value, str) else value


def exported(value: Any, number_format: str = "") -> str:
    """A cell as text, the way an office program exports what it shows."""
    if value is None or (isinstance(value, str) and value.startswith("=SUM")):
        return ""
    if isinstance(value, datetime.date):
        return f"{value.year}/{value.month}/{value.day}"
    if isinstance(value, int | float):
        comma = "," if number_format.startswith("#,") else ""
        _, _, decimals = number_format.partition(".")
        return f"{value:{comma}.{len(decimals)}f}"
    return str(value)


def save_book(book: openpyxl.Workbook, path: Path) -> None:
    """Save a workbook without the time of day in it."""
    held = io.BytesIO()
    book.save(held)
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(held) as given, zipfile.ZipFile(path, "w") as made:
        for name in given.namelist():
            content = given.read(name)
            if name == "docProps/core.xml":
                content = _MODIFIED.sub(rb"\g<1>2024-11-10T09:00:00Z\g<2>", content)
            member = zipfile.ZipInfo(name, FIXED_TIME)
            member.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(member, content)


def new_list(path: Path, sheet_name: str, rows: Iterable[Iterable[Any]]) -> None:
    """A plain workbook of one sheet."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = sheet_name
    for row in rows:
        sheet.append(list(row))
    save_book(book, path)


def write_csv(path: Path, lines: Iterable[Iterable[str]], encoding: str) -> None:
    """A table as text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, lineterminator="\r\n").writerows(lines)


class GbkName(zipfile.ZipInfo):
    """A member whose name is GBK without saying so, as Chinese Windows packs it."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802  zipfile calls it
        return self.filename.encode("gb18030"), self.flag_bits & ~0x800


def write_zip(path: Path, members: dict[str, bytes], *, is_gbk: bool = False) -> None:
    """Pack members; names as given, even those that no honest program would write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as made:
        for name, content in members.items():
            member = (GbkName if is_gbk else zipfile.ZipInfo)(name, FIXED_TIME)
            member.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(member, content)
