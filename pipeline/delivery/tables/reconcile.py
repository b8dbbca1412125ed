"""T15: what must agree with what, so that nobody has to take the tables on trust."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from pipeline.delivery.tables.table import (
    MU,
    PIECES,
    UNKNOWN_ZH,
    UNSEEN_ZH,
    Cell,
    Column,
    Row,
    Table,
)

EQUAL_ZH, UNEQUAL_ZH, UNCHECKED_ZH, NOTED_ZH = "相符", "不符", "无法核对", "提示"
COLUMNS = (
    Column("serial", "序号", width=6.0),
    Column("identity", "核对关系", width=52.0),
    Column("left_name", "左", width=26.0),
    Column("left", "左值", width=16.0),
    Column("right_name", "右", width=26.0),
    Column("right", "右值", width=16.0),
    Column("difference", "差", width=12.0),
    Column("unit", "单位", width=8.0),
    Column("is_equal", "是否相符", width=11.0),
)
Tables = Mapping[str, Table]


@dataclass(frozen=True)
class Identity:
    """Two figures that must be equal, or one that people must look at if it is not zero."""

    identity: str
    left_name: str
    left: Cell
    right_name: str = ""
    right: Cell = None
    unit: str = MU
    is_note: bool = False
    """Whether there is nothing to compare with."""


def reconcile_table(identities: Iterable[Identity]) -> Table:
    """T15 of all identities, in order."""
    rows = [_row(number, one) for number, one in enumerate(identities, start=1)]
    return Table(
        "T15",
        "T15_reconcile",
        "核对表",
        COLUMNS,
        rows,
        [str(row["serial"]) for row in rows],
        notes=(
            "各项由成果重新相加得出，差应为 0；㎡以两位小数比较。",
            "提示：没有可比的数，非 0 时请查看。",
        ),
    )


def _row(number: int, one: Identity) -> Row:
    difference: Cell = None
    if one.is_note:
        verdict = EQUAL_ZH if one.left == 0 else NOTED_ZH
    elif one.left != one.right and UNSEEN_ZH in (one.left, one.right):
        # Nothing was found where nothing was seen: that agrees with a sum of nothing only.
        verdict = EQUAL_ZH if 0 in (one.left, one.right) else UNCHECKED_ZH
    elif _is_number(one.left) and _is_number(one.right):
        difference = one.left - one.right  # type: ignore[operator]
        verdict = EQUAL_ZH if difference == 0 else UNEQUAL_ZH
    else:
        verdict = EQUAL_ZH if one.left == one.right else UNCHECKED_ZH
    return {
        "serial": number,
        "identity": one.identity,
        "left_name": one.left_name,
        "left": one.left,
        "right_name": one.right_name or None,
        "right": one.right,
        "difference": difference,
        "unit": one.unit,
        "is_equal": verdict,
    }


def _is_number(cell: Cell) -> bool:
    return isinstance(cell, int | Decimal)


def table_identities(tables: Tables) -> Iterator[Identity]:
    """Between the tables and inside them."""
    yield from _progress(tables)
    yield from _violations(tables)
    for table in tables.values():
        yield from _rows_and_totals(table)


def _progress(tables: Tables) -> Iterator[Identity]:
    for group, label in (("issued", "下发"), ("detected", "自主提取"), ("all", "合计")):
        for key, name, unit in (
            ("patches", "图斑个数", PIECES),
            ("area_mu", "图斑面积", MU),
            ("cultivated_mu", "耕地面积", MU),
            ("pbf_mu", "永久基本农田面积", MU),
        ):
            yield Identity(
                f"{label}{name}：进度表与疑似分类表",
                "T01",
                total_of(tables["T01"], f"total|{group}", key),
                "T03 各类之和",
                _sum_totals(tables["T03"], group, key),
                unit,
            )
        yield Identity(
            f"{label}图斑个数：进度表与判定表",
            "T01",
            total_of(tables["T01"], f"total|{group}", "patches"),
            "T02 各判定之和",
            _sum_totals(tables["T02"], group, "patches"),
            PIECES,
        )
    listed = sum(row["source_group"] == "下发" for row in tables["T12"].rows)
    issued = total_of(tables["T01"], "total|issued", "patches")
    yield Identity("下发图斑全部列入清单", "T12 行数", listed, "T01 下发图斑", issued, PIECES)


def _violations(tables: Tables) -> Iterator[Identity]:
    for group, label in (("issued", "下发"), ("detected", "自主提取")):
        signed, dealt = f"total|{group}|new_violation", f"total|{group}"
        for left, right, name, unit in (
            ("patches", "violations", "违法用地图斑", PIECES),
            ("area_mu", "area_mu", "违法用地面积", MU),
            ("cultivated_mu", "cultivated_mu", "违法占用耕地", MU),
        ):
            yield Identity(
                f"{label}{name}：判定表与查处整改表",
                "T02",
                total_of(tables["T02"], signed, left),
                "T04",
                total_of(tables["T04"], dealt, right),
                unit,
            )
        whole = [f"{way}_mu" for way in ("demolished", "regularised", "both", "unrectified")]
        yield Identity(
            f"{label}违法用地面积＝拆除＋补办＋拆补＋未整改",
            "T04",
            total_of(tables["T04"], dealt, "area_mu"),
            "T04 四项之和",
            _add([total_of(tables["T04"], dealt, key) for key in whole]),
        )
        ways = ("net_demolished_mu", "net_regularised_mu", "net_both_mu", "net_closed_mu")
        yield Identity(
            f"{label}核减前基数＝核减后基数＋四项核减",
            "T05",
            total_of(tables["T05"], dealt, "base_before_mu"),
            "T05 五项之和",
            _add([total_of(tables["T05"], dealt, key) for key in ("base_after_mu", *ways)]),
        )


SUMMED = {
    "T01": ("patches", "area_mu"),
    "T02": ("patches", "area_mu", "cultivated_mu"),
    "T03": ("patches", "area_mu"),
    "T04": ("cases", "area_mu"),
    "T11": ("patches", "land_mu"),
}
"""Columns whose totals are added up again from the rows."""


def _rows_and_totals(table: Table) -> Iterator[Identity]:
    labels = {column.key: column for column in table.columns}
    whole = [key for key in table.total_keys if key.split("|")[1] == "all"]
    for key in SUMMED.get(table.id, ()):
        column = labels[key]
        yield Identity(
            f"{table.id} {column.label}：合计与各行之和",
            "合计",
            _add([total_of(table, total, key) for total in whole]),
            "各行之和",
            _add([row[key] for row in table.rows]),
            column.unit,
        )


def total_of(table: Table, total_key: str, column: str) -> Cell:
    """A cell of a totals row; zero if the row is not there because it is empty."""
    rows = dict(zip(table.total_keys, table.totals, strict=True))
    zero: Cell = 0 if column in ("patches", "violations", "cases") else Decimal("0.00")
    return rows[total_key][column] if total_key in rows else zero


def _sum_totals(table: Table, group: str, column: str) -> Cell:
    cells = [
        row[column]
        for key, row in zip(table.total_keys, table.totals, strict=True)
        if key.split("|")[1] == group
    ]
    return _add(cells) if cells else total_of(table, "", column)


def _add(cells: Sequence[Cell]) -> Cell:
    """The sum; 未观测 counts for nothing, for nothing was found; other words make it unknown."""
    numbers = [cell for cell in cells if isinstance(cell, int | Decimal)]
    words = {cell for cell in cells if isinstance(cell, str)} - {UNSEEN_ZH}
    if words:
        return words.pop() if len(words) == 1 and not numbers else UNKNOWN_ZH
    return sum(numbers, numbers[0] * 0) if numbers else 0
