"""The cases of the books: each by itself, and that together they use every rule of the quota."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from pipeline.rules.books.quota_rules import quota_rules
from tests.books_cases import LINKAGE, READINGS, check_linkage, check_readings
from tests.books_factory import PERIOD_END, RULES, rules_with


@pytest.mark.parametrize("case", LINKAGE, ids=[case["名称"] for case in LINKAGE])
def test_linkage(case: dict[str, Any]) -> None:
    check_linkage(case)


@pytest.mark.parametrize("case", READINGS, ids=[case["名称"] for case in READINGS])
def test_readings(case: dict[str, Any]) -> None:
    check_readings(case)


def test_names_are_unique_and_dates_are_dates() -> None:
    cases = LINKAGE + READINGS
    assert len({case["名称"] for case in cases}) == len(cases)
    for case in cases:
        assert isinstance(case.get("截止", PERIOD_END), datetime.date)


def test_every_rule_of_the_linkage_moves_a_figure() -> None:
    """Every value of a rule that is used changes a deduction of these cases or is tested beside."""
    used = set(quota_rules(RULES, PERIOD_END).rule_ids)
    used |= set(quota_rules(rules_with({"quota.mode": "rank_table"}), PERIOD_END).rule_ids)
    ours = {parameter.id for parameter in RULES.parameters if parameter.id.startswith("quota.")}
    assert used == ours
