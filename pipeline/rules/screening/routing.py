"""What to do with a screened patch (处理建议): a proposal, never a decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.rules.screening.facts import Piece, area_of, is_on_pbf
from pipeline.rules.screening.reasoning import Outcome, Walk
from pipeline.units import reaches_mu

ROUTES: Mapping[str, str] = {
    "approved": "none",
    "not_construction": "none",
    "existing_construction": "collect_evidence",
    "facility": "field_check",
    "temporary": "field_check",
    "rural_road": "collect_evidence",
    "other": "collect_evidence",
    "unobserved": "reimage",
    "part_approved": "bureau_case",
    "built_before_approval": "bureau_case",
    "used_before_supply": "bureau_case",
}


def route(walk: Walk, outcome: Outcome, subject: Sequence[Piece]) -> str:
    """Code of configs/codes/handling_route.csv."""
    match outcome.suspected_class:
        case "uncertain":
            return "ask_start_date" if outcome.is_timing_open else "collect_evidence"
        case "early_warning":
            return "field_check" if _may_be_on_farmland(walk) else "watch"
        case "suspected_violation":
            return _suspected(walk, subject)
        case "approved":
            return "collect_evidence" if "supply" in walk.missing else "none"
        case settled:
            return ROUTES[settled]


def _may_be_on_farmland(walk: Walk) -> bool:
    """Whether it lies on farmland, or nobody can say that it does not."""
    facts = walk.facts
    unclassified = area_of(facts.pieces, lambda piece: piece.land_category is None)
    has_layers = facts.has("land_use") and facts.has("permanent_basic_farmland")
    areas = (facts.cultivated_m2, facts.pbf_m2, unclassified)
    return not has_layers or not all(map(walk.is_noise, areas))


def _suspected(walk: Walk, subject: Sequence[Piece]) -> str:
    """Small: the township first (方案三（六）); large or on 永久基本农田: the bureau."""
    if walk.facts.change_kind == "unknown":
        return "field_check"
    rule_id = "screening.township_handled_area"
    area = area_of(subject)
    is_large = reaches_mu(area, walk.number(rule_id))
    if not walk.is_noise(area_of(subject, is_on_pbf)):
        return "bureau_case"
    walk.near("threshold", area, rule_id, "没有手续的部分")
    return "bureau_case" if is_large else "township_stop"
