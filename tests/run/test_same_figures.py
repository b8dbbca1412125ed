"""The closed demo county: CSV, workbook and JSON hold the same cells, the three briefs theirs.

What belongs in which cell of the brief is written anew here, for this test alone.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import docx
import openpyxl
import pytest

from tests.pdf_text import pdf_lines

TABLES = ("T01", "T02", "T03", "T04", "T05", "T06", "T07", "T10", "T11", "T12", "T15")
RANKING = (
    ("T01", "patches"),
    ("T01", "answered"),
    ("T01", "judged"),
    ("T04", "violations"),
    ("T04", "cases"),
    ("T04", "area_mu"),
    ("T04", "cultivated_mu"),
    ("T02", "pbf_mu"),
    ("T04", "unrectified_mu"),
    ("T04", "rectification_rate"),
    ("T01", "observed_ratio"),
)
LINKAGE = (
    "base_before_mu",
    "base_after_mu",
    "base_pbf_after_mu",
    "deduction_before_mu",
    "deduction_after_mu",
    "quota_deducted_mu",
    "quota_closing_mu",
)
RATIO = (
    "violation_cultivated_mu",
    "denominator_cultivated_mu",
    "cultivated_ratio",
    "net_cultivated_ratio",
    "new_ratio",
    "net_new_ratio",
    "unrectified_area_ratio",
)
CLOCKS = ("due", "on_time", "late", "open_overdue", "open_not_due", "unknown")
MEASURES = ("永久基本农田", "自然保护地", "一般耕地")
Grid = list[list[str]]


@pytest.fixture(scope="module")
def run_dir(closed_county: Path) -> Path:
    return closed_county / "runs" / "demo"


@pytest.fixture(scope="module")
def tables(run_dir: Path) -> dict[str, Any]:
    text = (run_dir / "statistics" / "tables.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def test_the_county_has_every_table_and_something_in_each(tables: dict[str, Any]) -> None:
    assert tuple(tables) == TABLES
    assert all(table["rows"] for table in tables.values())


@pytest.mark.parametrize("table_id", TABLES)
def test_csv_workbook_and_json_agree(
    table_id: str, run_dir: Path, tables: dict[str, Any], workbook: Any
) -> None:
    table = tables[table_id]
    keys = [column["key"] for column in table["columns"]]
    wanted = [[row[key] for key in keys] for row in (*table["rows"], *table["totals"])]
    titles = [
        f"{column['label']}（{column['unit']}）" if column["unit"] else column["label"]
        for column in table["columns"]
    ]
    path = run_dir / "statistics" / f"{table['name']}.csv"
    with path.open(encoding="utf-8-sig", newline="") as stream:
        header, *lines = csv.reader(stream)
    assert header == titles
    assert lines == [[in_csv(value) for value in row] for row in wanted]
    sheet = workbook[table_id]
    start = next(n for n, row in enumerate(sheet) if list(row[: len(titles)]) == titles)
    assert [list(row[: len(keys)]) for row in sheet[start + 1 : start + 1 + len(wanted)]] == wanted


@pytest.fixture(scope="module")
def workbook(run_dir: Path) -> dict[str, list[tuple[Any, ...]]]:
    book = openpyxl.load_workbook(run_dir / "statistics" / "statistics.xlsx")
    return {sheet.title.split(" ")[0]: list(sheet.iter_rows(values_only=True)) for sheet in book}


def in_csv(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.2f}"
    # What a spreadsheet would take for a formula stands behind an apostrophe.
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(("=", "+", "-", "@")) else text


def expected(tables: dict[str, Any]) -> dict[str, Grid]:
    """The figures of every row of the five tables of the brief, by the name of the row."""
    rows = {name: issued(tables[name]["rows"]) for name in ("T01", "T04", "T05")}
    rows["T02"] = issued(tables["T02"]["rows"], judgement="违法用地")
    ranking = [
        [row["unit_name"], *(printed(rows[t][code][key]) for t, key in RANKING)]
        for code, row in sorted(
            rows["T04"].items(), key=lambda item: (-item[1]["area_mu"], item[0])
        )
    ]
    for group, label in (("下发", "下发合计（上报口径）"), ("自主提取", "自主提取合计（参照）")):
        total = {
            name: issued(tables[name]["totals"], group, **wanted)
            for name, wanted in (("T01", {}), ("T04", {}), ("T02", {"judgement": "违法用地"}))
        }
        cells = [printed(next(iter(total[name].values()))[key]) for name, key in RANKING]
        ranking.append([label, *cells])
    linkage = [
        [row["unit_name"], *(printed(row[key]) for key in LINKAGE)]
        for code, row in sorted(
            rows["T05"].items(), key=lambda item: (-item[1]["base_before_mu"], item[0])
        )
    ]
    [sums] = issued(tables["T05"]["totals"]).values()
    linkage.append(["下发合计", *(printed(sums[key]) for key in LINKAGE)])
    now, year = (row for row in tables["T06"]["rows"] if len(row["unit_code"]) == 6)
    assert (now["period"], year["period"]) == ("本期", "年度累计")
    ratio = [[printed(now[key]), printed(year[key])] for key in RATIO]
    clocks = [
        [row["clock"], *(printed(row[key]) for key in CLOCKS)]
        for row in tables["T10"]["totals"]
        if row["source_group"] == "下发"
    ]
    return {"ranking": ranking, "linkage": linkage, "ratio": ratio, "clocks": clocks}


def talk_cells(tables: dict[str, Any]) -> dict[str, list[str]]:
    """Township → area before and after netting of the three measures."""
    found: dict[str, list[str]] = {}
    for measure in MEASURES:
        for row in issued(tables["T07"]["rows"], measure=measure).values():
            both = dict.fromkeys((printed(row["before_mu"]), printed(row["after_mu"])))
            found.setdefault(row["unit_name"], []).append("→".join(both))
    return found


def issued(rows: list[dict[str, Any]], group: str = "下发", **wanted: str) -> dict[str, Any]:
    return {
        row["unit_code"]: row
        for row in rows
        if row["source_group"] == group and all(row[key] == value for key, value in wanted.items())
    }


def printed(value: Any) -> str:
    if value is None:
        return "—"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


@pytest.mark.parametrize("name", ["brief.docx", "brief.html"])
def test_tables_of_word_and_page_are_the_books(
    name: str, run_dir: Path, tables: dict[str, Any]
) -> None:
    path = run_dir / "report" / name
    grids = (
        list(word_grids(docx.Document(str(path)))) if name.endswith("docx") else page_grids(path)
    )
    wanted = expected(tables)
    for part in ("ranking", "linkage", "clocks"):
        assert wanted[part] in grids, part
    ratio = next(grid for grid in grids if grid and grid[0][0].startswith("违法占用耕地"))
    assert [row[1:] for row in ratio[: len(RATIO)]] == wanted["ratio"]
    talks = talk_cells(tables)
    [lines] = [grid for grid in grids if grid and len(grid[0]) == 7 and grid[0][0] in talks]
    assert {row[0]: row[1:4] for row in lines} == talks


def test_tables_of_the_pdf_are_the_books(run_dir: Path, tables: dict[str, Any]) -> None:
    lines = pdf_lines((run_dir / "report" / "brief.pdf").read_bytes())
    wanted = expected(tables)
    rows = [row for part in ("ranking", "linkage", "ratio", "clocks") for row in wanted[part]]
    rows += [[name, *cells] for name, cells in talk_cells(tables).items()]
    for row in rows:
        assert any(holds(line, row) for line in lines), row


@pytest.mark.parametrize("name", ["brief.docx", "brief.html", "brief.pdf"])
def test_large_figures_are_the_books(name: str, run_dir: Path, tables: dict[str, Any]) -> None:
    path = run_dir / "report" / name
    if name.endswith("pdf"):
        text = "".join("".join(line) for line in pdf_lines(path.read_bytes()))
    elif name.endswith("docx"):
        text = "\n".join(texts_of(docx.Document(str(path))))
    else:
        text = re.sub("<[^>]+>", " ", path.read_text(encoding="utf-8"))
    flat = re.sub(r"\s", "", text)
    [fourth] = issued(tables["T04"]["totals"]).values()
    [first] = issued(tables["T01"]["totals"]).values()
    year = next(row for row in tables["T06"]["rows"] if row["period"] == "年度累计")
    [fifth] = issued(tables["T05"]["totals"]).values()
    for part in (
        f"下发图斑{first['patches']}个",
        f"违法用地图斑{fourth['violations']}个（{fourth['cases']}宗）、{fourth['area_mu']:.2f}亩",
        f"其中耕地{fourth['cultivated_mu']:.2f}亩",
        f"尚有{fourth['unrectified_mu']:.2f}亩",
        f"{printed(year['cultivated_ratio'])}%",
        f"{printed(fifth['deduction_after_mu'])}亩",
    ):
        assert part in flat, part


def holds(line: list[str], wanted: list[str]) -> bool:
    return any(line[k : k + len(wanted)] == wanted for k in range(len(line) - len(wanted) + 1))


def word_grids(parent: Any) -> Iterator[Grid]:
    """Bodies of all tables, also of those inside cells."""
    for table in parent.tables:
        yield [[cell.text for cell in row.cells] for row in table.rows[1:]]
        for row in table.rows:
            for cell in row.cells:
                yield from word_grids(cell)


def texts_of(parent: Any) -> Iterator[str]:
    yield from (paragraph.text for paragraph in parent.paragraphs)
    for table in parent.tables:
        for row in table.rows:
            for cell in row.cells:
                yield from texts_of(cell)


def page_grids(path: Path) -> list[Grid]:
    parser = _Bodies()
    parser.feed(path.read_text(encoding="utf-8"))
    # The row of the next table's head follows the last body: it has no cell that is no heading.
    return [[row for row in grid if row] for grid in parser.grids]


class _Bodies(HTMLParser):
    """Bodies of all tables of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.grids: list[Grid] = []
        self._is_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tbody":
            self.grids.append([])
        elif tag == "tr" and self.grids:
            self.grids[-1].append([])
        elif tag == "td":
            self._is_cell = True
            self.grids[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._is_cell = self._is_cell and tag != "td"

    def handle_data(self, data: str) -> None:
        if self._is_cell:
            self.grids[-1][-1][-1] += data
