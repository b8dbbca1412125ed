"""T12: the list of patches, one line each, as the superior's list of clues has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from pipeline.delivery.tables.layout import GROUPS_ZH, TOTALS_ZH, Frame
from pipeline.delivery.tables.patches import (
    COUNTED_ZH,
    OF_WHICH_ZH,
    SUMS_ZH,
    Patch,
    area_items,
    is_judged,
    place,
)
from pipeline.delivery.tables.table import (
    KEY_COLUMNS,
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
from pipeline.delivery.tables.tally import NOTHING, Item, add_totals, sum_cell
from pipeline.units import two_places

AREAS = ("area", "new", "cultivated", "pbf")
TRANSFER_FLAGS = ("transfer_pbf", "transfer_cultivated")
TRANSFER_RULES = ("transfer.pbf_area", "transfer.cultivated_area")
Labels = Mapping[str, Mapping[str, str]]
YES_NO = {True: "是", False: "否", None: None}

COLUMNS = (
    Column("serial", "序号", width=6.0),
    *KEY_COLUMNS,
    Column("patch_id", "图斑编号", width=20.0),
    Column("issued_id", "下发编号", width=21.0),
    Column("is_sent", "下发乡镇", width=6.0),
    Column("site_project_name", "项目名称（现场）", width=20.0),
    Column("occupant_name", "用地主体（现场）", width=22.0),
    Column("actual_use", "实际用途（现场）", width=14.0),
    Column("suspected_class", "疑似分类（程序）", width=14.0),
    Column("site_state", "现状（乡镇）", width=8.0),
    Column("judgement", "判定（县局签署）", width=14.0),
    Column("judgement_detail", "二级类", width=10.0),
    *areas("area", "计入面积"),
    *areas("new", "其中新增建设用地"),
    *areas("cultivated", "其中耕地"),
    *areas("pbf", "其中永久基本农田"),
    Column("counted_basis", "计量依据", width=17.0),
    Column("case_nos", "案号", width=24.0),
    Column("is_closed", "是否结案", width=6.0),
    Column("rectification", "整改（已验收）", width=10.0),
    Column("transfer", "移送核对", width=16.0),
    Column("clock", "下一时限", width=10.0),
    Column("clock_due", "到期日", width=11.0),
    Column("remark", "备注", width=20.0),
)


def list_table(
    frame: Frame,
    patches: Sequence[Patch],
    labels: Labels,
    assumption: Callable[[str], tuple[str, ...]],
    next_due: Mapping[str, tuple[str, str]],
    clock_rules: tuple[str, ...],
) -> Table:
    """T12: every patch that was issued or sent out; `labels` by code table.

    `next_due`: by patch what is due next, and when, by the `clock_rules`.
    """
    listed = sorted(
        (patch for patch in patches if patch["is_sent"] or patch["source_group"] == "issued"),
        key=_order,
    )
    names = {unit.code: unit.name for unit in frame.units}
    rule_ids = (*TRANSFER_RULES, *clock_rules)
    assumptions = tuple(line for rule in rule_ids for line in assumption(rule))
    rows: list[Row] = [
        {**_row(number, patch, names, labels), **_next_due(next_due.get(patch["patch_id"]))}
        for number, patch in enumerate(listed, start=1)
    ]
    totals = add_totals(list(_items(listed)))
    return Table(
        "T12",
        "T12_list",
        "图斑清单",
        with_note(COLUMNS, assumptions),
        noted(rows, assumptions),
        [patch["patch_id"] for patch in listed],
        noted(
            [
                {
                    "serial": None,
                    "unit_code": frame.county_code,
                    "unit_name": label,
                    "source_group": GROUPS_ZH[group],
                    **{
                        column.key: sum_cell(
                            totals.get((f"total|{group}", column.key), NOTHING), column.unit
                        )
                        if totals or not frame.is_unseen
                        else UNSEEN_ZH
                        for kind in AREAS
                        for column in areas(kind, "")
                    },
                }
                for group, label in TOTALS_ZH.items()
            ],
            assumptions,
        ),
        [f"total|{group}" for group in TOTALS_ZH],
        assumptions,
        (
            "列出全部下发图斑和下发乡镇核查的自主提取图斑。疑似分类是线索，判定以县局签署为准。",
            "移送核对只是提示，毁坏程度须经鉴定。下一时限为尚未完成的各项中到期最早的，未定截止日期的不列。",
            COUNTED_ZH,
            OF_WHICH_ZH,
            SUMS_ZH,
        ),
        rule_ids=rule_ids,
    )


def _order(patch: Patch) -> tuple[bool, bool, str, str]:
    """Issued ones first, then by township, those outside all townships last."""
    code = patch["township_code"]
    return patch["source_group"] != "issued", code is None, code or "", patch["patch_id"]


def _items(patches: Sequence[Patch]) -> Iterator[Item]:
    for patch in patches:
        yield from area_items(patch, place(patch), AREAS, "counted_")


def _row(number: int, patch: Patch, names: Mapping[str, str], labels: Labels) -> Row:
    judged = is_judged(patch)
    code = place(patch).split("|", maxsplit=1)[0]
    flags = [flag for flag in patch["flags"] or () if flag in TRANSFER_FLAGS]
    detail = patch["judgement_detail"] if judged else None
    return {
        "serial": number,
        "unit_code": code,
        "unit_name": names.get(code, code),
        "source_group": GROUPS_ZH[patch["source_group"]],
        "patch_id": patch["patch_id"],
        "issued_id": patch["issued_id"],
        "is_sent": YES_NO[patch["is_sent"]],
        "site_project_name": patch["site_project_name"],
        "occupant_name": patch["occupant_name"],
        "actual_use": patch["actual_use"],
        "suspected_class": _label(labels, "suspected_class", patch["suspected_class"]),
        "site_state": _label(labels, "site_state", patch["site_state"]),
        "judgement": _label(labels, "judgement", patch["judgement"]) if judged else "未判定",
        "judgement_detail": _label(labels, "judgement_detail", detail),
        **{cell: value for kind in AREAS for cell, value in _areas(patch, kind).items()},
        "counted_basis": _label(labels, "counted_basis", patch["counted_basis"]),
        "case_nos": "、".join(patch["case_nos"] or ()) or None,
        "is_closed": YES_NO[patch["is_closed"]],
        "rectification": _rectification(patch, labels),
        "transfer": "、".join(labels["flag"][flag] for flag in flags) or None,
        "remark": patch["remark"],
    }


def _next_due(due: tuple[str, str] | None) -> dict[str, Cell]:
    clock, date = due or (None, None)
    return {"clock": clock, "clock_due": date}


def _areas(patch: Patch, kind: str) -> dict[str, Cell]:
    mu100, m2 = patch[f"counted_{kind}_mu100"], patch[f"counted_{kind}_m2"]
    return {
        f"{kind}_mu": "未提供" if mu100 is None else mu_cell(mu100),
        f"{kind}_m2": "未提供" if m2 is None else two_places(m2),
    }


def _rectification(patch: Patch, labels: Labels) -> str | None:
    if patch["net_way"] is not None:
        return _label(labels, "case_outcome", patch["net_way"])
    return None if patch["is_rectified"] is None else "未整改到位"


def _label(labels: Labels, table: str, code: str | None) -> str | None:
    """The label of a code; the bureau's own words stand for themselves."""
    return None if code is None else labels[table].get(code, code)
