"""Screening step 0: what was seen, what kind of change it is, and whether an act concerns land."""

from __future__ import annotations

from pipeline.rules.screening.facts import area_of
from pipeline.rules.screening.mining import is_outside_mining_rights
from pipeline.rules.screening.reasoning import Outcome, Walk
from pipeline.rules.screening.wording import farmland_zh, percent_zh, share_zh


def observation_step(walk: Walk) -> Outcome | None:
    """Step 0: a patch that nobody saw change can not be judged."""
    facts = walk.facts
    least = walk.number("screening.min_observed_ratio")
    share = share_zh(facts.observed_ratio, 1, least)
    is_seen = walk.meets("screening.min_observed_ratio", facts.observed_ratio)
    if facts.source == "issued" and not is_seen:
        walk.missing.add("clear_imagery")
        text = f"下发图斑两期可观测比例 {share}，低于 {percent_zh(least)}，看不清不等于没有变化。"
        walk.say("observation", text, "screening.min_observed_ratio")
        return Outcome("unobserved")
    walk.say("observation", f"两期可观测比例 {share}。")
    return None


def change_kind_step(walk: Walk) -> Outcome | None:
    """Step 0: kinds that are no construction end here, unless they may harm farmland."""
    facts, step = walk.facts, "change_kind"
    kind = walk.label("change_kind", facts.change_kind)
    if facts.change_kind == "earthwork" and not facts.is_mining:
        walk.say(step, f"变化类型为{kind}，尚未形成建设，列入早期预警，不计入建设。")
        return Outcome("early_warning")
    if facts.is_act:
        return _act(walk, kind)
    if facts.is_construction is False:
        walk.say(step, f"变化类型为{kind}，不是建设。")
        return Outcome("not_construction")
    if facts.change_kind == "unknown":
        walk.missing.add("change_kind")
        walk.say(step, "变化类型未定，是否建设须现场核实；按可能是建设继续核对。")
    else:
        walk.say(step, f"变化类型为{kind}，属建设，继续核对手续。")
    return None


def _act(walk: Walk, kind: str) -> Outcome | None:
    if walk.facts.is_mining and walk.facts.change_kind != "excavation":
        kind += "（矿产图斑，按采挖核对）"
    concern = act_concern(walk)
    where = f"农田上：{farmland_zh(walk.facts)}"
    if concern is False:
        text = f"变化类型为{kind}，不是建设，也不在耕地、永久基本农田上。"
        walk.say("change_kind", text, "screening.noise_area")
        return Outcome("not_construction")
    if concern is None:
        _ask_for_layers(walk)
        text = f"变化类型为{kind}，地类、永久基本农田或采矿权资料不全，继续核对。"
        walk.say("change_kind", text)
        return None
    if walk.is_noise(walk.facts.cultivated_m2) and walk.is_noise(walk.facts.pbf_m2):
        outside = is_outside_mining_rights(walk)
        where = "采矿权范围以外" if outside else "采矿权范围以内，采矿权不能代替用地手续"
    text = f"变化类型为{kind}，不是建设，但位于{where}，继续核对。"
    walk.say("change_kind", text, "screening.noise_area")
    return None


def act_concern(walk: Walk) -> bool | None:
    """Whether an act touches farmland, or is mining; None if that is not known.

    Mining inside a valid right goes on too: the right does not stand for the use of the land.
    """
    facts = walk.facts
    if not walk.is_noise(facts.cultivated_m2) or not walk.is_noise(facts.pbf_m2):
        return True
    if facts.is_mining:
        return None if is_outside_mining_rights(walk) is None else True
    unclassified = area_of(facts.pieces, lambda piece: piece.land_category is None)
    has_layers = facts.has("land_use") and facts.has("permanent_basic_farmland")
    return False if has_layers and walk.is_noise(unclassified) else None


def _ask_for_layers(walk: Walk) -> None:
    facts = walk.facts
    if any(piece.land_category is None for piece in facts.pieces):
        walk.missing.add("land_use")
    if not facts.has("permanent_basic_farmland"):
        walk.missing.add("permanent_basic_farmland")
    if facts.is_mining and is_outside_mining_rights(walk) is None:
        walk.missing.add("mining_right")
