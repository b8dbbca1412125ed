"""Recognised other uses (其他用地认定) and how long each of them explains a change."""

from __future__ import annotations

from pipeline.errors import RuleError
from pipeline.rules.books.clocks import add_months
from pipeline.rules.parameters import RuleInForce
from pipeline.rules.screening.facts import Document
from pipeline.rules.screening.permissions import Coverage, Standing, standing_of
from pipeline.rules.screening.reasoning import Walk

URGENT = "urgent"
COMPLETION_RULE = "urgent.completion_months"


def other_use_coverage(walk: Walk) -> Coverage | None:
    """How recognised uses cover the patch; None if that layer was not supplied."""
    facts, layers = walk.facts, ("other_uses",)
    if not facts.has("other_uses"):
        return None
    standings = tuple(
        min(
            (_standing(walk, document) for document in facts.documents_on(piece, layers)),
            default=Standing.NONE,
        )
        for piece in facts.pieces
    )
    return Coverage(facts, layers, standings)


def urgent_rule(walk: Walk, document: Document) -> RuleInForce | None:
    """The time for regularising 紧急用地, in force on the day the emergency ended."""
    if document.use_kind != URGENT or document.valid_to_date is None:
        return None
    try:
        found = walk.rules.at(COMPLETION_RULE, document.valid_to_date)
    except RuleError as refused:
        if any(finding.code != "E-RULE-DATE" for finding in refused.findings):
            raise
        return None
    walk.used.add(COMPLETION_RULE)
    return found


def _standing(walk: Walk, document: Document) -> Standing:
    """Urgent uses may begin before any paper; all others must be recognised in time."""
    after = walk.facts.after_date
    if document.use_kind != URGENT:
        standing = standing_of(document, walk.window)
        last = document.valid_to_date
        is_over = last is not None and after is not None and last < after
        return Standing.EXPIRED if is_over and standing < Standing.EXPIRED else standing
    if after is None:
        return Standing.UNDATED
    rule = urgent_rule(walk, document)
    if rule is None or document.valid_to_date is None:
        return Standing.TIMELY
    last_day = add_months(document.valid_to_date, int(rule.number()))
    return Standing.TIMELY if rule.compare(after, last_day) else Standing.EXPIRED
