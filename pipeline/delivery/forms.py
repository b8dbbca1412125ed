"""Contents of the township's workbook: the register (图斑台账) with the form to fill in."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from pipeline.delivery.delivered import Vocabulary
from pipeline.delivery.form_columns import (
    CLUE_ZH,
    YES_NO_ZH,
    ColumnPlan,
    form_row,
    locked_columns,
    open_columns,
)
from pipeline.delivery.sheets import Kind, ListSheet, Workbook
from pipeline.schema.delivered import FORM_COLUMNS, VERIFY
from pipeline.schema.fields import FIELDS

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
    ("priority_parts_zh", "long", 30),
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

_OPEN: tuple[ColumnPlan, ...] = (
    ("site_state", "text", 10, "现状"),
    ("occupant_name", "text", 16, None),
    ("site_project_name", "text", 18, None),
    ("start_date", "date", 12, None),
    ("actual_use", "text", 16, None),
    ("measured_area_m2", "m2", 12, None),
    ("stop_notice_no", "id", 18, None),
    ("stop_notice_date", "date", 12, None),
    ("stop_effect", "text", 12, "制止效果"),
    ("is_found_by_patrol", "text", 10, "是否"),
    ("patrol_record_no", "id", 16, None),
    ("is_notified", "text", 10, "是否"),
    ("handling_opinion", "long", 24, None),
    ("photo_note", "long", 24, None),
    ("filled_by", "text", 10, None),
    ("checked_by", "text", 10, None),
    ("filled_date", "date", 12, None),
)


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
        *locked_columns(_KEY),
        *open_columns(_OPEN),
        *locked_columns(_DETAILS),
    ]
    rows = [form_row(record, columns, vocabulary) for record in table.to_dict("records")]
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


def _meaning(name: str) -> str:
    unit = {"mu": "单位亩", "m2": "单位平方米"}.get(FIELDS[name].unit or "", "")
    who = "乡镇填写" if name in FORM_COLUMNS else "程序给出，锁定"
    return "；".join(text for text in (who, unit) if text)


def _register_instructions(heading: Mapping[str, str], buffer_m: float) -> list[tuple[str, str]]:
    due = heading["due"] or "见各图斑“反馈截止”"
    return [
        ("这是什么", f"{heading['township']}的卫片执法核查任务。{CLUE_ZH}"),
        ("反馈截止", due),
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
