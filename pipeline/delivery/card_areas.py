"""The area tables of a card: m² of the patch's columns, 亩 as sums of its parts' integers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

import pandas as pd

from pipeline.errors import Finding, VerifyError
from pipeline.units import format_mu100

UNKNOWN = "未提供"
"""Printed wherever a value is NULL."""
CATEGORIES = (
    ("耕地", "cultivated"),
    ("其他农用地", "other_agricultural"),
    ("未利用地", "unused"),
    ("建设用地", "construction"),
)
WITHIN = (
    ("永久基本农田", "pbf_m2", "pbf_id"),
    ("自然保护地", "reserve_m2", "reserve_id"),
    ("生态保护红线", "redline_m2", "redline_id"),
)
PERMITS = (
    ("批文", "approved"),
    ("供地", "supplied"),
    ("不动产登记", "registered"),
    ("设施农用地备案", "facility"),
    ("临时用地", "temporary"),
)
"""Net of each other in this order (DESIGN §4)."""

Row = Mapping[str, Any]
Role = Literal["total", "addend", "within"]


@dataclass(frozen=True)
class AreaLine:
    """One line of an area table."""

    label: str
    area_m2: str
    area_mu: str
    """Empty if it is unknown or not a sum of parts."""
    role: Role
    """`within` is 其中: no addend."""


@dataclass(frozen=True)
class PatchAreas:
    """A patch with its parts.

    Raises `VerifyError` E-VERIFY-SUM if the parts' 0.01 亩 do not add up to the patch's.
    """

    patch: Row
    """A row of SCREENED or OVERLAID."""
    parts: Sequence[Row]
    """Its rows of PARTS."""

    def __post_init__(self) -> None:
        total, whole = _sum_mu100(self.parts), self.patch.get("area_mu100")
        if is_known(whole) and total == int(self.patch["area_mu100"]):
            return
        raise VerifyError(
            Finding(
                "E-VERIFY-SUM",
                "图斑各部分的亩数之和与图斑亩数不等，核查卡不能印出。",
                where=str(self.patch["patch_id"]),
                value=f"各部分合计 {format_mu100(total)} 亩",
                allowed=f"{format_mu100(int(str(whole)))} 亩" if is_known(whole) else "",
                advice="重新运行 overlay（套合分析）。",
            )
        )

    def land(self) -> tuple[AreaLine, ...]:
        """The whole and its five addends by land category, then what lies within."""
        whole = self._line("图斑面积", "area_m2", lambda _: True, "total")
        addends = [
            self._line(label, f"{category}_m2", _equals("land_category", category))
            for label, category in CATEGORIES
        ]
        addends.append(self._line("地类未覆盖", "unclassified_m2", _lacks("land_category")))
        net_m2 = self.patch.get("cultivated_net_m2")
        net = AreaLine("耕地扣除田坎", decimal_text(net_m2), "", "within")
        within = [self._line(label, column, _has(key), "within") for label, column, key in WITHIN]
        return (whole, *addends, net, *within)

    def permits(self) -> tuple[AreaLine, ...]:
        """The five permits, net of each other, and what none of them covers."""
        lines = [
            self._line(label, f"{name}_m2", _equals("permit_class", name))
            for label, name in PERMITS
        ]
        rest = AreaLine("以上均未覆盖", UNKNOWN, "", "addend")
        if any(is_known(self.patch.get(f"{name}_m2")) for _, name in PERMITS):
            left = [part for part in self.parts if not is_known(part["permit_class"])]
            area_m2 = sum(float(part["area_m2"]) for part in left)
            mu = format_mu100(_sum_mu100(left))
            rest = AreaLine("以上均未覆盖", decimal_text(area_m2), mu, "addend")
        return (*lines, rest)

    def plan(self) -> tuple[AreaLine, ...]:
        """What conforms to the plan and what does not; unzoned land is in neither."""
        return (
            self._line("符合规划", "plan_conform_m2", _equals("is_plan_conforming", True)),
            self._line("不符合规划", "plan_nonconform_m2", _equals("is_plan_conforming", False)),
        )

    def _line(
        self, label: str, column: str, counts: Callable[[Row], bool], role: Role = "addend"
    ) -> AreaLine:
        area_m2 = self.patch.get(column)
        if not is_known(area_m2):
            return AreaLine(label, UNKNOWN, "", role)
        mu100 = _sum_mu100([part for part in self.parts if counts(part)])
        return AreaLine(label, decimal_text(area_m2), format_mu100(mu100), role)


def is_known(value: Any) -> bool:
    """False for the NULLs of tables: None, NaN, NaT, NA."""
    return value is not None and not (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def decimal_text(value: Any, places: int = 2) -> str:
    """A number with fixed decimals, HALF_UP; 未提供 if unknown."""
    if not is_known(value):
        return UNKNOWN
    return str(Decimal(float(value)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))


def _sum_mu100(parts: Sequence[Row]) -> int:
    return sum(int(part["area_mu100"]) for part in parts)


def _has(key: str) -> Callable[[Row], bool]:
    return lambda part: is_known(part[key])


def _lacks(key: str) -> Callable[[Row], bool]:
    return lambda part: not is_known(part[key])


def _equals(key: str, value: str | bool) -> Callable[[Row], bool]:
    return lambda part: is_known(part[key]) and bool(part[key] == value)
