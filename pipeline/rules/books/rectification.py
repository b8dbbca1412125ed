"""Cases and rectification (查处整改): what is closed, what is accepted, what may be netted.

Only acceptance on site counts (实地验收), and only what is dated up to the closing date. Cases are
rows of `schema.register_layers.CASES`, links rows of `CASE_PATCHES`: one case may hold several
patches and one patch may be in several cases.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pipeline.rules.books.recognised import is_violation
from pipeline.rules.books.row_values import date_of, flag_of, real_of, text_of, unit_of

Row = Mapping[str, Any]

NOT_RECTIFIED = "not_rectified"
BOTH = "both"


@dataclass(frozen=True)
class Outcome:
    """What the cases of one patch have come to by the closing date."""

    case_nos: tuple[str, ...] = ()
    is_closed: bool | None = None
    """All its cases closed or dealt with without filing; None without a case."""
    net_way: str | None = None
    """demolished_restored, regularised or both, once every case is accepted."""
    is_rectified: bool | None = False
    """Rectified and accepted; None if accepted but the way of rectification is not stated."""
    is_closed_by_filing: bool = False
    """All its cases filed and closed (立案查处到位)."""

    def columns(self, is_violation: bool) -> dict[str, Any]:
        """The last columns of `CLOSED_PATCHES`; rectification is NULL if not a violation."""
        return {
            "case_nos": list(self.case_nos),
            "is_closed": self.is_closed,
            "net_way": self.net_way if is_violation else None,
            "is_rectified": self.is_rectified if is_violation else None,
        }


NO_OUTCOME = Outcome()
"""A patch without a case: nothing is closed, nothing is rectified."""


@dataclass(frozen=True)
class CaseRow:
    """One 宗: a case that holds at least one violation, or a violation without a case yet."""

    key: str
    """Case number, or the patch id if there is no case."""
    case_no: str | None
    """None: 尚无案件."""
    patch_ids: tuple[str, ...]
    """The violations it holds."""
    unit_code: str
    """Township of the patch with the largest counted area."""
    source_group: str
    """issued if any of its patches is."""
    is_closed: bool
    """② filed and closed; never together with `is_filed_otherwise`."""
    is_rectified: bool
    """③ closed, rectified and accepted."""
    is_filed_otherwise: bool
    """④ dealt with without filing (非立案处理)."""


@dataclass(frozen=True)
class CaseCounts:
    """① to ④ of 查处整改统计 and what is left."""

    violations: int
    """①"""
    closed: int
    """②"""
    rectified: int
    """③, of ②"""
    filed_otherwise: int
    """④"""
    without_case: int

    @property
    def open(self) -> int:
        """① without ② and ④, 尚无案件 among them."""
        return self.violations - self.closed - self.filed_otherwise

    @property
    def duty_ratio(self) -> Fraction | None:
        """履职到位率 (②+④)/①; None cannot be computed."""
        return _share(self.closed + self.filed_otherwise, self.violations)

    @property
    def rectified_ratio(self) -> Fraction | None:
        """整改到位率 (③+④)/①; None cannot be computed."""
        return _share(self.rectified + self.filed_otherwise, self.violations)


def patch_outcomes(
    patch_ids: Iterable[str],
    cases: Iterable[Row],
    case_patches: Iterable[Row],
    closes_on: datetime.date | None,
) -> dict[str, Outcome]:
    """What the cases of every patch have come to; without a closing date any date counts."""
    by_no = {str(case["case_no"]): case for case in cases}
    cases_of = _cases_of(case_patches, by_no)
    return {
        patch_id: _outcome([by_no[number] for number in sorted(cases_of[patch_id])], closes_on)
        if patch_id in cases_of
        else NO_OUTCOME
        for patch_id in patch_ids
    }


def case_rows(
    rows: Iterable[Row],
    cases: Iterable[Row],
    case_patches: Iterable[Row],
    closes_on: datetime.date | None,
) -> tuple[CaseRow, ...]:
    """Every 宗 of the violations among the patches, which carry their counted areas.

    A case none of whose patches is a violation is not one, see `cases_without_violation`.
    """
    violations = {str(row["patch_id"]): row for row in rows if is_violation(row)}
    by_no = {str(case["case_no"]): case for case in cases}
    cases_of = _cases_of(case_patches, by_no)
    held: dict[str, list[str]] = defaultdict(list)
    for patch_id in sorted(violations):
        for number in cases_of.get(patch_id, ()):
            held[number].append(patch_id)
    found = [
        _case_row(by_no[number], [violations[patch_id] for patch_id in held[number]], closes_on)
        for number in sorted(held)
    ]
    found += [
        _case_row(None, [violations[patch_id]], closes_on)
        for patch_id in sorted(violations)
        if patch_id not in cases_of
    ]
    return tuple(found)


def cases_without_violation(
    rows: Iterable[Row], cases: Iterable[Row], case_patches: Iterable[Row]
) -> tuple[str, ...]:
    """Numbers of cases that hold no signed violation; they are in the register only."""
    violations = {str(row["patch_id"]) for row in rows if is_violation(row)}
    by_no = {str(case["case_no"]): case for case in cases}
    counted = {str(link["case_no"]) for link in case_patches if str(link["patch_id"]) in violations}
    return tuple(sorted(by_no.keys() - counted))


def count_cases(rows: Iterable[CaseRow]) -> CaseCounts:
    """① to ④ of some 宗."""
    counted = tuple(rows)
    return CaseCounts(
        violations=len(counted),
        closed=sum(row.is_closed for row in counted),
        rectified=sum(row.is_rectified for row in counted),
        filed_otherwise=sum(row.is_filed_otherwise for row in counted),
        without_case=sum(row.case_no is None for row in counted),
    )


def concealment(
    patch_ids: Iterable[str], cases: Iterable[Row], case_patches: Iterable[Row]
) -> dict[str, bool | None]:
    """Whether 弄虚作假、瞒案不报、压案不查 was found at acceptance; None not known."""
    by_no = {str(case["case_no"]): case for case in cases}
    cases_of = _cases_of(case_patches, by_no)
    found: dict[str, bool | None] = {}
    for patch_id in patch_ids:
        flags = [flag_of(by_no[number], "is_concealed") for number in cases_of.get(patch_id, ())]
        if any(flags):
            found[patch_id] = True
        else:
            found[patch_id] = None if not flags or None in flags else False
    return found


def done_by(date: datetime.date | None, closes_on: datetime.date | None) -> bool:
    """Whether something is dated up to the closing date; any date if there is none."""
    return date is not None and (closes_on is None or date <= closes_on)


def _share(part: int, whole: int) -> Fraction | None:
    return Fraction(part, whole) if whole else None


def _cases_of(case_patches: Iterable[Row], known: Collection[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for link in case_patches:
        if str(link["case_no"]) in known:
            found[str(link["patch_id"])].add(str(link["case_no"]))
    return dict(found)


def _is_filed_otherwise(case: Row) -> bool:
    return flag_of(case, "is_filed_otherwise") is True


def _is_closed(case: Row, closes_on: datetime.date | None) -> bool:
    """Filed and closed: a case dealt with without filing is no closed case (②④ 互斥)."""
    return not _is_filed_otherwise(case) and done_by(date_of(case, "closed_date"), closes_on)


def accepted_way(case: Row, closes_on: datetime.date | None) -> str | None:
    """How a case was rectified, once that is accepted; None before."""
    way = text_of(case, "rectification")
    if way is None or way == NOT_RECTIFIED:
        return None
    return way if done_by(date_of(case, "accepted_date"), closes_on) else None


def _outcome(cases: list[Row], closes_on: datetime.date | None) -> Outcome:
    ways = [accepted_way(case, closes_on) for case in cases]
    known_ways = {way for way in ways if way is not None}
    is_netted = all(way is not None for way in ways)
    closed = [_is_closed(case, closes_on) for case in cases]
    return Outcome(
        case_nos=tuple(str(case["case_no"]) for case in cases),
        is_closed=all(
            done or _is_filed_otherwise(case) for done, case in zip(closed, cases, strict=True)
        ),
        net_way=(known_ways.pop() if len(known_ways) == 1 else BOTH) if is_netted else None,
        is_rectified=True if is_netted else _not_yet(cases, ways, closes_on),
        is_closed_by_filing=all(closed),
    )


def _not_yet(
    cases: list[Row], ways: list[str | None], closes_on: datetime.date | None
) -> bool | None:
    """False; None if only the way of an accepted rectification is missing."""
    open_cases = [case for case, way in zip(cases, ways, strict=True) if way is None]
    is_unstated = all(
        text_of(case, "rectification") is None
        and done_by(date_of(case, "accepted_date"), closes_on)
        for case in open_cases
    )
    return None if is_unstated else False


def _case_row(case: Row | None, held: list[Row], closes_on: datetime.date | None) -> CaseRow:
    largest = min(
        held, key=lambda row: (-(real_of(row, "counted_area_m2") or 0.0), row["patch_id"])
    )
    patch_ids = tuple(str(row["patch_id"]) for row in held)
    is_closed = case is not None and _is_closed(case, closes_on)
    case_no = None if case is None else str(case["case_no"])
    return CaseRow(
        key=patch_ids[0] if case_no is None else case_no,
        case_no=case_no,
        patch_ids=patch_ids,
        unit_code=unit_of(largest),
        source_group="issued"
        if any(row["source_group"] == "issued" for row in held)
        else "detected",
        is_closed=is_closed,
        is_rectified=is_closed and case is not None and accepted_way(case, closes_on) is not None,
        is_filed_otherwise=case is not None and _is_filed_otherwise(case),
    )
