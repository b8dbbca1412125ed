"""The filled cells of one worksheet, read from its XML as a stream."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900, from_excel

from pipeline.errors import Finding, InputError
from pipeline.io.returned.xml_stream import stream_xml
from pipeline.schema.returned_text import cell_text, sheet_text

MAX_ROWS, MAX_COLUMNS, LAST_ROW = 200_000, 2_000, 1_048_576
MAX_CELLS = 2_000_000
MAX_MERGES = 20_000

_REFERENCE = re.compile(r"([A-Z]{1,3})(\d{1,7})", re.ASCII)
_INTEGER = re.compile(r"-?\d{1,30}", re.ASCII)

Merge = tuple[int, int, int, int]
"""First row, first column, last row, last column."""


@dataclass(frozen=True)
class SheetCells:
    """A sheet without its empty cells."""

    name: str
    rows: Mapping[int, Mapping[int, str]]
    """Row → column → text, both from 1."""
    merges: tuple[Merge, ...] = ()


@dataclass(frozen=True)
class BookTexts:
    """What the cells of a workbook refer to."""

    shared: Sequence[str | None]
    date_styles: frozenset[int]
    """Numbers of the cell styles that show a number as a date."""
    uses_1904: bool = False
    """Whether days are counted from 1904, as by old Excel on a Mac."""


class SheetReader:
    """Reads the sheets of one workbook; what all of them hold together is limited."""

    def __init__(self, texts: BookTexts, where: str) -> None:
        self._texts = texts
        self._where = where
        self._n_cells = 0
        self._begin()

    def _begin(self) -> None:
        self._rows: dict[int, dict[int, str]] = {}
        self._merges: list[Merge] = []
        self._row = self._column = 0
        self._kind, self._style = "n", 0
        self._value: str | None = None
        self._formula: str | None = None
        self._inline: list[str] = []
        self._is_phonetic = False

    def read(self, name: str, pieces: Iterable[bytes]) -> SheetCells:
        """One sheet. `InputError` E-RETURN-REFUSED or E-RETURN-FILE if it can not be read."""
        self._begin()
        stream_xml(pieces, self._on_start, self._on_end, self._where)
        return SheetCells(name, self._rows, tuple(self._merges))

    def _on_start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "c":
            self._begin_cell(attributes)
        elif name == "row":
            stated = attributes.get("r", "")
            self._row = int(stated) if _is_row(stated) else self._row + 1
            self._column = 0
        elif name == "rPh":
            self._is_phonetic = True
        elif name == "f":
            self._formula = ""
        elif name == "mergeCell" and len(self._merges) < MAX_MERGES:
            merge = _parse_range(attributes.get("ref", ""))
            if merge is not None:
                self._merges.append(merge)

    def _begin_cell(self, attributes: Mapping[str, str]) -> None:
        found = _REFERENCE.fullmatch(attributes.get("r", ""))
        if found and _is_row(found.group(2)):
            self._column, self._row = _column_no(found.group(1)), int(found.group(2))
        else:
            self._column += 1
        style = attributes.get("s", "")
        self._kind = attributes.get("t", "n")
        self._style = int(style) if style.isdecimal() and len(style) < 7 else 0
        self._value = self._formula = None
        self._inline = []

    def _on_end(self, name: str, text: str) -> None:
        if name == "v":
            self._value = text
        elif name == "f":
            self._formula = text
        elif name == "t" and not self._is_phonetic:
            self._inline.append(text)
        elif name == "rPh":
            self._is_phonetic = False
        elif name == "c":
            self._end_cell()

    def _end_cell(self) -> None:
        if self._column > MAX_COLUMNS or self._row > LAST_ROW:
            return
        shown = self._shown()
        if shown is None:
            return
        cells = self._rows.setdefault(self._row, {})
        if self._column not in cells:
            self._n_cells += 1
        cells[self._column] = shown
        if self._n_cells > MAX_CELLS or len(self._rows) > MAX_ROWS:
            raise too_large(self._where)

    def _shown(self) -> str | None:
        """What the cell shows; a formula that was never calculated shows itself."""
        raw, kind = self._value, self._kind
        if kind == "inlineStr":
            return cell_text(sheet_text("".join(self._inline)))
        if raw is None or raw == "":
            return None if self._formula is None else cell_text(sheet_text(f"={self._formula}"))
        if kind == "s":
            return self._shared(raw)
        if kind == "b":
            return cell_text(raw.strip() not in ("0", "false"))
        if kind == "n":
            return self._number(raw.strip())
        if kind == "d":
            return cell_text(raw.partition("T")[0])
        return cell_text(sheet_text(raw))

    def _shared(self, raw: str) -> str | None:
        number = raw.strip()
        if not (number.isdecimal() and len(number) < 9 and int(number) < len(self._texts.shared)):
            raise InputError(
                Finding(
                    "E-RETURN-FILE",
                    "表格文件已损坏：单元格的文字找不到。",
                    self._where,
                    f"第 {self._row} 行第 {self._column} 列",
                    advice="用 WPS 或 Excel 打开核对，另存为 xlsx 再交回。",
                )
            )
        return self._texts.shared[int(number)]

    def _number(self, raw: str) -> str | None:
        try:
            number = float(raw)
        except ValueError:
            return cell_text(sheet_text(raw))
        if self._style in self._texts.date_styles:
            epoch = CALENDAR_MAC_1904 if self._texts.uses_1904 else CALENDAR_WINDOWS_1900
            try:
                return cell_text(from_excel(number, epoch))
            except (OverflowError, ValueError):
                pass
        return cell_text(int(raw) if _INTEGER.fullmatch(raw) else number) or cell_text(raw)


def too_large(where: str) -> InputError:
    """E-RETURN-REFUSED for a table that no township fills in."""
    return InputError(
        Finding(
            "E-RETURN-REFUSED",
            "表格太大，不像是下发的表。",
            where,
            allowed=f"不超过 {MAX_ROWS} 行、{MAX_CELLS} 个有内容的单元格",
            advice="删掉与本期核查无关的行、列和工作表后另存再交回。",
        )
    )


def _is_row(text: str) -> bool:
    return text.isdecimal() and len(text) < 9 and 0 < int(text) <= LAST_ROW


def _column_no(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def _parse_range(text: str) -> Merge | None:
    ends = [_REFERENCE.fullmatch(part) for part in text.split(":")]
    if len(ends) != 2 or ends[0] is None or ends[1] is None:
        return None
    (first_col, first_row), (last_col, last_row) = (end.groups() for end in ends if end)
    return int(first_row), _column_no(first_col), int(last_row), _column_no(last_col)
