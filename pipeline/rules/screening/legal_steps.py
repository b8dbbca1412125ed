"""Screening steps 1 to 3 (批文, 供地, 登记), and land that was built on before (存量)."""

from __future__ import annotations

from pipeline.rules.screening.coverage_steps import (
    STEP_OF,
    Settled,
    explain_cover,
    note_missing_dates,
    report_layer,
    settle,
)
from pipeline.rules.screening.facts import area_of, is_existing, may_be_existing
from pipeline.rules.screening.permissions import (
    LEGAL_LAYERS,
    Coverage,
    Standing,
    coverage_by,
)
from pipeline.rules.screening.reasoning import Outcome, Walk
from pipeline.rules.screening.wording import area_zh, percent_zh, share_zh


def legal_step(walk: Walk) -> tuple[Coverage, Settled]:
    """Steps 1 to 3: 批文, 供地, 登记, each by itself and all together."""
    for layer in LEGAL_LAYERS:
        report_layer(walk, layer)
    coverage = coverage_by(walk.facts, LEGAL_LAYERS, walk.window)
    if not walk.covers("screening.min_cover_ratio", coverage):
        return coverage, Settled(Standing.NONE)
    settled = settle(walk, coverage)
    explain_cover(walk, closing_step(walk, coverage), coverage, min(settled.level, Standing.LATE))
    return coverage, settled


def closing_step(walk: Walk, whole: Coverage) -> str:
    """The step whose layer was the last needed for all that 批文, 供地 and 登记 cover."""
    for count, layer in enumerate(LEGAL_LAYERS, start=1):
        upto = coverage_by(walk.facts, LEGAL_LAYERS[:count], walk.window)
        if upto.area_m2() >= whole.area_m2():
            return STEP_OF[layer]
    return STEP_OF[LEGAL_LAYERS[-1]]


def supply_outcome(walk: Walk) -> Outcome:
    """The class of land that is approved in time: whether it was also supplied in time."""
    titled = coverage_by(walk.facts, ("supply", "registration"), walk.window)
    ratio = "screening.full_cover_ratio"
    if walk.covers(ratio, titled, Standing.TIMELY):
        walk.say("supply", "供地或登记已覆盖，可排除。", ratio)
        return Outcome("approved")
    if not walk.facts.has("supply"):
        walk.missing.add("supply")
        walk.say("supply", "未提供供地图层，是否已供地未能核对；按批文可排除，须补充供地文件。")
        return Outcome("approved")
    if walk.covers(ratio, titled, Standing.BETWEEN):
        walk.missing.add("start_date")
        text = "供地或登记日期在两期影像之间，须核实动工时间。"
        walk.say("supply", text, "screening.cleared_until")
        return Outcome("uncertain", is_timing_open=True)
    if walk.covers(ratio, titled, Standing.UNDATED):
        note_missing_dates(walk, titled.documents(Standing.UNDATED))
        walk.say("supply", "供地或登记日期不全，先后无法比较，列为存疑。")
        return Outcome("uncertain")
    walk.missing.add("supply")
    without = area_of(titled.outside(Standing.UNDATED))
    text = f"已有批文，动工前未见供地或登记的 {area_zh(without)}，疑似未供即用。"
    walk.say("supply", text, ratio)
    return Outcome("used_before_supply")


def existing_construction_step(walk: Walk) -> Outcome | None:
    """Whether the survey before the change already shows construction land."""
    step, facts = "existing_construction", walk.facts
    if facts.is_act:
        return None
    if not facts.has("land_use"):
        walk.missing.add("land_use")
        walk.say(step, "未提供地类图斑图层，是否为存量建设用地未能核对。")
        return None
    existing = area_of(facts.pieces, is_existing)
    rule_id = "screening.existing_construction_ratio"
    ratio, is_existing_land = (
        walk.number(rule_id),
        walk.meets_share(rule_id, existing, facts.area_m2),
    )
    share = share_zh(existing, facts.area_m2, ratio)
    verdict = "属存量建设用地内变化" if is_existing_land else f"未达到 {percent_zh(ratio)}"
    walk.say(
        step,
        f"地类调查中原为建设用地的占 {share}，即 {area_zh(existing)}，{verdict}。",
        rule_id,
    )
    if existing_is_unknown(walk):
        walk.missing.add("land_use")
        text = "地类数据的时点晚于前时相，其中的建设用地可能就是本次变化，不能据以认定为存量。"
        walk.say(step, text)
    return Outcome("existing_construction") if is_existing_land else None


def existing_is_unknown(walk: Walk) -> bool:
    """Whether only a survey newer than the before image shows construction land."""
    facts, rule_id = walk.facts, "screening.existing_construction_ratio"
    shown, existing = (area_of(facts.pieces, test) for test in (may_be_existing, is_existing))
    return walk.meets_share(rule_id, shown, facts.area_m2) and not walk.meets_share(
        rule_id, existing, facts.area_m2
    )
