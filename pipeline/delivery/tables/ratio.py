"""T06: signed violations as a share of what was built in the year (15号令 and its companions)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from pipeline.delivery.tables.layout import GROUPS_ZH, ISSUED, OBSERVED_COLUMN, ratio_cell
from pipeline.delivery.tables.patches import COUNTED_ZH, SUMS_ZH, Patch
from pipeline.delivery.tables.table import (
    ABSENT_ZH,
    KEY_COLUMNS,
    M2,
    MU,
    PERCENT,
    UNKNOWN_ZH,
    UNSEEN_ZH,
    Cell,
    Column,
    Row,
    Table,
    areas,
    percent,
)
from pipeline.delivery.tables.tally import (
    NOTHING,
    Item,
    Sum,
    Sums,
    add_up,
    item_contributions,
    sum_cell,
)
from pipeline.units import two_places

PERIODS = {"period": "本期", "year": "年度累计"}
COLUMNS = (
    *KEY_COLUMNS,
    OBSERVED_COLUMN,
    Column("period", "统计期间", width=9.0),
    Column("denominator_cultivated_mu", "新增建设用地占用耕地总面积", MU, 13.0),
    *areas("violation_cultivated", "违法占用耕地"),
    Column("cultivated_ratio", "违法占用耕地比例", PERCENT),
    *areas("net_cultivated", "核减后违法占用耕地"),
    Column("net_cultivated_ratio", "核减后占用耕地比例", PERCENT),
    Column("threshold", "对照线", PERCENT, 8.0),
    Column("denominator_new_mu", "新增建设用地总面积", MU, 13.0),
    *areas("violation_new", "违法新增建设用地"),
    Column("new_ratio", "违法占地比例", PERCENT),
    *areas("net_new", "核减后违法新增建设用地"),
    Column("net_new_ratio", "核减后占地比例", PERCENT),
    *areas("violation_area", "违法用地监测面积"),
    *areas("unrectified_area", "未整改监测面积"),
    Column("unrectified_area_ratio", "未整改面积比例", PERCENT),
    Column("unrectified_cultivated_ratio", "未整改耕地比例", PERCENT),
    Column("reading", "读法", width=22.0),
    Column("net_reading", "核减后读法", width=22.0),
)
UNITS = {column.key: column.unit for column in COLUMNS}
KINDS = {"cultivated": "cultivated", "new": "new", "area": "area"}


class Reader(Protocol):
    """Reads a share as the instrument allows: per cent and words."""

    def __call__(
        self, numerator_m2: float | None, denominator_mu: float | None, line: RatioLine
    ) -> tuple[Decimal | None, str]:
        """The share of a numerator in a denominator; None can not be computed."""


@dataclass(frozen=True)
class RatioLine:
    """One unit in one period."""

    unit_code: str
    unit_name: str
    period: str
    """A key of `PERIODS`."""
    is_county: bool
    observed_ratio: float | None
    """Share of its land that both dates of this run show."""
    violations: Sequence[Patch]
    """Issued ones, with counted areas and `net_way`; rows of `patches` or `year_patches`."""
    denominators: Mapping[str, Sequence[Mapping[str, Any]]]
    """cultivated and new → the county inputs that state it; empty not stated."""

    @property
    def is_unseen(self) -> bool:
        """Whether nothing of it was seen."""
        return self.observed_ratio is not None and self.observed_ratio == 0

    @property
    def key(self) -> str:
        """Key of the row."""
        return f"{self.unit_code}|{self.period}"

    def denominator(self, kind: str) -> float | None:
        """亩; None if not stated."""
        stated = self.denominators.get(kind, ())
        exact = sum((Decimal(str(row["value_mu"])) for row in stated), Decimal(0))
        return float(exact) if stated else None


def ratio_table(
    lines: Iterable[RatioLine], read: Reader, threshold: Decimal, rule_id: str
) -> Table:
    """T06; the first line is the county's."""
    listed = list(lines)
    items = [item for line in listed for item in _items(line)]
    sums = add_up(items)
    rows = [_row(line, sums, read, threshold) for line in listed]
    return Table(
        "T06",
        "T06_ratio",
        "违法占用耕地比例表",
        COLUMNS,
        rows,
        [line.key for line in listed],
        notes=(
            "分子只计县局签署为违法用地的下发图斑（上报口径）；分母由县填报，未填报或为0的写“无法计算”。",
            "15号令按年度、以县为单位；本期和年度未满的为进度参考，乡镇为参照。未达到不等于免责。",
            "核减后：减去已拆除复耕、补办手续并经实地验收的图斑。年度累计：同一沿革的图斑只计一次，以最近一期签署的判定为准。",
            "是否达到按未取整的面积精确比较，不按表中两位小数比较。",
            COUNTED_ZH,
            SUMS_ZH,
        ),
        contributions=item_contributions(items, UNITS),
        rule_ids=(rule_id,),
    )


def _items(line: RatioLine) -> Iterator[Item]:
    for patch in line.violations:
        is_left = patch["net_way"] is None
        for kind in ("cultivated", "new", "area"):
            columns = [f"violation_{kind}"]
            if is_left:
                columns.append("unrectified_area" if kind == "area" else f"net_{kind}")
            for column in columns:
                mu100, m2 = patch[f"counted_{kind}_mu100"], patch[f"counted_{kind}_m2"]
                subject = patch["patch_id"]
                yield Item(line.key, f"{column}_mu", "patch", subject, mu100)
                yield Item(line.key, f"{column}_m2", "patch", subject, m2)
    for kind, stated in line.denominators.items():
        for row in stated:
            subject = "|".join(
                str(row[name] or "") for name in ("item", "unit_code", "year", "doc_no", "run")
            )
            amount = int(two_places(Decimal(str(row["value_mu"]))) * 100)
            yield Item(line.key, f"denominator_{kind}_mu", "input", subject, amount)


def _row(line: RatioLine, sums: Sums, read: Reader, threshold: Decimal) -> Row:
    found = {key: sums.get((line.key, key), NOTHING) for key, unit in UNITS.items() if unit}
    cells: dict[str, Cell] = {
        column.key: sum_cell(found[column.key], column.unit)
        for column in COLUMNS
        if column.unit in (MU, M2)
    }
    for kind in ("cultivated", "new"):
        if not line.denominators.get(kind):
            cells[f"denominator_{kind}_mu"] = ABSENT_ZH
        for prefix, ratio, reading in (
            ("violation", f"{kind}_ratio", "reading"),
            ("net", f"net_{kind}_ratio", "net_reading"),
        ):
            area = _known(found[f"{prefix}_{kind}_m2"])
            share, words = read(area, line.denominator(kind), line)
            cells[ratio] = UNKNOWN_ZH if share is None else share
            if kind == "cultivated":
                cells[reading] = words
    cells["unrectified_area_ratio"] = _share(
        found["unrectified_area_m2"], found["violation_area_m2"]
    )
    cells["unrectified_cultivated_ratio"] = _share(
        found["net_cultivated_m2"], found["violation_cultivated_m2"]
    )
    if line.is_unseen and not line.violations:
        cells = {key: cell if _is_stated(key) else UNSEEN_ZH for key, cell in cells.items()}
    return {
        "unit_code": line.unit_code,
        "unit_name": line.unit_name,
        "source_group": GROUPS_ZH[ISSUED],
        OBSERVED_COLUMN.key: ratio_cell(line.observed_ratio),
        "period": PERIODS[line.period],
        "threshold": two_places(threshold * 100),
        **cells,
    }


def _is_stated(key: str) -> bool:
    return key.startswith("denominator_")


def _known(found: Sum) -> float | None:
    return float(found.amount) if found.is_known else None


def _share(part: Sum, whole: Sum) -> Cell:
    if not (part.is_known and whole.is_known):
        return UNKNOWN_ZH
    return percent(part.amount, whole.amount)
