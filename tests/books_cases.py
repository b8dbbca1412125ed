"""Cases of the books a clerk can read and add: `tests/legal/books/*.yaml`.

A patch has the columns of `PATCH_KEYS`; what is left out: 10 亩, all of it cultivated, no built
land before, no 永农 and no 保护地, issued, signed 违法用地, no case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.config.load import CODES_DIR, load_codes
from pipeline.rules.books.accountability import (
    RATIO_RULE,
    TALK_RULES,
    ratio,
    talk_lines,
    talk_rules,
)
from pipeline.rules.books.quota import UnitLinkage, linkage, patch_linkages
from pipeline.rules.books.quota_facts import unit_facts
from pipeline.rules.books.quota_rules import quota_rules
from pipeline.rules.books.rectification import concealment, patch_outcomes
from pipeline.rules.parameters import DatedValue, RuleSet
from pipeline.units import format_mu100
from tests.books_factory import PERIOD_END, RULES, case_row, counted_row, input_row, link, m2

HERE = Path(__file__).parent / "legal" / "books"
UNITS = {name: f"37999910{number}" for number, name in enumerate("甲乙丙丁戊己", start=1)}
WAYS = {label: code for code, label in load_codes(CODES_DIR / "case_outcome.csv").labels.items()}
GROUPS = {label: code for code, label in load_codes(CODES_DIR / "source_group.csv").labels.items()}
AREAS = {
    "面积": "area_m2",
    "原建设用地": "construction_m2",
    "耕地": "cultivated_m2",
    "永农": "pbf_m2",
    "保护地": "reserve_m2",
}
PATCH_KEYS = {"乡镇", "来源", "签署", "案件", *AREAS}
CASE_KEYS = {"整改方式", "结案", "验收", "瞒报"}
CASE_FILE_KEYS = {"名称", "图斑", "规则", "截止", "指标", "上年扣减", "比例", "预期"}
MEASURES = {"永农": "pbf", "保护地": "reserve", "一般耕地": "general_cultivated"}


def load(name: str) -> list[dict[str, Any]]:
    cases = YAML(typ="safe").load((HERE / f"{name}.yaml").read_text(encoding="utf-8"))
    for case in cases:
        assert not case.keys() - CASE_FILE_KEYS, case
    return list(cases)


LINKAGE, READINGS = load("linkage"), load("ratio_and_talks")


class Books:
    """The rows of one case."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.rows: list[dict[str, Any]] = []
        self.cases: list[dict[str, Any]] = []
        self.links: list[dict[str, Any]] = []
        for number, patch in enumerate(case["图斑"]):
            self.add(f"P{number}", patch)
        ids = [row["patch_id"] for row in self.rows]
        self.outcomes = patch_outcomes(ids, self.cases, self.links, case.get("截止"))
        self.concealed = concealment(ids, self.cases, self.links)
        self.units = sorted({row["township_code"] for row in self.rows})

    def add(self, patch_id: str, patch: dict[str, Any]) -> None:
        assert not patch.keys() - PATCH_KEYS, patch
        values: dict[str, Any] = {
            column: None if patch[key] == "未提供" else m2(patch[key])
            for key, column in AREAS.items()
            if key in patch
        }
        values["township_code"] = UNITS[patch["乡镇"]]
        values["source_group"] = GROUPS[patch.get("来源", "下发")]
        if patch.get("签署", "是") == "否":
            values["reviewed_by"] = None
        self.rows.append(counted_row(patch_id, **values))
        for case in patch.get("案件", []):
            self.add_case(patch_id, case)

    def add_case(self, patch_id: str, case: dict[str, Any]) -> None:
        assert not case.keys() - CASE_KEYS, case
        case_no = f"K{len(self.cases)}"
        values = {
            "rectification": WAYS[case["整改方式"]],
            "closed_date": case.get("结案"),
            "accepted_date": case.get("验收"),
            "is_concealed": {"是": True, "否": False}.get(case.get("瞒报", "")),
        }
        self.cases.append(case_row(case_no, **values))
        self.links.append(link(case_no, patch_id))


def mu(amount_mu100: int | None) -> str:
    return "无法计算" if amount_mu100 is None else format_mu100(amount_mu100)


def printed(unit: UnitLinkage) -> dict[str, Any]:
    return {
        "基数": mu(unit.base_before_mu100),
        "其中永农": mu(unit.pbf_before_mu100),
        "核减": mu(unit.netted_mu100),
        "其中拆补组合": mu(unit.netted_both_mu100),
        "核减后基数": mu(unit.base_after_mu100),
        "核减前扣减": mu(unit.deduction_before_mu100),
        "核减后扣减": mu(unit.deduction_after_mu100),
        "名次": f"{unit.rank}",
        "奖励": mu(unit.award_mu100),
        "封顶": "是" if unit.is_capped else "否",
        "地类不明": unit.unknown_new,
        "永农不明": unit.unknown_pbf,
    }


def exact(value: str) -> Any:
    return Decimal(value) if value.replace(".", "").isdigit() else value


def changed_rules(rules: RuleSet, changed: Mapping[str, Any]) -> RuleSet:
    """The rules with the values that a case sets itself; dates stay."""
    parameters = []
    for parameter in rules.parameters:
        if parameter.id in changed:
            values = {
                since: DatedValue(value=changed[parameter.id], reference=dated.reference)
                for since, dated in parameter.values.items()
            }
            parameter = parameter.model_copy(update={"values": values})
        parameters.append(parameter)
    return RuleSet(tuple(parameters))


def check_linkage(case: dict[str, Any], rules: RuleSet = RULES) -> None:
    books = Books(case)
    changed = {rule_id: exact(value) for rule_id, value in case.get("规则", {}).items()}
    used = quota_rules(changed_rules(rules, changed), PERIOD_END)
    stated = [
        input_row("quota_allotted", UNITS[name], value)
        for name, value in case.get("指标", {}).items()
    ]
    stated += [
        input_row("deducted_last_year", UNITS[name], value, year=2025)
        for name, value in case.get("上年扣减", {}).items()
    ]
    facts = unit_facts(books.units, stated, {}, 2026)
    patches = patch_linkages(books.rows, books.outcomes, used)
    found = {unit.unit_code: unit for unit in linkage(books.units, patches, facts, used)}
    assert {UNITS[name] for name in case["预期"]} == set(found)
    for name, expected in case["预期"].items():
        told = printed(found[UNITS[name]])
        assert {key: told[key] for key in expected} == expected


def check_readings(case: dict[str, Any], rules: RuleSet = RULES) -> None:
    if "比例" in case:
        check_ratio(case["比例"], case["预期"], rules)
    else:
        check_talks(case, rules)


def check_ratio(given: dict[str, Any], expected: dict[str, str], rules: RuleSet) -> None:
    assert given.keys() == {"违法占用耕地", "分母", "单位", "口径"}
    denominator = None if given["分母"] == "未填报" else given["分母"]
    found = ratio(
        m2(given["违法占用耕地"]),
        denominator,
        rules.at(RATIO_RULE, PERIOD_END),
        {"县": "county", "乡镇": "township"}[given["单位"]],  # type: ignore[arg-type]
        {"年度": True, "季度": False}[given["口径"]],
    )
    percent = "无" if found.percent is None else f"{found.percent}"
    assert {"百分比": percent, "读法": found.reading} == expected


def check_talks(case: dict[str, Any], rule_set: RuleSet) -> None:
    books = Books(case)
    rules = talk_rules(rule_set, PERIOD_END)
    lines = talk_lines(books.units, books.rows, books.outcomes, books.concealed, rules)
    found = {
        (line.unit_code, line.measure): [
            line.before.reading,
            line.after.reading,
            line.concealed_before.reading,
            line.concealed_after.reading,
        ]
        for line in lines
    }
    for name, measures in case["预期"].items():
        for measure, expected in measures.items():
            assert found[UNITS[name], MEASURES[measure]] == expected, measure


Told = tuple[
    str, frozenset[str], Callable[[RuleSet], None], frozenset[tuple[str, bool]], frozenset[str]
]


def book_cases() -> Iterator[Told]:
    """Name, rules used, check, verdicts of comparisons, rules that were hit."""
    for case in LINKAGE:
        changed = {rule_id: exact(value) for rule_id, value in case.get("规则", {}).items()}
        used = frozenset(quota_rules(changed_rules(RULES, changed), PERIOD_END).rule_ids)
        yield case["名称"], used, partial(check_linkage, case), frozenset(), used
    for case in READINGS:
        used = frozenset({RATIO_RULE} if "比例" in case else set(TALK_RULES.values()))
        yield case["名称"], used, partial(check_readings, case), read_verdicts(case), used


def read_verdicts(case: dict[str, Any]) -> frozenset[tuple[str, bool]]:
    """Which lines a case reaches and which it does not, as its expectations say."""
    if "比例" in case:
        reading = case["预期"]["读法"]
        return frozenset({(RATIO_RULE, "未达到" not in reading)} if "达到" in reading else ())
    return frozenset(
        (TALK_RULES[MEASURES[measure]], expected[0] == "预警")
        for measures in case["预期"].values()
        for measure, expected in measures.items()
        if expected[0] != "无法计算"
    )
