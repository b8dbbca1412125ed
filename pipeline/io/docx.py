"""Word files with python-docx; the only module that imports it. The same content, the same bytes.

What Word needs said outright: the font of East Asian text apart from the Latin one, widths of
every cell, and exact row heights, so that two pages stay two pages in WPS too.
"""

from __future__ import annotations

import datetime
import io
import math
import zipfile
from collections.abc import Sequence
from typing import Any

import docx
from docx.enum.table import WD_ALIGN_VERTICAL, WD_ROW_HEIGHT_RULE, WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_LINE_SPACING, WD_TAB_ALIGNMENT
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt, RGBColor

SERIF, SANS, LATIN = "宋体", "黑体", "Times New Roman"
"""What every Chinese Word and WPS has."""
INK, SOFT = RGBColor(0x1B, 0x22, 0x29), RGBColor(0x56, 0x61, 0x6B)
ACCENT = RGBColor(0xB3, 0x12, 0x2A)
STAMP = datetime.datetime(2000, 1, 1)  # noqa: DTZ001
"""Word files carry dates; a clock would make equal files differ."""
_ZIP_STAMP = (2000, 1, 1, 0, 0, 0)
_AFTER_BORDERS = ("w:shd", "w:tabs", "w:spacing", "w:ind", "w:jc", "w:rPr")
"""What stands after a paragraph's borders; Word refuses a file in another order."""
WIDE_FROM, NARROW_EM = 0x1FFF, 0.6
"""Characters from here on are one em wide; the others about half."""
POINTS_PER_MM = 72 / 25.4
CELL_SIDES_MM = 2.0
LEAST_PT = 5.0
PAGE_WIDTH_MM, SIDE_MM = 210.0, 13.0
TEXT_WIDTH_MM = PAGE_WIDTH_MM - 2 * SIDE_MM


def new_document(title: str) -> Any:
    """An empty A4 document in the brief's type."""
    document = docx.Document()
    section = document.sections[0]
    section.page_width, section.page_height = Mm(PAGE_WIDTH_MM), Mm(297)
    section.left_margin = section.right_margin = Mm(SIDE_MM)
    section.top_margin, section.bottom_margin = Mm(11), Mm(13)
    section.header_distance, section.footer_distance = Mm(5), Mm(6)
    normal = document.styles["Normal"]
    normal.font.size = Pt(8.5)
    normal.font.name = LATIN
    normal.element.get_or_add_rPr().get_or_add_rFonts().set(qn("w:eastAsia"), SERIF)
    _drop_thumbnail(document)
    properties = document.core_properties
    properties.title, properties.author, properties.comments = title, "", ""
    properties.last_modified_by, properties.revision = "", 1
    properties.created = properties.modified = STAMP
    return document


def _drop_thumbnail(document: Any) -> None:
    """The library's template brings a preview of itself."""
    relations = document.part.package.rels
    for key in [key for key, one in relations.items() if one.reltype.endswith("/thumbnail")]:
        del relations[key]


def document_bytes(document: Any) -> bytes:
    """The file with fixed dates and makers."""
    raw, packed = io.BytesIO(), io.BytesIO()
    document.save(raw)
    with zipfile.ZipFile(raw) as source, zipfile.ZipFile(packed, "w") as target:
        for name in source.namelist():
            entry = zipfile.ZipInfo(name, _ZIP_STAMP)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            target.writestr(entry, source.read(name))
    return packed.getvalue()


def write(
    paragraph: Any,
    text: str,
    size_pt: float = 8.5,
    color: RGBColor = INK,
    *,
    is_bold: bool = False,
    is_sans: bool = False,
) -> None:
    """Append a text with both its fonts."""
    run = paragraph.add_run(text)
    run.font.size, run.font.color.rgb, run.font.bold = Pt(size_pt), color, is_bold
    run.font.name = LATIN
    fonts = run._element.get_or_add_rPr().get_or_add_rFonts()
    fonts.set(qn("w:eastAsia"), SANS if is_sans or is_bold else SERIF)


def fitted_size(text: str, size_pt: float, room_mm: float) -> float:
    """The size at which a line fits, in half points, by the widths of the usual fonts."""
    em = sum(1.0 if ord(char) > WIDE_FROM or char == "%" else NARROW_EM for char in text)
    fitting = (room_mm - CELL_SIDES_MM) * POINTS_PER_MM / max(em, 1e-9)
    return max(LEAST_PT, min(size_pt, math.floor(fitting * 2) / 2))


def set_spacing(paragraph: Any, line_pt: float, before_pt: float = 0, after_pt: float = 0) -> Any:
    """Exact line height: Word's own grows with the font that happens to be there."""
    form = paragraph.paragraph_format
    form.line_spacing_rule, form.line_spacing = WD_LINE_SPACING.EXACTLY, Pt(line_pt)
    form.space_before, form.space_after = Pt(before_pt), Pt(after_pt)
    return paragraph


def align(paragraph: Any, side: str) -> Any:
    """left, center or right."""
    paragraph.alignment = getattr(WD_ALIGN_PARAGRAPH, side.upper())
    return paragraph


def hang(paragraph: Any, indent_pt: float) -> None:
    """Indent all but the first line, and give the first one a stop there."""
    form, indent = paragraph.paragraph_format, Pt(indent_pt)
    form.left_indent, form.first_line_indent = indent, -indent
    form.tab_stops.add_tab_stop(indent)


def add_tabs(paragraph: Any, *, is_centred: bool) -> None:
    """Stops in the middle, if asked for, and at the right edge."""
    stops = paragraph.paragraph_format.tab_stops
    if is_centred:
        stops.add_tab_stop(Mm(TEXT_WIDTH_MM / 2), WD_TAB_ALIGNMENT.CENTER)
    stops.add_tab_stop(Mm(TEXT_WIDTH_MM), WD_TAB_ALIGNMENT.RIGHT)


def add_border(paragraph: Any, side: str, eighths_pt: int, color: str) -> None:
    """A line along one side of a paragraph."""
    borders = OxmlElement("w:pBdr")
    borders.append(_edge(side, eighths_pt, color))
    paragraph._p.get_or_add_pPr().insert_element_before(borders, *_AFTER_BORDERS)


def shade(paragraph: Any, color: str) -> None:
    """Fill the ground of a paragraph."""
    paragraph._p.get_or_add_pPr().insert_element_before(_shading(color), *_AFTER_BORDERS[1:])


def add_grid(parent: Any, rows: int, widths_mm: Sequence[float]) -> Any:
    """A table with fixed column widths and narrow cell margins, without lines."""
    grid = parent.add_table(rows, len(widths_mm))
    grid.alignment, grid.autofit = WD_TABLE_ALIGNMENT.LEFT, False
    properties = grid._tbl.tblPr
    margins = OxmlElement("w:tblCellMar")
    for side in ("left", "right"):
        edge = OxmlElement(f"w:{side}")
        edge.set(qn("w:w"), "45")
        edge.set(qn("w:type"), "dxa")
        margins.append(edge)
    properties.insert_element_before(margins, "w:tblLook")
    for number, width_mm in enumerate(widths_mm):
        grid.columns[number].width = Mm(width_mm)
        for cell in grid.columns[number].cells:
            cell.width = Mm(width_mm)
            cell.vertical_alignment = WD_ALIGN_VERTICAL.CENTER
    return grid


def set_height(row: Any, height_mm: float, *, is_exact: bool = True) -> None:
    """Row height; a row is never broken over two pages."""
    row.height = Mm(height_mm)
    row.height_rule = WD_ROW_HEIGHT_RULE.EXACTLY if is_exact else WD_ROW_HEIGHT_RULE.AT_LEAST
    row._tr.get_or_add_trPr().append(OxmlElement("w:cantSplit"))


def set_cell(cell: Any, edges: dict[str, tuple[int, str]], ground: str = "") -> None:
    """Lines (eighths of a point, colour) by side, and ground of a cell."""
    properties = cell._tc.get_or_add_tcPr()
    if edges:
        borders = OxmlElement("w:tcBorders")
        for side in ("top", "left", "bottom", "right"):
            if side in edges:
                borders.append(_edge(side, *edges[side]))
        properties.insert_element_before(borders, "w:shd", "w:vAlign")
    if ground:
        properties.insert_element_before(_shading(ground), "w:vAlign")


def add_picture(paragraph: Any, png: bytes, width_mm: float) -> None:
    """A picture in a line of its own, whose height it decides."""
    form = paragraph.paragraph_format
    form.line_spacing_rule = WD_LINE_SPACING.SINGLE
    form.space_before = form.space_after = Pt(0)
    picture = paragraph.add_run().add_picture(io.BytesIO(png), width=Mm(width_mm))
    for side in "TBLR":
        # Left out, LibreOffice takes 3 mm for them.
        picture._inline.set(f"dist{side}", "0")


def add_page_number(paragraph: Any, size_pt: float) -> None:
    """The number of the page, kept by Word."""
    for kind, text in (("begin", ""), ("", "PAGE"), ("end", "")):
        run = paragraph.add_run()
        run.font.size, run.font.color.rgb = Pt(size_pt), SOFT
        if kind:
            mark = OxmlElement("w:fldChar")
            mark.set(qn("w:fldCharType"), kind)
        else:
            mark = OxmlElement("w:instrText")
            mark.text = text
        run._r.append(mark)


def _edge(side: str, eighths_pt: int, color: str) -> Any:
    edge = OxmlElement(f"w:{side}")
    values = {"val": "single", "sz": str(eighths_pt), "space": "4", "color": color}
    for name, value in values.items():
        edge.set(qn(f"w:{name}"), value)
    return edge


def _shading(color: str) -> Any:
    ground = OxmlElement("w:shd")
    for name, value in (("val", "clear"), ("color", "auto"), ("fill", color)):
        ground.set(qn(f"w:{name}"), value)
    return ground
