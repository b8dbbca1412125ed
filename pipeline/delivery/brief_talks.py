"""The warning-talk lines (警示约谈) of the brief: townships against them, the weightiest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from pipeline.delivery.brief_books import (
    OUTSIDE_CODE,
    UNKNOWN,
    Books,
    TableRow,
    amount,
    text_of,
)
from pipeline.delivery.brief_content import BriefTable, Cell, Column, Row
from pipeline.delivery.brief_tables import NOT_COMPUTABLE, WARNING, reading_cell

TALKED_ROWS = 8
MEASURES = ("永久基本农田", "自然保护地", "一般耕地")
_SEVERITY = {WARNING: 0, NOT_COMPUTABLE: 1}
LABEL = "before_label"


def warned(books: Books) -> dict[str, tuple[str, ...]]:
    """Township code → measures that reach their line before netting, the weightiest first."""
    found = _lines(books)
    reached = {
        code: tuple(
            measure for measure in MEASURES if found[measure].get(code, {}).get(LABEL) == WARNING
        )
        for code in _weightiest(found)
    }
    return {code: measures for code, measures in reached.items() if measures}


def not_computable(books: Books) -> tuple[str, ...]:
    """Townships of which some area is not known, so that no talk line can be told reached."""
    found = _lines(books).values()
    codes = {code for rows in found for code, row in rows.items() if row[LABEL] == NOT_COMPUTABLE}
    return tuple(sorted(codes))


def talks(books: Books) -> BriefTable:
    """Areas against the talk lines by township, before → after netting, and both readings."""
    found = _lines(books)
    order = _weightiest(found)
    labels = {
        key: {code: _worst([rows.get(code, {}) for rows in found.values()], key) for code in order}
        for key in ("before_label", "after_label", "concealed_before_label")
    }
    names = {unit.code: unit.name for unit in books.units()}
    rows = [
        Row(
            (
                Cell(names.get(code, code)),
                *(_crossing(found[measure].get(code, {})) for measure in MEASURES),
                *(reading_cell(labels[key][code]) for key in labels),
            )
        )
        for code in order[:TALKED_ROWS]
    ]
    lines = {m: next((text_of(r, "line_mu") for r in found[m].values()), "") for m in MEASURES}
    columns = (
        Column("单位：亩", 2.0, is_number=False),
        *(Column(_with_line(m, lines[m]), 1.72) for m in MEASURES),
        Column("核减前 判读", 1.15),
        Column("核减后 判读", 1.15),
        Column("只计 瞒报", 1.15),
    )
    note = _rest_of_talks([labels["before_label"][code] for code in order[TALKED_ROWS:]])
    return BriefTable("警示约谈面积线（核减前→核减后）", columns, tuple(rows), note)


def _lines(books: Books) -> dict[str, dict[str, TableRow]]:
    """Measure → township code → row; what lies in no township has nobody to talk to."""
    found = {measure: books.rows("T07", measure=measure) for measure in MEASURES}
    for rows in found.values():
        rows.pop(OUTSIDE_CODE, None)
    return found


def _weightiest(found: Mapping[str, Mapping[str, TableRow]]) -> list[str]:
    """预警 first, then what can not be told, then by the largest area as a share of its line."""
    return sorted(
        {code for rows in found.values() for code in rows},
        key=lambda code: (
            _SEVERITY.get(_worst([rows.get(code, {}) for rows in found.values()], LABEL), 2),
            -max(_share(rows.get(code, {})) for rows in found.values()),
            code,
        ),
    )


def _crossing(row: TableRow) -> Cell:
    if not row:
        return Cell(UNKNOWN, "soft")
    before, after = text_of(row, "before_mu"), text_of(row, "after_mu")
    text = before if before == after else f"{before}→{after}"
    return Cell(text, "alert" if row.get("before_label") == WARNING else "")


def _worst(rows: Sequence[TableRow], key: str) -> str:
    labels = [str(row[key]) for row in rows if row.get(key)]
    return min(labels, key=lambda label: _SEVERITY.get(label, 2), default=UNKNOWN)


def _share(row: TableRow) -> Decimal:
    area, line = amount(row, "before_mu"), amount(row, "line_mu")
    return Decimal(0) if area is None or not line else area / line


def _with_line(measure: str, line_mu: str) -> str:
    name = measure.replace("基本农田", " 基本农田")
    plain = line_mu.rstrip("0").rstrip(".") if "." in line_mu else line_mu
    return f"{name} （{plain}亩线）" if plain else name


def _rest_of_talks(labels: Sequence[str]) -> str:
    readings = "面积线是文件所举的例子，预警不是约谈决定；“只计瞒报”只算验收发现瞒报的"
    if not labels:
        return f"{readings}。"
    told = [f"{labels.count(label)} 个{label}" for label in dict.fromkeys(labels)]
    return f"{readings}；其余 {len(labels)} 个乡镇：{'、'.join(told)}，见 T07。"
