"""Checks of what the bureau signs: judgements (合法性判定) and the ledger of cases (案件台账)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from pipeline.rules.register.replay import is_empty_case
from pipeline.rules.returns.findings import check_locked, refuse_patch
from pipeline.rules.returns.records import Accepted, Outcome, Received, Task, reject
from pipeline.rules.returns.values import Reading, is_blank, label_of
from pipeline.schema.events import NewEvent
from pipeline.schema.normalise import find_code
from pipeline.schema.register_layers import CASE_COLUMNS, JUDGEMENT_COLUMNS

SIGNATURE = ("judged_by", "reviewed_by", "judged_date")
_OF_WHICH = ("recognised_new_m2", "recognised_cultivated_m2", "recognised_pbf_m2")
_AREAS = ("recognised_area_m2", *_OF_WHICH, "recognised_reserve_m2")
_LAYER_OF = {"recognised_cultivated_m2": "cultivated_m2", "recognised_pbf_m2": "pbf_m2"}
"""Of-which areas that may stay blank where the run itself has none: the layer was not supplied."""
TOLERANCE_M2 = 0.5
"""By how much an of-which area may exceed the whole: both may be rounded to whole ㎡."""

_ORDERED = ("found_date", "filed_date", "decided_date", "closed_date")
"""Days of a case that can only follow each other."""
_CASE_DATES = frozenset({*_ORDERED, "transferred_date", "enforcement_date", "accepted_date"})
_CASE_FLAGS = frozenset({"is_demolition", "is_confiscation", "is_filed_otherwise", "is_concealed"})
_SEPARATORS = re.compile(r"[、,，;；\s]+")

Values = dict[str, Any]


def check_judgement(received: Received, task: Task) -> Outcome | None:
    """The bureau's judgement of one patch; None if nothing is filled in."""
    if is_blank(received, JUDGEMENT_COLUMNS):
        return None
    patch = task.find_patch(received.subject)
    if refusal := refuse_patch(received, task, patch):
        return reject(received, refusal)
    assert patch is not None  # refused above
    reading = Reading(received, task)
    check_locked(reading, patch, task.locked_county.get(patch, {}))
    if reading.problems:
        return reading.rejected()
    payload = _judgement_values(reading)
    reading.require(("judgement",), "E-RETURN-INCOMPLETE", "从下拉列表里选一类。")
    advice = "判定人、判定审核人和判定日期三项齐全才算签署。"
    reading.require(SIGNATURE, "E-RETURN-UNSIGNED", advice)
    _check_areas(reading, payload, task.patches[patch])
    if reading.problems:
        return reading.rejected()
    if payload["judged_by"] == payload["reviewed_by"]:
        reading.doubt("判定人和审核人是同一个人。", str(payload["judged_by"]))
    event = NewEvent(
        "judgement_signed",
        task.run,
        patch,
        payload,
        event_date=payload["judged_date"],
        by=payload["judged_by"],
        source_file=received.source_file,
        source_sha256=received.sha256,
    )
    return Accepted(received, event, tuple(reading.notices))


def _judgement_values(reading: Reading) -> Values:
    values: Values = dict.fromkeys(JUDGEMENT_COLUMNS)
    values["judgement"] = reading.code("judgement", "judgement")
    values["judgement_detail"] = _detail(reading, values["judgement"])
    for name in _AREAS:
        values[name] = reading.number(name, above_zero=name == "recognised_area_m2")
    values["is_surveyed"] = reading.flag("is_surveyed")
    for name in ("judgement_basis", "judged_by", "reviewed_by", "remark"):
        values[name] = reading.text(name)
    values["judged_date"] = reading.date("judged_date")
    return values


def _detail(reading: Reading, judgement: str | None) -> str | None:
    """The second level: a code of the table if it is one, else the bureau's own words."""
    text = reading.text("judgement_detail")
    table = reading.task.codes["judgement_detail"]
    code = None if text is None else find_code(text, table)
    if code is None or judgement is None:
        return code or text
    parent = table.attributes[code]["judgement"]
    if parent != judgement:
        labels = reading.task.codes["judgement"].labels
        reading.refuse(
            "E-RETURN-VALUE",
            f"“二级类”不属于所选的“{labels[judgement]}”。",
            str(text),
            "、".join(
                label
                for one, label in table.labels.items()
                if table.attributes[one]["judgement"] == judgement
            ),
            f"改二级类，或改合法性判定（“{text}”属于“{labels.get(parent, parent)}”）。",
        )
    return code


def _check_areas(reading: Reading, values: Values, patch: Mapping[str, Any]) -> None:
    """Recognised areas are stated together, and no part is larger than the whole."""
    stated = [name for name in _AREAS if values[name] is not None]
    if not stated:
        if values["is_surveyed"]:
            reading.doubt("写明已实测，但没有填认定面积；没有交回实测界址的按图斑面积计。")
        return
    wanted = ["recognised_area_m2", *_OF_WHICH]
    for name, column in _LAYER_OF.items():
        if patch.get(column) is None:
            wanted.remove(name)
    reading.require(
        wanted, "E-RETURN-INCOMPLETE", "认定面积要一次填全，没有的填 0；都不填则按图斑面积计。"
    )
    whole = values["recognised_area_m2"]
    for name in (*_OF_WHICH, "recognised_reserve_m2"):
        if whole is not None and values[name] is not None and values[name] > whole + TOLERANCE_M2:
            reading.refuse(
                "E-RETURN-VALUE",
                f"“{label_of(name)}”大于认定面积。",
                f"{values[name]:g}",
                f"不大于 {whole:g} 平方米",
                "核对单位（平方米）和数字。",
            )


def check_case(received: Received, task: Task) -> Outcome | None:
    """One case with its patches; None if nothing is filled in."""
    if is_blank(received, ("case_no", "patch_ids", *CASE_COLUMNS)):
        return None
    reading = Reading(received, task)
    case_no = reading.text("case_no")
    reading.require(("case_no",), "E-RETURN-INCOMPLETE", "一案一行，写明案号。")
    patches = _case_patches(reading)
    values = {name: _case_value(reading, name) for name in CASE_COLUMNS}
    if not reading.problems:
        _check_case(reading, values, patches)
    if reading.problems:
        return reading.rejected()
    _doubt_case(reading, values, patches)
    event = NewEvent(
        "case_recorded",
        task.run,
        str(case_no),
        {**values, "patch_ids": patches},
        event_date=values["filed_date"] or values["found_date"],
        source_file=received.source_file,
        source_sha256=received.sha256,
    )
    return Accepted(received, event, tuple(reading.notices))


def _case_patches(reading: Reading) -> list[str]:
    written = reading.text("patch_ids") or ""
    words = [word for word in _SEPARATORS.split(written) if word]
    found = {word: reading.task.find_patch(word) for word in words}
    if unknown := sorted(word for word, patch in found.items() if patch is None):
        reading.refuse(
            "E-RETURN-PATCH",
            "案件里的图斑编号不在本期任务中。",
            "、".join(unknown),
            f"运行 {reading.task.run} 的图斑编号或下发编号，多个用顿号隔开",
            "对照“图斑清单”改正。",
        )
    return sorted({patch for patch in found.values() if patch is not None})


def _case_value(reading: Reading, name: str) -> Any:
    if name in _CASE_DATES:
        return reading.date(name)
    if name in _CASE_FLAGS:
        return reading.flag(name)
    if name in ("fine_due_yuan", "fine_paid_yuan"):
        return reading.number(name)
    if name == "rectification":
        return reading.code(name, "case_outcome")
    return reading.text(name)


def _check_case(reading: Reading, values: Values, patches: list[str]) -> None:
    """What in one case excludes each other."""

    def contradict(what: str, value: str, allowed: str, advice: str) -> None:
        reading.refuse("E-RETURN-CASE", what, value, allowed, advice)

    is_rectified = values["rectification"] not in (None, "not_rectified")
    if is_rectified and not patches:
        what, allowed = "填了整改方式，但没有写图斑编号。", "整改的案件至少有一个图斑"
        contradict(what, "空", allowed, "写明整改的是哪些图斑。")
    if values["rectification"] == "not_rectified" and values["accepted_date"]:
        what, allowed = "未整改的案件有整改验收日期。", "验收合格的有整改方式，未整改的没有验收日期"
        contradict(what, values["accepted_date"], allowed, "改整改方式，或删去验收日期。")
    for name in ("filed_date", "closed_date"):
        if values["is_filed_otherwise"] and values[name]:
            what = f"非立案处理的案件填了{label_of(name)}。"
            advice = "立案查处的改选“否”；非立案处理的删去日期。"
            contradict(what, values[name], "立案查处和非立案处理只取一种", advice)
    for earlier, later in pairwise(name for name in _ORDERED if values[name]):
        if values[later] < values[earlier]:
            what = f"{label_of(later)}早于{label_of(earlier)}。"
            contradict(what, values[later], f"不早于 {values[earlier]}", "核对两个日期。")


def _doubt_case(reading: Reading, values: Values, patches: list[str]) -> None:
    """What in one case is possible but unusual."""
    for name in ("closed_date", "decided_date"):
        if values["accepted_date"] and values[name] and values["accepted_date"] < values[name]:
            reading.doubt(f"整改验收日期早于{label_of(name)}。", values["accepted_date"])
    due, paid = values["fine_due_yuan"], values["fine_paid_yuan"]
    if due is not None and paid is not None and paid > due:
        reading.doubt("罚款实收大于应收。", f"{paid:g}")
    if is_empty_case({**values, "patch_ids": patches}):
        reading.doubt("只写了案号，按撤销这个案件登记，统计不再计它。")
    elif not patches:
        reading.doubt("案件没有写图斑编号，不能归到乡镇。")
