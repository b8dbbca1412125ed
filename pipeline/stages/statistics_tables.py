"""The tables of a run, from what counts of its patches, cases and accounts."""

from __future__ import annotations

import math
from collections.abc import Iterable

from pipeline.delivery.tables.layout import OUTSIDE, OUTSIDE_ZH, Frame, Unit
from pipeline.delivery.tables.listing import list_table
from pipeline.delivery.tables.observed import observed_table
from pipeline.delivery.tables.patches import judged_table, patches_table, suspected_table
from pipeline.delivery.tables.quota import quota_table
from pipeline.delivery.tables.rectification import rectification_table
from pipeline.delivery.tables.rule_words import rule_words
from pipeline.delivery.tables.table import Table
from pipeline.rules.books.clocks import clock_rules
from pipeline.rules.books.quota_rules import quota_rules
from pipeline.rules.books.rectification import case_rows
from pipeline.schema.register_layers import CLOSED_TOWNSHIPS
from pipeline.stages.context import StageContext
from pipeline.stages.statistics_accountability import (
    clocks_of,
    next_due,
    ratio_of,
    talks_of,
)
from pipeline.stages.statistics_books import Books, records
from pipeline.stages.statistics_quota import quota_books


def all_tables(context: StageContext, books: Books) -> list[Table]:
    """All tables but the last, which compares them."""
    frame = make_frame(context, books)
    townships = records(books.townships, CLOSED_TOWNSHIPS)
    cases = case_rows(books.patches, books.cases, books.case_patches, context.run.closes_on)
    used = assumption_lines(books, quota_rules(books.rules, books.on).rule_ids)
    clock_ids = clock_rules(books.rules, books.on).rule_ids
    clocks = assumption_lines(books, clock_ids)
    due = next_due(context.run, books)

    def assumed(rule_id: str) -> tuple[str, ...]:
        return assumption_lines(books, [rule_id])

    return [
        patches_table(frame, books.patches),
        judged_table(frame, books.patches, books.labels["judgement"]),
        suspected_table(frame, books.patches, books.labels, assumed),
        rectification_table(frame, books.patches, cases),
        quota_table(frame, quota_books(books, frame, used)),
        ratio_of(context.run, books, frame),
        talks_of(books, frame),
        clocks_of(context.run, books, frame, clocks),
        observed_table(frame, townships, books.patches),
        list_table(frame, books.patches, books.labels, assumed, due, clock_ids),
    ]


def make_frame(context: StageContext, books: Books) -> Frame:
    """The townships by code, then what lies outside all of them."""
    rows = records(books.townships, CLOSED_TOWNSHIPS)
    units = [
        Unit(row["township_code"], row["township_name"], row["observed_ratio"]) for row in rows
    ]
    known = {unit.code for unit in units}
    if any((row["township_code"] or OUTSIDE) not in known for row in books.patches):
        units.append(Unit(OUTSIDE, OUTSIDE_ZH, None))
    land = math.fsum(row["land_m2"] for row in rows)
    seen = math.fsum(row["land_m2"] * row["observed_ratio"] for row in rows)
    return Frame(
        context.run.county_code,
        context.run.county_name,
        tuple(units),
        seen / land if land else None,
    )


def assumption_lines(books: Books, rule_ids: Iterable[str]) -> tuple[str, ...]:
    """Which of the rules no document gives, one line each; a rule not in force is not used."""
    lines = []
    for rule_id in sorted(set(rule_ids)):
        parameter = books.rules.parameter(rule_id)
        if parameter.is_assumption:
            value = books.rules.at(rule_id, books.on).value
            words = rule_words(rule_id, value, parameter.unit)
            lines.append(f"{parameter.title_zh}（{rule_id}）＝{words}")
    return tuple(lines)
