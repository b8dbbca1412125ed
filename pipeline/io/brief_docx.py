"""The brief as a Word file, for those who go on writing in it: two A4 pages, in WPS too."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pipeline.delivery.brief_content import Brief, BriefTable, Cell, Column, KeyFigure
from pipeline.io import docx as word

LEAST_ROW_MM, MOST_ROW_MM, HEAD_MM, WIDE_HEAD_MM = 4.9, 6.4, 9.4, 12.6
FIRST_ROOM_MM, SECOND_ROOM_MM = 80.0, 112.0
"""What the rows of a page may take in all; the other parts are of one height."""
GAP_MM = 4.0
PICTURE_MARGIN_MM = 3.0
CELL_PT = 8.0
MAP_MM, CHART_MM = 98.0, 70.0
LINK_MM = word.TEXT_WIDTH_MM - CHART_MM - GAP_MM
NARROW_MM = 82.0
WIDE_MM = word.TEXT_WIDTH_MM - NARROW_MM - GAP_MM
RULE, HAIR, FIRM = (6, "8A949C"), (4, "C3CAD0"), (8, "1B2229")
TINT, PALE, WASH, RED = "EDF1F4", "F6F8F9", "FBF3F0", "B3122A"
_COLORS = {"alert": word.ACCENT, "soft": word.SOFT}


@dataclass(frozen=True)
class TableLook:
    """Measures of one table."""

    width_mm: float
    head_mm: float
    row_mm: float


def brief_docx(brief: Brief, map_png: bytes, chart_png: bytes) -> bytes:
    """The file; text as given, also characters that the PDF's font lacks."""
    document = word.new_document(f"{brief.masthead.title} {brief.masthead.period}")
    _masthead(document, brief)
    _conclusion(document, brief.conclusion)
    _figures(document, brief.key_figures)
    left, right = _beside(document, MAP_MM)
    _heading(left, brief.map_title)
    word.add_picture(left.add_paragraph(), map_png, MAP_MM - PICTURE_MARGIN_MM)
    _heading(right, "提请关注")
    _list(right, brief.attention, is_numbered=True, size_pt=9.5)
    look = TableLook(
        word.TEXT_WIDTH_MM, WIDE_HEAD_MM, _row_mm(len(brief.ranking.rows), FIRST_ROOM_MM)
    )
    _table(document, brief.ranking, look)
    _second_page(document, brief, chart_png)
    _footer(document, brief.footnote)
    return word.document_bytes(document)


def _second_page(document: Any, brief: Brief, chart_png: bytes) -> None:
    left, right = _beside(document, LINK_MM, starts_page=True)
    beside = max(len(brief.ratio.rows), len(brief.talks.rows))
    n_rows = len(brief.linkage.rows) + beside + len(brief.clocks.rows)
    row_mm = _row_mm(n_rows, SECOND_ROOM_MM)
    _table(left, brief.linkage, TableLook(LINK_MM - 2, HEAD_MM, row_mm))
    _heading(right, brief.chart_title)
    word.add_picture(right.add_paragraph(), chart_png, CHART_MM - PICTURE_MARGIN_MM)
    left, right = _beside(document, NARROW_MM)
    _table(left, brief.ratio, TableLook(NARROW_MM - 2, WIDE_HEAD_MM, row_mm))
    _table(right, brief.talks, TableLook(WIDE_MM - 2, WIDE_HEAD_MM, row_mm))
    left, right = _beside(document, NARROW_MM)
    _table(left, brief.clocks, TableLook(NARROW_MM - 2, HEAD_MM, row_mm))
    word.set_cell(right, {}, TINT)
    _heading(right, "尚不掌握的情况")
    _list(right, brief.unknowns)
    left, right = _beside(document, word.TEXT_WIDTH_MM / 2 - GAP_MM)
    _heading(left, "方法与局限")
    _list(left, brief.method)
    _heading(right, "口径", brief.assumption_label)
    _list(right, brief.assumptions)
    line = word.set_spacing(document.add_paragraph(), 14, before_pt=8)
    word.write(line, "　　　　　　　　　　".join(f"{name}：" for name in brief.signatures), 9)


def _masthead(document: Any, brief: Brief) -> None:
    head = brief.masthead
    line = word.set_spacing(document.add_paragraph(), 13)
    word.add_tabs(line, is_centred=False)
    word.write(line, head.secrecy, 9, word.ACCENT, is_sans=True)
    word.write(line, f"\t{head.images}", 9)
    size = 26 if len(head.title) <= 14 else max(14, 26 * 14 / len(head.title))
    title = word.align(word.set_spacing(document.add_paragraph(), 36), "center")
    word.write(title, head.title, round(size), word.ACCENT, is_bold=True)
    line = word.set_spacing(document.add_paragraph(), 16, after_pt=7)
    word.add_tabs(line, is_centred=True)
    word.write(line, head.issuer, 9)
    word.write(line, f"\t{head.period}", 11)
    word.write(line, f"\t{head.as_of}", 9)
    word.add_border(line, "bottom", 12, RED)


def _conclusion(document: Any, text: str) -> None:
    paragraph = word.set_spacing(document.add_paragraph(), 18, after_pt=7)
    word.write(paragraph, text, 11)
    word.add_border(paragraph, "left", 24, RED)
    word.shade(paragraph, WASH)


def _figures(document: Any, figures: tuple[KeyFigure, ...]) -> None:
    grid = word.add_grid(document, 1, [word.TEXT_WIDTH_MM / len(figures)] * len(figures))
    word.set_height(grid.rows[0], 18.5)
    for cell, figure in zip(grid.rows[0].cells, figures, strict=True):
        word.set_cell(cell, dict.fromkeys(("top", "left", "bottom", "right"), RULE))
        label = word.set_spacing(cell.paragraphs[0], 11)
        word.write(label, figure.label, 7.5, word.SOFT)
        value = word.set_spacing(cell.add_paragraph(), 22)
        color = word.ACCENT if figure.is_alert else word.INK
        word.write(value, figure.value, 17, color, is_bold=True)
        word.write(value, f" {figure.unit}", 8.5)
        note = word.set_spacing(cell.add_paragraph(), 11)
        word.write(note, figure.note, 7.5, word.SOFT)
    word.set_spacing(document.add_paragraph(), 6)


def _beside(document: Any, left_mm: float, *, starts_page: bool = False) -> tuple[Any, Any]:
    """Two cells beside each other, with nothing in them yet."""
    if starts_page:
        start = word.set_spacing(document.add_paragraph(), 1)
        start.paragraph_format.page_break_before = True
    widths = [left_mm, GAP_MM, word.TEXT_WIDTH_MM - left_mm - GAP_MM]
    grid = word.add_grid(document, 1, widths)
    cells = grid.rows[0].cells
    for cell in cells:
        cell.vertical_alignment = None
        word.set_spacing(cell.paragraphs[0], 1)
    word.set_spacing(document.add_paragraph(), 5)
    return cells[0], cells[2]


def _heading(parent: Any, title: str, label: str = "") -> None:
    paragraph = word.set_spacing(parent.add_paragraph(), 14, after_pt=2)
    word.write(paragraph, "▌", 9, word.ACCENT)
    word.write(paragraph, title, 10, is_bold=True)
    if label:
        word.write(paragraph, f"　{label}", 8.5, word.ACCENT)


def _list(
    parent: Any, texts: Iterable[str], *, is_numbered: bool = False, size_pt: float = 8
) -> None:
    for number, text in enumerate(texts, start=1):
        paragraph = word.set_spacing(parent.add_paragraph(), size_pt * 1.45, after_pt=1.5)
        word.hang(paragraph, size_pt * 1.3)
        word.write(paragraph, f"{number}." if is_numbered else "·", size_pt, word.SOFT)
        word.write(paragraph, f"\t{text}", size_pt)


def _row_mm(n_rows: int, room_mm: float) -> float:
    return min(MOST_ROW_MM, max(LEAST_ROW_MM, room_mm / n_rows))


def _table(parent: Any, table: BriefTable, look: TableLook) -> None:
    _heading(parent, table.title)
    total = sum(column.share for column in table.columns)
    widths = [look.width_mm * column.share / total for column in table.columns]
    grid = word.add_grid(parent, 1 + len(table.rows), widths)
    word.set_height(grid.rows[0], look.head_mm, is_exact=False)
    for cell, column in zip(grid.rows[0].cells, table.columns, strict=True):
        word.set_cell(cell, {"top": FIRM, "bottom": RULE}, TINT)
        paragraph = word.align(word.set_spacing(cell.paragraphs[0], 9), _side(column))
        word.write(paragraph, column.label.replace(" ", "\n"), 7, word.SOFT)
    for number, row in enumerate(table.rows):
        cells = grid.rows[number + 1].cells
        word.set_height(grid.rows[number + 1], look.row_mm)
        below = FIRM if number == len(table.rows) - 1 else HAIR
        for k, (cell, text) in enumerate(zip(cells, row.cells, strict=True)):
            word.set_cell(cell, {"bottom": below}, PALE if row.is_total else "")
            word.align(cell.paragraphs[0], _side(table.columns[k]))
            _print(cell, text, widths[k], is_bold=row.is_total)
    # Word wants a paragraph after a table; in a cell, python-docx has put it there.
    after = parent.paragraphs[-1] if hasattr(parent, "_tc") else parent.add_paragraph()
    word.set_spacing(after, 10 if table.note else 1, before_pt=1)
    if table.note:
        word.write(after, table.note, 7, word.SOFT)


def _side(column: Column) -> str:
    return "right" if column.is_number else "left"


def _print(cell: Any, text: Cell, room_mm: float, *, is_bold: bool) -> None:
    """One line, in smaller type if it is long: rows have exact heights."""
    paragraph = word.set_spacing(cell.paragraphs[0], CELL_PT * 1.25)
    color = _COLORS.get(text.tone, word.INK)
    size = word.fitted_size(text.text, CELL_PT, room_mm)
    word.write(paragraph, text.text, size, color, is_bold=is_bold or text.tone == "alert")


def _footer(document: Any, footnote: str) -> None:
    paragraph = word.set_spacing(document.sections[0].footer.paragraphs[0], 9)
    # The style of footers has tab stops of its own.
    paragraph.style = document.styles["Normal"]
    word.add_tabs(paragraph, is_centred=False)
    word.write(paragraph, footnote, 7, word.SOFT)
    word.write(paragraph, "\t第 ", 7, word.SOFT)
    word.add_page_number(paragraph, 7)
    word.write(paragraph, " 页", 7, word.SOFT)
