"""What documents of several steps clear together, and which pieces are left without any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.rules.screening.coverage_steps import may_clear
from pipeline.rules.screening.facts import Piece, area_of, is_existing
from pipeline.rules.screening.other_uses import other_use_coverage
from pipeline.rules.screening.permissions import (
    LEGAL_LAYERS,
    Standing,
    coverage_by,
    standing_together,
)
from pipeline.rules.screening.reasoning import Outcome, Walk
from pipeline.rules.screening.wording import area_zh, percent_zh


def combined_step(walk: Walk) -> Outcome | None:
    """Whole coverage by timely documents of several steps and existing construction land."""
    facts = walk.facts
    cleared = cleared_by(walk)
    total = area_of(piece for pieces in cleared.values() for piece in pieces)
    if not walk.meets_share("screening.full_cover_ratio", total, facts.area_m2):
        return None
    if not walk.is_small_rest(uncleared_pieces(walk, cleared)):
        return None
    if not any(pieces for name, pieces in cleared.items() if name != "other"):
        return None
    least = "screening.min_cover_ratio"
    shares = {name: area_of(pieces) for name, pieces in cleared.items()}
    found = [name for name, area in shares.items() if walk.meets_share(least, area, facts.area_m2)]
    if not found:
        return None
    named = "、".join(
        f"{walk.label('suspected_class', name)} {percent_zh(shares[name], facts.area_m2)}"
        for name in found
    )
    text = f"各类手续和存量建设用地合计覆盖 {percent_zh(total, facts.area_m2)}：{named}。"
    walk.say("combined", text, "screening.full_cover_ratio")
    if facts.has("supply"):
        titled = coverage_by(facts, ("supply", "registration"), walk.window)
        untitled = both(cleared["approved"], titled.outside(Standing.TIMELY))
        if walk.meets_share(least, area_of(untitled), facts.area_m2):
            walk.missing.add("supply")
            text = f"其中有批文而未见供地或登记的 {area_zh(area_of(untitled))}，疑似未供即用。"
            walk.say("combined", text, least)
            return Outcome("used_before_supply")
    walk.say("combined", "按其中手续最弱的一类列示，须核实。")
    return Outcome(found[-1])


def cleared_by(walk: Walk) -> dict[str, list[Piece]]:
    """Class → pieces it clears, each piece once, the strongest title first."""
    facts, window = walk.facts, walk.window
    groups: dict[str, list[Piece]] = {
        "approved": [],
        "existing_construction": [],
        "facility": [],
        "temporary": [],
        "other": [],
    }
    recognised = other_use_coverage(walk)
    others = set() if recognised is None else {id(p) for p in recognised.pieces(Standing.TIMELY)}

    def is_timely(piece: Piece, layers: tuple[str, ...]) -> bool:
        documents = facts.documents_on(piece, layers)
        return standing_together(documents, window) is Standing.TIMELY

    for piece in facts.pieces:
        if is_timely(piece, LEGAL_LAYERS):
            groups["approved"].append(piece)
        elif is_existing(piece) and not facts.is_act:
            groups["existing_construction"].append(piece)
        elif may_clear(walk, "facility_land") and is_timely(piece, ("facility_land",)):
            groups["facility"].append(piece)
        elif may_clear(walk, "temporary_land") and is_timely(piece, ("temporary_land",)):
            groups["temporary"].append(piece)
        elif id(piece) in others:
            groups["other"].append(piece)
    return groups


def uncleared_pieces(
    walk: Walk, cleared: Mapping[str, Sequence[Piece]] | None = None
) -> tuple[Piece, ...]:
    """Pieces that neither timely documents nor existing construction land explain."""
    groups = cleared_by(walk) if cleared is None else cleared
    explained = {id(piece) for pieces in groups.values() for piece in pieces}
    return tuple(piece for piece in walk.facts.pieces if id(piece) not in explained)


def both(some: Sequence[Piece], others: Sequence[Piece]) -> tuple[Piece, ...]:
    """Pieces in both lists; by identity, because two pieces may look alike."""
    known = {id(piece) for piece in others}
    return tuple(piece for piece in some if id(piece) in known)
