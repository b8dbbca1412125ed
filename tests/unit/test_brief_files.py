"""The three files of the brief: equal figures, two pages, the same bytes again."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import docx
import pytest

from pipeline.delivery.brief import build_brief, draw
from pipeline.delivery.brief_books import Books
from pipeline.delivery.brief_content import Brief, BriefTable, Drawings
from pipeline.delivery.brief_page import render_brief
from pipeline.errors import Severity
from pipeline.io.brief_docx import brief_docx
from pipeline.io.brief_files import brief_glyphs, brief_pdf, svg_png
from pipeline.io.docx import fitted_size
from tests.brief_factory import ASSUMED, HEAD, Plan, make_outlines, make_tables
from tests.pdf_text import pdf_lines

DOCUMENTS = ("示政土扣〔2025〕3号",)
RARE = "㐀\U0002a6a5"
PNG = b"\x89PNG\r\n\x1a\n"


def made(plan: Plan | None = None, tables: dict[str, Any] | None = None) -> tuple[Brief, Drawings]:
    books = Books(tables or make_tables(plan))
    return build_brief(books, HEAD, DOCUMENTS), draw(books, make_outlines(plan))


def tables_of(brief: Brief) -> list[BriefTable]:
    return [brief.ranking, brief.linkage, brief.ratio, brief.talks, brief.clocks]


def grid(table: BriefTable) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in table.rows]


def page_count(pdf: bytes) -> int:
    [count] = re.findall(rb"/Type\s*/Pages\s*/Count (\d+)", pdf)
    return int(count)


def holds(line: list[str], wanted: list[str]) -> bool:
    return any(line[k : k + len(wanted)] == wanted for k in range(len(line) - len(wanted) + 1))


class TableParser(HTMLParser):
    """Rows of the bodies of all tables, as lists of texts."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.in_body = self.in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tbody":
            self.in_body = True
            self.tables.append([])
        elif tag == "tr" and self.in_body:
            self.tables[-1].append([])
        elif tag == "td":
            self.in_cell = True
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "td":
            self.in_cell = False
        elif tag == "tbody":
            self.in_body = False

    def handle_data(self, data: str) -> None:
        if self.in_cell:
            self.tables[-1][-1][-1] += data


def word_tables(parent: Any) -> Iterator[list[list[str]]]:
    """Bodies of the tables, also of those inside cells; the first row is the header."""
    for table in parent.tables:
        yield [[cell.text for cell in row.cells] for row in table.rows[1:]]
        for row in table.rows:
            for cell in row.cells:
                yield from word_tables(cell)


def word_texts(parent: Any) -> str:
    own = "\n".join(paragraph.text for paragraph in parent.paragraphs)
    nested = (
        word_texts(cell) for table in parent.tables for row in table.rows for cell in row.cells
    )
    return "\n".join([own, *nested])


def open_docx(content: bytes) -> Any:
    return docx.Document(io.BytesIO(content))


@pytest.mark.parametrize("townships", [6, 30])
def test_all_three_files_hold_the_same_figures(townships: int) -> None:
    brief, drawings = made(Plan(townships=townships, unobserved=(4,)))
    lines = pdf_lines(brief_pdf(brief, drawings))
    parser = TableParser()
    parser.feed(render_brief(brief, drawings))
    in_word = list(word_tables(open_docx(brief_docx(brief, PIXEL, PIXEL))))
    for number, table in enumerate(tables_of(brief)):
        assert parser.tables[number] == grid(table)
        assert grid(table) in in_word
        for row in grid(table):
            wanted = " ".join(row).split()
            assert any(holds(line, wanted) for line in lines), row
    flat = "".join("".join(line) for line in lines)
    for value in brief.key_figures:
        assert value.value in flat
    assert brief.conclusion.replace(" ", "")[:20] in flat


PIXEL = svg_png('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 9"/>')


def test_sentences_stand_in_word_and_page_as_they_are() -> None:
    brief, drawings = made()
    in_word = word_texts(open_docx(brief_docx(brief, PIXEL, PIXEL)))
    page = render_brief(brief, drawings)
    head = brief.masthead
    for text in (
        head.secrecy,
        head.title,
        head.period,
        brief.conclusion,
        *brief.attention,
        *brief.unknowns,
        *brief.method,
        *brief.assumptions,
        brief.assumption_label,
        *(value.value for value in brief.key_figures),
    ):
        assert text in in_word
        assert text in page
    assert brief.footnote in page
    assert ASSUMED in brief.assumption_label


def long_named() -> tuple[Brief, Drawings]:
    """Everything as long as it may come."""
    tables = make_tables(Plan(townships=30, unobserved=(4, 8)))
    for table in tables.values():
        for row in (*table["rows"], *table["totals"]):
            if row.get("unit_name", "").endswith(("镇", "乡", "区", "道")):
                row["unit_name"] = f"{row['unit_name']}（托管原第二农场与高新技术产业园）"
            for key in ("reading", "net_reading"):
                if key in row:
                    row[key] = "进度参考、参照：达到；大于100%，请核对分母"
            if "patches" in row and isinstance(row["patches"], int):
                row["patches"] *= 1000
    tables["T05"]["assumptions"] = [f"增违挂钩核减比例之{k}（quota.x）＝0.35" for k in range(40)]
    tables["T10"]["assumptions"] = [f"期限之{k}（deadline.x）＝次年6月30日" for k in range(5)]
    tables["T15"]["rows"] += [{"identity": "表甲与表乙之和" * 6, "is_equal": "不符"}] * 5
    brief, drawings = made(None, tables)
    secrecy = (
        "内部资料　注意保管　未经批准不得复制外传　用后收回销毁　仅供县委县政府领导参阅研究使用"
    )
    head = replace(brief.masthead, secrecy=secrecy, title="甲乙丙丁戊己庚辛自治县卫片执法情况简报")
    return replace(brief, masthead=head), drawings


@pytest.mark.parametrize(
    "plan",
    [
        Plan(townships=1),
        Plan(townships=13, patches=300),
        Plan(townships=30, has_denominator=False),
        Plan(townships=6, patches=0, unobserved=(0, 1, 2, 3, 4, 5)),
    ],
)
def test_always_two_pages(plan: Plan) -> None:
    assert page_count(brief_pdf(*made(plan))) == 2


def test_two_pages_with_the_longest_texts() -> None:
    assert page_count(brief_pdf(*long_named())) == 2


def test_same_bytes_again_and_no_clock() -> None:
    brief, drawings = made()
    pdf, word = brief_pdf(brief, drawings), brief_docx(brief, PIXEL, PIXEL)
    assert brief_pdf(brief, drawings) == pdf
    assert brief_docx(brief, PIXEL, PIXEL) == word
    assert svg_png(drawings.chart) == svg_png(drawings.chart)
    assert svg_png(drawings.chart).startswith(PNG)
    assert b"CreationDate" not in pdf
    with zipfile.ZipFile(io.BytesIO(word)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(2000, 1, 1, 0, 0, 0)}
        core = archive.read("docProps/core.xml").decode()
        assert set(re.findall(r"\d{4}-\d\d-\d\dT[\d:]+Z", core)) == {"2000-01-01T00:00:00Z"}
        assert not [name for name in archive.namelist() if "thumbnail" in name]


def test_word_file_names_its_east_asian_fonts_and_keeps_schema_order() -> None:
    brief, _ = made()
    document = open_docx(brief_docx(brief, PIXEL, PIXEL))
    xml = document.element.xml
    runs = re.findall(r"<w:rFonts [^>]*>", xml)
    assert runs
    assert all("w:eastAsia=" in run for run in runs)
    order = ["w:pageBreakBefore", "w:pBdr", "w:shd", "w:tabs", "w:spacing", "w:ind", "w:jc"]
    for inner in re.findall(r"<w:pPr>(.*?)</w:pPr>", xml, re.DOTALL):
        found = [name for name in re.findall(r"<(w:\w+)", inner) if name in order]
        assert found == sorted(found, key=order.index)
    for inner in re.findall(r"<w:tcPr>(.*?)</w:tcPr>", xml, re.DOTALL):
        outer = ["w:tcW", "w:tcBorders", "w:shd", "w:vAlign"]
        found = [name for name in re.findall(r"<(w:\w+)", inner) if name in outer]
        assert found == sorted(found, key=outer.index)
    section = document.sections[0]
    assert (round(section.page_width.mm), round(section.page_height.mm)) == (210, 297)


def test_characters_the_font_lacks_are_told() -> None:
    tables = make_tables()
    for table in tables.values():
        for row in table["rows"]:
            if row.get("unit_name") == "柳林镇":
                row["unit_name"] = f"{RARE}镇"
    brief, drawings = made(None, tables)
    [notice] = brief_glyphs(brief, drawings)
    assert (notice.code, notice.severity) == ("N-FONT-GLYPH", Severity.NOTICE)
    assert "U+2A6A5" in notice.value
    assert "/" not in notice.where.removeprefix("report/")
    assert RARE in render_brief(brief, drawings)
    assert RARE in word_texts(open_docx(brief_docx(brief, PIXEL, PIXEL)))
    assert page_count(brief_pdf(brief, drawings)) == 2
    assert brief_glyphs(*made()) == ()


def test_page_is_one_file_without_script() -> None:
    page = render_brief(*made())
    assert "<script" not in page
    assert set(re.findall(r"https?://[^\"'<> ]+", page)) == {"http://www.w3.org/2000/svg"}
    assert not re.findall(r"(?:src|href)\s*=|@import|url\((?!#)", page)
    assert page.count('<section class="page">') == 2


def test_names_can_not_break_the_page() -> None:
    tables = make_tables()
    for table in tables.values():
        for row in table["rows"]:
            if row.get("unit_name") == "柳林镇":
                row["unit_name"] = "<b>柳&林"
    brief, drawings = made(None, tables)
    page = render_brief(brief, drawings)
    assert "<b>柳" not in page
    assert "&lt;b&gt;柳&amp;林" in page
    assert page_count(brief_pdf(brief, drawings)) == 2


def test_long_cells_of_word_shrink_to_their_column() -> None:
    assert fitted_size("12.34", 8, 20) == 8
    assert fitted_size("下发合计（上报口径）", 8, 26) == 6.5
    assert fitted_size("很" * 100, 8, 20) == 5
