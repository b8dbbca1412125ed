"""Clocks that events start: works found going on, a notice not heeded, a case filed."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest

from pipeline.rules.books.clocks import CLOCK_RULES, Obligation, clock_rules, obligations
from tests.books_factory import PERIOD_END, RULES, case_row, counted_row, link, rules_with

D = datetime.date
CLOSES = D(2026, 9, 30)
FOUND = "2026-06-10"
ONGOING = {"site_state": "under_construction", "filled_date": FOUND}
REFUSED = {"stop_effect": "not_stopped", "stop_notice_date": FOUND}
OPEN = {"reviewed_by": None, "suspected_class": "suspected_violation", "is_sent": False}


def clocks(
    row: dict[str, Any], *cases: dict[str, Any], closes_on: D | None = CLOSES, rules: Any = RULES
) -> dict[str, Obligation]:
    numbered = [case | {"case_no": f"K{number}"} for number, case in enumerate(cases)]
    links = [link(case["case_no"], "P1") for case in numbered]
    found = obligations([row], numbered, links, closes_on, clock_rules(rules, PERIOD_END))
    return {one.clock: one for one in found}


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"stop_notice_date": "2026-06-13"}, "on_time"),
        ({"stop_notice_date": "2026-06-14"}, "late"),
        ({"stop_notice_date": "2026-06-01"}, "on_time"),
        ({}, "open_overdue"),
        ({"stop_effect": "not_issued"}, "open_overdue"),
        ({"stop_effect": "stopped"}, "unknown"),
        ({"stop_notice_no": "示停〔2026〕1号"}, "unknown"),
        ({"site_state": "earthwork"}, "open_overdue"),
    ],
)
def test_works_found_going_on_are_stopped_within_days(answers: dict, expected: str) -> None:
    duty = clocks(counted_row(**(ONGOING | answers)))["stop_notice"]
    assert (duty.start_date, duty.due_date) == (D(2026, 6, 10), D(2026, 6, 13))
    assert duty.state == expected


def test_found_is_the_earliest_day_that_anybody_stated() -> None:
    case = case_row(found_date="2026-06-02")
    assert clocks(counted_row(**ONGOING), case)["stop_notice"].due_date == D(2026, 6, 5)
    nobody = counted_row(site_state="earthwork")
    assert clocks(nobody)["stop_notice"].state == "unknown"


@pytest.mark.parametrize("state", ["built", "unchanged", "demolished", None])
def test_only_works_that_go_on_are_stopped(state: str | None) -> None:
    assert "stop_notice" not in clocks(counted_row(**(ONGOING | {"site_state": state})))


@pytest.mark.parametrize(
    ("filed", "expected"),
    [("2026-06-13", "on_time"), ("2026-06-14", "late"), (None, "open_overdue")],
)
def test_a_notice_not_heeded_leads_to_a_case_within_days(filed: str | None, expected: str) -> None:
    duty = clocks(counted_row(**REFUSED), case_row(filed_date=filed))["refusal_filing"]
    assert (duty.start_date, duty.due_date) == (D(2026, 6, 10), D(2026, 6, 13))
    assert duty.state == expected


def test_who_need_not_file_after_a_notice() -> None:
    for effect in ("stopped", "not_issued", None):
        assert "refusal_filing" not in clocks(counted_row(**(REFUSED | {"stop_effect": effect})))
    assert "refusal_filing" in clocks(counted_row(**(REFUSED | {"stop_effect": "partly_stopped"})))
    otherwise = case_row(is_filed_otherwise=True)
    assert "refusal_filing" not in clocks(counted_row(**REFUSED), otherwise)
    undated = counted_row(stop_effect="not_stopped")
    assert clocks(undated)["refusal_filing"].state == "unknown"


@pytest.mark.parametrize(
    ("decided", "closes_on", "expected"),
    [
        ("2026-08-30", CLOSES, "on_time"),
        ("2026-08-31", CLOSES, "late"),
        (None, D(2026, 8, 30), "open_not_due"),
        (None, D(2026, 8, 31), "open_overdue"),
        (None, None, "unknown"),
    ],
)
def test_a_case_is_decided_within_days_of_its_filing(
    decided: str | None, closes_on: D | None, expected: str
) -> None:
    case = case_row(filed_date="2026-06-01", decided_date=decided)
    duty = clocks(counted_row(), case, closes_on=closes_on)["decision"]
    assert (duty.start_date, duty.due_date) == (D(2026, 6, 1), D(2026, 8, 30))
    assert duty.state == expected


def test_decisions_that_are_not_due_undated_or_several() -> None:
    assert "decision" not in clocks(counted_row())
    assert "decision" not in clocks(counted_row(), case_row(found_date="2026-06-01"))
    closed = case_row(filed_date="2026-06-01", closed_date="2026-07-01")
    assert clocks(counted_row(), closed)["decision"].state == "unknown"
    decided = case_row(filed_date="2026-07-01", decided_date="2026-07-20")
    both = clocks(counted_row(), decided, case_row(filed_date="2026-06-01"))["decision"]
    assert (both.due_date, both.state) == (D(2026, 8, 30), "open_overdue")


def test_stopping_does_not_wait_for_the_judgement_but_ends_with_another() -> None:
    unjudged = counted_row(**(ONGOING | REFUSED | OPEN))
    assert set(clocks(unjudged)) == {"stop_notice", "refusal_filing"}
    for changed in ({"suspected_class": "approved"}, {"suspected_class": None}):
        assert clocks(unjudged | changed) == {}
    lawful = counted_row(**(ONGOING | REFUSED), is_sent=False, judgement="new_lawful")
    assert clocks(lawful) == {}


@pytest.mark.parametrize("clock", ["stop_notice", "refusal_filing", "decision"])
def test_the_days_come_from_the_rules(clock: str) -> None:
    row = counted_row(**(ONGOING | REFUSED))
    case = case_row(filed_date="2026-06-01")
    days = int(RULES.at(CLOCK_RULES[clock], PERIOD_END).number())
    for other in (days - 1, days + 1):
        changed = rules_with({CLOCK_RULES[clock]: Decimal(other)})
        moved = clocks(row, case, rules=changed)[clock].due_date
        usual = clocks(row, case)[clock].due_date
        assert moved is not None
        assert usual is not None
        assert (moved - usual).days == other - days
