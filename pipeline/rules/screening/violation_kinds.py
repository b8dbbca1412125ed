"""The seven kinds (七种情形, DOMAIN §6.6) that a patch may show: several at once, one comes first.

A kind is asserted only where its layers were supplied; overlaps within the noise do not count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipeline.rules.screening.coverage_steps import note_missing_dates
from pipeline.rules.screening.facts import (
    Piece,
    area_of,
    is_cultivated,
    is_existing,
    is_general_cultivated,
    is_on_pbf,
)
from pipeline.rules.screening.permissions import Standing, Window, standing_together
from pipeline.rules.screening.reasoning import Walk
from pipeline.rules.screening.wording import area_zh

PROBLEM_CLASSES = frozenset(
    {
        "suspected_violation",
        "part_approved",
        "built_before_approval",
        "used_before_supply",
        "uncertain",
    }
)
"""Classes that are or may be a problem: only these get kinds and 移送 prompts."""

STEP = "violation_kind"
UNLISTED_ACTS = frozenset({"hardened", "road", "photovoltaic", "waste"})
"""Kinds that the text of 情形3 does not name: the reason says that the site must decide."""


def find_kinds(walk: Walk, suspected_class: str, subject: Sequence[Piece]) -> tuple[str, ...]:
    """Codes of the kinds shown by the pieces that no document clears, in the order of the list."""
    if suspected_class not in PROBLEM_CLASSES:
        return ()
    planning = subject if suspected_class == "part_approved" else walk.facts.pieces
    checks: dict[str, Callable[[], bool]] = {
        "1": lambda: _unapproved(walk, subject),
        "2": lambda: _building_on_temporary(walk, subject),
        "3": lambda: _on_cultivated(walk, subject),
        "4": lambda: _on_pbf(walk, subject),
        "5": lambda: _mining(walk),
        "6": lambda: _without_permit(walk, "6", "urban", planning),
        "7": lambda: _without_permit(walk, "7", "rural", planning),
    }
    return tuple(code for code, is_shown in checks.items() if is_shown())


def primary_kind(walk: Walk, kinds: Sequence[str]) -> str | None:
    """The kind that comes first by the rule; None without any."""
    order = walk.listed("screening.primary_kind_order")
    first = next((code for code in order if code in kinds), None)
    if first is not None and len(kinds) > 1:
        text = f"涉及 {len(kinds)} 种情形，以情形 {first} 为主要情形。"
        walk.say(STEP, text, "screening.primary_kind_order")
    return first


def _assert(walk: Walk, code: str, area_m2: float, note: str = "") -> bool:
    """Write down a kind with the text of the document it is from."""
    quoted = walk.attribute("violation_kind", code, "text_zh")
    label = walk.label("violation_kind", code)
    verb = "可能" if walk.is_open else "疑似"
    text = f"{verb}涉及情形 {code}（{label}）：{area_zh(area_m2)}{note}。"
    reference = walk.attribute("violation_kind", code, "reference_zh")
    walk.cite(STEP, text + (f"原文：{quoted}。" if quoted else ""), reference)
    return True


def _unapproved(walk: Walk, subject: Sequence[Piece]) -> bool:
    if not walk.facts.may_be_construction:
        return False
    area = area_of(subject, lambda piece: not is_existing(piece))
    return not walk.is_noise(area) and _assert(walk, "1", area)


def _building_on_temporary(walk: Walk, subject: Sequence[Piece]) -> bool:
    if "temporary_permanent_building" not in walk.flags:
        return False
    area = area_of(subject, lambda piece: bool(piece.documents.get("temporary_land")))
    return not walk.is_noise(area) and _assert(walk, "2", area)


def _on_cultivated(walk: Walk, subject: Sequence[Piece]) -> bool:
    if not walk.facts.has("land_use"):
        walk.missing.add("land_use")
        walk.say(STEP, "未提供地类图斑图层，是否涉及情形 3 未能核对。")
        return False
    listed = walk.listed("screening.cultivated_act_kinds")
    area = area_of(subject, is_general_cultivated)
    kind = "excavation" if walk.facts.is_mining else walk.facts.change_kind
    if walk.is_noise(area) or kind not in listed:
        return False
    note = ""
    if kind in UNLISTED_ACTS:
        note = f"；变化类型为{walk.label('change_kind', kind)}，是否属原文所列行为须现场核实"
    return _assert(walk, "3", area, note)


def _on_pbf(walk: Walk, subject: Sequence[Piece]) -> bool:
    if not walk.facts.has("permanent_basic_farmland"):
        if area_of(subject, is_cultivated) > 0.0 or not walk.facts.has("land_use"):
            walk.missing.add("permanent_basic_farmland")
            walk.say(STEP, "未提供永久基本农田图层，是否涉及情形 4 未能核对。")
        return False
    area = area_of(subject, is_on_pbf)
    return not walk.is_noise(area) and _assert(walk, "4", area)


def _mining(walk: Walk) -> bool:
    if not walk.facts.is_mining:
        return False
    if not walk.facts.has("mining_rights"):
        walk.missing.add("mining_right")
        walk.say(STEP, "未提供采矿权图层，是否涉及情形 5 未能核对。")
        return False
    window = walk.window
    outside = [
        piece
        for piece in walk.facts.pieces
        if _standing(walk, piece, "mining_rights", window) >= Standing.EXPIRED
    ]
    area = area_of(outside)
    return not walk.is_noise(area) and _assert(walk, "5", area)


def _standing(walk: Walk, piece: Piece, layer: str, window: Window) -> Standing:
    return standing_together(walk.facts.documents_on(piece, (layer,)), window)


def _without_permit(walk: Walk, code: str, permit_kind: str, pieces: Sequence[Piece]) -> bool:
    """Construction in the planning area (6) or the village (7) without that planning permit."""
    if not walk.facts.may_be_construction:
        return False
    inside = _inside(walk, code, pieces)
    if inside is None:
        walk.missing.add("planning_area")
        return False
    if walk.is_noise(area_of(inside)):
        return False
    if not walk.facts.has("permits"):
        walk.missing.add("planning_permit")
        walk.say(STEP, f"未提供规划许可图层，是否涉及情形 {code} 未能核对。")
        return False
    lacking = [p for p in inside if _permit_standing(walk, p, permit_kind) >= Standing.EXPIRED]
    unclear = [
        p
        for p in inside
        if _permit_standing(walk, p, permit_kind) in (Standing.BETWEEN, Standing.UNDATED)
    ]
    if not walk.is_noise(area_of(unclear)):
        found = [d for p in unclear for d in walk.facts.documents_on(p, ("permits",))]
        note_missing_dates(walk, tuple(found))
        walk.missing.add("planning_permit")
        walk.say(STEP, f"规划许可与动工的先后不明，是否涉及情形 {code} 未能核对。")
    area = area_of(lacking)
    return not walk.is_noise(area) and _assert(walk, code, area)


def _permit_standing(walk: Walk, piece: Piece, permit_kind: str) -> Standing:
    permits = walk.facts.documents_on(piece, ("permits",))
    return standing_together([p for p in permits if p.permit_kind == permit_kind], walk.window)


def _inside(walk: Walk, code: str, pieces: Sequence[Piece]) -> list[Piece] | None:
    """Pieces in the town's planning area or, outside it, in a village; None if not known."""
    has = walk.facts.has
    if code == "7":
        if not has("settlements"):
            return None
        return [p for p in pieces if p.is_settlement and not _is_town(walk, p)]
    if not has("urban_boundary") and not has("planning_zones"):
        return None
    return [p for p in pieces if _is_town(walk, p)]


def _is_town(walk: Walk, piece: Piece) -> bool:
    if walk.facts.has("urban_boundary"):
        return piece.is_urban
    return piece.plan_zone_code in walk.listed("screening.town_zone_codes")
