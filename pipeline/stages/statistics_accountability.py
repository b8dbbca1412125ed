"""T06, T07 and T10: shares, lines of the warning talk, clocks, as the rules read them."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Literal

from pipeline.config.models import RunConfig
from pipeline.delivery.tables.clocks import STATES, clocks_table
from pipeline.delivery.tables.layout import DETECTED, ISSUED, OUTSIDE, OUTSIDE_ZH, Frame, Unit
from pipeline.delivery.tables.ratio import RatioLine, ratio_table
from pipeline.delivery.tables.table import Table
from pipeline.delivery.tables.talks import talk_key, talks_table
from pipeline.delivery.tables.tally import Item
from pipeline.rules.books.accountability import (
    MEASURES,
    RATIO_RULE,
    ratio,
    talk_lines,
    talk_rules,
)
from pipeline.rules.books.clocks import CLOCKS, Obligation, clock_rules, obligations
from pipeline.rules.books.recognised import is_violation
from pipeline.rules.books.rectification import concealment
from pipeline.rules.books.row_values import unit_of
from pipeline.stages.statistics_books import Books, Record

DENOMINATORS = {
    "cultivated": "denominator_cultivated",
    "new": "denominator_new_construction",
}


def ratio_of(run: RunConfig, books: Books, frame: Frame) -> Table:
    """T06: the county and every township, this period and the check year."""
    rule = books.rules.at(RATIO_RULE, books.on)
    is_full_year = run.closes_on is not None and run.closes_on >= datetime.date(
        books.check_year, 12, 31
    )

    def read(
        numerator_m2: float | None, denominator_mu: float | None, line: RatioLine
    ) -> tuple[Decimal | None, str]:
        is_annual = is_full_year and line.period == "year"
        unit: Literal["county", "township"] = "county" if line.is_county else "township"
        found = ratio(numerator_m2, denominator_mu, rule, unit, is_annual)
        return found.percent, found.reading

    return ratio_table(_ratio_lines(books, frame), read, rule.number(), RATIO_RULE)


def _ratio_lines(books: Books, frame: Frame) -> Iterator[RatioLine]:
    held = {
        "period": [row for row in books.patches if is_violation(row)],
        "year": books.year_patches,
    }
    issued = {
        period: [row for row in rows if row["source_group"] == ISSUED]
        for period, rows in held.items()
    }
    county = Unit(frame.county_code, frame.county_name, frame.observed_ratio)
    for unit in (county, *frame.units, *_former_units(frame, issued["year"])):
        for period, rows in issued.items():
            is_county = unit is county
            yield RatioLine(
                unit.code,
                unit.name,
                period,
                is_county,
                unit.observed_ratio,
                [row for row in rows if is_county or unit_of(row) == unit.code],
                {kind: _stated(books, item, unit.code) for kind, item in DENOMINATORS.items()},
            )


def _former_units(frame: Frame, rows: Sequence[Record]) -> list[Unit]:
    """Of earlier periods of the year, where this one has no land: a township that was merged."""
    codes = sorted({unit_of(row) for row in rows} - {unit.code for unit in frame.units})
    return [Unit(code, OUTSIDE_ZH if code == OUTSIDE else f"原乡镇 {code}", None) for code in codes]


def _stated(books: Books, item: str, unit_code: str) -> list[Record]:
    """What the latest run that says anything states; several rows of it are parts of one sum."""
    found = [
        row
        for row in books.county_inputs
        if (row["item"], row["unit_code"], row["year"]) == (item, unit_code, books.check_year)
    ]
    if not found:
        return []
    latest = max((row["run"] for row in found), key=books.runs.index)
    return [row for row in found if row["run"] == latest]


def talks_of(books: Books, frame: Frame) -> Table:
    """T07: every township against every line, by group of sources."""
    rules = talk_rules(books.rules, books.on)
    codes = [unit.code for unit in frame.units]
    concealed = concealment(
        [str(row["patch_id"]) for row in books.patches], books.cases, books.case_patches
    )
    lines: list[Record] = []
    for group in (ISSUED, DETECTED):
        rows = [row for row in books.patches if row["source_group"] == group]
        found = talk_lines(codes, rows, books.outcomes, concealed, rules)
        lines += [{**asdict(line), "source_group": group} for line in found]
    order = {code: number for number, code in enumerate(codes)}
    lines.sort(key=lambda line: order.get(line["unit_code"], len(order)))
    violations = [row for row in books.patches if is_violation(row)]
    items = list(_talk_items(lines, violations, concealed))
    return talks_table(frame, lines, items, rules.rule_ids)


def _talk_items(
    lines: Sequence[Record], violations: Sequence[Record], concealed: Mapping[str, bool | None]
) -> Iterator[Item]:
    for line in lines:
        key, measure = talk_key(line), str(line["measure"])
        for row in violations:
            if (unit_of(row), row["source_group"]) != (line["unit_code"], line["source_group"]):
                continue
            amounts = _talk_amounts(row, measure)
            columns = ["before"] if row["net_way"] is not None else ["before", "after"]
            for column in columns:
                yield from _pair(key, column, row, amounts)
            is_concealed = concealed.get(str(row["patch_id"]))
            if is_concealed is False or (is_concealed is None and amounts[1] == 0):
                continue
            for column in columns:
                known = amounts if is_concealed else (None, None)
                yield from _pair(key, f"concealed_{column}", row, known)


def _pair(
    key: str, column: str, row: Record, amounts: tuple[int | None, float | None]
) -> Iterator[Item]:
    patch_id = str(row["patch_id"])
    yield Item(key, f"{column}_mu", "patch", patch_id, amounts[0])
    yield Item(key, f"{column}_m2", "patch", patch_id, amounts[1])


def _talk_amounts(row: Record, measure: str) -> tuple[int | None, float | None]:
    """Hundredths of a 亩 and m²; general cultivated land is what is not 永久基本农田."""
    if measure != "general_cultivated":
        return row[f"counted_{measure}_mu100"], row[f"counted_{measure}_m2"]
    cultivated, pbf = row["counted_cultivated_mu100"], row["counted_pbf_mu100"]
    mu100 = None if cultivated is None or pbf is None else max(0, cultivated - pbf)
    return mu100, MEASURES[measure](row)


def clocks_of(run: RunConfig, books: Books, frame: Frame, assumptions: tuple[str, ...]) -> Table:
    """T10; `assumptions` are the lines to print for the rules used."""
    rules = clock_rules(books.rules, books.on)
    duties = [asdict(duty) for duty in duties_of(run, books)]
    return clocks_table(frame, duties, CLOCKS, assumptions, rules.rule_ids)


def duties_of(run: RunConfig, books: Books) -> tuple[Obligation, ...]:
    """What has to be done for every patch, by which day."""
    rules = clock_rules(books.rules, books.on)
    return obligations(books.patches, books.cases, books.case_patches, run.closes_on, rules)


def clock_rows(run: RunConfig, books: Books) -> list[Record]:
    """The same as rows of `CLOCKS_TABLE`."""
    return [
        {
            "patch_id": duty.patch_id,
            "township_code": duty.unit_code,
            "source_group": duty.source_group,
            "clock_zh": CLOCKS[duty.clock],
            "clock_start_date": _iso(duty.start_date),
            "clock_due_date": _iso(duty.due_date),
            "clock_done_date": _iso(duty.done_date),
            "clock_state_zh": STATES[duty.state],
        }
        for duty in duties_of(run, books)
    ]


def next_due(run: RunConfig, books: Books) -> dict[str, tuple[str, str]]:
    """By patch: what is due next of what is open, and when."""
    is_open = [duty for duty in duties_of(run, books) if duty.state.startswith("open")]
    order = list(CLOCKS)
    is_open.sort(key=lambda duty: (str(duty.due_date), order.index(duty.clock)), reverse=True)
    return {duty.patch_id: (CLOCKS[duty.clock], str(duty.due_date)) for duty in is_open}


def _iso(date: datetime.date | None) -> str | None:
    return None if date is None else date.isoformat()
