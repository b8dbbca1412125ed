"""What the bureau fills in: judgements, cases, its own figures, decisions between rivals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from .county import Patch, roll
from .forms import Form, new_list
from .lawsuits import CASES_NAME, play_cases
from .played import Played
from .story import LAWFUL, Values, judgement
from .townships import Decision

JUDGEMENTS_NAME, INPUTS_NAME = "bureau/judgements.xlsx", "bureau/county_inputs.xlsx"
DECISIONS_NAME = "bureau/decisions.xlsx"
COUNTY = "379999"
CHECK_YEAR, QUOTA_YEAR = 2024, 2025
MU_PER_M2 = 3 / 2000
UNJUDGED_SHARE = 0.1
"""Of the patches that no planted change explains."""
COUNTY_RATIO = 0.16
"""Cultivated land of violations by the denominator: above the 15 % line before netting."""
NO_DENOMINATOR, ZERO_DENOMINATOR = "379999400", "379999001"
SHORT_OF_QUOTA, DEDUCTED_BEFORE = "379999200", "379999102"
"""Townships whose deduction meets the cap, and is doubled."""
ITEMS = {
    "denominator_cultivated": "新增建设用地占用耕地总面积",
    "denominator_new_construction": "新增建设用地总面积",
    "quota_opening": "指标期初结存",
    "quota_allotted": "上级下达指标",
    "quota_carried_in": "上年结转指标",
    "quota_carried_out": "结转下年指标",
    "quota_deducted": "上级扣减指标",
    "quota_restored": "上级返还指标",
    "deduction_opening": "扣减未返还期初数",
    "deducted_last_year": "上一检查年度扣减数",
}


def act(
    forms: Path, patches: list[Patch], played: Played, surveyed: frozenset[str],
    decisions: list[Decision],
) -> None:  # fmt: skip
    """Fill in all forms of the bureau."""
    _judge(forms / "judgements.xlsx", patches, played, surveyed)
    _cases(forms / "cases.xlsx", patches, played)
    _inputs(forms / "county_inputs.xlsx", patches, played)
    _decide(decisions, played)


def _judge(path: Path, patches: Sequence[Patch], played: Played, surveyed: frozenset[str]) -> None:
    form = Form(path)
    judged = [patch for patch in patches if _is_judged(patch, played)]
    often = Counter(patch.case_id for patch in judged)
    order = sorted(judged, key=lambda p: (often[p.case_id] == 1, roll(p.patch_id, "bureau")))
    unsigned, wrong = order[:1], order[1:2]
    for patch in judged:
        values, row = judgement(patch, surveyed), form.row_of[patch.patch_id]
        code = why = ""
        if patch in unsigned:
            values, code, why = values | {"reviewed_by": None}, "E-RETURN-UNSIGNED", "没有审核人"
        if patch in wrong:
            values |= {"recognised_area_m2": 100.0, "recognised_new_m2": 100.0,
                       "recognised_cultivated_m2": 150.0, "recognised_pbf_m2": 0.0}  # fmt: skip
            code, why = "E-RETURN-VALUE", "耕地面积大于认定面积"
        form.fill(row, values)
        if code:
            played.reject(JUDGEMENTS_NAME, "judgement", patch.patch_id, code, why)
            continue
        played.accept(JUDGEMENTS_NAME, "judgement", patch.patch_id, row)
        played.patches[patch.patch_id]["judgement"] = values
    form.save(played.folder / JUDGEMENTS_NAME)


def _is_judged(patch: Patch, played: Played) -> bool:
    """Sent and looked at, or cleared by papers alone; some false alarms are left for later."""
    if not patch.is_sent or (patch.plant is None and roll(patch.patch_id, "left") < UNJUDGED_SHARE):
        return False
    is_answered = any(
        patch.patch_id == record["subject"] and record["kind"] in ("finding", "survey")
        for record in (*played.accepted, *played.rejected)
    )
    return is_answered or patch.case_id in LAWFUL


def _cases(path: Path, patches: list[Patch], played: Played) -> None:
    form = Form(path, key=None)
    for row, line in enumerate(play_cases(patches, played), start=form.first_row):
        form.fill(row, line)
    form.save(played.folder / CASES_NAME)


def _inputs(path: Path, patches: list[Patch], played: Played) -> None:
    names = {patch.township_code: patch.township_name for patch in patches if patch.township_code}
    form = Form(path, key=None)
    used = {
        (form.get(row, "item"), str(form.get(row, "unit_code")), form.get(row, "year")): row
        for row in range(form.first_row, form.sheet.max_row + 1)
        if form.get(row, "item")
    }
    county = next(unit for (_, unit, _), _ in used.items())
    next_row = form.first_row + len(used)
    for line in [*_figures(patches, played, names), _without_document()]:
        unit = county if line["unit_code"] == COUNTY else names[line["unit_code"]]
        key = (ITEMS[line["item"]], unit, line["year"])
        row = used.pop(key, None)
        if row is None:
            row, next_row = next_row, next_row + 1
        form.fill(row, line | {"item": key[0], "unit_code": unit})
        if line["item"] in NEEDS_DOCUMENT and not line["doc_no"]:
            why = "上级文件没有文号"
            written = f"{key[0]}|{unit}|{line['year']}|"
            played.reject(INPUTS_NAME, "county_input", written, "E-RETURN-INCOMPLETE", why)
        else:
            subject = f"{line['item']}|{line['unit_code']}|{line['year']}|{line['doc_no'] or ''}"
            played.accept(INPUTS_NAME, "county_input", subject, row)
            played.county_inputs.append(line)
    form.save(played.folder / INPUTS_NAME)


NEEDS_DOCUMENT = (
    "quota_allotted", "quota_carried_in", "quota_carried_out", "quota_deducted", "quota_restored",
)  # fmt: skip


def _figures(patches: list[Patch], played: Played, names: dict[str, str]) -> list[Values]:
    """The county's figures; denominators put the county a little above the 15 % line."""
    wrong: dict[str, float] = dict.fromkeys(sorted(names), 0.0)
    for patch in patches:
        signed = played.patches[patch.patch_id]["judgement"]
        if patch.is_issued and signed and signed["judgement"] == "new_violation":
            wrong[patch.township_code] += patch.cultivated_m2 * MU_PER_M2
    total = sum(wrong.values())
    lines = [
        _line("denominator_cultivated", COUNTY, CHECK_YEAR, total / COUNTY_RATIO),
        _line("denominator_new_construction", COUNTY, CHECK_YEAR, total / 0.11),
        _line("quota_opening", COUNTY, QUOTA_YEAR, 35.5),
        _line("quota_allotted", COUNTY, QUOTA_YEAR, 420.0, "示自然资发〔2025〕3号", "2025-02-18"),
        _line("quota_carried_in", COUNTY, QUOTA_YEAR, 12.34, "示自然资发〔2025〕5号", "2025-03-04"),
        _line("quota_deducted", COUNTY, QUOTA_YEAR, total * 0.8, "示自然资函〔2025〕17号",
              "2025-04-15"),
        _line("quota_restored", COUNTY, QUOTA_YEAR, total * 0.3, "示自然资函〔2025〕41号",
              "2025-06-20"),
        _line("deduction_opening", COUNTY, QUOTA_YEAR, 6.2),
    ]  # fmt: skip
    whole = total / COUNTY_RATIO
    for number, code in enumerate(wrong):
        if code != NO_DENOMINATOR:
            share = (0.4 + roll(code, "share")) / len(wrong) / 1.4
            value = 0.0 if code == ZERO_DENOMINATOR else whole * share
            lines.append(_line("denominator_cultivated", code, CHECK_YEAR, value))
        allotted = 1.0 if code == SHORT_OF_QUOTA else 20.0 + 7 * number
        document = f"示县资发〔2025〕{11 + number}号"
        lines.append(_line("quota_opening", code, QUOTA_YEAR, 0.5 * number))
        lines.append(_line("quota_allotted", code, QUOTA_YEAR, allotted, document, "2025-03-10"))
        if code == DEDUCTED_BEFORE:
            lines.append(_line("deducted_last_year", code, CHECK_YEAR - 1, 5.0))
    return lines


def _line(
    item: str, unit: str, year: int, value_mu: float, doc_no: str | None = None,
    day: str | None = None,
) -> Values:  # fmt: skip
    return {
        "item": item,
        "unit_code": unit,
        "year": year,
        "value_mu": round(value_mu, 2),
        "doc_no": doc_no,
        "source_title": "指标文件" if doc_no else "县年度变更调查和批地台账",
        "source_date": day,
        "filled_by": "许可",
        "checked_by": "秦明",
    }


def _without_document() -> Values:
    return _line("quota_deducted", COUNTY, QUOTA_YEAR, 3.0)


def _decide(decisions: list[Decision], played: Played) -> None:
    names = ("record_kind", "subject", "township_name", "source_file", "row_no", "content",
             "is_adopted", "decided_by", "decided_date", "decision_reason")  # fmt: skip
    titles = ("类别", "对象", "乡镇", "文件", "行号", "与其他填报不同的内容", "采用", "裁决人",
              "裁决日期", "裁决理由")  # fmt: skip
    if not decisions:
        return
    lines: list[list[object]] = [["示例县核查填报冲突裁决表"], list(names), list(titles)]
    for patch_id, place, file, row, is_adopted in decisions:
        line = ["乡镇核查结果", patch_id, place, file, row, ""]
        signed = ["是", "韩立", "2024-11-19", "以补报为准"] if is_adopted else ["否", "", "", ""]
        lines.append([*line, *signed])
        if is_adopted:
            played.accept(DECISIONS_NAME, "decision", f"finding|{patch_id}")
    new_list(played.folder / DECISIONS_NAME, "冲突裁决", lines)
