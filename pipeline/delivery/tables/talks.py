"""T07: areas against the lines of the warning talk (警示约谈), in both readings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.delivery.tables.layout import GROUPS_ZH, OBSERVED_COLUMN, Frame, ratio_cell, row_key
from pipeline.delivery.tables.patches import COUNTED_ZH
from pipeline.delivery.tables.table import (
    ABSENT_ZH,
    KEY_COLUMNS,
    MU,
    UNKNOWN_ZH,
    UNSEEN_ZH,
    Cell,
    Column,
    Row,
    Table,
    areas,
)
from pipeline.delivery.tables.tally import (
    NOTHING,
    Item,
    Sums,
    add_up,
    item_contributions,
    sum_cell,
)
from pipeline.units import two_places

Line = Mapping[str, Any]
"""Fields of `rules.books.accountability.TalkLine`, and `source_group`."""

READINGS = {
    "before": "整改前",
    "after": "整改后",
    "concealed_before": "瞒报部分整改前",
    "concealed_after": "瞒报部分整改后",
}
COLUMNS = (
    *KEY_COLUMNS,
    OBSERVED_COLUMN,
    Column("measure", "地类", width=14.0),
    Column("line_mu", "约谈线", MU, 8.0),
    *(
        column
        for key, label in READINGS.items()
        for column in (*areas(key, label), Column(f"{key}_label", f"{label}：读法", width=10.0))
    ),
)
UNITS = {column.key: column.unit for column in COLUMNS}


def talks_table(
    frame: Frame,
    lines: Sequence[Line],
    items: Sequence[Item],
    rule_ids: tuple[str, ...],
) -> Table:
    """T07; `items` are the areas that the lines add up, by `talk_key` and reading."""
    units = {unit.code: unit for unit in frame.units}
    sums = add_up(items)
    rows: list[Row] = []
    keys = []
    for line in lines:
        unit = units.get(line["unit_code"])
        name = line["unit_code"] if unit is None else unit.name
        is_unseen = unit is not None and unit.is_unseen and not line["patches"]
        observed = {OBSERVED_COLUMN.key: None if unit is None else ratio_cell(unit.observed_ratio)}
        rows.append({**_row(line, name, sums, is_unseen=is_unseen), **observed})
        keys.append(talk_key(line))
    return Table(
        "T07",
        "T07_talks",
        "警示约谈预警表",
        COLUMNS,
        rows,
        keys,
        notes=(
            "按乡镇、按期累计县局签署的违法用地面积，永久基本农田、自然保护地、一般耕地（不含永久基本农田）分别对照，以上含本数。",
            "原文为括号内举例。读法一：只看面积；读法二：只看验收发现弄虚作假、瞒案不报、压案不查的部分。两种都列，预警不是约谈决定。",
            "是否达到按未取整的㎡精确比较。是否瞒报未填的，瞒报部分写“无法计算”；已知部分已达到的仍为预警。",
            COUNTED_ZH,
        ),
        contributions=item_contributions(items, UNITS),
        rule_ids=rule_ids,
    )


def _row(line: Line, name: str, sums: Sums, *, is_unseen: bool) -> Row:
    key = talk_key(line)
    cells: dict[str, Cell] = {}
    for reading in READINGS:
        for column in areas(reading, ""):
            cell = sum_cell(sums.get((key, column.key), NOTHING), column.unit)
            is_concealed = reading.startswith("concealed")
            # Not a layer is missing there, but the answer whether anything was concealed.
            cells[column.key] = UNKNOWN_ZH if is_concealed and cell == ABSENT_ZH else cell
        cells[f"{reading}_label"] = line[reading]["reading"]
    if is_unseen:
        cells = dict.fromkeys(cells, UNSEEN_ZH)
    return {
        "unit_code": line["unit_code"],
        "unit_name": name,
        "source_group": GROUPS_ZH[line["source_group"]],
        "measure": line["label"],
        "line_mu": two_places(line["threshold_mu"]),
        **cells,
    }


def talk_key(line: Line) -> str:
    """Key of the row of a line."""
    return row_key(line["unit_code"], line["source_group"], line["measure"])
