"""Screening steps that rest on shape: rural roads (农村道路) and slivers (边角细缝)."""

from __future__ import annotations

from decimal import Decimal
from math import pi, sqrt

from pipeline.rules.screening.facts import PatchFacts
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
    if not walk.meets("screening.road_elongation", slenderness):
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
    for rule, verdict in ((narrow, ("小于", "不小于")), (wide, ("大于", "不大于"))):
        limit = rule.number()
        is_outside = not walk.meets(rule.parameter.id, width)
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
    if not walk.meets("screening.parcel_adjoin_ratio", ratio):
        return False
    shown = f"外缘的 {share_zh(ratio, 1, limit)} 与已批地块相接，达到 {percent_zh(limit)}"
    walk.say("rural_road", f"{shown}，按边角细缝核对。", "screening.parcel_adjoin_ratio")
    return True


def _is_sliver(walk: Walk) -> bool:
    return _is_small_or_thin(walk) and walk.meets("screening.sliver_min_signs", count_signs(walk))


def _beside_highway(walk: Walk) -> Outcome | None:
    facts, step = walk.facts, "rural_road"
    if facts.highway_ratio is None:
        walk.missing.update(("road_network", "road_width_photo"))
        walk.say(step, "未提供道路图层，是否属国道、省道未能核对，列为存疑。")
        return Outcome("uncertain")
    limit = walk.number("screening.highway_overlap_ratio")
    shown = f"位于国道、省道两侧的面积占 {share_zh(facts.highway_ratio, 1, limit)}"
    if walk.meets("screening.highway_overlap_ratio", facts.highway_ratio):
        text = f"{shown}，达到 {percent_zh(limit)}，按国道、省道处理，不列为农村道路。"
        walk.say(step, text, "screening.highway_overlap_ratio")
        return None
    text = f"{shown}，未达到 {percent_zh(limit)}，疑似农村道路，须有带方位角的照片佐证。"
    walk.missing.add("road_width_photo")
    walk.say(step, text, "screening.highway_overlap_ratio")
    return Outcome("rural_road")


def sliver_step(walk: Walk) -> Outcome | None:
    """A leftover strip (边角细缝): small or thin, of a thin shape, and hardly any farmland."""
    facts, step = walk.facts, "other"
    if facts.change_kind not in SLIVER_KINDS or not _is_small_or_thin(walk):
        return None
    signs, least = count_signs(walk), walk.number("screening.sliver_min_signs")
    if not walk.meets("screening.sliver_min_signs", signs):
        text = f"面积或宽度很小，细长形状只符合 {signs} 项，不足 {number_zh(least)} 项，不是细缝。"
        walk.say(step, text, "screening.sliver_min_signs")
        return None
    is_small = walk.is_small_rest(facts.pieces)
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
    facts, rule_id = walk.facts, "screening.sliver_max_width"
    limits, within = walk.numbers(rule_id), walk.rule(rule_id).compare
    widths = {"outline": facts.width_m, "hydraulic": 2 * facts.area_m2 / facts.perimeter_m}
    is_thin = any(within(Decimal(width), limits[name]) for name, width in widths.items())
    return walk.meets_area("screening.sliver_max_area", facts.area_m2) or walk.noted(
        rule_id, is_thin
    )


def count_signs(walk: Walk) -> int:
    """How many of the four signs of a thin shape the outline shows (DOMAIN §5 [F32])."""
    return sum(walk.meets(rule_id, value) for rule_id, value in thin_shape(walk.facts).items())


def thin_shape(facts: PatchFacts) -> dict[str, float]:
    """Rule of each sign → the outline's value."""
    area, perimeter = facts.area_m2, facts.perimeter_m
    return {
        "screening.sliver_length_over_width": facts.length_m / facts.width_m,
        "screening.sliver_compactness": 4 * pi * area / perimeter**2,
        "screening.sliver_shape_index": perimeter / (2 * sqrt(pi * area)),
        "screening.sliver_perimeter2_over_area": perimeter**2 / area,
    }
