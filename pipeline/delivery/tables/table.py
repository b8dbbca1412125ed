"""What a table of the books is: columns, rows, totals, and what every figure is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

Cell = int | Decimal | str | None
"""Counts are integers; 亩, ㎡ and % decimals of two places; a text may stand for a number."""
Row = Mapping[str, Cell]

UNKNOWN_ZH, ABSENT_ZH, UNSEEN_ZH = "无法计算", "未提供", "未观测"
ASSUMED_ZH = "示例口径，待上级文件确认"
MU, M2, PERCENT, PIECES, CASES = "亩", "㎡", "%", "个", "宗"
COUNT_UNITS = (PIECES, CASES)
CENT = Decimal("0.01")


@dataclass(frozen=True)
class Column:
    """One column; its unit decides how it is written."""

    key: str
    label: str
    unit: str = ""
    width: float = 11.0
    """Characters, in the workbook."""

    @property
    def header(self) -> str:
        """The label with its unit."""
        return f"{self.label}（{self.unit}）" if self.unit else self.label

    @property
    def is_check(self) -> bool:
        """Whether anything but zero is an error (校核)."""
        return self.key.startswith("check")


class Contribution(NamedTuple):
    """One part of one figure."""

    row_key: str
    column_key: str
    subject_kind: str
    """patch, case, posting, input, or row: the figure of another row of the same table."""
    subject_id: str
    amount: str
    unit: str
    m2: str = ""
    """The same area in ㎡, unrounded, which counts in the column beside."""


@dataclass(frozen=True)
class Table:
    """One table of the books."""

    id: str
    name: str
    """Of its files: T05_quota."""
    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    row_keys: Sequence[str]
    totals: Sequence[Row] = ()
    total_keys: Sequence[str] = ()
    assumptions: Sequence[str] = ()
    """Rules used that no document gives, one line each."""
    notes: Sequence[str] = ()
    contributions: Sequence[Contribution] = ()
    rule_ids: Sequence[str] = ()
    """All rules that its figures rest on."""


NOTE_COLUMN = Column("basis_note", "口径", width=27.0)
UNIT_COLUMNS = (
    Column("unit_code", "单位代码", width=11.0),
    Column("unit_name", "单位", width=22.5),
)
GROUP_COLUMN = Column("source_group", "来源", width=11.0)
KEY_COLUMNS = (*UNIT_COLUMNS, GROUP_COLUMN)


def areas(key: str, label: str) -> tuple[Column, Column]:
    """An area in 亩 and the same in ㎡ beside it."""
    return Column(f"{key}_mu", label, MU), Column(f"{key}_m2", label, M2, 12.0)


def with_note(columns: Sequence[Column], assumptions: Sequence[str]) -> tuple[Column, ...]:
    """The columns, with the column 口径 last if an assumption was used."""
    return (*columns, NOTE_COLUMN) if assumptions else tuple(columns)


def noted(rows: Sequence[Row], assumptions: Sequence[str]) -> list[Row]:
    """The rows, each with the words for an assumption if one was used."""
    if not assumptions:
        return list(rows)
    return [{**row, NOTE_COLUMN.key: ASSUMED_ZH} for row in rows]


def mu_cell(area_mu100: int) -> Decimal:
    """亩 from hundredths."""
    return Decimal(area_mu100).scaleb(-2).quantize(CENT)


def percent(numerator: float | Decimal, denominator: float | Decimal) -> Decimal | str:
    """A share in per cent; without a denominator it can not be computed."""
    if not denominator:
        return UNKNOWN_ZH
    share = Fraction(numerator) / Fraction(denominator) * 10_000
    # Round half up on the exact fraction; Decimal would have to divide first.
    return Decimal((share + Fraction(1, 2)).__floor__()).scaleb(-2)


def cell_text(cell: Cell) -> str:
    """A cell as it stands in the CSV."""
    return "" if cell is None else str(cell)


def as_json(table: Table) -> dict[str, Any]:
    """The table for programs; numbers as numbers."""
    return {
        "name": table.name,
        "title": table.title,
        "columns": [{"key": c.key, "label": c.label, "unit": c.unit} for c in table.columns],
        "rows": [_json_row(table, row) for row in table.rows],
        "totals": [_json_row(table, row) for row in table.totals],
        "row_keys": list(table.row_keys),
        "total_keys": list(table.total_keys),
        "assumptions": list(table.assumptions),
        "notes": list(table.notes),
    }


def _json_row(table: Table, row: Row) -> dict[str, Any]:
    cells = {column.key: row.get(column.key) for column in table.columns}
    # Two decimals survive the way through a float and back.
    return {k: float(cell) if isinstance(cell, Decimal) else cell for k, cell in cells.items()}
