"""Contents of the workbooks: the township's register (图斑台账) and the bureau's empty forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pipeline.delivery.delivered import Vocabulary
from pipeline.delivery.sheets import Column, Kind, ListSheet, Value, Workbook
from pipeline.delivery.styles import alias
from pipeline.schema.delivered import FORM_COLUMNS, VERIFY
from pipeline.schema.fields import FIELDS

CLUE_ZH = "图斑只是问题线索，“疑似”和“程序初判”不是认定结论；以实地核查和县局签署的意见为准。"
YES_NO_ZH = ("是", "否")
SCHEMA_VERSION = 1
"""Of the forms that come back; a change of columns is another version."""

_KEY: tuple[tuple[str, Kind, float], ...] = (
    ("serial_no", "integer", 6),
    ("patch_id", "id", 20),
    ("issued_id", "id", 20),
    ("village_name", "text", 12),
    ("suspected_class", "text", 16),
    ("area_mu", "mu", 10),
    ("cultivated_mu", "mu", 10),
    ("pbf_mu", "mu", 10),
    ("due_date", "text", 11),
)
"""Locked columns that stand before the form: which patch is meant."""

_DETAILS: tuple[tuple[str, Kind, float], ...] = (
    ("source", "text", 12),
    ("before_date", "text", 11),
    ("after_date", "text", 11),
    ("change_kind", "text", 12),
    ("violation_kinds_zh", "long", 22),
    ("reasons_zh", "long", 60),
    ("missing_evidence_zh", "long", 24),
    ("flags_zh", "long", 24),
    ("handling_route", "text", 16),
    ("priority", "integer", 8),
    ("is_straddling", "text", 8),
    ("responsible_zh", "text", 14),
    ("patrol_area_id", "id", 14),
    ("patrol_grade", "text", 8),
    ("responsible_person", "text", 10),
    ("center_lon", "degree", 12),
    ("center_lat", "degree", 12),
    *(
        (f"{name}_mu", "mu", 10.0)
        for name in (
            "other_agricultural",
            "unused",
            "construction",
            "unclassified",
            "redline",
            "reserve",
            "approved",
            "supplied",
            "registered",
            "facility",
            "temporary",
            "plan_conform",
            "plan_nonconform",
        )
    ),
    ("area_m2", "m2", 12),
    ("cultivated_m2", "m2", 12),
    ("pbf_m2", "m2", 12),
)
"""Locked columns behind the form: what the program knows of it."""

_OPEN: dict[str, tuple[Kind, float, str | None]] = {
    "site_state": ("text", 10, "现状"),
    "occupant_name": ("text", 16, None),
    "site_project_name": ("text", 18, None),
    "start_date": ("date", 12, None),
    "actual_use": ("text", 16, None),
    "measured_area_m2": ("m2", 12, None),
    "stop_notice_no": ("id", 18, None),
    "stop_notice_date": ("date", 12, None),
    "stop_effect": ("text", 12, "制止效果"),
    "is_found_by_patrol": ("text", 10, "是否"),
    "patrol_record_no": ("id", 16, None),
    "is_notified": ("text", 10, "是否"),
    "handling_opinion": ("long", 24, None),
    "photo_note": ("long", 24, None),
    "filled_by": ("text", 10, None),
    "checked_by": ("text", 10, None),
    "filled_date": ("date", 12, None),
}


def register(
    table: pd.DataFrame,
    vocabulary: Vocabulary,
    heading: Mapping[str, str],
    buffer_m: float,
) -> Workbook:
    """The register of one township: `table` is its VERIFY layer.

    `heading`: county, township, period, secrecy, package_id, due (a date or empty).
    """
    columns = [
        *_locked(_KEY),
        *(
            Column(name, alias(FIELDS[name]), kind, width, is_open=True, choices=choices)
            for name, (kind, width, choices) in _OPEN.items()
        ),
        *_locked(_DETAILS),
    ]
    rows = [_row(record, columns, vocabulary) for record in table.to_dict("records")]
    title = f"{heading['county']}{heading['township']}卫片执法图斑核查台账"
    notes = (
        f"期次：{heading['period'] or '—'}　核查包编号：{heading['package_id']}　"
        f"密级：{heading['secrecy']}　单位：亩、平方米",
        CLUE_ZH + "黄色列由乡镇填写，灰色列已锁定。",
    )
    return Workbook(
        title,
        heading["package_id"],
        heading["secrecy"],
        [ListSheet("图斑台账", title, notes, columns, rows)],
        _register_instructions(heading, buffer_m),
        {
            "现状": tuple(vocabulary.labels("site_state").values()),
            "制止效果": tuple(vocabulary.labels("stop_effect").values()),
            "是否": YES_NO_ZH,
        },
        [
            (name, FIELDS[name].label_zh, FIELDS[name].code or "", _meaning(name))
            for name in VERIFY.fields
        ],
    )


def judgements(table: pd.DataFrame, vocabulary: Vocabulary, heading: Mapping[str, str]) -> Workbook:
    """The bureau's empty form of signed judgements; `table` is the COUNTY layer.

    The words of the drop-down are those of the national form, written by the bureau, not by us.
    """
    locked: tuple[tuple[str, Kind, float], ...] = (
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
    columns = _locked(locked)
    columns += [
        Column("judgement", "合法性判定", "text", 18, True, "合法性判定"),
        Column("judgement_detail", "二级类", "text", 16, True, "二级类", is_strict=False),
        Column("recognised_area_m2", "认定面积（㎡）", "m2", 13, True),
        Column("recognised_cultivated_m2", "认定耕地面积（㎡）", "m2", 13, True),
        Column("recognised_pbf_m2", "认定永久基本农田面积（㎡）", "m2", 13, True),
        Column("is_surveyed", "是否实测", "text", 9, True, "是否"),
        Column("judgement_basis", "判定依据", "long", 30, True),
        Column("judged_by", "判定人", "text", 10, True),
        Column("reviewed_by", "审核人", "text", 10, True),
        Column("judged_date", "判定日期", "date", 12, True),
        Column("remark", "备注", "long", 20, True),
    ]
    title = f"{heading['county']}卫片执法图斑合法性判定表"
    notes = (
        _of_the_run(heading),
        "黄色列由县局填写并签署；程序初判只作参考，未签署的图斑不计入统计。",
    )
    rows = [_row(record, columns, vocabulary) for record in table.to_dict("records")]
    return Workbook(
        title,
        heading["package_id"],
        heading["secrecy"],
        [ListSheet("合法性判定", title, notes, columns, rows)],
        [
            ("怎么填", "每个图斑一行。“合法性判定”用国家表式的三类；二级类可选可填。"),
            ("认定面积", "有实测界址的填实测面积；没有实测的可空，统计时用图斑面积并注明未实测。"),
            ("签署", "判定人、审核人和日期三项齐全才算签署。"),
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
        Column("case_no", "案号", "id", 20, True),
        Column("case_name", "案件名称", "text", 22, True),
        Column("patch_ids", "图斑编号（多个用顿号隔开）", "long", 30, True),
        Column("township_name", "乡镇", "text", 14, True, "乡镇", is_strict=False),
        Column("found_date", "发现日期", "date", 12, True),
        Column("filed_date", "立案日期", "date", 12, True),
        Column("decided_date", "处罚决定日期", "date", 12, True),
        Column("is_demolition", "是否拆除", "text", 9, True, "是否"),
        Column("is_confiscation", "是否没收", "text", 9, True, "是否"),
        Column("fine_due_yuan", "罚款应收（元）", "m2", 13, True),
        Column("fine_paid_yuan", "罚款实收（元）", "m2", 13, True),
        Column("transferred_date", "移送日期", "date", 12, True),
        Column("enforcement_date", "申请强制执行日期", "date", 12, True),
        Column("closed_date", "结案日期", "date", 12, True),
        Column("is_filed_otherwise", "是否非立案处理", "text", 10, True, "是否"),
        Column("rectification", "整改方式", "text", 12, True, "整改方式"),
        Column("accepted_date", "整改验收日期", "date", 12, True),
        Column("remark", "备注", "long", 24, True),
    ]
    title = f"{heading['county']}卫片执法案件台账"
    notes = (
        _of_the_run(heading),
        "一案一行；一案可含几个图斑，一个图斑也可分属几案。宗数按案计，不按图斑计。",
    )
    listed = [
        Column("patch_id", alias(FIELDS["patch_id"]), "id", 20),
        Column("issued_id", alias(FIELDS["issued_id"]), "id", 20),
        Column("township_name", alias(FIELDS["township_name"]), "text", 14),
        Column("suspected_class", alias(FIELDS["suspected_class"]), "text", 16),
        Column("area_mu", alias(FIELDS["area_mu"]), "mu", 10, is_summed=True),
    ]
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
                [_row(record, listed, vocabulary) for record in table.to_dict("records")],
            ),
        ],
        [
            ("怎么填", "没有发生的日期留空；留空表示未知，不要填 0 或“无”。"),
            ("放在哪里", "填好后存为 data/returns/<运行编号>/bureau/cases.xlsx。"),
        ],
        {
            "乡镇": tuple(sorted(names)),
            "整改方式": tuple(vocabulary.tables["case_outcome"].labels.values()),
            "是否": YES_NO_ZH,
        },
    )


def _locked(columns: tuple[tuple[str, Kind, float], ...]) -> list[Column]:
    return [
        Column(name, alias(FIELDS[name]), kind, width, is_summed=kind in ("mu", "m2"))
        for name, kind, width in columns
    ]


def _row(
    record: Mapping[Any, Any], columns: list[Column], vocabulary: Vocabulary
) -> dict[str, Value]:
    return {
        column.key: _value(record.get(column.key), column.key, vocabulary)
        for column in columns
        if column.key in record
    }


def _value(value: Any, name: str, vocabulary: Vocabulary) -> Value:
    if pd.isna(value):
        return None
    if name in FIELDS and FIELDS[name].dtype == "boolean":
        return YES_NO_ZH[0] if bool(value) else YES_NO_ZH[1]
    if isinstance(value, str):
        return vocabulary.labels(name).get(value, value)
    return int(value) if FIELDS[name].dtype == "integer" else float(value)


def _meaning(name: str) -> str:
    unit = {"mu": "单位亩", "m2": "单位平方米"}.get(FIELDS[name].unit or "", "")
    who = "乡镇填写" if name in FORM_COLUMNS else "程序给出，锁定"
    return "；".join(text for text in (who, unit) if text)


def _register_instructions(heading: Mapping[str, str], buffer_m: float) -> list[tuple[str, str]]:
    due = heading["due"] or "见各图斑“核查期限”"
    return [
        ("这是什么", f"{heading['township']}的卫片执法核查任务。{CLUE_ZH}"),
        ("核查期限", due),
        (
            "怎么填",
            "只填黄色列。可以在本表填写，也可以在 verify.qgz（QGIS、QField）里填写；"
            "两处只用一处，避免冲突。带下拉箭头的格从列表里选；日期写成 2026-05-01；不清楚的留空。",
        ),
        (
            "现状",
            "建成、在建、推填土、未变化、已拆五选一。未变化和已拆也要有照片。",
        ),
        ("照片", "四个方向各一张，另加内部一张；文件名以图斑编号开头，放进 photos 文件夹。"),
        (
            "不要改",
            "不要改灰色列、图斑编号、工作表名和文件名；改动会在回收时列为异常，不会并入。"
            "图斑范围有出入时，在处理意见中说明并附实测界址。",
        ),
        ("怎么交回", "把填好的 register.xlsx 或 verify.gpkg 连同照片交回县局。"),
        (
            "影像范围",
            f"影像和管理图层只到本乡镇范围和图斑外 {buffer_m:g} 米，更远处是空白，不是没有变化。",
        ),
        ("面积", "亩数由各套合分块相加得到，各列合计一致；永久基本农田、红线等是“其中”，不相加。"),
    ]


def _of_the_run(heading: Mapping[str, str]) -> str:
    """The line under the title of a form of the bureau."""
    period = heading["period"] or "—"
    return f"期次：{period}　运行编号：{heading['package_id']}　密级：{heading['secrecy']}"
