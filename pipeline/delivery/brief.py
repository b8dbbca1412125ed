"""The leaders' brief (领导简报): the books of a quarter on two pages.

Pure: the tables of `statistics/tables.json` in, one `Brief` of ready text and two drawings out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from shapely.geometry.base import BaseGeometry

from pipeline.delivery import brief_notes as notes
from pipeline.delivery import brief_tables as tables
from pipeline.delivery import brief_words as words
from pipeline.delivery.brief_books import (
    OUTSIDE_CODE,
    UNOBSERVED,
    Books,
    TableRow,
    amount,
    figure,
)
from pipeline.delivery.brief_charts import Bars, draw_bars
from pipeline.delivery.brief_content import Brief, Drawings
from pipeline.delivery.brief_map import TownshipOnMap, draw_county_map
from pipeline.delivery.brief_talks import talks
from pipeline.delivery.brief_words import BriefHead

ASSUMED = "示例口径，待上级文件确认"
USED_TABLES = ("T01", "T02", "T04", "T05", "T06", "T07", "T10", "T11", "T12", "T15")
MAX_ASSUMPTIONS = 14
"""Of one table; all of them are in statistics.xlsx."""
CHART_ROWS = 8
_RULE_ID = re.compile("（[a-z0-9_.]+）")


def build_brief(books: Books, head: BriefHead, documents: Sequence[str]) -> Brief:
    """Everything that is printed; `documents`: numbers of the superior's deductions."""
    assumptions = _assumptions(books)
    return Brief(
        masthead=words.masthead(head),
        conclusion=words.conclusion(books, head),
        key_figures=words.key_figures(books),
        map_title="各乡镇违法用地面积（下发，县局已签署）",
        attention=notes.attention(books, documents),
        ranking=tables.ranking(books),
        linkage=tables.linkage(books),
        chart_title=_chart_title(books),
        ratio=tables.ratio(books),
        talks=talks(books),
        clocks=tables.clocks(books),
        unknowns=notes.unknowns(books, head),
        method=words.method(head),
        assumptions=assumptions,
        assumption_label=ASSUMED if assumptions else "",
        signatures=words.signature_labels(),
        footnote=(
            "图斑为疑似线索，不作为处罚依据；数据取自同期统计表，明细见 statistics.xlsx。"
            + (f"测算部分为{ASSUMED}。" if assumptions else "")
        ),
    )


def draw(books: Books, outlines: Mapping[str, BaseGeometry]) -> Drawings:
    """Map and chart; `outlines` by township code, in one projected CRS."""
    rectified, observed = books.rows("T04"), books.rows("T11")
    names = {unit.code: unit.name for unit in books.units()}
    townships = [
        TownshipOnMap(
            names.get(code, code),
            outline,
            amount(rectified.get(code, {}), "area_mu"),
            _seen(observed.get(code, {})),
        )
        for code, outline in sorted(outlines.items())
    ]
    bars = [
        Bars(
            names.get(code, code),
            amount(rectified[code], "area_mu"),
            amount(rectified[code], "unrectified_mu"),
        )
        for code in _charted(books)
    ]
    return Drawings(draw_county_map(townships), draw_bars(bars, ("整改前", "整改后")))


def _seen(row: TableRow) -> Decimal | None:
    if figure(row, "observed_ratio") == UNOBSERVED:
        return Decimal(0)
    return amount(row, "observed_ratio")


def _charted(books: Books) -> list[str]:
    rows = books.rows("T04")
    order = [code for code in tables.by_amount(rows, "area_mu") if code != OUTSIDE_CODE]
    return [code for code in order if (amount(rows[code], "area_mu") or 0) > 0][:CHART_ROWS]


def _chart_title(books: Books) -> str:
    rows = books.rows("T04").values()
    n = sum(1 for row in rows if (amount(row, "area_mu") or 0) > 0)
    limited = f"，前 {CHART_ROWS} 位" if n > CHART_ROWS else ""
    return f"整改前后违法用地（亩，下发{limited}）"


def _assumptions(books: Books) -> tuple[str, ...]:
    """One line a table: titles and values; rule ids are for the tables. Equal lines are one."""
    tables: dict[tuple[str, ...], list[str]] = {}
    for name in USED_TABLES:
        tables.setdefault(tuple(books.assumptions([name])), []).append(name)
    lines = []
    for texts, names in tables.items():
        found = [_RULE_ID.sub("", text) for text in texts]
        if len(found) > MAX_ASSUMPTIONS:
            found[MAX_ASSUMPTIONS:] = [f"另有 {len(found) - MAX_ASSUMPTIONS} 项见该表"]
        if found:
            lines.append(f"{'、'.join(names)}：{'；'.join(found)}。")
    return tuple(lines)
