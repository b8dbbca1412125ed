"""What surveys of a run are held against and cut with, from the run's files."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

import geopandas as gpd
import numpy as np

from pipeline.config.load import RULES_DIR, load_rules
from pipeline.errors import Finding, RuleError
from pipeline.patches.survey import SurveyLayers, partition_surveys
from pipeline.patches.survey_outline import SurveyLimits
from pipeline.patches.survey_reading import Returned, SurveyMaterial
from pipeline.patches.survey_returns import (
    AcceptedSurvey,
    RejectedSurvey,
    SurveyResult,
    accept_surveys,
)
from pipeline.rules.parameters import RuleSet
from pipeline.stages.context import StageContext
from pipeline.stages.overlay import load_overlay_codes, patch_dates, read_overlay_layers

__all__ = [
    "AcceptedSurvey",
    "RejectedSurvey",
    "Returned",
    "SurveyMaterial",
    "SurveyResult",
    "accept_surveys",
    "survey_limits",
    "survey_material",
    "survey_parts",
]

LIMIT_RULES = {
    "max_distance_m": ("survey.max_distance", "<="),
    "min_overlap_ratio": ("survey.min_overlap_ratio", ">="),
    "max_area_ratio": ("survey.max_area_ratio", "<="),
    "min_area_m2": ("survey.min_area", ">="),
    "max_repair_m2": ("survey.max_repair_area", "<="),
    "max_shared_m2": ("survey.max_shared_area", "<="),
    "max_area_difference_ratio": ("survey.max_area_difference_ratio", "<="),
}
"""Limit → rule, and how a boundary is compared with it."""


def survey_limits(rules: RuleSet, on: datetime.date) -> SurveyLimits:
    """The rules `survey.*` in force on a date. `RuleError` if one is missing, or if it states a
    comparison that surveys are not judged by."""
    return SurveyLimits(**{name: _limit(rules, on, *told) for name, told in LIMIT_RULES.items()})


def _limit(rules: RuleSet, on: datetime.date, rule_id: str, comparison: str) -> float:
    rule = rules.at(rule_id, on)
    stated = rule.parameter.comparison
    if stated != comparison:
        what = f"规则“{rule_id}”写的比较方式，程序核对实测界址时没有采用。"
        advice = "改回允许的写法；要改变比较方式，须同时修改程序。"
        raise RuleError(Finding("E-RULE-VALUE", what, "", str(stated), comparison, advice))
    return float(rule.number())


def survey_material(
    context: StageContext,
    patches: gpd.GeoDataFrame,
    township_of: Mapping[str, str | None],
    decided: Mapping[str, str],
    stated_area_m2: Mapping[str, float] | None = None,
) -> SurveyMaterial:
    """What `accept_surveys` needs; reference layers are read only once a survey is to be cut.

    `patches` are `SCREENED` rows; `township_of` names the township of each returned file (None: the
    bureau), `decided` the file that counts for a patch where several contradict each other,
    `stated_area_m2` the area that the patch's accepted form states as measured.
    """
    run = context.run
    # A run without any date has not passed the screening.
    on = run.after.date or run.issued_on or run.closes_on or datetime.date.max
    return SurveyMaterial(
        run.run,
        patches.reset_index(drop=True),
        patch_dates(context, patches),
        survey_limits(load_rules(RULES_DIR), on),
        lambda surveys: _cutters(context, surveys),
        township_of,
        decided,
        None if run.closes_on is None else run.closes_on.isoformat(),
        stated_area_m2 or {},
    )


def survey_parts(
    context: StageContext, surveys: gpd.GeoDataFrame, patches: gpd.GeoDataFrame
) -> gpd.GeoDataFrame:
    """`PARTS` rows of the run's `SURVEYS`, in their order, by the run's reference layers.

    `patches` has `patch_id`, `before_date` and `after_date` of every surveyed patch.
    """
    dates = patch_dates(context, patches)
    position = {name: n for n, name in enumerate(patches["patch_id"])}
    rows = np.array([position[name] for name in surveys["patch_id"]], dtype=np.int64)
    return partition_surveys(surveys, dates.of(rows), _cutters(context, surveys))


def _cutters(context: StageContext, surveys: gpd.GeoDataFrame) -> SurveyLayers:
    layers = read_overlay_layers(context, surveys)
    return SurveyLayers(layers, load_overlay_codes(), context.run.settings.overlay)
