"""Rows by unit and group of sources, with totals: the form most tables have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.delivery.tables.table import (
    COUNT_UNITS,
    M2,
    MU,
    PERCENT,
    UNSEEN_ZH,
    Cell,
    Column,
    Row,
    Table,
    noted,
    with_note,
)
from pipeline.delivery.tables.tally import (
    ALL,
    NOTHING,
    TOTAL,
    Item,
    Sum,
    Sums,
    add_totals,
    add_up,
    contributions,
    sum_cell,
)
from pipeline.units import two_places

ISSUED, DETECTED = "issued", "detected"
OBSERVED_COLUMN = Column("observed_ratio", "两期可观测比例", PERCENT)
"""Beside every sum of areas: what was not seen is not unchanged."""
GROUPS_ZH = {ISSUED: "下发", DETECTED: "自主提取", ALL: "全部"}
TOTALS_ZH = {ISSUED: "下发合计（上报口径）", DETECTED: "自主提取合计", ALL: "合计"}
OUTSIDE, OUTSIDE_ZH = "000000000", "未落入乡镇"

SUMMED_UNITS = (MU, M2, *COUNT_UNITS)
Cells = Callable[[Mapping[str, Sum]], Mapping[str, Cell]]
"""Cells of a row that follow from its sums: rates and checks."""


@dataclass(frozen=True)
class Unit:
    """A township as the tables see it."""

    code: str
    name: str
    observed_ratio: float | None
    """Share of its land that both dates show; None if not known."""

    @property
    def is_unseen(self) -> bool:
        """Whether nothing of it was seen: then nothing found does not mean nothing there."""
        return self.observed_ratio is not None and self.observed_ratio == 0


@dataclass(frozen=True)
class Frame:
    """Whose books these are."""

    county_code: str
    county_name: str
    units: tuple[Unit, ...]
    """By code; 未落入乡镇 last, if any patch lies outside."""
    observed_ratio: float | None = None
    """Of the county's land."""

    @property
    def is_unseen(self) -> bool:
        """Whether nothing of the county was seen."""
        return self.observed_ratio is not None and self.observed_ratio == 0

    def observed_cells(self) -> dict[str, dict[str, Cell]]:
        """Unit code (or `total`) → the cell of `OBSERVED_COLUMN`."""
        cells = {unit.code: unit.observed_ratio for unit in self.units}
        cells[TOTAL] = self.observed_ratio
        return {code: {OBSERVED_COLUMN.key: ratio_cell(ratio)} for code, ratio in cells.items()}


@dataclass(frozen=True)
class Split:
    """A further key by which rows are split."""

    column: str
    labels: Mapping[str, str]
    """Code → label, in order."""
    is_sparse: bool = False
    """Whether rows with nothing are left out."""


@dataclass(frozen=True)
class Plan:
    """All of a grouped table but its figures."""

    id: str
    name: str
    title: str
    columns: tuple[Column, ...]
    split: Split | None = None
    notes: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    rule_ids: tuple[str, ...] = ()
    fixed: Mapping[str, Mapping[str, Cell]] = field(default_factory=dict)
    """Unit code (or `total`) → cells that are no sums."""


def row_key(unit_code: str | None, group: str, *further: str) -> str:
    """Key of a row; None is what lies outside every township."""
    return "|".join((unit_code or OUTSIDE, group, *further))


def lay_out(frame: Frame, plan: Plan, items: Sequence[Item], derive: Cells) -> Table:
    """The table of these items."""
    units = {column.key: column.unit for column in plan.columns}
    sums, totals = add_up(items), add_totals(items)
    rows: dict[str, Row] = {}
    total_cells: dict[str, Row] = {}
    for unit in frame.units:
        for group in (ISSUED, DETECTED):
            head = {"unit_code": unit.code, "unit_name": unit.name}
            head |= {"source_group": GROUPS_ZH[group]}
            for key, cells in _rows(plan, sums, (unit.code, group), derive):
                is_blind = unit.is_unseen and not _has(sums, key)
                shown = _unseen(plan, cells) if is_blind else cells
                rows[key] = {**head, **shown, **plan.fixed.get(unit.code, {})}
    for group, label in TOTALS_ZH.items():
        head = {"unit_code": frame.county_code, "unit_name": label}
        head |= {"source_group": GROUPS_ZH[group]}
        for key, cells in _rows(plan, totals, (TOTAL, group), derive):
            is_blind = frame.is_unseen and not _has(totals, key)
            shown = _unseen(plan, cells) if is_blind else cells
            total_cells[key] = {**head, **shown, **plan.fixed.get(TOTAL, {})}
    return Table(
        plan.id,
        plan.name,
        plan.title,
        with_note(plan.columns, plan.assumptions),
        noted(list(rows.values()), plan.assumptions),
        list(rows),
        noted(list(total_cells.values()), plan.assumptions),
        list(total_cells),
        plan.assumptions,
        plan.notes,
        contributions(items, units),
        plan.rule_ids,
    )


def _has(sums: Sums, key: str) -> bool:
    """Whether there is anything of the unit and group of a row."""
    start = "|".join(key.split("|")[:2])
    return any(row == start or row.startswith(f"{start}|") for row, _ in sums)


def _unseen(plan: Plan, cells: Mapping[str, Cell]) -> dict[str, Cell]:
    """未观测 instead of every figure."""
    split = None if plan.split is None else plan.split.column
    return {key: cell if key == split else UNSEEN_ZH for key, cell in cells.items()}


def _rows(
    plan: Plan, sums: Sums, place: tuple[str, str], derive: Cells
) -> Iterator[tuple[str, Mapping[str, Cell]]]:
    """Keys of the rows of one unit and group, with the cell that names the split and figures."""
    split = plan.split
    if split is None:
        key = row_key(*place)
        yield key, _figures(plan, sums, key, derive)
        return
    filled = {row for row, _ in sums}
    for further, label in split.labels.items():
        key = row_key(*place, further)
        if key in filled or not split.is_sparse:
            yield key, {split.column: label, **_figures(plan, sums, key, derive)}


def _figures(plan: Plan, sums: Sums, key: str, derive: Cells) -> dict[str, Cell]:
    found = {
        column.key: sums.get((key, column.key), NOTHING)
        for column in plan.columns
        if column.unit in SUMMED_UNITS
    }
    shown = {
        column.key: sum_cell(found[column.key], column.unit)
        for column in plan.columns
        if column.unit in SUMMED_UNITS
    }
    return {**shown, **derive(found)}


def nothing_derived(_sums: Mapping[str, Sum]) -> Mapping[str, Cell]:
    """For tables whose cells are all sums."""
    return {}


def ratio_cell(observed_ratio: float | None) -> Cell:
    """An observed share in per cent; 未观测 if nothing was seen."""
    if observed_ratio is None:
        return None
    return UNSEEN_ZH if observed_ratio == 0 else two_places(observed_ratio * 100)
