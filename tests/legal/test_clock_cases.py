"""Deadlines a clerk can read and add: `tests/legal/clocks/*.yaml`; and their mutation proof."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.config.load import CODES_DIR, load_codes
from pipeline.delivery.tables.clocks import STATES
from pipeline.errors import RuleError
from pipeline.rules.books.clocks import CLOCK_RULES, CLOCKS, clock_rules, obligations
from pipeline.rules.parameters import RuleParameter, RuleSet
from pipeline.rules.screening.priority import due_date
from tests.books_factory import PERIOD_END, RULES, case_row, counted_row, link

CASES: list[dict[str, Any]] = YAML(typ="safe").load(
    (Path(__file__).parent / "clocks" / "deadlines.yaml").read_text(encoding="utf-8")
)
CLOSES = datetime.date(2028, 12, 31)
UNSIGNED = {"reviewed_by": None, "suspected_class": "suspected_violation"}
JUDGEMENTS: dict[str, dict[str, Any]] = {"未判定": UNSIGNED, "合法": {"judgement": "new_lawful"}}
CASE_FIELDS = {"立案": "filed_date", "决定": "decided_date", "结案": "closed_date"}
CASE_FIELDS |= {"验收": "accepted_date"}
KEYS = {"名称", "图斑", "案件", "截止", "不查", "预期"}


def codes(table: str) -> dict[str, str]:
    return {label: code for code, label in load_codes(CODES_DIR / f"{table}.csv").labels.items()}


SITES, EFFECTS, WAYS = codes("site_state"), codes("stop_effect"), codes("case_outcome")


def patch_of(stated: dict[str, Any], rules: RuleSet) -> dict[str, Any]:
    values: dict[str, Any] = {"is_sent": "下发" in stated}
    values |= JUDGEMENTS.get(stated.get("判定", ""), {})
    issued = stated.get("下发")
    if isinstance(issued, datetime.date):
        values["due_date"] = str(due_date(issued, rules))
    for key, name, table in (("现状", "site_state", SITES), ("制止效果", "stop_effect", EFFECTS)):
        if key in stated:
            values[name] = table[stated[key]]
    for key, name in (
        ("填表", "filled_date"),
        ("文书日期", "stop_notice_date"),
        ("判定日期", "judged_date"),
    ):
        if key in stated:
            values[name] = str(stated[key])
    if "初判" in stated:
        values["suspected_class"] = stated["初判"]
    return counted_row(**values)


def outcome(case: dict[str, Any], rules: RuleSet) -> dict[str, list[str]]:
    """Clock → due date and state, of what the case asks for."""
    cases = [
        case_row(
            f"K{number}",
            **{CASE_FIELDS[key]: str(value) for key, value in one.items() if key in CASE_FIELDS},
            **({"rectification": WAYS[one["整改"]]} if "整改" in one else {}),
        )
        for number, one in enumerate(case.get("案件", []))
    ]
    links = [link(one["case_no"], "P1") for one in cases]
    row = patch_of(case["图斑"], rules)
    found = obligations(
        [row], cases, links, case.get("截止", CLOSES), clock_rules(rules, PERIOD_END)
    )
    return {
        CLOCKS[one.clock]: [str(one.due_date or "无"), STATES[one.state]]
        for one in found
        if CLOCKS[one.clock] not in case.get("不查", [])
    }


def holds(case: dict[str, Any], rules: RuleSet) -> bool:
    try:
        found = outcome(case, rules)
    except RuleError:
        return False
    return found == {name: [str(due), state] for name, (due, state) in case["预期"].items()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["名称"])
def test_case(case: dict[str, Any]) -> None:
    assert not case.keys() - KEYS
    assert outcome(case, RULES) == {
        name: [str(due), state] for name, (due, state) in case["预期"].items()
    }


def mutants(parameter: RuleParameter) -> Iterator[tuple[str, RuleParameter]]:
    """Every number one higher and one lower, and the series beginning after the cases."""
    for since, dated in parameter.values.items():
        value = dated.value
        numbers = value if isinstance(value, dict) else {"": value}
        for key, number in numbers.items():
            for step in (-1, 1):
                other = number + Decimal(step)
                changed = {**value, key: other} if isinstance(value, dict) else other
                series = {**parameter.values, since: dated.model_copy(update={"value": changed})}
                told = f"{parameter.id} {key}{step:+d}"
                yield told, parameter.model_copy(update={"values": series})
        later = {since + datetime.timedelta(days=1): dated}
        if parameter.decided_by == "event_date":
            yield f"{parameter.id} +1日", parameter.model_copy(update={"values": later})


@pytest.mark.parametrize("clock", CLOCKS)
def test_every_change_of_a_deadline_breaks_a_case(clock: str) -> None:
    changed_rule = RULES.parameter(CLOCK_RULES[clock])
    for told, mutant in mutants(changed_rule):
        others = [one for one in RULES.parameters if one.id != mutant.id]
        rules = replace(RULES, parameters=(*others, mutant))
        assert not all(holds(case, rules) for case in CASES), told


def test_every_deadline_rule_has_cases() -> None:
    rules = {rule.id for rule in RULES.parameters if rule.id.startswith("deadline.")}
    assert rules == set(CLOCK_RULES.values())
    assert {name for case in CASES for name in case["预期"]} == set(CLOCKS.values())
    states = {state for case in CASES for _, state in case["预期"].values()}
    assert states == set(STATES.values())
