"""The cells of a CSV that somebody else saved: encoding and separator are found out."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from pipeline.errors import Finding, InputError
from pipeline.io.encodings import choose_encoding
from pipeline.io.returned.xlsx_sheet import MAX_CELLS, MAX_COLUMNS, MAX_ROWS, SheetCells, too_large
from pipeline.io.returned.zip_members import MIB
from pipeline.schema.form_header import SEARCHED_ROWS, Rows
from pipeline.schema.returned_text import cell_text, csv_text, short

MAX_BYTES = 64 * MIB
SEPARATORS = (",", "\t", ";", "，")

_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def read_csv_cells(path: Path, where: str, score: Callable[[Rows], int]) -> SheetCells:
    """All filled cells; `score` says how well a way of cutting the first rows fits.

    Raises `InputError` E-RETURN-REFUSED or E-RETURN-FILE.
    """
    text = read_text(path, where)
    tried = [separator for separator in SEPARATORS if separator in text] or [","]
    starts = {
        separator: dict(islice(_rows(text, separator, where), SEARCHED_ROWS)) for separator in tried
    }
    best = max(tried, key=lambda separator: score(starts[separator]))
    rows: dict[int, dict[int, str]] = {}
    n_cells = 0
    for number, cells in _rows(text, best, where):
        if cells:
            rows[number] = cells
            n_cells += len(cells)
        if len(rows) > MAX_ROWS or n_cells > MAX_CELLS:
            raise too_large(where)
    return SheetCells("", rows)


def read_text(path: Path, where: str) -> str:
    """The text of a file in UTF-8, UTF-16 with BOM, or GBK/GB18030."""
    if path.stat().st_size > MAX_BYTES:
        raise too_large(where)
    content = path.read_bytes()
    codec = next((name for bom, name in _BOMS if content.startswith(bom)), None)
    if codec is None:
        lines = [line for line in content.splitlines() if not line.isascii()]
        encoding = choose_encoding(lines, None, None)
        codec = encoding.codec if encoding.is_sound else None
    try:
        text = content.decode(codec) if codec else None
    except UnicodeDecodeError:
        text = None
    if text is None or text.count("\0") > 0:
        raise InputError(
            Finding(
                "E-RETURN-FILE",
                "文字编码无法识别，或者不是文本文件。",
                where,
                short(ascii(content[:24])),
                "UTF-8、UTF-16 或 GBK/GB18030 的文本",
                "用 WPS 或记事本打开，另存为 UTF-8 后再交回。",
            )
        )
    return text


def _rows(text: str, separator: str, where: str) -> Iterator[tuple[int, dict[int, str]]]:
    """Filled cells of every row, with its number."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        for number, fields in enumerate(reader, start=1):
            cells = enumerate((cell_text(csv_text(field)) for field in fields[:MAX_COLUMNS]), 1)
            yield number, {column: shown for column, shown in cells if shown is not None}
    except csv.Error as problem:
        raise InputError(
            Finding(
                "E-RETURN-FILE",
                "CSV 写法有误（引号不成对，或单元格过长）。",
                where,
                short(str(problem)),
                advice="用 WPS 或 Excel 打开核对，另存为 xlsx 再交回。",
            )
        ) from problem
