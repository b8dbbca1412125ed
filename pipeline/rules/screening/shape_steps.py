"""Screening steps 6 and 7: rural roads (农村道路), slivers (边角细缝), mining inside a right."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from math import pi, sqrt

from pipeline.rules.screening.coverage_steps import report_layer
from pipeline.rules.screening.facts import PatchFacts
from pipeline.rules.screening.permissions import Standing, coverage_by, small_cultivated_rest
from pipeline.rules.screening.reasoning import Outcome, Walk
from pipeline.rules.screening.wording import (
    FARMLAND_LAYERS,
    area_zh,
    beside,
    farmland_zh,
    number_zh,
    percent_zh,
    share_zh,
)

ROAD_KINDS = frozenset({"road", "hardened", "construction", "unknown"})
SLIVER_KINDS = ROAD_KINDS - {"road"}
"""Kinds that a leftover strip may show: long roads are strips too, but no leftovers."""


def rural_road_step(walk: Walk) -> Outcome | None:
    """Whether the patch is long, as wide as a rural road, and no national or provincial road."""
    facts, step = walk.facts, "rural_road"
    if facts.change_kind not in ROAD_KINDS:
        return None
    slenderness = Decimal(facts.length_m) / Decimal(facts.width_m)
    least = walk.number("screening.road_elongation")
    if slenderness < least:
        text = f"长宽比 {beside(slenderness, least)}，小于 {number_zh(least)}，形状不像道路。"
        walk.say(step, text, "screening.road_elongation")
        return None
    if _is_parcel_edge(walk):
        return None
    narrow = walk.rule_if_in_force("rural_road.min_width")
    wide = walk.rule_if_in_force("rural_road.max_width")
    if narrow is None or wide is None:
        walk.missing.add("road_rule")
        text = f"农村道路的宽度口径在 {walk.on} 尚未生效，本步未能核对，不能据以列为农村道路。"
        walk.say(step, text)
        return None
    width = Decimal(facts.width_m)
    length = f"长约 {facts.length_m:.0f} 米，平均宽度"
    for rule, is_outside, verdict in (
        (narrow, width < narrow.number(), ("小于", "不小于")),
        (wide, width > wide.number(), ("大于", "不大于")),
    ):
        limit = rule.number()
        shown = f"{length} {beside(width, limit)} 米"
        text = f"{shown}，{verdict[not is_outside]} {number_zh(limit)} 米"
        if is_outside:
            walk.say(step, f"{text}，不在农村道路宽度之内。", rule.parameter.id)
            return None
        walk.say(step, f"{text}。", rule.parameter.id)
    return _beside_highway(walk)


def _is_parcel_edge(walk: Walk) -> bool:
    """Whether a strip that is not seen as a road is the leftover edge of a legal parcel."""
    facts = walk.facts
    ratio = facts.parcel_ratio
    if facts.change_kind not in SLIVER_KINDS or ratio is None or not _is_sliver(walk):
        return False
    limit = walk.number("screening.parcel_adjoin_ratio")
    if Decimal(ratio) < limit:
        return False
    shown = f"外缘的 {share_zh(ratio, 1, limit)} 与已批地块相接，达到 {percent_zh(limit)}"
    walk.say("rural_road", f"{shown}，按边角细缝核对。", "screening.parcel_adjoin_ratio")
    return True


def _is_sliver(walk: Walk) -> bool:
    signs = count_signs(walk.facts, walk.numbers("screening.sliver_shape"))
    return _is_small_or_thin(walk) and signs >= walk.number("screening.sliver_min_signs")


def _beside_highway(walk: Walk) -> Outcome | None:
    facts, step = walk.facts, "rural_road"
    if facts.highway_ratio is None:
        walk.missing.update(("road_network", "road_width_photo"))
        walk.say(step, "未提供道路图层，是否属国道、省道未能核对，列为存疑。")
        return Outcome("uncertain")
    limit = walk.number("screening.highway_overlap_ratio")
    shown = f"位于国道、省道两侧的面积占 {share_zh(facts.highway_ratio, 1, limit)}"
    if Decimal(facts.highway_ratio) >= limit:
        text = f"{shown}，达到 {percent_zh(limit)}，按国道、省道处理，不列为农村道路。"
        walk.say(step, text, "screening.highway_overlap_ratio")
        return None
    text = f"{shown}，未达到 {percent_zh(limit)}，疑似农村道路，须有带方位角的照片佐证。"
    walk.missing.add("road_width_photo")
    walk.say(step, text, "screening.highway_overlap_ratio")
    return Outcome("rural_road")


def other_step(walk: Walk) -> Outcome | None:
    """Mining inside a valid right, or a leftover strip."""
    if walk.facts.change_kind == "excavation":
        return _mining(walk)
    if walk.facts.change_kind in SLIVER_KINDS:
        return _sliver(walk)
    return None


def _mining(walk: Walk) -> Outcome | None:
    coverage = report_layer(walk, "mining_rights")
    if coverage is None:
        return None
    ratio = walk.number("screening.full_cover_ratio")
    if coverage.reaches(ratio, Standing.TIMELY):
        if not walk.is_noise(walk.facts.pbf_m2):
            walk.say("other", "在采矿权范围内，但压占永久基本农田，采矿权不能代替用地手续。")
            return None
        walk.missing.add("land_procedure")
        text = "在有效的采矿权范围内，疑似其他用地，须补充用地手续。"
        walk.say("other", text, "screening.full_cover_ratio")
        return Outcome("other")
    if coverage.reaches(ratio, Standing.UNDATED):
        walk.missing.add("mining_right")
        walk.say("other", "采矿权的起止日期不全，或起始日期在两期影像之间，列为存疑。")
        return Outcome("uncertain")
    return None


def is_outside_mining_rights(walk: Walk) -> bool | None:
    """Whether part of the patch lies outside every valid mining right; None if not known."""
    if not walk.facts.has("mining_rights"):
        return None
    coverage = coverage_by(walk.facts, ("mining_rights",), walk.window)
    ratio = walk.number("screening.full_cover_ratio")
    if coverage.reaches(ratio, Standing.TIMELY):
        return False
    return None if coverage.reaches(ratio, Standing.UNDATED) else True


def _sliver(walk: Walk) -> Outcome | None:
    facts, step = walk.facts, "other"
    if not _is_small_or_thin(walk):
        return None
    signs = count_signs(facts, walk.numbers("screening.sliver_shape"))
    least = walk.number("screening.sliver_min_signs")
    if signs < least:
        text = f"面积或宽度很小，细长形状只符合 {signs} 项，不足 {number_zh(least)} 项，不是细缝。"
        walk.say(step, text, "screening.sliver_min_signs")
        return None
    limit = walk.number("screening.uncovered_cultivated")
    is_small = small_cultivated_rest(facts.pieces, facts.has("land_use"), limit)
    if is_small is False or not walk.is_noise(facts.pbf_m2):
        text = f"形状符合边角细缝，但占{farmland_zh(facts)}，不按边角细缝排除。"
        walk.say(step, text, "screening.uncovered_cultivated")
        return None
    if is_small is None or not facts.has("permanent_basic_farmland"):
        walk.missing.update(layer for layer in FARMLAND_LAYERS if not facts.has(layer))
        walk.say(step, "形状符合边角细缝，占耕地、永久基本农田多少未能核对，列为存疑。")
        return Outcome("uncertain")
    walk.missing.add("site_photo")
    text = f"面积 {area_zh(facts.area_m2)}、平均宽度 {facts.width_m:.2f} 米，形状符合 {signs} 项，"
    walk.say(step, f"{text}疑似边角细缝，须有现场照片佐证。", "screening.sliver_min_signs")
    return Outcome("other")


def _is_small_or_thin(walk: Walk) -> bool:
    facts = walk.facts
    widths = walk.numbers("screening.sliver_max_width")
    hydraulic = 2 * facts.area_m2 / facts.perimeter_m
    return (
        Decimal(facts.area_m2) <= walk.number("screening.sliver_max_area")
        or Decimal(facts.width_m) <= widths["outline"]
        or Decimal(hydraulic) <= widths["hydraulic"]
    )


def count_signs(facts: PatchFacts, limits: Mapping[str, Decimal]) -> int:
    """How many of the four signs of a thin shape the outline shows (DOMAIN §5 [F32])."""
    area, perimeter = facts.area_m2, facts.perimeter_m
    signs = (
        Decimal(facts.length_m / facts.width_m) >= limits["length_over_width"],
        Decimal(4 * pi * area / perimeter**2) <= limits["compactness"],
        Decimal(perimeter / (2 * sqrt(pi * area))) >= limits["shape_index"],
        Decimal(perimeter**2 / area) >= limits["perimeter2_over_area"],
    )
    return sum(signs)
