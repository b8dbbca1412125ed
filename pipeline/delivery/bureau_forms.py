"""The bureau's empty forms: signed judgements (合法性判定表) and the ledger of cases (案件台账)."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from pipeline.delivery.delivered import Vocabulary
from pipeline.delivery.form_columns import (
    CLUE_ZH,
    YES_NO_ZH,
    ColumnPlan,
    form_row,
    line_of_the_run,
    locked_columns,
    open_columns,
)
from pipeline.delivery.sheets import Column, Kind, ListSheet, Workbook

PATCH_IDS_ZH = "图斑编号（多个用顿号隔开）"

_PATCH: tuple[tuple[str, Kind, float], ...] = (
    ("serial_no", "integer", 6),
    ("patch_id", "id", 20),
    ("issued_id", "id", 20),
    ("township_name", "text", 14),
    ("source", "text", 12),
    ("suspected_class", "text", 16),
    ("area_mu", "mu", 10),
    ("cultivated_mu", "mu", 10),
    ("pbf_mu", "mu", 10),
    ("area_m2", "m2", 12),
)

_JUDGEMENT: tuple[ColumnPlan, ...] = (
    ("judgement", "text", 18, "合法性判定"),
    ("judgement_detail", "text", 16, "二级类"),
    ("recognised_area_m2", "m2", 13, None),
    ("recognised_new_m2", "m2", 13, None),
    ("recognised_cultivated_m2", "m2", 13, None),
    ("recognised_pbf_m2", "m2", 13, None),
    ("recognised_reserve_m2", "m2", 13, None),
    ("is_surveyed", "text", 9, "是否"),
    ("judgement_basis", "long", 30, None),
    ("judged_by", "text", 10, None),
    ("reviewed_by", "text", 10, None),
    ("judged_date", "date", 12, None),
    ("remark", "long", 20, None),
)

_CASE_HEAD: tuple[ColumnPlan, ...] = (
    ("case_no", "id", 20, None),
    ("case_name", "text", 22, None),
)
_CASE: tuple[ColumnPlan, ...] = (
    ("township_name", "text", 14, "乡镇"),
    ("found_date", "date", 12, None),
    ("filed_date", "date", 12, None),
    ("decided_date", "date", 12, None),
    ("is_demolition", "text", 9, "是否"),
    ("is_confiscation", "text", 9, "是否"),
    ("fine_due_yuan", "m2", 13, None),
    ("fine_paid_yuan", "m2", 13, None),
    ("transferred_date", "date", 12, None),
    ("enforcement_date", "date", 12, None),
    ("closed_date", "date", 12, None),
    ("is_filed_otherwise", "text", 10, "是否"),
    ("rectification", "text", 12, "整改方式"),
    ("accepted_date", "date", 12, None),
    ("is_concealed", "text", 10, "是否"),
    ("remark", "long", 24, None),
)


def judgements(table: pd.DataFrame, vocabulary: Vocabulary, heading: Mapping[str, str]) -> Workbook:
    """The bureau's empty form of signed judgements; `table` is the COUNTY layer.

    The words of the drop-down are those of the national form, written by the bureau, not by us.
    """
    columns = [*locked_columns(_PATCH), *open_columns(_JUDGEMENT, free=("judgement_detail",))]
    title = f"{heading['county']}卫片执法图斑合法性判定表"
    notes = (
        line_of_the_run(heading),
        "黄色列由县局填写并签署；程序初判只作参考，未签署的图斑不计入统计。",
    )
    rows = [form_row(record, columns, vocabulary) for record in table.to_dict("records")]
    return Workbook(
        title,
        heading["package_id"],
        heading["secrecy"],
        [ListSheet("合法性判定", title, notes, columns, rows)],
        [
            ("怎么填", "每个图斑一行。“合法性判定”用国家表式的三类；二级类可选可填。"),
            (
                "认定面积",
                "有实测界址的填实测面积；没有实测的可空，统计时用图斑面积并注明未实测。"
                "填了认定面积，新增建设用地、耕地、永久基本农田也要填，没有的填 0；"
                "单位都是平方米。",
            ),
            ("签署", "判定人、判定审核人和判定日期三项齐全才算签署。"),
            ("放在哪里", "填好后存为 data/returns/<运行编号>/bureau/judgements.xlsx。"),
        ],
        {
            "合法性判定": tuple(vocabulary.tables["judgement"].labels.values()),
            "二级类": tuple(vocabulary.tables["judgement_detail"].labels.values()),
            "是否": YES_NO_ZH,
        },
    )


def cases(table: pd.DataFrame, vocabulary: Vocabulary, heading: Mapping[str, str]) -> Workbook:
    """The bureau's empty ledger of cases (案件台账); a case may hold several patches."""
    columns = [
        *open_columns(_CASE_HEAD),
        Column("patch_ids", PATCH_IDS_ZH, "long", 30, True),
        *open_columns(_CASE, free=("township_name",)),
    ]
    title = f"{heading['county']}卫片执法案件台账"
    notes = (
        line_of_the_run(heading),
        "一案一行；一案可含几个图斑，一个图斑也可分属几案。宗数按案计，不按图斑计。",
    )
    listed = locked_columns(
        (
            ("patch_id", "id", 20),
            ("issued_id", "id", 20),
            ("township_name", "text", 14),
            ("suspected_class", "text", 16),
            ("area_mu", "mu", 10),
        )
    )
    names = [str(name) for name in table["township_name"].dropna().unique()]
    return Workbook(
        title,
        heading["package_id"],
        heading["secrecy"],
        [
            ListSheet("案件台账", title, notes, columns, [], 1, spare_rows=max(50, len(table))),
            ListSheet(
                "图斑清单",
                "本期图斑（供填写图斑编号时查对）",
                (CLUE_ZH,),
                listed,
                [form_row(record, listed, vocabulary) for record in table.to_dict("records")],
            ),
        ],
        [
            ("怎么填", "没有发生的日期留空；留空表示未知，不要填 0 或“无”。"),
            (
                "结案与非立案",
                "非立案处理的不填立案、结案日期；立案查处的不选非立案处理，两者不重复计。",
            ),
            ("整改", "整改方式只有填了整改验收日期才核减；未整改的选“未整改”。"),
            (
                "验收是否发现瞒报",
                "实地验收时发现弄虚作假、瞒案不报、压案不查的选“是”，没有的选“否”，不清楚的留空。",
            ),
            (
                "改错",
                "改日期、图斑等，直接改那一行。案号写错的，改正以后另留一行，只写原来的错案号，"
                "其余全空，原案号即撤销。",
            ),
            ("放在哪里", "填好后存为 data/returns/<运行编号>/bureau/cases.xlsx。"),
        ],
        {
            "乡镇": tuple(sorted(names)),
            "整改方式": tuple(vocabulary.tables["case_outcome"].labels.values()),
            "是否": YES_NO_ZH,
        },
    )
