"""T05: 增违挂钩 per township, as worked out, beside the accounts of the quota ledger.

What is worked out comes as mappings with the fields of `rules.books.quota.UnitLinkage` and
`PatchLinkage`, the accounts by name of their entries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from pipeline.delivery.tables.layout import (
    DETECTED,
    GROUPS_ZH,
    ISSUED,
    OBSERVED_COLUMN,
    TOTALS_ZH,
    Frame,
    row_key,
)
from pipeline.delivery.tables.patches import COUNTED_ZH, SUMS_ZH
from pipeline.delivery.tables.quota_parts import (
    COUNTY,
    COUNTY_ZH,
    DEDUCTION_ENTRIES,
    QUOTA_ENTRIES,
    Accounts,
    Entries,
    Facts,
    QuotaBooks,
    is_of,
    patch_items,
    quota_contributions,
)
from pipeline.delivery.tables.quota_words import formula_notes, remark
from pipeline.delivery.tables.table import (
    ABSENT_ZH,
    CENT,
    KEY_COLUMNS,
    MU,
    UNKNOWN_ZH,
    UNSEEN_ZH,
    Cell,
    Column,
    Row,
    Table,
    areas,
    mu_cell,
    noted,
    with_note,
)
from pipeline.delivery.tables.tally import TOTAL, Sum, add_up, sum_cell
from pipeline.units import two_places

NETTED = {
    "net_demolished": "netted_demolished_mu100",
    "net_regularised": "netted_regularised_mu100",
    "net_both": "netted_both_mu100",
    "net_closed": "netted_closed_mu100",
}
"""Columns by the field of `UnitLinkage` that they show."""

BASE_COLUMNS = (
    *areas("base_before", "核减前基数"),
    *areas("base_pbf_before", "其中永久基本农田"),
    *areas("net_demolished", "拆除复耕核减"),
    *areas("net_regularised", "补办手续核减"),
    *areas("net_both", "拆补组合核减"),
    *areas("net_closed", "立案查处到位核减"),
    *areas("base_after", "核减后基数"),
    *areas("base_pbf_after", "核减后其中永久基本农田"),
)
BASE_KEYS = tuple(column.key for column in BASE_COLUMNS)
COLUMNS = (
    *KEY_COLUMNS,
    OBSERVED_COLUMN,
    Column("target_year", "指标年度", width=8.0),
    *BASE_COLUMNS,
    Column("deduction_before_mu", "核减前扣减测算", MU),
    Column("deduction_after_mu", "核减后扣减测算", MU),
    Column("award_mu", "奖励测算", MU),
    Column("rank", "名次", width=7.0),
    Column("multiplier", "加倍系数", width=7.0),
    Column("is_capped", "是否封顶", width=7.0),
    *(
        Column(f"quota_{entry}_mu", f"指标账：{label}", MU)
        for entry, label in zip(
            QUOTA_ENTRIES,
            ("期初", "下达", "返还", "上年结转", "扣减", "结转下年", "期末"),
            strict=True,
        )
    ),
    *(
        Column(f"deduction_{entry}_mu", f"扣减账：{label}", MU)
        for entry, label in zip(
            DEDUCTION_ENTRIES, ("期初未返还", "扣减", "返还", "期末未返还"), strict=True
        )
    ),
    Column("check_quota", "校核：指标账（亩）"),
    Column("check_deduction", "校核：扣减账（亩）"),
    Column("remark", "说明", width=62.0),
)


def quota_table(frame: Frame, books: QuotaBooks) -> Table:
    """T05 of one county."""
    rows: dict[str, Row] = {}
    linked = {
        group: {unit["unit_code"]: unit for unit in books.units[group]}
        for group in (ISSUED, DETECTED)
    }
    m2 = add_up(patch_items(books, m2_only=True))
    observed = frame.observed_cells()
    for unit in frame.units:
        for group in (ISSUED, DETECTED):
            key = row_key(unit.code, group)
            head: Row = {"unit_code": unit.code, "unit_name": unit.name}
            head = {**head, "source_group": GROUPS_ZH[group]}
            linkage = linked[group].get(unit.code)
            cells = _linkage_cells(linkage, m2, key)
            if unit.is_unseen and (linkage is None or not linkage["patches"]):
                cells = dict.fromkeys(cells, UNSEEN_ZH)
            if group == ISSUED:
                cells |= _ledger_cells(books.accounts.get(unit.code))
            else:
                cells = {name: cells[name] for name in BASE_KEYS if name in cells}
            rows[key] = {**head, **observed[unit.code], "target_year": books.target_year, **cells}
    county_key = row_key(frame.county_code, COUNTY)
    rows[county_key] = {
        "unit_code": frame.county_code,
        "unit_name": f"{frame.county_name}（县本级）",
        "source_group": COUNTY_ZH,
        "target_year": books.target_year,
        **county_cells(books.accounts.get(frame.county_code), books.county),
    }
    totals = {
        row_key(TOTAL, group): _total(frame, books, list(linked[group].values()), group)
        for group in (ISSUED, DETECTED)
    }
    return Table(
        "T05",
        "T05_quota",
        "增违挂钩与新增建设用地指标表",
        with_note(COLUMNS, books.assumptions),
        noted(list(rows.values()), books.assumptions),
        list(rows),
        noted(list(totals.values()), books.assumptions),
        list(totals),
        books.assumptions,
        (
            f"基数为县局签署的违法用地：{books.base_zh}；整改验收后方可核减。",
            *formula_notes(books),
            "扣减测算不是上级的扣减决定；指标账的扣减以上级文件（文号）为准，按测算额分摊到乡镇，分摊之和等于文件数。",
            "只有下发图斑（上报口径）与指标挂钩；自主提取一行只作参照。",
            "县本级一行：县填报的全县数，以及文件扣减、返还中没有分到乡镇的部分；合计的期初、下达、结转取县填报的数。",
            "指标账：期初＋下达＋返还＋上年结转－扣减－结转下年＝期末；扣减账：期初＋扣减－返还＝期末。",
            COUNTED_ZH,
            SUMS_ZH,
        ),
        quota_contributions(books, frame),
        books.rule_ids,
    )


def _linkage_cells(
    unit: Facts | None, m2: Mapping[tuple[str, str], Sum], key: str
) -> dict[str, Cell]:
    if unit is None:
        return {}
    cells: dict[str, Cell] = {
        "base_before_mu": mu_cell(unit["base_before_mu100"]),
        "base_before_m2": two_places(unit["base_before_m2"]),
        "base_pbf_before_mu": mu_cell(unit["pbf_before_mu100"]),
        "base_after_mu": mu_cell(unit["base_after_mu100"]),
        "base_after_m2": two_places(unit["base_after_m2"]),
        "base_pbf_after_mu": mu_cell(unit["pbf_after_mu100"]),
        "deduction_before_mu": _mu(unit["deduction_before_mu100"]),
        "deduction_after_mu": _mu(unit["deduction_after_mu100"]),
        "award_mu": _mu(unit["award_mu100"]),
        "rank": _rank(unit["rank"]),
        "multiplier": unit["multiplier"].quantize(CENT),
        "is_capped": "是" if unit["is_capped"] else "否",
        "remark": remark(unit),
    }
    for column, name in NETTED.items():
        cells[f"{column}_mu"] = mu_cell(unit[name])
    for column in ("base_pbf_before", "base_pbf_after", *NETTED):
        cells[f"{column}_m2"] = sum_cell(m2.get((key, f"{column}_m2"), Sum(0.0)), "㎡")
    return {**cells, **_unknown_areas([unit])}


def _unknown_areas(units: Sequence[Facts]) -> dict[str, Cell]:
    """Words for areas of which a part or all is not known: never a smaller number instead."""
    n_patches = sum(unit["patches"] for unit in units)
    unknown_base = sum(unit["unknown_base"] for unit in units)
    unknown_pbf = sum(unit["unknown_pbf"] for unit in units)
    cells: dict[str, Cell] = {}
    for column in BASE_KEYS:
        n_unknown = unknown_base
        if column.startswith("base_pbf"):
            n_unknown = max(unknown_base, unknown_pbf)
        if n_unknown:
            cells[column] = ABSENT_ZH if n_unknown == n_patches else UNKNOWN_ZH
    return cells


def _rank(rank: Decimal | None) -> Cell:
    """A place; 1.50 if two share the first two."""
    if rank is None:
        return None
    return int(rank) if rank == rank.to_integral_value() else rank.quantize(CENT)


def _mu(amount: int | None) -> Cell:
    return UNKNOWN_ZH if amount is None else mu_cell(amount)


def county_cells(own: Accounts | None, whole: Accounts) -> dict[str, Cell]:
    """The county's own accounts; of what was shared out in full nothing is left, which is zero."""
    accounts: dict[str, dict[str, int | None]] = {
        account: dict({} if own is None else own[account]) for account in ("quota", "deduction")
    }
    said = []
    for entry, label in (("deducted", "扣减"), ("restored", "返还")):
        total = whole["deduction"].get(entry)
        if total is None:
            continue
        left = accounts["deduction"].get(entry) or 0
        for account in accounts.values():
            account[entry] = account.get(entry) or 0
        text = f"文件{label} {mu_cell(total)} 亩，已分到乡镇 {mu_cell(total - left)} 亩"
        said.append(f"{text}，未分到 {mu_cell(left)} 亩" if left else text)
    if said and accounts["deduction"].get("closing") is None:
        accounts["deduction"]["closing"] = 0
    return {**_ledger_cells(accounts), "remark": "；".join(said) or None}


def _ledger_cells(account: Accounts | None) -> dict[str, Cell]:
    """The two accounts of a unit; 未提供 where nobody has stated anything."""
    quota = {} if account is None else account["quota"]
    deduction = {} if account is None else account["deduction"]
    cells: dict[str, Cell] = {
        f"quota_{name}_mu": _stated(quota.get(name)) for name in QUOTA_ENTRIES
    }
    cells |= {f"deduction_{name}_mu": _stated(deduction.get(name)) for name in DEDUCTION_ENTRIES}
    if quota.get("closing") is None:
        cells["quota_closing_mu"] = UNKNOWN_ZH
    inflow = ("opening", "allotted", "restored", "carried_in")
    cells["check_quota"] = _check(quota, inflow, ("deducted", "carried_out"))
    cells["check_deduction"] = _check(deduction, ("opening", "deducted"), ("restored",))
    return cells


def _stated(amount_mu100: int | None) -> Cell:
    return ABSENT_ZH if amount_mu100 is None else mu_cell(amount_mu100)


def _check(account: Entries, gained: Sequence[str], lost: Sequence[str]) -> Cell:
    """By how much the equation is missed; what is not stated is nothing."""
    closing = account.get("closing")
    if closing is None:
        return None
    expected = sum(account.get(name) or 0 for name in gained)
    return mu_cell(expected - sum(account.get(name) or 0 for name in lost) - closing)


def _total(frame: Frame, books: QuotaBooks, units: Sequence[Facts], group: str) -> Row:
    cells: dict[str, Cell] = {
        "unit_code": frame.county_code,
        "unit_name": TOTALS_ZH[group],
        "source_group": GROUPS_ZH[group],
        **frame.observed_cells()[TOTAL],
        "target_year": books.target_year,
    }
    items = [
        item._replace(row=TOTAL) for item in patch_items(books, m2_only=True) if is_of(item, group)
    ]
    m2 = add_up(items)
    for column in BASE_COLUMNS:
        if column.unit == MU:
            name = _FACTS[column.key]
            cells[column.key] = mu_cell(sum(unit[name] for unit in units))
        else:
            cells[column.key] = sum_cell(m2.get((TOTAL, column.key), Sum(0.0)), column.unit)
    cells |= _unknown_areas(units)
    is_blind = frame.is_unseen and not any(unit["patches"] for unit in units)
    if is_blind:
        cells |= dict.fromkeys(BASE_KEYS, UNSEEN_ZH)
    if group != ISSUED:
        return cells
    for column_key, name in (
        ("deduction_before_mu", "deduction_before_mu100"),
        ("deduction_after_mu", "deduction_after_mu100"),
        ("award_mu", "award_mu100"),
    ):
        amounts = [unit[name] for unit in units]
        cells[column_key] = UNKNOWN_ZH if None in amounts else mu_cell(sum(amounts))
        if is_blind:
            cells[column_key] = UNSEEN_ZH
    return {**cells, **_ledger_cells(books.county)}


_FACTS = {
    "base_before_mu": "base_before_mu100",
    "base_pbf_before_mu": "pbf_before_mu100",
    "base_after_mu": "base_after_mu100",
    "base_pbf_after_mu": "pbf_after_mu100",
    **{f"{column}_mu": name for column, name in NETTED.items()},
}
