"""Clocks (时限): verification, stopping the works, the case, rectification, acceptance.

The start day is excluded, a month's end is clamped, and the last day itself is in time. Nothing is
overdue without a closing date: then what is open is unknown.
"""

from __future__ import annotations

import calendar
import datetime
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pipeline.errors import Finding, RuleError
from pipeline.rules.books.event_clocks import (
    Dated,
    Done,
    EventRules,
    event_duties,
    first_filing,
    latest,
)
from pipeline.rules.books.recognised import is_violation, signed_judgement
from pipeline.rules.books.rectification import NOT_RECTIFIED, done_by
from pipeline.rules.books.row_values import date_of, flag_of, text_of, unit_of
from pipeline.rules.parameters import RuleSet
from pipeline.rules.screening.violation_kinds import PROBLEM_CLASSES

Row = Mapping[str, Any]

CLOCKS: Mapping[str, str] = {
    "verification": "乡镇核查",
    "stop_notice": "在建制止",
    "refusal_filing": "未停工立案",
    "case_filing": "立案",
    "decision": "处罚决定",
    "rectification": "查处整改",
    "acceptance": "整改验收",
}
CLOCK_RULES: Mapping[str, str] = {
    "verification": "deadline.verification_days",
    "stop_notice": "deadline.stop_notice_days",
    "refusal_filing": "deadline.refusal_filing_days",
    "case_filing": "deadline.case_filing_months",
    "decision": "deadline.decision_days",
    "rectification": "deadline.rectification",
    "acceptance": "deadline.acceptance",
}
STATES = ("on_time", "late", "open_overdue", "open_not_due", "unknown")


@dataclass(frozen=True)
class YearDay:
    """A day of a year counted from the check year."""

    year_offset: int
    month: int
    day: int

    def of(self, check_year: int) -> datetime.date:
        """The day itself."""
        return datetime.date(check_year + self.year_offset, self.month, self.day)


@dataclass(frozen=True)
class ClockRules:
    """Deadlines as the rules stand at the end of the period."""

    case_filing_months: int
    rectification: YearDay
    acceptance: YearDay
    events: EventRules
    rule_ids: tuple[str, ...]
    assumptions: tuple[str, ...]


@dataclass(frozen=True)
class Obligation:
    """Something that has to be done for one patch by one day."""

    clock: str
    """A key of `CLOCKS`."""
    unit_code: str
    source_group: str
    patch_id: str
    start_date: datetime.date | None
    """Day of the event that started it; None where the run or the year decides, or not stated."""
    due_date: datetime.date | None
    done_date: datetime.date | None
    """Up to the closing date; None open or not known."""
    state: str
    """One of `STATES`."""


@dataclass(frozen=True)
class ClockCount:
    """Obligations of one unit under one clock."""

    unit_code: str
    clock: str
    due: int
    """All of them: the sum of the others."""
    on_time: int
    late: int
    open_overdue: int
    open_not_due: int
    unknown: int
    """No due date, no closing date, or done on a day that nobody stated."""


def clock_rules(rules: RuleSet, on: datetime.date) -> ClockRules:
    """The deadlines in force at the end of the period; a day that is none raises `RuleError`."""
    used = tuple(sorted(CLOCK_RULES.values()))
    return ClockRules(
        case_filing_months=int(rules.at(CLOCK_RULES["case_filing"], on).number()),
        rectification=_year_day(rules, CLOCK_RULES["rectification"], on),
        acceptance=_year_day(rules, CLOCK_RULES["acceptance"], on),
        events=EventRules(
            *(
                int(rules.at(CLOCK_RULES[clock], on).number())
                for clock in ("stop_notice", "refusal_filing", "decision")
            )
        ),
        rule_ids=used,
        assumptions=rules.assumptions_used(used),
    )


def add_months(start: datetime.date, months: int) -> datetime.date:
    """The same day some months later; the last of the month where there is no such day."""
    years, month = divmod(start.month - 1 + months, 12)
    year, month = start.year + years, month + 1
    return datetime.date(year, month, min(start.day, calendar.monthrange(year, month)[1]))


def obligations(
    rows: Iterable[Row],
    cases: Iterable[Row],
    case_patches: Iterable[Row],
    closes_on: datetime.date | None,
    rules: ClockRules,
) -> tuple[Obligation, ...]:
    """What has to be done for every patch: verified if sent out, stopped if going on, the rest if
    a violation.

    A violation whose cases are all dealt with without filing need not be filed.
    """
    by_no = {str(case["case_no"]): case for case in cases}
    cases_of: dict[str, list[Row]] = defaultdict(list)
    for link in sorted(case_patches, key=lambda link: str(link["case_no"])):
        if str(link["case_no"]) in by_no:
            cases_of[str(link["patch_id"])].append(by_no[str(link["case_no"])])
    found = []
    for row in sorted(rows, key=lambda row: str(row["patch_id"])):
        if flag_of(row, "is_withdrawn"):
            continue
        own = cases_of[str(row["patch_id"])]
        found += [_obligation(row, dated, closes_on) for dated in _dates(row, own, rules)]
    return tuple(found)


def count_clocks(units: Sequence[str], listed: Iterable[Obligation]) -> tuple[ClockCount, ...]:
    """Every unit under every clock, then units that only obligations name."""
    tally: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for one in listed:
        tally[one.unit_code, one.clock][one.state] += 1
    strangers = sorted({code for code, _ in tally} - set(units))
    return tuple(
        ClockCount(
            code, clock, tally[code, clock].total(), *(tally[code, clock][s] for s in STATES)
        )
        for code in (*dict.fromkeys(units), *strangers)
        for clock in CLOCKS
    )


def _dates(row: Row, cases: Sequence[Row], rules: ClockRules) -> list[Dated]:
    found: list[Dated] = []
    if flag_of(row, "is_sent"):
        done = Done(date_of(row, "filled_date"))
        found.append(Dated("verification", None, date_of(row, "due_date"), done))
    is_open = signed_judgement(row) is None and text_of(row, "suspected_class") in PROBLEM_CLASSES
    if is_open or is_violation(row):
        # Works are to be stopped before anybody has judged them.
        found += event_duties(row, cases, rules.events)
    if not is_violation(row):
        return found
    filed = [case for case in cases if not flag_of(case, "is_filed_otherwise")]
    if filed or not cases:
        judged = date_of(row, "judged_date")
        due = None if judged is None else add_months(judged, rules.case_filing_months)
        found.append(Dated("case_filing", judged, due, first_filing(filed)))
    year = int(row["check_year"])
    rectified = latest([_rectified(case) for case in cases])
    accepted = latest([_accepted(case) for case in cases])
    found.append(Dated("rectification", None, rules.rectification.of(year), rectified))
    found.append(Dated("acceptance", None, rules.acceptance.of(year), accepted))
    return found


def _obligation(row: Row, dated: Dated, closes_on: datetime.date | None) -> Obligation:
    due, done = dated.due, dated.done
    date = done.date if done_by(done.date, closes_on) else None
    if due is None or done.is_undated:
        state = "unknown"
    elif date is not None:
        state = "on_time" if date <= due else "late"
    elif closes_on is None:
        state = "unknown"
    else:
        state = "open_overdue" if closes_on > due else "open_not_due"
    return Obligation(
        clock=dated.clock,
        unit_code=unit_of(row),
        source_group=str(row["source_group"]),
        patch_id=str(row["patch_id"]),
        start_date=dated.start,
        due_date=due,
        done_date=date,
        state=state,
    )


def _rectified(case: Row) -> Done:
    """Closed with a way of rectification; if not closed, the day of acceptance at the latest."""
    way = text_of(case, "rectification")
    date = date_of(case, "closed_date") or date_of(case, "accepted_date")
    if way == NOT_RECTIFIED:
        return Done()
    if way is None:
        return Done(is_undated=date is not None)
    return Done(date, is_undated=date is None)


def _accepted(case: Row) -> Done:
    way, date = text_of(case, "rectification"), date_of(case, "accepted_date")
    if way is None or way == NOT_RECTIFIED:
        return Done(is_undated=way is None and date is not None)
    return Done(date)


def _year_day(rules: RuleSet, rule_id: str, on: datetime.date) -> YearDay:
    value = rules.at(rule_id, on).value
    parts = value if isinstance(value, Mapping) else {}
    numbers = [parts.get(name) for name in ("year", "month", "day")]
    whole = [int(number) for number in numbers if isinstance(number, Decimal)]
    try:
        found = YearDay(*whole)
        # A day that not every year has (2月29日) is no deadline either.
        found.of(2001 - found.year_offset)
    except (TypeError, ValueError) as error:
        what = f"规则“{rule_id}”的取值不是一年中的某一天。"
        allowed = "year、month、day 三个整数，例如 {year: 0, month: 12, day: 31}"
        advice = "改正规则文件中的取值。"
        raise RuleError(Finding("E-RULE-VALUE", what, "", str(value), allowed, advice)) from error
    return found
