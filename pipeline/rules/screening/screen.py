"""合规初判: the ordered steps that give a patch its suspected class, every reason written down.

The order is DESIGN §5: 0 observed and kind, 1 批文, 2 供地, 3 登记, (存量建设用地),
4 设施农用地, 5 临时用地, 6 农村道路, 7 其他, 8 fallback. A step with documents in force at the
time that cover the patch whole decides at once. What a step leaves open is weighed only after
step 5, because timely documents of a later step may still clear the patch: first all documents
together, then an order in time that is not known (存疑), then partial coverage (少批多占), then
expired, misused or late documents. A patch is a clue: the program suspects and names what is
missing, nothing more.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.rules.parameters import RuleSet
from pipeline.rules.screening.clearance import both, combined_step, uncleared_pieces
from pipeline.rules.screening.coverage_steps import (
    Settled,
    dated_step,
    note_missing_dates,
    open_outcome,
)
from pipeline.rules.screening.facts import ACTS, PatchFacts, area_of, is_cultivated
from pipeline.rules.screening.legal_steps import (
    closing_step,
    existing_construction_step,
    existing_is_unknown,
    legal_step,
    supply_outcome,
)
from pipeline.rules.screening.permissions import Coverage, Standing
from pipeline.rules.screening.priority import PriorityPart, weigh
from pipeline.rules.screening.prompts import add_prompts
from pipeline.rules.screening.reasoning import Outcome, Reason, Walk
from pipeline.rules.screening.routing import route
from pipeline.rules.screening.shape_steps import (
    is_outside_mining_rights,
    other_step,
    rural_road_step,
)
from pipeline.rules.screening.violation_kinds import find_kinds, primary_kind
from pipeline.rules.screening.wording import area_zh, farmland_zh, percent_zh, share_zh
from pipeline.schema.codes import CodeTable

SUSPECTED_ZH = "以上各步均没有相符的手续，列为疑似违法，须现场核实后由县局认定。"


@dataclass(frozen=True)
class Screening:
    """What the program suspects of one patch, and why; lists of codes are in a fixed order."""

    patch_id: str
    suspected_class: str
    violation_kinds: tuple[str, ...]
    primary_kind: str | None
    flags: tuple[str, ...]
    reasons: tuple[Reason, ...]
    missing_evidence: tuple[str, ...]
    handling_route: str
    priority_parts: tuple[PriorityPart, ...]
    rule_ids: tuple[str, ...]
    """Every rule looked up, whether or not a reason names it."""

    @property
    def priority(self) -> int:
        """Sum of the parts; higher goes first."""
        return sum(part.points for part in self.priority_parts)

    @property
    def sentences(self) -> list[str]:
        """The reasons as numbered sentences with what they rest on."""
        return [
            f"{number}. {reason.text_zh}"
            + (f"（依据：{reason.reference_zh}）" if reason.reference_zh else "")
            for number, reason in enumerate(self.reasons, start=1)
        ]


def screen_patch(
    facts: PatchFacts,
    rules: RuleSet,
    on: datetime.date,
    codes: Mapping[str, CodeTable] | None = None,
) -> Screening:
    """Screen one patch by the rules in force on `on` (its after date, where known).

    `codes` are the code tables by name, for the Chinese labels in the reasons. `RuleError` if a
    rule that is needed is missing or not in force; only the widths of rural roads may be.
    """
    walk = Walk(facts, rules, on, codes or {})
    outcome = _classify(walk)
    walk.is_open = outcome.suspected_class == "uncertain"
    subject = uncleared_pieces(walk)
    kinds = find_kinds(walk, outcome.suspected_class, subject)
    primary = primary_kind(walk, kinds)
    add_prompts(walk, outcome.suspected_class, subject)
    handling_route = route(walk, outcome, subject)
    priority_parts = weigh(walk, outcome.suspected_class)
    return Screening(
        patch_id=facts.patch_id,
        suspected_class=outcome.suspected_class,
        violation_kinds=kinds,
        primary_kind=primary,
        flags=tuple(sorted(walk.flags)),
        reasons=tuple(walk.reasons),
        missing_evidence=tuple(sorted(walk.missing)),
        handling_route=handling_route,
        priority_parts=priority_parts,
        rule_ids=tuple(sorted(walk.used)),
    )


def _classify(walk: Walk) -> Outcome:
    decided = _observation(walk) or _kind(walk)
    if decided:
        return decided
    legal, settled = legal_step(walk)
    if settled.level is Standing.TIMELY and not settled.is_rest_unknown:
        text = f"其中日期不晚于 {walk.window.cutoff} 的手续已达到上述覆盖。"
        walk.say(closing_step(walk, legal), text, "screening.cleared_until")
        return supply_outcome(walk)
    existing = existing_construction_step(walk)
    if existing:
        return existing
    dated = []
    for layer in ("facility_land", "temporary_land"):
        found = dated_step(walk, layer)
        if found and found.suspected_class in ("facility", "temporary"):
            return found
        dated += [found] if found else []
    return _weigh_open(walk, legal, settled, dated) or _last_steps(walk)


def _observation(walk: Walk) -> Outcome | None:
    """Step 0: a patch that nobody saw change can not be judged."""
    facts = walk.facts
    least = walk.number("screening.min_observed_ratio")
    share = share_zh(facts.observed_ratio, 1, least)
    if facts.source == "issued" and facts.observed_ratio < least:
        walk.missing.add("clear_imagery")
        text = f"下发图斑两期可观测比例 {share}，低于 {percent_zh(least)}，看不清不等于没有变化。"
        walk.say("observation", text, "screening.min_observed_ratio")
        return Outcome("unobserved")
    walk.say("observation", f"两期可观测比例 {share}。")
    return None


def _kind(walk: Walk) -> Outcome | None:
    """Step 0: kinds that are no construction end here, unless they may harm farmland."""
    facts, step = walk.facts, "change_kind"
    kind = walk.label("change_kind", facts.change_kind)
    if facts.change_kind == "earthwork":
        walk.say(step, f"变化类型为{kind}，尚未形成建设，列入早期预警，不计入建设。")
        return Outcome("early_warning")
    if facts.change_kind in ACTS:
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
    concern = _act_concern(walk)
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


def _act_concern(walk: Walk) -> bool | None:
    """Whether an act touches farmland, or is mining; None if that is not known.

    Mining inside a valid right goes on too: the right does not stand for the use of the land.
    """
    facts = walk.facts
    if not walk.is_noise(facts.cultivated_m2) or not walk.is_noise(facts.pbf_m2):
        return True
    if facts.change_kind == "excavation":
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
    if facts.change_kind == "excavation" and is_outside_mining_rights(walk) is None:
        walk.missing.add("mining_right")


def _weigh_open(
    walk: Walk, legal: Coverage, settled: Settled, dated: Sequence[Outcome]
) -> Outcome | None:
    """After step 5: what all documents together, or the outcomes left open, amount to."""
    together = combined_step(walk)
    if together:
        return together
    of_legal = open_outcome(walk, closing_step(walk, legal), legal, settled)
    opened = [of_legal, *dated] if of_legal else list(dated)
    uncertain = [o for o in opened if o.suspected_class == "uncertain"]
    if uncertain:
        return min(uncertain, key=lambda outcome: not outcome.is_timing_open)
    least = walk.number("screening.min_cover_ratio")
    is_part = settled.level is Standing.NONE and legal.reaches(least)
    if not (is_part or opened):
        return None
    if not walk.facts.has("approvals"):
        return _no_approvals(walk)
    if is_part:
        return _part_approved(walk, legal)
    if opened[0].suspected_class == "suspected_violation":
        walk.say("fallback", SUSPECTED_ZH)
    return opened[0]


def _part_approved(walk: Walk, legal: Coverage) -> Outcome:
    """少批多占: name the uncovered area, its cultivated land, and what else explains it."""
    step = "part_approval"
    if None in (walk.facts.before_date, walk.facts.after_date):
        note_missing_dates(walk, ())
        walk.say(step, "手续只覆盖一部分，影像时相不详，先后无法比较，列为存疑。")
        return Outcome("uncertain")
    rest = legal.outside(Standing.LATE)
    area, cultivated = area_of(rest), area_of(rest, is_cultivated)
    known = f"其中耕地 {area_zh(cultivated)}" if walk.facts.has("land_use") else "其中耕地未能核对"
    text = f"批文、供地、登记只覆盖一部分，未覆盖 {area_zh(area)}，{known}，疑似少批多占。"
    walk.say(step, text, "screening.min_cover_ratio")
    for level, evidence, what in (
        (Standing.BETWEEN, "start_date", "日期在两期影像之间，须核实动工时间"),
        (Standing.UNDATED, "document_date", "日期不详，须补充"),
        (Standing.LATE, "approval", "日期晚于后时相，疑似先建后批"),
    ):
        part = area_of(piece for piece, standing in legal.rated() if standing is level)
        if part > 0.0:
            walk.missing.add(evidence)
            walk.say(step, f"已覆盖部分中 {area_zh(part)} 的手续{what}。")
    explained = area - area_of(both(rest, uncleared_pieces(walk)))
    if not walk.is_noise(explained):
        text = f"未覆盖部分中，{area_zh(explained)}为存量建设用地，或有设施农用地、临时用地手续。"
        walk.say(step, text)
    if area < walk.number("minimum.construction_area"):
        walk.flags.add("small_remainder")
        text = f"未覆盖部分 {area_zh(area)} 小于最小上图面积，多为边角，须有现场照片。"
        walk.say(step, text, "minimum.construction_area")
    return Outcome("part_approved")


def _no_approvals(walk: Walk) -> Outcome:
    """What looks like a problem is open as long as a 批文 may clear it."""
    walk.say("fallback", "未提供批文图层，不能说明没有手续，列为存疑。")
    return Outcome("uncertain")


def _last_steps(walk: Walk) -> Outcome:
    """Steps 6, 7 and 8."""
    return rural_road_step(walk) or other_step(walk) or _fallback(walk)


def _fallback(walk: Walk) -> Outcome:
    """Step 8: nothing matches; suspected only if the decisive records could be looked at."""
    facts, step = walk.facts, "fallback"
    if not facts.has("approvals"):
        return _no_approvals(walk)
    if facts.change_kind == "facility" and not facts.has("facility_land"):
        walk.say(step, "变化类型为大棚及设施，未提供设施农用地备案图层，列为存疑。")
        return Outcome("uncertain")
    if facts.change_kind in ACTS and _act_concern(walk) is None:
        walk.say(step, "是否位于耕地、永久基本农田或采矿权以外未能核对，列为存疑。")
        return Outcome("uncertain")
    if facts.change_kind not in ACTS and existing_is_unknown(walk):
        walk.say(step, "变化以前是否为建设用地未能核对，列为存疑。")
        return Outcome("uncertain")
    walk.say(step, SUSPECTED_ZH)
    return Outcome("suspected_violation")
