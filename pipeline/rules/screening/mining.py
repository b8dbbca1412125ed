"""Mining (采矿权): digging inside a valid right, beyond it, or without one (theme 矿产)."""

from __future__ import annotations

from pipeline.rules.screening.coverage_steps import report_layer
from pipeline.rules.screening.facts import area_of
from pipeline.rules.screening.permissions import Standing, coverage_by
from pipeline.rules.screening.reasoning import Outcome, Walk
from pipeline.rules.screening.wording import area_zh


def mining_step(walk: Walk) -> Outcome | None:
    """Mining inside a valid right, as far as the right goes."""
    if not walk.facts.is_mining:
        return None
    coverage = report_layer(walk, "mining_rights")
    if coverage is None:
        return None
    ratio = "screening.full_cover_ratio"
    if walk.covers(ratio, coverage, Standing.TIMELY):
        if not walk.is_noise(walk.facts.pbf_m2):
            walk.say("other", "在采矿权范围内，但压占永久基本农田，采矿权不能代替用地手续。")
            return None
        walk.missing.add("land_procedure")
        text = "在有效的采矿权范围内，疑似其他用地，须补充用地手续。"
        walk.say("other", text, ratio)
        return Outcome("other")
    if walk.covers(ratio, coverage, Standing.UNDATED):
        walk.missing.add("mining_right")
        walk.say("other", "采矿权的起止日期不全，或起始日期在两期影像之间，列为存疑。")
        return Outcome("uncertain")
    return None


def is_outside_mining_rights(walk: Walk) -> bool | None:
    """Whether part of the patch lies outside every valid mining right; None if not known."""
    if not walk.facts.has("mining_rights"):
        return None
    coverage = coverage_by(walk.facts, ("mining_rights",), walk.window)
    ratio = "screening.full_cover_ratio"
    if walk.covers(ratio, coverage, Standing.TIMELY):
        return False
    return None if walk.covers(ratio, coverage, Standing.UNDATED) else True


def add_mining_prompts(walk: Walk) -> None:
    """Say where digging goes on beyond a right, or under one that has ended."""
    facts = walk.facts
    if not facts.is_mining or not facts.has("mining_rights"):
        return
    coverage = coverage_by(facts, ("mining_rights",), walk.window)
    outside = area_of(coverage.outside(Standing.UNDATED))
    is_inside = walk.covers("screening.min_cover_ratio", coverage, Standing.UNDATED)
    if is_inside and not walk.is_noise(outside):
        text = f"部分在采矿权范围内，范围以外 {area_zh(outside)}，疑似越界开采，须核对矿界。"
        walk.prompt("context", "mining_beyond_right", text)
    expired = area_of(p for p, s in coverage.rated() if s is Standing.EXPIRED)
    if not walk.is_noise(expired):
        text = f"采矿权在后时相以前届满的 {area_zh(expired)}，须核对是否续期。"
        walk.prompt("context", "mining_right_expired", text)
