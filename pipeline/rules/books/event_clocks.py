"""Clocks that an event starts: work found going on, a notice that is not heeded, a case filed.

Each gives the day it started, the day until which something has to be done, and when it was done.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.rules.books.row_values import date_of, flag_of, text_of

Row = Mapping[str, Any]

ONGOING_STATES = frozenset({"under_construction", "earthwork"})
"""Codes of site_state.csv: there is something to stop."""
NOT_STOPPED = frozenset({"not_stopped", "partly_stopped"})
"""Codes of stop_effect.csv: the notice was not heeded, or not wholly."""
NOT_ISSUED = "not_issued"


@dataclass(frozen=True)
class Done:
    """When something was done: a day, not yet, or on a day that nobody stated."""

    date: datetime.date | None = None
    is_undated: bool = False


@dataclass(frozen=True)
class Dated:
    """A duty of one patch, before the closing date is looked at."""

    clock: str
    start: datetime.date | None
    """The day of the event; None if nobody stated it, or if the year decides."""
    due: datetime.date | None
    done: Done


@dataclass(frozen=True)
class EventRules:
    """Days that each event leaves."""

    stop_notice_days: int
    refusal_filing_days: int
    decision_days: int


def event_duties(row: Row, cases: Sequence[Row], rules: EventRules) -> list[Dated]:
    """The duties that events have started for one patch; `cases` are those it belongs to."""
    found = []
    if text_of(row, "site_state") in ONGOING_STATES:
        found.append(_stop_notice(row, cases, rules.stop_notice_days))
    filed = [case for case in cases if not flag_of(case, "is_filed_otherwise")]
    is_dealt_with = bool(cases) and not filed
    if text_of(row, "stop_effect") in NOT_STOPPED and not is_dealt_with:
        start = date_of(row, "stop_notice_date")
        found.append(
            _counted("refusal_filing", start, rules.refusal_filing_days, first_filing(filed))
        )
    begun = [date for case in filed if (date := date_of(case, "filed_date")) is not None]
    if begun:
        # The case that must be decided first tells the deadline, the last one when all are done.
        done = _decided([case for case in filed if date_of(case, "filed_date") is not None])
        found.append(_counted("decision", min(begun), rules.decision_days, done))
    return found


def first_filing(filed: Sequence[Row]) -> Done:
    """The first filing counts; a case decided or closed was filed on some day."""
    dates = [date for case in filed if (date := date_of(case, "filed_date")) is not None]
    if dates:
        return Done(min(dates))
    is_undated = any(
        date_of(case, name) is not None
        for case in filed
        for name in ("decided_date", "closed_date")
    )
    return Done(is_undated=is_undated)


def latest(parts: Sequence[Done]) -> Done:
    """All must be done; one that is open leaves the whole open."""
    if not parts or any(part.date is None and not part.is_undated for part in parts):
        return Done()
    if any(part.is_undated for part in parts):
        return Done(is_undated=True)
    return Done(max(part.date for part in parts if part.date is not None))


def _stop_notice(row: Row, cases: Sequence[Row], days: int) -> Dated:
    """From the day the works were found; a notice whose day is not stated is undated."""
    dates = [date_of(row, "filled_date"), *(date_of(case, "found_date") for case in cases)]
    known = [date for date in dates if date is not None]
    date = date_of(row, "stop_notice_date")
    effect = text_of(row, "stop_effect")
    is_served = text_of(row, "stop_notice_no") is not None or effect not in (None, NOT_ISSUED)
    done = Done(date, is_undated=date is None and is_served)
    return _counted("stop_notice", min(known, default=None), days, done)


def _decided(filed: Sequence[Row]) -> Done:
    """A case that was closed without a day of decision was decided on some day, or needed none."""
    return latest(
        [
            Done(date, is_undated=date is None and date_of(case, "closed_date") is not None)
            for case in filed
            for date in (date_of(case, "decided_date"),)
        ]
    )


def _counted(clock: str, start: datetime.date | None, days: int, done: Done) -> Dated:
    """The start day is excluded; calendar days."""
    due = None if start is None else start + datetime.timedelta(days=days)
    return Dated(clock, start, due, done)
