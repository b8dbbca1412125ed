"""Every small change of a rule: threshold, comparison, date, order, list, code, flag."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

from pipeline.rules.parameters import COMPARISONS, RuleParameter, RuleSet

ORDERED = frozenset({"screening.primary_kind_order"})
"""Lists whose order means something; of the others only the members do."""
WHOLE_UNITS = frozenset({"count", "point", "day", "working_day", "month", "year"})
STEP = Decimal("0.005")
"""Relative change of a threshold that need not be a whole number."""
DAY = datetime.timedelta(days=1)


def with_rule(rules: RuleSet, changed: RuleParameter) -> RuleSet:
    """The rules with one of them replaced."""
    return RuleSet(tuple(changed if p.id == changed.id else p for p in rules.parameters))


def mutants(rule: RuleParameter) -> Iterator[tuple[str, RuleParameter]]:
    """What was changed, and the rule with that one change."""
    for comparison in COMPARISONS:
        if rule.comparison is None or comparison == rule.comparison:
            continue
        if not is_same_on_floats(rule, comparison):
            told = f"comparison {rule.comparison} → {comparison}"
            yield told, rule.model_copy(update={"comparison": comparison})
    for since in rule.values:
        for shift in (-DAY, DAY):
            values = {s + shift if s == since else s: v for s, v in rule.values.items()}
            yield f"{since} → {since + shift}", rule.model_copy(update={"values": values})
        for told, value in changed_values(rule.values[since].value, rule):
            dated = rule.values[since].model_copy(update={"value": value})
            values = dict(rule.values) | {since: dated}
            yield f"{since}: {told}", rule.model_copy(update={"values": values})


def is_same_on_floats(rule: RuleParameter, comparison: str) -> bool:
    """Whether two comparisons agree on every area: no double is exactly the threshold.

    5 亩 are 10000/3 m², which no double is, so `>=` and `>` can not differ. Shares of such areas
    are compared in the same way, but their parts can be chosen so that they are exact.
    """
    if rule.unit != "mu" or {rule.comparison, comparison} not in ({">=", ">"}, {"<=", "<"}):
        return False
    exact = [Fraction(dated.value) * 2000 / 3 for dated in rule.values.values()]
    return all(Fraction(float(area)) != area for area in exact)


def changed_values(value: Any, rule: RuleParameter) -> Iterator[tuple[str, Any]]:
    if isinstance(value, bool):
        yield f"{value} → {not value}", not value
    elif isinstance(value, Decimal):
        step = Decimal(1) if rule.unit in WHOLE_UNITS or not value else value * STEP
        steps = (step,) if not value else (step, -step)
        for change in steps:
            yield f"{value} → {value + change}", value + change
    elif isinstance(value, str):
        for choice in rule.choices or ():
            if choice != value:
                yield f"{value} → {choice}", choice
    elif isinstance(value, tuple):
        yield from _changed_lists(value, rule)
    elif value is not None:
        for key, item in value.items():
            for told, changed in changed_values(item, rule):
                yield f"{key} {told}", {**value, key: changed}


def _changed_lists(value: tuple[Any, ...], rule: RuleParameter) -> Iterator[tuple[str, Any]]:
    if all(isinstance(item, str) for item in value) and rule.id not in ORDERED:
        for item in value:
            yield f"− {item}", tuple(other for other in value if other != item)
        for choice in rule.choices or ():
            if choice not in value:
                yield f"+ {choice}", (*value, choice)
        return
    for at, (one, other) in enumerate(pairwise(value)):
        if one != other:
            swapped = (*value[:at], other, one, *value[at + 2 :])
            yield f"{one} ↔ {other}", swapped
    if rule.id not in ORDERED:
        for at, item in enumerate(value):
            for told, changed in changed_values(item, rule):
                yield f"{at}: {told}", (*value[:at], changed, *value[at + 1 :])
