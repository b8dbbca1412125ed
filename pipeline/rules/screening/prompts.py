"""Prompts beside the class (提示标记): 移送 areas, special land, responsibility, history."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.rules.screening.concealment import add_concealment_prompts
from pipeline.rules.screening.earlier import add_earlier_prompts
from pipeline.rules.screening.elsewhere import add_elsewhere_prompts
from pipeline.rules.screening.facts import Piece, area_of, is_general_cultivated, is_on_pbf
from pipeline.rules.screening.mining import add_mining_prompts
from pipeline.rules.screening.reasoning import Walk
from pipeline.rules.screening.violation_kinds import PROBLEM_CLASSES
from pipeline.rules.screening.wording import area_zh, number_zh, percent_zh

SPECIAL_LAND = (
    ("ecological_redline", "on_redline", "生态保护红线"),
    ("nature_reserve", "on_reserve", "自然保护地"),
    ("permanent_basic_farmland", "on_pbf", "永久基本农田"),
)

PLAN_REFERENCE = "《2024年自然资源执法监察动态巡查工作方案》三（三）"


def add_prompts(walk: Walk, suspected_class: str, subject: Sequence[Piece]) -> None:
    """Write down flags and their reasons; none of them changes the class.

    `subject` are the pieces that no document clears: only their area counts for 移送.
    """
    if suspected_class in PROBLEM_CLASSES:
        _transfer(walk, "pbf", area_of(subject, is_on_pbf), "永久基本农田")
        _transfer(walk, "cultivated", area_of(subject, is_general_cultivated), "一般耕地")
    if suspected_class != "not_construction":
        _special_land(walk)
        _plan(walk, suspected_class, subject)
        add_mining_prompts(walk)
    add_elsewhere_prompts(walk, suspected_class)
    add_concealment_prompts(walk, suspected_class)
    _responsibility(walk)
    _prior_results(walk)
    add_earlier_prompts(walk)


def _transfer(walk: Walk, name: str, area_m2: float, what_zh: str) -> None:
    layer = "permanent_basic_farmland" if name == "pbf" else "land_use"
    if not walk.facts.has(layer):
        walk.missing.add(layer)
        return
    rule_id = f"transfer.{name}_area"
    limit = walk.number(rule_id)
    if walk.meets_area(rule_id, area_m2):
        walk.flags.add(f"transfer_{name}")
        text = f"疑似问题部分占用{what_zh} {area_zh(area_m2)}，达到 {number_zh(limit)} 亩"
        text += "，提示核对是否移送；是否造成毁坏及程度须经鉴定。"
        walk.say("threshold", text, rule_id)
    walk.near("threshold", area_m2, rule_id, f"占用{what_zh}")


def _special_land(walk: Walk) -> None:
    pieces = walk.facts.pieces
    areas = {
        "on_redline": area_of(pieces, lambda piece: piece.is_redline),
        "on_reserve": area_of(pieces, lambda piece: piece.is_reserve),
        "on_pbf": area_of(pieces, is_on_pbf),
    }
    for layer, flag, what_zh in SPECIAL_LAND:
        if not walk.facts.has(layer):
            walk.missing.add(layer)
            walk.say("context", f"未提供{what_zh}图层，是否压占未能核对。")
        elif not walk.is_noise(areas[flag]):
            walk.flags.add(flag)
            walk.say("context", f"压占{what_zh} {area_zh(areas[flag])}。", "screening.noise_area")
    filed = [piece for piece in pieces if piece.documents.get("facility_land")]
    if not walk.meets_share("screening.min_cover_ratio", area_of(filed), walk.facts.area_m2):
        return
    area = area_of(filed, is_on_pbf)
    if not walk.is_noise(area):
        walk.flags.add("facility_on_pbf")
        text = f"设施农用地备案范围内有永久基本农田 {area_zh(area)}，须核对备案依据。"
        walk.say("context", text, "screening.noise_area")


def _plan(walk: Walk, suspected_class: str, subject: Sequence[Piece]) -> None:
    """Whether what no document clears conforms with the plan (符合规划、不符合规划)."""
    facts = walk.facts
    is_asked = suspected_class in PROBLEM_CLASSES and facts.may_be_construction
    if not is_asked or not facts.has("planning_zones"):
        return
    areas = [
        area_of(piece for piece in subject if piece.is_plan_conforming is wanted)
        for wanted in (True, False, None)
    ]
    parts = "、".join(
        f"{what} {area_zh(area)}"
        for what, area in zip(("符合规划", "不符合规划", "规划未定"), areas, strict=True)
        if not walk.is_noise(area)
    )
    if all(map(walk.is_noise, areas[:2])):
        return
    if not walk.is_noise(areas[1]):
        walk.flags.add("plan_nonconform")
        walk.say("context", f"没有手续的部分中：{parts}。", "screening.noise_area")
        return
    text = f"没有手续的部分中：{parts}；确需补办的，须查处到位，取得批准手续以前不得复工。"
    walk.cite("context", text, PLAN_REFERENCE)


def _responsibility(walk: Walk) -> None:
    facts = walk.facts
    if len(facts.responsible_candidates) > 1:
        names = "、".join(facts.responsible_candidates)
        text = f"两期之间区划或分工有变，责任单位候选：{names}。"
        walk.prompt("context", "boundary_changed", text)
    if facts.responsible_code is None:
        where = "" if facts.responsible_candidates else "图斑不在所提供的乡镇范围内，"
        walk.prompt("context", "responsibility_pending", f"{where}责任单位待定。")
    if facts.straddles:
        walk.flags.add("straddles_townships")
        walk.say("context", f"图斑跨越其他乡镇：{'、'.join(facts.straddles)}。")


def _prior_results(walk: Walk) -> None:
    for prior in walk.facts.prior_results:
        if prior.is_same_id or walk.meets("screening.min_cover_ratio", prior.cover_ratio):
            walk.flags.add("prior_result")
            share = f"重叠 {percent_zh(prior.cover_ratio)}"
            tie = f"编号相同、{share}" if prior.is_same_id else share
            name = prior.issued_id or "（无编号）"
            text = f"以往图斑 {name} 与本图斑{tie}，以往判定：“{prior.result}”，供参考。"
            walk.say("context", text, "screening.min_cover_ratio")
