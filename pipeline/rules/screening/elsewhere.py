"""Papers that do not fit: approved elsewhere (批甲占乙), still applied for, for another purpose."""

from __future__ import annotations

from pipeline.rules.screening.facts import Document
from pipeline.rules.screening.permissions import Coverage, Standing, coverage_by, standing_of
from pipeline.rules.screening.reasoning import Outcome, Walk
from pipeline.rules.screening.wording import date_zh, document_zh, percent_zh

UNSETTLED_CLASSES = frozenset(
    {"suspected_violation", "part_approved", "built_before_approval", "uncertain"}
)
"""Classes in which an application or an approval beside the patch tells something."""


def purpose_outcome(walk: Walk, legal: Coverage) -> Outcome | None:
    """存疑 where what is built does not fit the approved purpose (擅自改变用途)."""
    unfit = [
        document
        for document in legal.documents(Standing.TIMELY)
        if walk.covers("screening.min_cover_ratio", _only(walk, legal, document))
        and _is_unfit(walk, document)
    ]
    if not unfit:
        return None
    kind = walk.label("change_kind", walk.facts.change_kind)
    named = "、".join(f"{document_zh(d)}批准用途为“{d.approved_use}”" for d in unfit)
    walk.flags.add("use_changed")
    walk.missing.add("actual_use")
    text = f"{named}，变化类型为{kind}，疑似擅自改变用途，须核对实际用途。"
    walk.say("approval", text, "purpose.unfit_kinds")
    return Outcome("uncertain")


def _only(walk: Walk, legal: Coverage, document: Document) -> Coverage:
    """The coverage by one document alone."""
    standings = tuple(
        standing_of(document, walk.window)
        if document.feature_id in piece.documents.get(document.layer, ())
        else Standing.NONE
        for piece in walk.facts.pieces
    )
    return Coverage(walk.facts, legal.layers, standings)


def _is_unfit(walk: Walk, document: Document) -> bool:
    if document.approved_use is None:
        return False
    return any(
        word in document.approved_use and walk.facts.change_kind in kinds
        for word, kinds in walk.lists("purpose.unfit_kinds").items()
    )


def add_elsewhere_prompts(walk: Walk, suspected_class: str) -> None:
    """Say which application is pending on the place, and which approval lies unused beside it."""
    if suspected_class not in UNSETTLED_CLASSES:
        return
    _applications(walk)
    if suspected_class == "suspected_violation" and walk.facts.may_be_construction:
        _nearby_approvals(walk)


def _applications(walk: Walk) -> None:
    """边报边用: applied for until the after date; 未报即用: only later."""
    facts = walk.facts
    coverage = coverage_by(facts, ("applications",), walk.window)
    if not walk.covers("screening.min_cover_ratio", coverage):
        return
    for document in coverage.documents():
        applied, after = document.decided_date, facts.after_date
        if applied is None or after is None:
            walk.missing.add("document_date")
            walk.say("context", f"{document_zh(document)}的报批日期或后时相不详，先后无法比较。")
        elif applied <= after:
            text = f"{document_zh(document)}尚未批准，后时相 {after} 时已动工，疑似边报边用。"
            walk.prompt("context", "used_while_applying", text)
        else:
            text = f"{document_zh(document)}晚于后时相 {date_zh(after)}，疑似未报即用。"
            walk.prompt("context", "used_before_applying", text)


def _nearby_approvals(walk: Walk) -> None:
    for near in walk.facts.nearby_approvals:
        is_known = standing_of(near.document, walk.window) <= Standing.BETWEEN
        if not (is_known and walk.meets("elsewhere.reach", near.distance_m)):
            continue
        if walk.meets("elsewhere.used_ratio", near.used_ratio):
            walk.flags.add("approved_elsewhere")
            walk.missing.add("land_procedure")
            used = percent_zh(near.used_ratio)
            text = f"{near.distance_m:.1f} 米外有{document_zh(near.document)}，"
            text += f"该地块只用了 {used}，本图斑不在批准范围内，疑似批甲占乙，须核对用地单位。"
            walk.say("context", text, "elsewhere.used_ratio")
