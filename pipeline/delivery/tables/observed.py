"""T11: how much of every township both dates show, and why the rest was not seen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pipeline.delivery.tables.layout import Frame, row_key
from pipeline.delivery.tables.patches import Patch
from pipeline.delivery.tables.table import (
    PERCENT,
    PIECES,
    UNIT_COLUMNS,
    UNSEEN_ZH,
    Cell,
    Column,
    Row,
    Table,
    areas,
    percent,
)
from pipeline.delivery.tables.tally import (
    ALL,
    NOTHING,
    TOTAL,
    Item,
    Sums,
    add_totals,
    add_up,
    contributions,
    sum_cell,
)
from pipeline.units import mu100_from_m2

REASONS = ("nodata", "cloud", "shadow", "other_unobserved")
UNOBSERVED = "unobserved"
COLUMNS = (
    *UNIT_COLUMNS,
    *areas("land", "辖区面积"),
    Column("observed_ratio", "两期可观测比例", PERCENT),
    Column("nodata_ratio", "无影像", PERCENT),
    Column("cloud_ratio", "云遮", PERCENT),
    Column("shadow_ratio", "云影", PERCENT),
    Column("other_ratio", "过饱和或未配准", PERCENT),
    Column("patches", "图斑个数", PIECES),
    Column("unobserved_patches", "其中无法判定", PIECES),
)
UNITS = {"land_mu": "亩", "land_m2": "㎡", "patches": PIECES, "unobserved_patches": PIECES}


def observed_table(
    frame: Frame, townships: Sequence[Mapping[str, Any]], patches: Sequence[Patch]
) -> Table:
    """T11 from the rows of `townships` in `statistics/county.gpkg`."""
    items = [*_land_items(townships), *_patch_items(patches)]
    sums, totals = add_up(items), add_totals(items)
    by_code = {township["township_code"]: township for township in townships}
    rows: list[Row] = []
    keys = []
    for unit in frame.units:
        key = row_key(unit.code, ALL)
        head: Row = {"unit_code": unit.code, "unit_name": unit.name}
        shares = _shares([by_code[unit.code]] if unit.code in by_code else [])
        rows.append({**head, **_sum_cells(sums, key, is_unseen=unit.is_unseen), **shares})
        keys.append(key)
    total = row_key(TOTAL, ALL)
    county: Row = {"unit_code": frame.county_code, "unit_name": "合计"}
    return Table(
        "T11",
        "T11_observed",
        "影像可观测情况表",
        COLUMNS,
        rows,
        keys,
        [{**county, **_sum_cells(totals, total, is_unseen=frame.is_unseen), **_shares(townships)}],
        [total],
        notes=(
            "比例以辖区椭球面积为分母；超出影像范围的土地计入无影像。没有看到不等于没有变化。",
            "辖区面积：乡镇与开发区重叠的土地只计一次。",
        ),
        contributions=contributions(items, UNITS),
    )


def _land_items(townships: Sequence[Mapping[str, Any]]) -> Iterator[Item]:
    for township in townships:
        code, land = township["township_code"], township["land_m2"]
        key = row_key(code, ALL)
        yield Item(key, "land_mu", "township", code, None if land is None else mu100_from_m2(land))
        yield Item(key, "land_m2", "township", code, land)


def _patch_items(patches: Iterable[Patch]) -> Iterator[Item]:
    for patch in patches:
        key = row_key(patch["township_code"], ALL)
        yield Item(key, "patches", "patch", patch["patch_id"], 1)
        if patch["suspected_class"] == UNOBSERVED:
            yield Item(key, "unobserved_patches", "patch", patch["patch_id"], 1)


def _sum_cells(sums: Sums, key: str, *, is_unseen: bool) -> dict[str, Cell]:
    """Where nothing was seen, no patch is not none."""
    cells = {name: sum_cell(sums.get((key, name), NOTHING), unit) for name, unit in UNITS.items()}
    if is_unseen and not cells["patches"]:
        cells |= dict.fromkeys(("patches", "unobserved_patches"), UNSEEN_ZH)
    return cells


def _shares(townships: Sequence[Mapping[str, Any]]) -> dict[str, Cell]:
    """Shares of the land of one or several townships."""
    names = ("observed_ratio", *(f"{name.removesuffix('_unobserved')}_ratio" for name in REASONS))
    if not townships or any(_is_unknown(township) for township in townships):
        return dict.fromkeys(names, None)
    land = math.fsum(township["land_m2"] for township in townships)
    seen = math.fsum(township["land_m2"] * township["observed_ratio"] for township in townships)
    cells: dict[str, Cell] = {"observed_ratio": percent(seen, land)}
    for name in REASONS:
        column = f"{name.removesuffix('_unobserved')}_ratio"
        cells[column] = percent(math.fsum(township[f"{name}_m2"] for township in townships), land)
    return cells


def _is_unknown(township: Mapping[str, Any]) -> bool:
    names = ("land_m2", "observed_ratio", *(f"{name}_m2" for name in REASONS))
    return any(township[name] is None for name in names)
