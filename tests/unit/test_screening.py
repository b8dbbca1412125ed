"""The order of the steps, reasons, priority and deadline; the legal cases are in tests/legal."""

from __future__ import annotations

import ast
import dataclasses
import datetime
import re
from pathlib import Path

import pytest

from pipeline.errors import RuleError
from pipeline.rules.parameters import RuleSet
from pipeline.rules.screening.facts import PriorResult
from pipeline.rules.screening.priority import due_date
from pipeline.rules.screening.screen import screen_patch
from pipeline.rules.screening.wording import area_zh, percent_zh
from pipeline.schema.reference import REFERENCE_LAYERS
from tests.screening_facts import AFTER, BEFORE, CODES, RULES, D, document, patch, piece

ROOT = Path(__file__).parents[2]
DAY = datetime.timedelta(days=1)


def test_the_steps_are_walked_in_the_order_of_the_design() -> None:
    found = screen_patch(patch([piece(1000.0)]), RULES, AFTER, CODES)
    steps = list(dict.fromkeys(reason.step for reason in found.reasons))
    assert steps == [
        "observation",
        "change_kind",
        "approval",
        "supply",
        "registration",
        "existing_construction",
        "facility",
        "temporary",
        "fallback",
        "violation_kind",
        "route",
    ]


def test_reasons_are_numbered_and_cite_document_or_assumption() -> None:
    found = screen_patch(patch([piece(5000.0, is_pbf=True)]), RULES, AFTER, CODES)
    for number, sentence in enumerate(found.sentences, start=1):
        assert sentence.startswith(f"{number}. ")
    for reason in found.reasons:
        if reason.rule_id:
            assert reason.is_assumption == RULES.parameter(reason.rule_id).is_assumption
            assert reason.reference_zh is not None
            expected = "示例口径，待上级文件确认" if reason.is_assumption else "《"
            assert reason.reference_zh.startswith(expected)


def test_two_pieces_that_look_alike_are_two() -> None:
    approval = document("approvals", "a", BEFORE)
    covered, bare = piece(500.0, approval), piece(250.0)
    facts = patch([covered, covered, bare, dataclasses.replace(bare)], [approval])
    found = screen_patch(facts, RULES, AFTER, CODES)
    assert found.suspected_class == "part_approved"
    assert "未覆盖 500.00 平方米（0.75 亩）" in "\n".join(found.sentences)


def test_a_layer_that_was_not_supplied_is_never_zero() -> None:
    for layer in ("approvals", "supply", "registration", "facility_land", "temporary_land"):
        facts = patch([piece(1000.0)], supplied=frozenset(REFERENCE_LAYERS) - {layer})
        found = screen_patch(facts, RULES, AFTER, CODES)
        told = "\n".join(found.sentences)
        assert told.count("未提供") >= 1
        assert f"{len(found.reasons)}" in told
        assert found.suspected_class == (
            "uncertain" if layer == "approvals" else "suspected_violation"
        )


def test_nothing_supplied_still_gives_an_answer() -> None:
    facts = patch([piece(1000.0, land_category=None)], supplied=frozenset(), highway_ratio=None)
    found = screen_patch(facts, RULES, AFTER, CODES)
    assert found.suspected_class == "uncertain"
    assert {"approval", "land_use", "permanent_basic_farmland"} <= set(found.missing_evidence)


def without(rules: RuleSet, *ids: str, since: datetime.date) -> RuleSet:
    """The rules with some of them in force from another day only."""
    changed = []
    for parameter in rules.parameters:
        if parameter.id in ids:
            (dated,) = parameter.values.values()
            parameter = parameter.model_copy(update={"values": {since: dated}})
        changed.append(parameter)
    return RuleSet(tuple(changed))


def test_the_day_before_the_road_rule_no_road_is_cleared() -> None:
    facts = patch(
        [piece(3000.0)], width_m=6.0, perimeter_m=1012.0, change_kind="road", is_construction=True
    )
    roads = ("rural_road.min_width", "rural_road.max_width")
    tomorrow = without(RULES, *roads, since=AFTER + DAY)
    found = screen_patch(facts, tomorrow, AFTER, CODES)
    assert found.suspected_class == "suspected_violation"
    assert "road_rule" in found.missing_evidence
    today = without(RULES, *roads, since=AFTER)
    assert screen_patch(facts, today, AFTER, CODES).suspected_class == "rural_road"


def test_outside_the_life_of_a_needed_rule_screening_is_refused() -> None:
    with pytest.raises(RuleError, match="2019-05-01"):
        screen_patch(patch([piece(1.0)]), RULES, D(2019, 4, 30), CODES)
    assert screen_patch(patch([piece(1.0)]), RULES, D(2019, 5, 1), CODES)


def test_a_looser_date_rule_clears_until_the_after_date() -> None:
    parameter = RULES.parameter("screening.cleared_until")
    (since,) = parameter.values
    loose = parameter.model_copy(
        update={
            "values": {since: parameter.values[since].model_copy(update={"value": "after_date"})}
        }
    )
    rules = RuleSet((*(p for p in RULES.parameters if p.id != parameter.id), loose))
    approval, supply = document("approvals", "a", AFTER), document("supply", "g", AFTER)
    facts = patch([piece(1000.0, approval, supply)], [approval, supply])
    assert screen_patch(facts, RULES, AFTER, CODES).suspected_class == "uncertain"
    assert screen_patch(facts, rules, AFTER, CODES).suspected_class == "approved"


def test_equal_facts_give_equal_screenings_whatever_the_order_of_pieces() -> None:
    early, late = document("approvals", "a", BEFORE), document("approvals", "b", AFTER + DAY)
    pieces = [piece(1000.1, early), piece(300.7, late, early), piece(500.3), piece(0.1, late)]
    first = screen_patch(patch(pieces, [early, late]), RULES, AFTER, CODES)
    again = screen_patch(patch(pieces[::-1], [late, early]), RULES, AFTER, CODES)
    assert first == again


def test_without_code_tables_codes_stand_for_their_labels() -> None:
    found = screen_patch(patch([piece(1000.0)]), RULES, AFTER)
    assert found.violation_kinds == ("1", "3")
    assert "变化类型为building" in "\n".join(found.sentences)


# ------------------------------------------------------------------ priority and deadline


def test_priority_is_the_sum_of_named_parts() -> None:
    facts = patch([piece(7000.0, is_pbf=True, is_redline=True)], patrol_grade="1")
    found = screen_patch(facts, RULES, AFTER, CODES)
    # 50 class + 10 issued + 20 PBF + 15 redline + 15 移送 + 10 (10.5 亩, capped) + 5 first grade
    assert {part.code: part.points for part in found.priority_parts} == {
        "class": 50,
        "issued": 10,
        "pbf": 20,
        "redline": 15,
        "transfer": 15,
        "cultivated": 10,
        "first_grade": 5,
    }
    assert found.priority == 125
    assert all(re.search(r"[\u4e00-\u9fff]", part.label) for part in found.priority_parts)


def test_whole_mu_count_and_a_cleared_patch_weighs_nothing_more() -> None:
    found = screen_patch(patch([piece(1999.0)], source="detected"), RULES, AFTER, CODES)
    assert {part.code: part.points for part in found.priority_parts} == {
        "class": 50,
        "cultivated": 2,
    }
    crop = patch([piece(9999.0, is_pbf=True)], change_kind="crop", is_construction=False)
    assert [p.code for p in screen_patch(crop, RULES, AFTER, CODES).priority_parts] == [
        "class",
        "issued",
    ]


def test_every_class_has_points() -> None:
    points = RULES.at("screening.priority_class", AFTER).value
    assert isinstance(points, dict)
    assert points.keys() == CODES["suspected_class"].labels.keys()


@pytest.mark.parametrize(
    ("issued_on", "due"),
    [
        (None, None),
        (D(2024, 10, 30), D(2024, 11, 9)),  # a Saturday: not rolled on, see the rule's meaning
        (D(2024, 2, 20), D(2024, 3, 1)),
        (D(2024, 12, 22), D(2025, 1, 1)),
    ],
)
def test_the_start_day_is_excluded_and_days_are_calendar_days(
    issued_on: D | None, due: D | None
) -> None:
    assert due_date(issued_on, RULES) == due


# ------------------------------------------------------------------ wording


@pytest.mark.parametrize(
    ("area", "text"),
    [
        (3333.3, "3333.30 平方米（5.00 亩）"),
        (0.125, "0.13 平方米（0.00 亩）"),
        (2000.0, "2000.00 平方米（3.00 亩）"),
        (0.0, "0.00 平方米（0.00 亩）"),
    ],
)
def test_areas_are_written_half_up_in_both_units(area: float, text: str) -> None:
    assert area_zh(area) == text


def test_shares_are_written_half_up() -> None:
    assert percent_zh(0.12345) == "12.35%"
    assert percent_zh(1.0, 3.0) == "33.33%"
    assert percent_zh(1.0, 0.0) == "0.00%"


# ------------------------------------------------------------------ no peeking

PIPELINE = ROOT / "pipeline"
CORE = [
    p for name in ("rules", "change", "patches") for p in sorted((PIPELINE / name).rglob("*.py"))
]
ANSWERS = {"pipeline.patches.planted", "pipeline.io.truth"}
"""The only modules that know the planted answers; they score results and make none."""
EVALUATION = ANSWERS | {"pipeline.patches.accuracy"}
"""Those and the measure of agreement with labels."""
EVALUATORS = ("evaluate",)
"""The only stages that may use the planted answers (beginning of the name)."""
LABEL_STAGES = {"train", "train_data", "train_runs", "effect"}
"""Besides them, these measure against labels that a user gives; no comparison uses them."""


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def imported(path: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return modules


@pytest.mark.parametrize("path", CORE, ids=module_name)
def test_the_core_reads_no_file_and_knows_no_planted_answer(path: Path) -> None:
    modules = imported(path)
    assert not [name for name in modules if name.startswith(("pipeline.io", "pathlib", "scripts"))]
    if module_name(path) in EVALUATION:
        return
    assert not modules & EVALUATION
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"truth\.gpkg|truth_id|expected_class|expected_kinds", text)


def test_only_the_evaluation_uses_the_planted_answers() -> None:
    stages = sorted((PIPELINE / "stages").rglob("*.py"))
    others = [path for path in stages if not path.stem.startswith(EVALUATORS)]
    assert len(others) < len(stages)
    assert {path.stem for path in others if imported(path) & ANSWERS} == set()
    measuring = {f"pipeline.stages.{path.stem}" for path in stages if path not in others}
    measuring |= {f"pipeline.stages.{name}" for name in LABEL_STAGES} | EVALUATION
    users = {path.stem for path in others if imported(path) & measuring}
    assert users <= LABEL_STAGES


def test_the_screening_never_mentions_the_answers() -> None:
    for path in sorted((PIPELINE / "rules").rglob("*.py")):
        assert "truth" not in path.read_text(encoding="utf-8").lower()


def test_a_prior_patch_of_the_same_number_elsewhere_is_not_said_to_overlap() -> None:
    prior = PriorResult("A6", "合法", 0.0, is_same_id=True)
    facts = dataclasses.replace(patch([piece(1000.0)]), prior_results=(prior,))
    found = screen_patch(facts, RULES, AFTER, CODES)
    assert "prior_result" in found.flags
    told = "\n".join(found.sentences)
    assert "以往图斑 A6 与本图斑编号相同、重叠 0.00%，以往判定：“合法”" in told


def test_the_size_for_the_township_is_not_called_close_where_it_decides_nothing() -> None:
    on_pbf = screen_patch(patch([piece(3300.0, is_pbf=True)]), RULES, AFTER, CODES)
    beside = screen_patch(patch([piece(3300.0)]), RULES, AFTER, CODES)
    assert on_pbf.handling_route == "bureau_case"
    assert beside.handling_route == "township_stop"
    assert "接近 5 亩，近阈值" in "".join(on_pbf.sentences)  # of 移送 only
    assert "没有手续的部分 3300.00" not in "".join(on_pbf.sentences)
    assert "没有手续的部分 3300.00 平方米（4.95 亩），接近 5 亩" in "".join(beside.sentences)


def test_transfer_prompt_rests_on_the_interpretation_and_asks_for_appraisal() -> None:
    found = screen_patch(patch([piece(3400.0, is_pbf=True)]), RULES, AFTER, CODES)
    (prompt,) = [reason for reason in found.reasons if reason.rule_id == "transfer.pbf_area"]
    assert prompt.reference_zh is not None
    assert prompt.reference_zh.endswith("法释〔2000〕14号第三条（一）")
    assert "须经鉴定" in prompt.text_zh
