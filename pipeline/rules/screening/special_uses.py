"""Screening step 7 by records and place: recognised other uses (紧急用地 …), 203范围, 出入口."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Sequence
from math import fsum

from pipeline.rules.books.clocks import add_months
from pipeline.rules.parameters import RuleInForce
from pipeline.rules.screening.clearance import both
from pipeline.rules.screening.coverage_steps import open_outcome, settle
from pipeline.rules.screening.facts import Document, Piece, area_of, is_on_pbf
from pipeline.rules.screening.other_uses import URGENT, other_use_coverage, urgent_rule
from pipeline.rules.screening.permissions import Coverage, Standing, standing_together
from pipeline.rules.screening.reasoning import Outcome, Walk
from pipeline.rules.screening.wording import (
    area_zh,
    document_zh,
    farmland_zh,
    number_zh,
    percent_zh,
    share_zh,
)

BUILT_KINDS = frozenset({"building", "construction", "hardened", "unknown"})
"""Kinds that a home with its yard, or the entrance of a site, may show."""
HOME_KINDS = frozenset({"building", "construction"})
STEP = "other"


def other_use_step(walk: Walk) -> Outcome | None:
    """Uses that the county has recognised (其他用地认定), 紧急用地 until its deadline."""
    coverage = other_use_coverage(walk)
    if coverage is None or not walk.covers("screening.min_cover_ratio", coverage):
        return None
    named = "、".join(_named(walk, document) for document in coverage.documents())
    area = coverage.area_m2()
    share = percent_zh(area, walk.facts.area_m2)
    walk.say(STEP, f"已认定的其他用地：{named}，覆盖 {share}，即 {area_zh(area)}。")
    _urgent_prompts(walk, coverage)
    settled = settle(walk, coverage)
    if settled.level is Standing.TIMELY and not settled.is_rest_unknown:
        walk.missing.add("land_procedure")
        walk.say(STEP, "认定时间相符，疑似其他用地，须补充认定材料。", "screening.cleared_until")
        return Outcome("other")
    return open_outcome(walk, STEP, coverage, settled)


def _named(walk: Walk, document: Document) -> str:
    return f"{walk.label('other_use', document.use_kind or '')}{document_zh(document)}"


def _urgent_prompts(walk: Walk, coverage: Coverage) -> None:
    """Until when 紧急用地 had to be regularised, and whether that day has passed."""
    for document in coverage.documents():
        ended, rule = document.valid_to_date, urgent_rule(walk, document)
        if document.use_kind != URGENT or ended is None or rule is None:
            continue
        last = add_months(ended, int(rule.number()))
        text = f"应急处置 {ended} 结束，属永久性建设的最迟 {last} 申请补办"
        is_late = _is_after(walk.facts.after_date, last, rule)
        walk.noted(rule.parameter.id, not is_late)
        if is_late:
            walk.flags.add("urgent_overdue")
            text += "，后时相已过期限"
        walk.say_by(STEP, f"{text}。", rule)
    if any(d.use_kind == URGENT and d.valid_to_date is None for d in coverage.documents()):
        walk.missing.add("document_validity")


def _is_after(after: datetime.date | None, last: datetime.date, rule: RuleInForce) -> bool:
    return after is not None and not rule.compare(after, last)


def village_step(walk: Walk) -> Outcome | None:
    """Building inside the village range (203范围): a home, with or without a rural permit."""
    facts = walk.facts
    if facts.change_kind not in BUILT_KINDS or facts.is_act or not facts.has("settlements"):
        return None
    rule_id = "screening.village_range_ratio"
    inside = area_of(facts.pieces, lambda piece: piece.is_settlement)
    if not walk.meets_share(rule_id, inside, facts.area_m2):
        return None
    limit = walk.number(rule_id)
    share = share_zh(inside, facts.area_m2, limit)
    walk.say(STEP, f"位于203范围（村庄）内的占 {share}，达到 {percent_zh(limit)}。", rule_id)
    if not walk.is_small_rest(facts.pieces) or not walk.is_noise(facts.pbf_m2):
        text = f"但占{farmland_zh(facts)}，不按203范围核对。"
        walk.say(STEP, text, "screening.uncovered_cultivated")
        return None
    _homestead_prompt(walk)
    return _village_permit(walk)


def _homestead_prompt(walk: Walk) -> None:
    facts, rule_id = walk.facts, "homestead.max_area"
    if facts.change_kind in HOME_KINDS and walk.meets_area(rule_id, facts.area_m2):
        walk.flags.add("homestead")
        walk.missing.add("homestead_approval")
        limit = number_zh(walk.number(rule_id))
        text = f"面积 {area_zh(facts.area_m2)}，不大于 {limit} 平方米，可能是农村宅基地。"
        walk.say(STEP, text, rule_id)


def _village_permit(walk: Walk) -> Outcome | None:
    facts = walk.facts
    if not facts.has("permits"):
        walk.missing.add("planning_permit")
        walk.say(STEP, "未提供规划许可图层，按203范围列为疑似其他用地，须补充规划许可。")
        return Outcome("other")
    permitted = area_of(piece for piece in facts.pieces if _has_rural_permit(walk, piece))
    if walk.meets_share("screening.full_cover_ratio", permitted, facts.area_m2):
        walk.missing.add("land_procedure")
        text = "有相符的乡村规划许可，疑似其他用地（203范围），须补充用地手续。"
        walk.say(STEP, text, "screening.full_cover_ratio")
        return Outcome("other")
    rule_id = "screening.village_without_permit"
    if walk.rule(rule_id).text() == "other":
        walk.missing.add("planning_permit")
        walk.say(STEP, "没有相符的乡村规划许可，按203范围列为疑似其他用地。", rule_id)
        return Outcome("other")
    walk.say(STEP, "没有相符的乡村规划许可，不按203范围排除。", rule_id)
    return None


def _has_rural_permit(walk: Walk, piece: Piece) -> bool:
    permits = walk.facts.documents_on(piece, ("permits",))
    rural = [permit for permit in permits if permit.permit_kind == "rural"]
    return standing_together(rural, walk.window) is Standing.TIMELY


def entrance_step(walk: Walk, legal: Coverage) -> Outcome | None:
    """What is not covered of a small site may be its entrance (出入口): by its main building."""
    facts, small = walk.facts, "entrance.small_area"
    rest = legal.outside(Standing.TIMELY)
    is_clean = walk.is_noise(area_of(rest, is_on_pbf)) and facts.has("permanent_basic_farmland")
    if facts.change_kind not in BUILT_KINDS or facts.is_act or not is_clean:
        return None
    if not walk.is_small_rest(rest):
        return None
    limit = number_zh(walk.number(small))
    if not walk.meets_area(small, facts.area_m2):
        walk.say(STEP, f"图斑大于 {limit} 亩，出入口按全部覆盖的比例核对，未达到。", small)
        return None
    return _main_building(walk, legal, limit)


def _main_building(walk: Walk, legal: Coverage, limit_zh: str) -> Outcome | None:
    facts, rule_id = walk.facts, "entrance.building_cover_ratio"
    ratio = percent_zh(walk.number(rule_id))
    main = main_building(facts.pieces)
    if not main:
        if walk.covers(rule_id, legal, Standing.TIMELY):
            walk.missing.add("building_outline")
            text = f"图斑不大于 {limit_zh} 亩，没有建筑轮廓，主体建筑的覆盖比例未能核对。"
            walk.say(STEP, text, rule_id)
        return None
    whole, covered = area_of(main), area_of(both(main, legal.pieces(Standing.TIMELY)))
    share = share_zh(covered, whole, walk.number(rule_id))
    if not walk.meets_share(rule_id, covered, whole):
        walk.say(STEP, f"主体建筑只覆盖 {share}，低于 {ratio}，不按出入口核对。", rule_id)
        return None
    walk.missing.add("site_photo")
    text = f"图斑不大于 {limit_zh} 亩，主体建筑覆盖 {share}，达到 {ratio}，其余疑似出入口。"
    walk.say(STEP, text, rule_id)
    return Outcome("other")


def main_building(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """The pieces of the largest building; of equal ones the smallest id."""
    areas: dict[str, list[float]] = defaultdict(list)
    for piece in pieces:
        for name in piece.documents.get("buildings", ()):
            areas[name].append(piece.area_m2)
    if not areas:
        return ()
    largest = min(areas, key=lambda name: (-fsum(areas[name]), name))
    return tuple(p for p in pieces if largest in p.documents.get("buildings", ()))
