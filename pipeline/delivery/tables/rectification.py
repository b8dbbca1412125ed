"""T04: cases and what has come of them (查处整改统计)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from pipeline.delivery.tables.layout import OBSERVED_COLUMN, Frame, Plan, lay_out, row_key
from pipeline.delivery.tables.patches import (
    COUNTED_ZH,
    SUMS_ZH,
    Patch,
    area_items,
    is_violation,
    place,
)
from pipeline.delivery.tables.table import (
    CASES,
    KEY_COLUMNS,
    MU,
    PERCENT,
    PIECES,
    UNKNOWN_ZH,
    Cell,
    Column,
    Table,
    areas,
    percent,
)
from pipeline.delivery.tables.tally import Item, Sum, sum_cell

WAYS = {"demolished_restored": "demolished", "regularised": "regularised", "both": "both"}
"""Way of rectification, once accepted → key of its columns; without one: unrectified."""
UNRECTIFIED = "unrectified"


class CaseFacts(Protocol):
    """One 宗, see `rules.books.rectification.CaseRow`."""

    @property
    def key(self) -> str:
        """Case number, or the patch id if there is no case yet."""

    @property
    def case_no(self) -> str | None:
        """None: 尚无案件."""

    @property
    def unit_code(self) -> str:
        """Township to which it counts."""

    @property
    def source_group(self) -> str:
        """The group of sources."""

    @property
    def is_closed(self) -> bool:
        """②."""

    @property
    def is_rectified(self) -> bool:
        """③."""

    @property
    def is_filed_otherwise(self) -> bool:
        """④."""


COLUMNS = (
    *KEY_COLUMNS,
    OBSERVED_COLUMN,
    Column("violations", "违法用地图斑", PIECES),
    Column("cases", "违法宗数①", CASES),
    Column("closed", "已结案②", CASES),
    Column("rectified", "②中整改到位③", CASES),
    Column("filed_otherwise", "非立案处理④", CASES),
    Column("open", "未结案", CASES),
    Column("no_case", "未结案中尚无案件", CASES),
    Column("duty_rate", "履职到位率（②＋④）÷①", PERCENT),
    Column("rectification_rate", "整改到位率（③＋④）÷①", PERCENT),
    *areas("area", "违法用地面积"),
    *areas("cultivated", "违法占用耕地"),
    *areas("demolished", "拆除复耕"),
    *areas("regularised", "补办手续"),
    *areas("both", "拆补组合"),
    *areas(UNRECTIFIED, "未整改到位"),
    *areas(f"{UNRECTIFIED}_cultivated", "未整改到位耕地"),
    Column("check_cases", "校核：①－②－④－未结案", CASES),
    Column("check_area", "校核：违法用地－整改－未整改（亩）"),
)


def rectification_table(
    frame: Frame, patches: Sequence[Patch], cases: Sequence[CaseFacts]
) -> Table:
    """T04: 宗数 count cases, areas are those of the violations."""
    plan = Plan(
        "T04",
        "T04_rectification",
        "违法用地查处整改情况表",
        COLUMNS,
        notes=(
            "宗数按案件计，一案可含多个图斑；违法用地图斑尚无案件的各计一宗。②与④不重复。",
            "整改到位、拆除复耕、补办手续、拆补组合都以统计截止日期前实地验收为准。",
            "案件归计入面积最大的图斑所在乡镇；案内有下发图斑的归下发。",
            COUNTED_ZH,
            SUMS_ZH,
        ),
        fixed=frame.observed_cells(),
    )
    items = [*_case_items(cases), *_area_items(patches)]
    return lay_out(frame, plan, items, _rates)


def _case_items(cases: Iterable[CaseFacts]) -> Iterator[Item]:
    for case in cases:
        row = row_key(case.unit_code, case.source_group)
        kind = "patch" if case.case_no is None else "case"
        states = {
            "cases": True,
            "closed": case.is_closed,
            "rectified": case.is_rectified,
            "filed_otherwise": case.is_filed_otherwise,
            "open": not case.is_closed and not case.is_filed_otherwise,
            "no_case": case.case_no is None,
        }
        for column, counts in states.items():
            if counts:
                yield Item(row, column, kind, case.key, 1)


def _area_items(patches: Iterable[Patch]) -> Iterator[Item]:
    for patch in patches:
        if not is_violation(patch):
            continue
        row = place(patch)
        yield Item(row, "violations", "patch", patch["patch_id"], 1)
        yield from area_items(patch, row, ("area", "cultivated"), "counted_")
        way = WAYS.get(patch["net_way"], UNRECTIFIED)
        for column, kind in ((way, "area"), (f"{way}_cultivated", "cultivated")):
            if kind == "area" or way == UNRECTIFIED:
                mu100, m2 = patch[f"counted_{kind}_mu100"], patch[f"counted_{kind}_m2"]
                yield Item(row, f"{column}_mu", "patch", patch["patch_id"], mu100)
                yield Item(row, f"{column}_m2", "patch", patch["patch_id"], m2)


def _rates(sums: Mapping[str, Sum]) -> dict[str, Cell]:
    n = {name: int(sums[name].amount) for name in ("cases", "closed", "rectified", "open")}
    otherwise = int(sums["filed_otherwise"].amount)
    addends = [sums[f"{name}_mu"] for name in (*WAYS.values(), UNRECTIFIED)]
    whole = sums["area_mu"]
    is_known = whole.is_known and all(addend.is_known for addend in addends)
    left = Sum(int(whole.amount) - sum(int(addend.amount) for addend in addends))
    return {
        "duty_rate": percent(n["closed"] + otherwise, n["cases"]),
        "rectification_rate": percent(n["rectified"] + otherwise, n["cases"]),
        "check_cases": n["cases"] - n["closed"] - otherwise - n["open"],
        "check_area": sum_cell(left, MU) if is_known else UNKNOWN_ZH,
    }
