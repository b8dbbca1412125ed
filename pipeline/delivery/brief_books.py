"""Reading the books' tables (`statistics/tables.json`): rows by unit, figures as text.

Nothing is computed anew but sums over the townships that share one row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Figure = int | Decimal | str | None
"""A count, an amount with two decimals, a text such as 无法计算, or nothing known."""
TableRow = Mapping[str, Any]

UNKNOWN, UNOBSERVED = "—", "未观测"
ISSUED, DETECTED = "下发", "自主提取"
OUTSIDE_CODE = "000000000"
"""Unit of patches that lie in no township."""
_AMOUNT_ENDINGS = ("_mu", "_m2", "_ratio", "_rate")
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class Unit:
    """One township of the tables."""

    code: str
    name: str


@dataclass(frozen=True)
class Books:
    """All tables, as read."""

    tables: Mapping[str, Mapping[str, Any]]

    def units(self) -> tuple[Unit, ...]:
        """Townships in the order of T01, with 未落入乡镇 if it is there."""
        rows = self.tables["T01"]["rows"]
        names = {row["unit_code"]: row["unit_name"] for row in rows}
        return tuple(Unit(code, name) for code, name in names.items())

    def rows(self, table: str, group: str = ISSUED, **wanted: str) -> dict[str, TableRow]:
        """Rows of one group by unit code; `wanted` picks further columns by their text."""
        return {
            row["unit_code"]: row
            for row in self.tables[table]["rows"]
            if row.get("source_group", group) == group
            and all(row.get(key) == value for key, value in wanted.items())
        }

    def total(self, table: str, group: str = ISSUED, **wanted: str) -> TableRow:
        """The totals row of one group; empty if the table has none."""
        return next(iter(self.totals(table, group, **wanted)), {})

    def totals(self, table: str, group: str = ISSUED, **wanted: str) -> list[TableRow]:
        """All totals rows of one group, in order."""
        return [
            row
            for row in self.tables[table]["totals"]
            if row.get("source_group", group) == group
            and all(row.get(key) == value for key, value in wanted.items())
        ]

    def assumptions(self, names: Iterable[str]) -> tuple[str, ...]:
        """What the named tables assumed, each once, in order."""
        texts = (text for name in names for text in self.tables[name]["assumptions"])
        return tuple(dict.fromkeys(texts))


def figure(row: TableRow, key: str) -> Figure:
    """A cell as a typed value: amounts exact with two decimals."""
    value = row.get(key)
    if value is None or isinstance(value, str):
        return value
    if key.endswith(_AMOUNT_ENDINGS):
        return Decimal(str(value)).quantize(_CENT)
    return int(value) if value == int(value) else Decimal(str(value))


def shown(value: Figure) -> str:
    """A figure as it is printed, everywhere the same."""
    if value is None:
        return UNKNOWN
    return f"{value:.2f}" if isinstance(value, Decimal) else str(value)


def text_of(row: TableRow, key: str) -> str:
    """A cell as it is printed."""
    return shown(figure(row, key))


def amount(row: TableRow, key: str) -> Decimal | None:
    """A cell as a number; None where it holds a text or nothing."""
    value = figure(row, key)
    return None if value is None or isinstance(value, str) else Decimal(value)


def count(row: TableRow, key: str) -> int:
    """A count; nothing known counts as none, and is said elsewhere."""
    value = figure(row, key)
    return value if isinstance(value, int) else 0


def summed(rows: Sequence[TableRow], key: str) -> Figure:
    """The sum over townships that share a row; None if one of them can not be added.

    未观测 adds nothing: such a township has no patch.
    """
    values = [value for row in rows if (value := figure(row, key)) != UNOBSERVED]
    numbers = [value for value in values if isinstance(value, int | Decimal)]
    if len(numbers) < len(values) or not numbers:
        return None
    return sum(numbers[1:], numbers[0])
