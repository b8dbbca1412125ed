"""Adding up: every figure is a sum of items, and says of which.

亩 are integers of hundredths, ㎡ are summed with `fsum` unrounded, counts are ones. An amount that
is not known makes the sum unknown, never smaller.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.delivery.tables.table import (
    ABSENT_ZH,
    COUNT_UNITS,
    M2,
    MU,
    UNKNOWN_ZH,
    Cell,
    Contribution,
    mu_cell,
)
from pipeline.units import format_mu100, two_places

TOTAL = "total"
ALL = "all"

Amount = int | float


class Item(NamedTuple):
    """One amount that counts in one cell."""

    row: str
    """Unit, group and further keys, joined by |."""
    column: str
    kind: str
    """What it is: patch, case, posting, input."""
    subject: str
    amount: Amount | None
    """Hundredths of a 亩, ㎡, or a count; None if not known."""


@dataclass(frozen=True)
class Sum:
    """What items of one cell add up to."""

    amount: Amount = 0
    n_items: int = 0
    n_unknown: int = 0

    @property
    def is_known(self) -> bool:
        """Whether every item is known; a sum of nothing is known to be zero."""
        return self.n_unknown == 0


Sums = Mapping[tuple[str, str], Sum]
NOTHING = Sum()


def add_up(items: Iterable[Item]) -> dict[tuple[str, str], Sum]:
    """Sums by (row, column)."""
    amounts: defaultdict[tuple[str, str], list[Amount | None]] = defaultdict(list)
    for item in items:
        amounts[item.row, item.column].append(item.amount)
    return {cell: _sum(found) for cell, found in amounts.items()}


def add_totals(items: Iterable[Item]) -> dict[tuple[str, str], Sum]:
    """The same over all units: by group, and over both groups."""
    amounts: defaultdict[tuple[str, str], list[Amount | None]] = defaultdict(list)
    keys: dict[str, tuple[str, ...]] = {}
    for item in items:
        if item.row not in keys:
            keys[item.row] = total_rows(item.row)
        for row in keys[item.row]:
            amounts[row, item.column].append(item.amount)
    return {cell: _sum(found) for cell, found in amounts.items()}


def total_rows(row: str) -> tuple[str, ...]:
    """Keys of the totals to which a row counts: of its group, and of all, each once."""
    _, group, *further = row.split("|")
    return tuple("|".join((TOTAL, of, *further)) for of in dict.fromkeys((group, ALL)))


def _sum(amounts: list[Amount | None]) -> Sum:
    known = [amount for amount in amounts if amount is not None]
    is_real = any(isinstance(amount, float) for amount in known)
    total: Amount = math.fsum(known) if is_real else sum(known)
    return Sum(total, len(amounts), len(amounts) - len(known))


def sum_cell(found: Sum, unit: str) -> Cell:
    """A sum as it is printed: 未提供 if nothing of it is known, 无法计算 if a part is not."""
    if not found.is_known:
        return ABSENT_ZH if found.n_unknown == found.n_items else UNKNOWN_ZH
    if unit == MU:
        return mu_cell(int(found.amount))
    return two_places(found.amount) if unit == M2 else int(found.amount)


def contributions(items: Iterable[Item], units: Mapping[str, str]) -> list[Contribution]:
    """What the cells are made of; a total names the rows it adds up, not all their items again."""
    listed = item_contributions(items, units)
    cells = dict.fromkeys((part.row_key, part.column_key) for part in listed)
    listed += [
        Contribution(total, column, "row", row, "", units[column])
        for row, column in cells
        for total in total_rows(row)
    ]
    return listed


def item_contributions(items: Iterable[Item], units: Mapping[str, str]) -> list[Contribution]:
    """What the cells of the rows are made of; nothing is said of amounts that are zero.

    An area in ㎡ that follows the same in 亩 stands beside it.
    """
    listed: list[Contribution] = []
    before: Item | None = None
    for item in items:
        row, column, kind, subject, amount = item
        unit = units[column]
        if unit == M2 and before is not None and before.amount != 0 and _is_beside(before, item):
            listed[-1] = listed[-1]._replace(m2=amount_text(amount, M2))
            before = None
            continue
        before = item
        if amount != 0:
            text = amount_text(amount, unit)
            listed.append(Contribution(row, column, kind, subject, text, unit))
    return listed


def _is_beside(mu: Item, m2: Item) -> bool:
    is_same = mu.subject == m2.subject and mu.row == m2.row
    return is_same and mu.column[:-3] == m2.column[:-3] and mu.column.endswith("_mu")


def amount_text(amount: Amount | None, unit: str) -> str:
    """An amount exactly: ㎡ in full, 亩 with two decimals."""
    if amount is None:
        return UNKNOWN_ZH
    if unit == MU:
        return format_mu100(int(amount))
    return str(int(amount)) if unit in COUNT_UNITS else repr(float(amount))
