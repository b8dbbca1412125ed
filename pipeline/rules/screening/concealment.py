"""Signs of concealment (瞒报): said to be demolished, facility or temporary land, and is not."""

from __future__ import annotations

import datetime

from pipeline.rules.books.clocks import add_months
from pipeline.rules.screening.facts import Document, PriorResult
from pipeline.rules.screening.permissions import ONE_DAY, coverage_by, effective_date
from pipeline.rules.screening.reasoning import Walk
from pipeline.rules.screening.wording import number_zh, percent_zh

CLAIM_RULE = "concealment.claims"
LAYER_OF_CLAIM = {"facility": "facility_land", "temporary": "temporary_land"}
CLAIM_ZH = {"facility": "设施农用地", "temporary": "临时用地"}
MONTHS_PER_YEAR = 12


def add_concealment_prompts(walk: Walk, suspected_class: str) -> None:
    """Compare what was said of the place before with what is there now."""
    if walk.facts.may_be_construction and suspected_class != "not_construction":
        for prior in walk.facts.prior_results:
            if prior.is_same_id or walk.meets("screening.min_cover_ratio", prior.cover_ratio):
                _claims(walk, prior)
    _overlong(walk)


def _claims(walk: Walk, prior: PriorResult) -> None:
    for claim, words in walk.lists(CLAIM_RULE).items():
        if not any(word in prior.result for word in words):
            continue
        if claim == "demolished":
            walk.flags.add("claimed_demolished")
            text = f"以往判定“{prior.result}”，本期仍是建设，须核对是否虚报拆除。"
            walk.say("context", text, CLAIM_RULE)
            continue
        layer = LAYER_OF_CLAIM[claim]
        coverage = coverage_by(walk.facts, (layer,), walk.window)
        if walk.facts.has(layer) and not walk.covers("screening.min_cover_ratio", coverage):
            walk.flags.add("claimed_without_record")
            share = percent_zh(coverage.area_m2(), walk.facts.area_m2)
            text = f"以往判定“{prior.result}”，{CLAIM_ZH[claim]}只覆盖 {share}，没有相符的记录。"
            walk.say("context", f"{text}须核对是否以此瞒报。", CLAIM_RULE)


def _overlong(walk: Walk) -> None:
    """Temporary permissions that follow each other for longer than the law allows."""
    documents = coverage_by(walk.facts, ("temporary_land",), walk.window).documents()
    rule = walk.rule_if_in_force("temporary.max_years") if documents else None
    if rule is None:
        return
    months = int(rule.number()) * MONTHS_PER_YEAR
    for first, last in _spans(documents):
        allowed = add_months(first, months) - ONE_DAY
        if not walk.noted(rule.parameter.id, rule.compare(last, allowed)):
            years = number_zh(rule.number())
            walk.flags.add("temporary_overlong")
            text = f"临时用地自 {first} 连续批至 {last}，超过 {years} 年，须核对批准依据。"
            walk.say("context", text, rule.parameter.id)


def _spans(documents: tuple[Document, ...]) -> list[tuple[datetime.date, datetime.date]]:
    """First and last days of permissions that follow each other without a gap."""
    dated = sorted(
        (effective, document.valid_to_date)
        for document in documents
        if (effective := effective_date(document)) and document.valid_to_date
    )
    spans: list[tuple[datetime.date, datetime.date]] = []
    for first, last in dated:
        if spans and first <= spans[-1][1] + ONE_DAY:
            spans[-1] = spans[-1][0], max(spans[-1][1], last)
        else:
            spans.append((first, last))
    return spans
