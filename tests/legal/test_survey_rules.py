"""Rules of surveyed boundaries: cases at every limit, and proof that no change goes unnoticed."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import shapely
from ruamel.yaml import YAML
from shapely.affinity import translate
from shapely.geometry import Polygon

from pipeline.errors import RuleError
from pipeline.patches.survey import measured_area_doubt
from pipeline.patches.survey_outline import (
    SurveyLimits,
    compare_with_patch,
    join_outlines,
    read_outline,
)
from pipeline.rules.parameters import RuleParameter, RuleSet
from pipeline.stages.collect_surveys import survey_limits
from tests.legal_cases import RULES
from tests.overlay_factory import CRS_4547, X0, Y0
from tests.rule_mutants import mutants, with_rule
from tests.survey_factory import normal

FIRST_DAY = datetime.date(2019, 5, 1)
DAY = datetime.timedelta(days=1)
CASES: list[dict[str, Any]] = YAML(typ="safe").load(
    Path(__file__).parent / "survey" / "limits.yaml"
)
SURVEY_RULES = [rule for rule in RULES.parameters if rule.id.startswith("survey.")]


def box(x: float, y: float, width: float, height: float) -> Polygon:
    """Metres from a corner on whole numbers, so that areas of such boxes are exact."""
    left, low = round(X0) + x, round(Y0) + y
    return shapely.box(left, low, left + width, low + height)


PATCH = box(0, 0, 60, 50)


def is_near(value: float, limits: SurveyLimits) -> bool:
    """`value` metres between the patch and the boundary."""
    moved = normal(translate(PATCH, 60 + value, 0))
    return compare_with_patch(moved, PATCH, limits)[0] is None


def is_undoubted(outline: Polygon, limits: SurveyLimits) -> bool:
    return compare_with_patch(normal(outline), PATCH, limits) == (None, ())


def is_repaired(value: float, limits: SurveyLimits) -> bool:
    """A loop `value` wide the wrong way round: five times that area changes."""
    x, y = round(X0), round(Y0)
    bow = [(40.0, 50.0), (30.0, 50.0 + value), (40.0, 50.0 + value), (30.0, 50.0)]
    corners = [(0, 0), (60, 0), (60, 50), *bow, (0, 50)]
    ring = Polygon([(x + dx, y + dy) for dx, dy in corners])
    return read_outline(ring, CRS_4547, PATCH, CRS_4547, limits).problem is None


def is_joined(value: float, limits: SurveyLimits) -> bool:
    """Two boundaries that share `value` m²."""
    pieces = [normal(box(0, 0, 2, 1)), normal(box(2 - value, 0, 2, 1))]
    return join_outlines(pieces, limits).problem is None


JUDGED: Mapping[str, Callable[[float, SurveyLimits], bool]] = {
    "survey.max_distance": is_near,
    "survey.min_overlap_ratio": lambda v, limits: is_undoubted(translate(PATCH, v, 0), limits),
    "survey.max_area_ratio": lambda v, limits: is_undoubted(box(0, 0, 60, v), limits),
    "survey.min_area": lambda v, limits: (
        join_outlines([normal(box(0, 0, v, 1))], limits).problem is None
    ),
    "survey.max_repair_area": is_repaired,
    "survey.max_shared_area": is_joined,
    "survey.max_area_difference_ratio": lambda v, limits: (
        measured_area_doubt(v, 1000.0, limits) is None
    ),
}


def passes(case: Mapping[str, Any], rules: RuleSet) -> bool:
    try:
        limits = survey_limits(rules, FIRST_DAY)
    except RuleError:
        return False
    return JUDGED[case["规则"]](float(case["量"]), limits) is (case["预期"] == "收")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["名称"])
def test_cases(case: dict[str, Any]) -> None:
    assert passes(case, RULES)


@pytest.mark.parametrize("rule", SURVEY_RULES, ids=lambda rule: rule.id)
def test_every_rule_starts_on_its_day(rule: RuleParameter) -> None:
    assert is_first_day_kept(RULES, rule)


def test_every_rule_is_met_and_missed() -> None:
    told = {(case["规则"], case["预期"]) for case in CASES}
    assert told == {(rule.id, verdict) for rule in SURVEY_RULES for verdict in ("收", "不收")}


@pytest.mark.parametrize("rule", SURVEY_RULES, ids=lambda rule: rule.id)
def test_every_change_of_a_rule_breaks_a_case(rule: RuleParameter) -> None:
    survivors = []
    for told, changed in mutants(rule):
        rules = with_rule(RULES, changed)
        own = [case for case in CASES if case["规则"] == rule.id]
        if all(passes(case, rules) for case in own) and is_first_day_kept(rules, rule):
            survivors.append(told)
    assert survivors == []


def is_first_day_kept(rules: RuleSet, rule: RuleParameter) -> bool:
    """The rule is in force on its first day and not the day before."""
    try:
        rules.at(rule.id, FIRST_DAY)
    except RuleError:
        return False
    try:
        rules.at(rule.id, FIRST_DAY - DAY)
    except RuleError:
        return True
    return False
