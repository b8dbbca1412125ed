"""Rows of the register for tests of the books: one patch, one case, what links them."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pipeline.config.load import RULES_DIR, load_rules
from pipeline.rules.books.recognised import count_areas
from pipeline.rules.parameters import DatedValue, RuleSet

RULES = load_rules(RULES_DIR)
PERIOD_END = datetime.date(2026, 5, 1)
A, B, C = "379999101", "379999102", "379999103"
COUNTY = "379999"

SIGNED = {"judged_by": "张三", "reviewed_by": "李四", "judged_date": "2026-06-01"}


def m2(text: str) -> float:
    """`2000 m²` or `5 亩`; 亩 become the smallest float of m² that is not below them."""
    match = re.fullmatch(r"([0-9.]+) ?(m²|亩)", str(text))
    assert match, f"面积写作“2000 m²”或“5 亩”：{text}"
    number = Decimal(match[1])
    if match[2] == "m²":
        return float(number)
    area = float(number * 2000 / 3)
    return area if 3 * Decimal(area) >= 2000 * number else math.nextafter(area, math.inf)


def patch_row(patch_id: str = "P1", **values: Any) -> dict[str, Any]:
    """A registered patch of 10 亩 on cultivated land, signed 违法用地."""
    area = values.get("area_m2", m2("10 亩"))
    row: dict[str, Any] = {
        "run": "2026Q1",
        "patch_id": patch_id,
        "lineage_id": patch_id,
        "check_year": 2026,
        "township_code": A,
        "source_group": "issued",
        "is_withdrawn": False,
        "is_sent": True,
        "area_m2": area,
        "cultivated_m2": area,
        "construction_m2": 0.0,
        "pbf_m2": 0.0,
        "reserve_m2": 0.0,
        "judgement": "new_violation",
        **SIGNED,
    }
    return row | values


def counted_row(patch_id: str = "P1", **values: Any) -> dict[str, Any]:
    row = patch_row(patch_id, **values)
    return row | count_areas(row)


def case_row(case_no: str = "K1", **values: Any) -> dict[str, Any]:
    return {"run": "2026Q1", "case_no": case_no} | values


def link(case_no: str, patch_id: str) -> dict[str, Any]:
    return {"run": "2026Q1", "case_no": case_no, "patch_id": patch_id}


def input_row(item: str, unit_code: str, value_mu: float, **values: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "run": "2026Q1",
        "item": item,
        "unit_code": unit_code,
        "year": 2027,
        "value_mu": value_mu,
        "doc_no": "甲文〔2027〕1号",
    }
    return row | values


def ledger_rows(postings: Any, run: str = "2026Q1") -> list[Mapping[str, Any]]:
    """Postings as the rows of the ledger that the register keeps of them."""
    numbers = {posting.key: number for number, posting in enumerate(postings, 1)}
    return [
        {
            "posting_no": numbers[posting.key],
            "line_no": line_no,
            "run": run,
            "posting_kind": posting.posting_kind,
            "year": posting.year,
            "account": line.account,
            "unit_code": line.unit_code,
            "amount_mu100": line.amount_mu100,
            "doc_no": posting.doc_no,
            "reverses_no": numbers.get(posting.reverses_key),
            "posting_text": posting.posting_text,
        }
        for posting in postings
        for line_no, line in enumerate(posting.lines, 1)
    ]


def rules_with(changed: Mapping[str, Any]) -> RuleSet:
    """The committed rules with other values, in force since ever."""
    parameters = []
    for parameter in RULES.parameters:
        if parameter.id in changed:
            reference = next(iter(parameter.values.values())).reference
            dated = DatedValue(value=changed[parameter.id], reference=reference)
            update = {"values": {datetime.date(2000, 1, 1): dated}}
            parameters.append(parameter.model_copy(update=update))
        else:
            parameters.append(parameter)
    assert not changed.keys() - {parameter.id for parameter in RULES.parameters}
    return RuleSet(tuple(parameters))
