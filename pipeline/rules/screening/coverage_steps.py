"""How a screening step looks at documents that cover the patch; steps 4 and 5 (设施, 临时).

A step writes down what it found. It gives a clean outcome only if documents in force at the time
cover the whole patch; anything else it found is kept as an open outcome, because a later step may
still clear the patch.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.rules.screening.facts import Document, area_of, is_cultivated
from pipeline.rules.screening.permissions import (
    CLOSED_LAYERS,
    Coverage,
    Standing,
    coverage_by,
)
from pipeline.rules.screening.reasoning import Outcome, Walk
from pipeline.rules.screening.wording import (
    LAYER_ZH,
    area_zh,
    date_zh,
    documents_zh,
    number_zh,
    percent_zh,
    share_zh,
)

FACILITY_KINDS = frozenset({"facility", "unknown", "construction"})
"""Kinds that a facility land filing (设施农用地备案) may explain."""

STEP_OF = {
    "approvals": "approval",
    "supply": "supply",
    "registration": "registration",
    "facility_land": "facility",
    "temporary_land": "temporary",
    "mining_rights": "other",
}
EVIDENCE_OF = {
    "approvals": "approval",
    "supply": "supply",
    "registration": "registration",
    "facility_land": "facility_filing",
    "temporary_land": "temporary_permit",
    "mining_rights": "mining_right",
}
STANDING_ZH = {
    Standing.TIMELY: "时间相符",
    Standing.BETWEEN: "日期在两期影像之间",
    Standing.UNDATED: "日期或有效期不全，先后无法比较",
    Standing.EXPIRED: "后时相时已到期",
    Standing.LATE: "日期晚于后时相",
}
LEVELS = (
    Standing.TIMELY,
    Standing.BETWEEN,
    Standing.UNDATED,
    Standing.EXPIRED,
    Standing.LATE,
)


@dataclass(frozen=True)
class Settled:
    """How far documents settle a patch: the best standing with which they cover it whole."""

    level: Standing
    """NONE if they do not cover it whole at all."""
    is_rest_unknown: bool = False
    """Whether the cultivated land of the uncovered rest is not known."""


def report_layer(walk: Walk, layer: str) -> Coverage | None:
    """Write down how far one layer covers the patch; None if it says nothing."""
    step, name = STEP_OF[layer], LAYER_ZH[layer]
    if not walk.facts.has(layer):
        walk.missing.add(EVIDENCE_OF[layer])
        walk.say(step, f"未提供{name}图层，本步未能核对，不等于没有{name}。")
        return None
    coverage = coverage_by(walk.facts, (layer,), walk.window)
    area = coverage.area_m2()
    share = percent_zh(area, walk.facts.area_m2)
    if not walk.covers("screening.min_cover_ratio", coverage):
        if walk.is_noise(area):
            walk.say(step, f"未见{name}覆盖（{share}）。")
            return None
        least = walk.number("screening.min_cover_ratio")
        shown = f"{name}只压盖 {share_zh(area, walk.facts.area_m2, least)}，即 {area_zh(area)}"
        text = f"{shown}，低于 {percent_zh(least)}，按相邻地块边界误差处理。"
        walk.say(step, text, "screening.min_cover_ratio")
        return None
    parts = [
        f"{STANDING_ZH[level]} {percent_zh(part, walk.facts.area_m2)}"
        for level in LEVELS
        if (part := area_of(p for p, s in coverage.rated() if s is level)) > 0.0
    ]
    cover = f"{documents_zh(coverage.documents())}覆盖 {share}，即 {area_zh(area)}"
    dates = f"前时相 {date_zh(walk.facts.before_date)}、后时相 {date_zh(walk.facts.after_date)}"
    walk.say(step, f"{cover}；对照{dates}：{'，'.join(parts)}。", "screening.cleared_until")
    if coverage.documents(Standing.LATE):
        walk.flags.add("late_document")
    return coverage


def settle(walk: Walk, coverage: Coverage) -> Settled:
    """The best standing with which documents cover the patch whole."""
    for level in LEVELS:
        if walk.covers("screening.full_cover_ratio", coverage, level):
            is_small = walk.is_small_rest(coverage.outside(level))
            if is_small is None:
                return Settled(level, is_rest_unknown=True)
            if is_small:
                return Settled(level)
    return Settled(Standing.NONE)


def explain_cover(walk: Walk, step: str, coverage: Coverage, level: Standing) -> None:
    """Write down the two tests of full coverage, passed or not, and how close the second was."""
    facts = walk.facts
    ratio = walk.number("screening.full_cover_ratio")
    reached = walk.covers("screening.full_cover_ratio", coverage, level)
    area, rest = coverage.area_m2(level), coverage.outside(level)
    verdict = "达到" if reached else "未达到"
    walk.say(
        step,
        f"合计覆盖 {share_zh(area, facts.area_m2, ratio)}，即 {area_zh(area)}，"
        f"未覆盖 {area_zh(area_of(rest))}；{verdict} {percent_zh(ratio)}。",
        "screening.full_cover_ratio",
    )
    if not reached:
        return
    limit = walk.number("screening.uncovered_cultivated")
    is_small = walk.is_small_rest(rest)
    if is_small is None:
        walk.missing.add("land_use")
        text = f"未覆盖部分的地类不明，是否小于 {number_zh(limit)} 亩耕地无法核对。"
        walk.say(step, text, "screening.uncovered_cultivated")
        return
    what, cultivated = "未覆盖的耕地", area_of(rest, is_cultivated)
    if not facts.has("land_use"):
        what, cultivated = "未覆盖部分的地类未能核对，合计", area_of(rest)
    verdict = "小于" if is_small else "不小于"
    text = f"{what} {area_zh(cultivated)}，{verdict} {number_zh(limit)} 亩。"
    walk.say(step, text, "screening.uncovered_cultivated")
    walk.near(step, cultivated, "screening.uncovered_cultivated", what)


def open_outcome(walk: Walk, step: str, coverage: Coverage, settled: Settled) -> Outcome | None:
    """The outcome of whole coverage by documents that do not simply clear; None if not whole."""
    if settled.is_rest_unknown:
        return Outcome("uncertain")
    match settled.level:
        case Standing.BETWEEN:
            walk.missing.add("start_date")
            walk.say(step, "手续日期在两期影像之间，须核实动工时间。", "screening.cleared_until")
            return Outcome("uncertain", is_timing_open=True)
        case Standing.UNDATED:
            note_missing_dates(walk, coverage.documents(Standing.UNDATED))
            walk.say(step, "日期或有效期不全，手续与动工的先后无法比较，列为存疑。")
            return Outcome("uncertain")
        case Standing.EXPIRED:
            walk.say(step, "有效期在后时相以前届满，后时相时已无有效手续。")
            return Outcome("suspected_violation")
        case Standing.LATE:
            walk.say(step, "手续日期晚于后时相，疑似先建后批。", "screening.cleared_until")
            return Outcome("built_before_approval")
    return None


def note_missing_dates(walk: Walk, documents: tuple[Document, ...]) -> None:
    """Ask for the dates without which the order in time can not be told."""
    if walk.facts.before_date is None or walk.facts.after_date is None:
        walk.missing.add("image_date")
    for document in documents:
        if document.decided_date is None:
            walk.missing.add("document_date")
        elif document.layer in CLOSED_LAYERS and document.valid_to_date is None:
            walk.missing.add("document_validity")


def may_clear(walk: Walk, layer: str) -> bool:
    """Whether documents of a layer can explain this kind of change at all."""
    if layer == "facility_land":
        return walk.facts.change_kind in FACILITY_KINDS and not walk.facts.is_mining
    return layer != "temporary_land" or walk.facts.change_kind != "building"


def dated_step(walk: Walk, layer: str) -> Outcome | None:
    """Steps 4 and 5: facility land or temporary land, whose validity must cover the change."""
    coverage = report_layer(walk, layer)
    if coverage is None:
        return None
    step = STEP_OF[layer]
    if coverage.area_m2(Standing.EXPIRED) > coverage.area_m2(Standing.UNDATED):
        walk.flags.add(f"{step}_expired")
    settled = settle(walk, coverage)
    if not may_clear(walk, layer):
        is_whole = settled.level is not Standing.NONE and not settled.is_rest_unknown
        return _misused(walk, layer, is_whole)
    explain_cover(walk, step, coverage, min(settled.level, Standing.LATE))
    if settled == Settled(Standing.TIMELY):
        walk.missing.add("actual_use")
        is_open = any(document.valid_to_date is None for document in coverage.documents())
        if is_open:
            walk.missing.add("document_validity")
        term = "未注明有效期截止日期，暂按仍有效对待，须补充" if is_open else "在有效期内"
        text = f"{LAYER_ZH[layer]}{term}，须核实实际用途。"
        walk.say(step, text, "screening.cleared_until")
        return Outcome(step)
    return open_outcome(walk, step, coverage, settled)


def _misused(walk: Walk, layer: str, is_whole: bool) -> Outcome | None:
    """A kind of change that the filing or the temporary permission does not allow."""
    kind = walk.label("change_kind", walk.facts.change_kind)
    if layer == "temporary_land":
        text = f"变化类型为{kind}，临时用地上疑似修建永久性建筑，不能据以排除。"
        walk.prompt("temporary", "temporary_permanent_building", text)
    elif walk.facts.is_act:
        walk.say("facility", f"变化类型为{kind}，不在设施农用地备案之内，不能据以排除。")
        return None
    else:
        text = f"变化类型为{kind}，与设施农业用途不符，不能据备案排除，须核对实际用途。"
        walk.prompt("facility", "facility_as_cover", text)
    walk.missing.add("actual_use")
    return Outcome("suspected_violation") if is_whole else None
