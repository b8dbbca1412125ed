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
from dataclasses import dataclass, field

from pipeline.rules.parameters import RuleSet
from pipeline.rules.screening.change_steps import (
    act_concern,
    change_kind_step,
    observation_step,
)
from pipeline.rules.screening.clearance import both, combined_step, uncleared_pieces
from pipeline.rules.screening.coverage_steps import (
    Settled,
    dated_step,
    note_missing_dates,
    open_outcome,
)
from pipeline.rules.screening.elsewhere import purpose_outcome
from pipeline.rules.screening.facts import (
    PatchFacts,
    Piece,
    area_of,
    is_cultivated,
    is_general_cultivated,
    is_on_pbf,
)
from pipeline.rules.screening.legal_steps import (
    closing_step,
    existing_construction_step,
    existing_is_unknown,
    legal_step,
    supply_outcome,
)
from pipeline.rules.screening.mining import mining_step
from pipeline.rules.screening.permissions import Coverage, Standing
from pipeline.rules.screening.priority import PriorityPart, weigh
from pipeline.rules.screening.prompts import add_prompts
from pipeline.rules.screening.reasoning import Outcome, Reason, Walk
from pipeline.rules.screening.routing import route
from pipeline.rules.screening.shape_steps import rural_road_step, sliver_step
from pipeline.rules.screening.special_uses import entrance_step, other_use_step, village_step
from pipeline.rules.screening.violation_kinds import find_kinds, primary_kind
from pipeline.rules.screening.wording import area_zh
from pipeline.schema.codes import CodeTable

SUSPECTED_ZH = "以上各步均没有相符的手续，列为疑似违法，须现场核实后由县局认定。"

NO_TRANSFER: Mapping[str, float] = {"pbf": 0.0, "cultivated": 0.0}
HOLDER_LAYERS = ("supply", "registration", "facility_land", "temporary_land", "other_uses")
"""Papers whose holder uses the land; a 批文 is often the government's own."""


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
    verdicts: frozenset[tuple[str, bool]] = frozenset()
    """(rule id, met or not) of every comparison with a threshold."""
    handover_department: str | None = None
    """Code of configs/codes/department.csv, if the proposal is to hand the patch over."""
    transfer_m2: Mapping[str, float] = field(default_factory=lambda: NO_TRANSFER)
    """`pbf` and `cultivated`: what counts for 移送, summed over a group of patches."""
    holders: tuple[str, ...] = ()
    """Holders of papers on the place; who uses it is for the site to say."""
    group_id: str | None = None
    """Smallest patch id of the group that it is summed with; None by itself."""

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
    proposal = route(walk, outcome, subject, kinds)
    priority_parts = weigh(walk, outcome.suspected_class)
    return Screening(
        patch_id=facts.patch_id,
        suspected_class=outcome.suspected_class,
        violation_kinds=kinds,
        primary_kind=primary,
        flags=tuple(sorted(walk.flags)),
        reasons=tuple(walk.reasons),
        missing_evidence=tuple(sorted(walk.missing)),
        handling_route=proposal.code,
        priority_parts=priority_parts,
        rule_ids=tuple(sorted(walk.used)),
        verdicts=frozenset(walk.verdicts),
        handover_department=proposal.department,
        transfer_m2=_transfer_areas(facts, subject),
        holders=_holders(facts),
    )


def _transfer_areas(facts: PatchFacts, subject: Sequence[Piece]) -> Mapping[str, float]:
    return {
        "pbf": area_of(subject, is_on_pbf) if facts.has("permanent_basic_farmland") else 0.0,
        "cultivated": area_of(subject, is_general_cultivated) if facts.has("land_use") else 0.0,
    }


def _holders(facts: PatchFacts) -> tuple[str, ...]:
    found = {
        document.holder_name
        for (layer, _), document in facts.documents.items()
        if layer in (*HOLDER_LAYERS, "applications") and document.holder_name
    }
    return tuple(sorted(found))


def _classify(walk: Walk) -> Outcome:
    decided = observation_step(walk) or change_kind_step(walk)
    if decided:
        return decided
    legal, settled = legal_step(walk)
    if settled.level is Standing.TIMELY and not settled.is_rest_unknown:
        text = f"其中日期不晚于 {walk.window.cutoff} 的手续已达到上述覆盖。"
        walk.say(closing_step(walk, legal), text, "screening.cleared_until")
        _edge_photos(walk, legal)
        return purpose_outcome(walk, legal) or supply_outcome(walk)
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


def _edge_photos(walk: Walk, legal: Coverage) -> None:
    """Ask for photos of the edges that papers cleared without covering them."""
    rest, rule_id = area_of(legal.outside(Standing.TIMELY)), "screening.edge_tolerance"
    if walk.meets_area(rule_id, rest):
        walk.missing.add("site_photo")
        text = f"手续未覆盖的边角 {area_zh(rest)}，须看现场照片。"
        walk.say("part_approval", text, rule_id)


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
    is_part = settled.level is Standing.NONE and walk.covers("screening.min_cover_ratio", legal)
    if not (is_part or opened):
        return None
    if not walk.facts.has("approvals"):
        return _no_approvals(walk)
    if is_part:
        return entrance_step(walk, legal) or _part_approved(walk, legal)
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
    if not walk.meets_area("minimum.construction_area", area):
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
    for step in (rural_road_step, other_use_step, mining_step, village_step, sliver_step):
        if found := step(walk):
            return found
    return _fallback(walk)


def _fallback(walk: Walk) -> Outcome:
    """Step 8: nothing matches; suspected only if the decisive records could be looked at."""
    facts, step = walk.facts, "fallback"
    if not facts.has("approvals"):
        return _no_approvals(walk)
    if facts.change_kind == "facility" and not facts.has("facility_land"):
        walk.say(step, "变化类型为大棚及设施，未提供设施农用地备案图层，列为存疑。")
        return Outcome("uncertain")
    if facts.is_act and act_concern(walk) is None:
        walk.say(step, "是否位于耕地、永久基本农田或采矿权以外未能核对，列为存疑。")
        return Outcome("uncertain")
    if not facts.is_act and existing_is_unknown(walk):
        walk.say(step, "变化以前是否为建设用地未能核对，列为存疑。")
        return Outcome("uncertain")
    walk.say(step, SUSPECTED_ZH)
    return Outcome("suspected_violation")
