"""Clocks: month ends, the last day itself, what is open without a closing date, undated acts."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest

from pipeline.errors import RuleError
from pipeline.rules.books.clocks import (
    CLOCK_RULES,
    CLOCKS,
    STATES,
    Obligation,
    add_months,
    clock_rules,
    count_clocks,
    obligations,
)
from tests.books_factory import PERIOD_END, RULES, A, B, case_row, counted_row, link, rules_with

D = datetime.date
RULES_NOW = clock_rules(RULES, PERIOD_END)
CLOSES = D(2026, 9, 30)
BY_JUDGEMENT = {"verification", "case_filing", "rectification", "acceptance"}
"""Clocks of every violation; the others begin with events."""


def clocks(
    row: dict[str, Any], *cases: dict[str, Any], closes_on: D | None = CLOSES
) -> dict[str, Obligation]:
    numbered = [case | {"case_no": f"K{number}"} for number, case in enumerate(cases)]
    links = [link(case["case_no"], "P1") for case in numbered]
    found = obligations([row], numbered, links, closes_on, RULES_NOW)
    return {one.clock: one for one in found}


def state(clock: str, *cases: dict[str, Any], closes_on: D | None = CLOSES, **row: Any) -> str:
    return clocks(counted_row(**row), *cases, closes_on=closes_on)[clock].state


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        (D(2026, 1, 31), 1, D(2026, 2, 28)),
        (D(2028, 1, 31), 1, D(2028, 2, 29)),
        (D(2026, 12, 15), 1, D(2027, 1, 15)),
        (D(2026, 11, 30), 3, D(2027, 2, 28)),
        (D(2026, 5, 1), 0, D(2026, 5, 1)),
    ],
)
def test_month_ends_are_clamped(start: D, months: int, end: D) -> None:
    assert add_months(start, months) == end


def test_rules_are_named_and_every_one_is_an_assumption() -> None:
    assert RULES_NOW.rule_ids == tuple(sorted(CLOCK_RULES.values()))
    assert set(RULES_NOW.assumptions) == set(CLOCK_RULES.values())
    assert RULES_NOW.rectification.of(2026) == D(2026, 12, 31)
    assert RULES_NOW.acceptance.of(2026) == D(2027, 6, 30)


@pytest.mark.parametrize(
    "value",
    [
        {"year": Decimal(0), "month": Decimal(2), "day": Decimal(29)},
        {"year": Decimal(0), "month": Decimal(13), "day": Decimal(1)},
        {"year": Decimal(0), "month": Decimal(6)},
        Decimal(6),
    ],
)
def test_a_deadline_must_be_a_day_of_every_year(value: Any) -> None:
    with pytest.raises(RuleError, match=r"deadline\.acceptance"):
        clock_rules(rules_with({"deadline.acceptance": value}), PERIOD_END)


@pytest.mark.parametrize(
    ("filled", "due", "closes_on", "expected"),
    [
        ("2026-09-10", "2026-09-10", CLOSES, "on_time"),
        ("2026-09-11", "2026-09-10", CLOSES, "late"),
        ("2026-09-11", "2026-09-10", None, "late"),
        (None, "2026-09-29", CLOSES, "open_overdue"),
        (None, "2026-09-30", CLOSES, "open_not_due"),
        (None, "2026-09-10", None, "unknown"),
        (None, None, CLOSES, "unknown"),
        ("2026-09-11", None, CLOSES, "unknown"),
        # Answered after the closing date: at the closing date it was open.
        ("2026-10-01", "2026-09-10", CLOSES, "open_overdue"),
    ],
)
def test_verification(
    filled: str | None, due: str | None, closes_on: D | None, expected: str
) -> None:
    assert state("verification", closes_on=closes_on, filled_date=filled, due_date=due) == expected


def test_who_owes_what() -> None:
    assert set(clocks(counted_row())) == BY_JUDGEMENT
    assert set(clocks(counted_row(judgement="new_lawful"))) == {"verification"}
    assert set(clocks(counted_row(is_sent=False))) == BY_JUDGEMENT - {"verification"}
    works = counted_row(site_state="earthwork", stop_effect="not_stopped")
    assert set(clocks(works, case_row(filed_date="2026-06-02"))) == set(CLOCKS)
    assert clocks(counted_row(is_withdrawn=True)) == {}
    assert clocks(counted_row(is_sent=False, reviewed_by=None)) == {}


@pytest.mark.parametrize(
    ("filed", "expected"),
    [("2026-02-28", "on_time"), ("2026-03-01", "late"), ("2026-01-05", "on_time")],
)
def test_a_case_is_filed_within_a_month_of_the_judgement(filed: str, expected: str) -> None:
    found = clocks(counted_row(judged_date="2026-01-31"), case_row(filed_date=filed))
    assert found["case_filing"].due_date == D(2026, 2, 28)
    assert found["case_filing"].state == expected


def test_filing_that_is_open_undated_or_not_needed() -> None:
    judged = {"judged_date": "2026-08-30"}
    assert state("case_filing", **judged) == "open_not_due"
    assert state("case_filing", judged_date="2026-08-29") == "open_overdue"
    assert state("case_filing", case_row(found_date="2026-08-01"), **judged) == "open_not_due"
    assert state("case_filing", case_row(decided_date="2026-09-01"), **judged) == "unknown"
    otherwise = case_row(is_filed_otherwise=True)
    assert "case_filing" not in clocks(counted_row(), otherwise)
    assert "case_filing" in clocks(counted_row(), otherwise, case_row(filed_date="2026-06-02"))


WAY = {"rectification": "demolished_restored"}


@pytest.mark.parametrize(
    ("case", "rectified", "accepted"),
    [
        ({**WAY, "closed_date": "2026-08-01"}, "on_time", "open_not_due"),
        ({**WAY, "accepted_date": "2026-08-01"}, "on_time", "on_time"),
        ({**WAY, "closed_date": "2026-10-01"}, "open_not_due", "open_not_due"),
        (WAY, "unknown", "open_not_due"),
        ({"closed_date": "2026-08-01"}, "unknown", "open_not_due"),
        ({"accepted_date": "2026-08-01"}, "unknown", "unknown"),
        ({"rectification": "not_rectified"}, "open_not_due", "open_not_due"),
        ({"closed_date": "2026-08-01", "rectification": "not_rectified"},) + ("open_not_due",) * 2,
        ({}, "open_not_due", "open_not_due"),
    ],
)
def test_rectification_and_acceptance(case: dict[str, Any], rectified: str, accepted: str) -> None:
    found = clocks(counted_row(), case_row(**case))
    assert (found["rectification"].state, found["acceptance"].state) == (rectified, accepted)


def test_year_ends_are_the_last_day_in_time() -> None:
    late = D(2028, 1, 1)
    done = {**WAY, "closed_date": "2026-12-31", "accepted_date": "2027-06-30"}
    found = clocks(counted_row(), case_row(**done), closes_on=late)
    assert found["rectification"].state == found["acceptance"].state == "on_time"
    done = {**WAY, "closed_date": "2027-01-01", "accepted_date": "2027-07-01"}
    found = clocks(counted_row(), case_row(**done), closes_on=late)
    assert found["rectification"].state == found["acceptance"].state == "late"
    found = clocks(counted_row(), case_row(), closes_on=D(2027, 1, 1))
    assert found["rectification"].state == "open_overdue"
    assert found["acceptance"].state == "open_not_due"


def test_every_case_of_a_patch_must_be_done() -> None:
    done = case_row(**WAY, closed_date="2026-08-01", accepted_date="2026-09-01")
    later = case_row(**WAY, closed_date="2026-09-15", accepted_date="2026-09-16")
    found = clocks(counted_row(), done, later)
    assert found["rectification"].done_date == D(2026, 9, 15)
    assert found["acceptance"].done_date == D(2026, 9, 16)
    assert clocks(counted_row(), done, case_row())["rectification"].state == "open_not_due"
    assert clocks(counted_row(), done, case_row(**WAY))["rectification"].state == "unknown"


def test_counts_add_up_and_list_every_unit() -> None:
    rows = [
        counted_row("P1", filled_date="2026-06-02", due_date="2026-06-01"),
        counted_row("P2", township_code=B, due_date="2026-06-01"),
        counted_row("P3", township_code=None, due_date=None, source_group="detected"),
    ]
    listed = obligations(rows, [], [], CLOSES, RULES_NOW)
    assert [one.source_group for one in listed if one.patch_id == "P3"] == ["detected"] * 4
    found = count_clocks((A, "379999109"), listed)
    assert [one.unit_code for one in found[:: len(CLOCKS)]] == [A, "379999109", "000000000", B]
    for one in found:
        assert one.due == sum(getattr(one, name) for name in STATES)
    by_unit = {one.unit_code: one for one in found if one.clock == "verification"}
    assert by_unit[A].late == by_unit[B].open_overdue == by_unit["000000000"].unknown == 1
    assert by_unit["379999109"].due == 0


def test_of_two_cases_the_first_filing_counts() -> None:
    dates = [{"filed_date": "2026-07-20"}, {"filed_date": "2026-06-20"}]
    assert clocks(counted_row(), *map(dict, dates))["case_filing"].done_date == D(2026, 6, 20)
    assert state("case_filing", *dates) == "on_time"


def test_a_withdrawn_patch_owes_nothing() -> None:
    assert clocks(counted_row(is_withdrawn=True)) == {}
