"""Which patch goes first (additive, every addend named) and until when an answer is due."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from pipeline.rules.parameters import RuleSet
from pipeline.rules.screening.reasoning import Walk

SETTLED_CLASSES = frozenset({"approved", "not_construction"})
"""Classes for which nothing but the class itself and the issuer counts."""
DEADLINE_RULE = "deadline.verification_days"
CLASS_RULE, PARTS_RULE = "screening.priority_class", "screening.priority_weights"
WEIGHT_RULES = (CLASS_RULE, PARTS_RULE)
FLAG_WEIGHTS: Mapping[str, str] = {
    "on_pbf": "pbf",
    "on_redline": "redline",
    "on_reserve": "reserve",
}
"""Flag → weight of `screening.priority_weights`."""


@dataclass(frozen=True)
class PriorityPart:
    """One addend of the priority."""

    code: str
    label: str
    points: int


def weigh(walk: Walk, suspected_class: str) -> tuple[PriorityPart, ...]:
    """The addends that are not zero, the class first."""
    classes = _points(walk, CLASS_RULE)
    weights = _points(walk, PARTS_RULE)
    found = {"class": classes[suspected_class]}
    if walk.facts.source in ("issued", "both"):
        found["issued"] = weights["issued"]
    if suspected_class not in SETTLED_CLASSES:
        for flag, code in FLAG_WEIGHTS.items():
            if flag in walk.flags:
                found[code] = weights[code]
        if walk.flags & {"transfer_pbf", "transfer_cultivated"}:
            found["transfer"] = weights["transfer"]
        found["cultivated"] = min(
            _whole_mu(walk.facts.cultivated_m2) * weights["cultivated_per_mu"],
            weights["cultivated_max"],
        )
        if walk.facts.patrol_grade == "1":
            found["first_grade"] = weights["first_grade"]
    return tuple(
        PriorityPart(code, walk.label("priority_part", code), points)
        for code, points in found.items()
        if points or code == "class"
    )


def due_date(issued_on: datetime.date | None, rules: RuleSet) -> datetime.date | None:
    """Last day for the answer: start day excluded, calendar days; None while not sent out."""
    if issued_on is None:
        return None
    days = rules.at(DEADLINE_RULE, issued_on).number()
    return issued_on + datetime.timedelta(days=int(days))


def _points(walk: Walk, rule_id: str) -> dict[str, int]:
    return {code: int(points) for code, points in walk.numbers(rule_id).items()}


def _whole_mu(area_m2: float) -> int:
    return int((3 * Decimal(area_m2) / 2000).to_integral_value(rounding=ROUND_FLOOR))
