"""Which returned boundaries (交回的实测界址) count, and what they become in the register.

All polygons of one patch in one file are one survey. Surveys of one patch in several files must be
equal unless the bureau has decided for one file. The result depends on what was returned and on the
rules only, not on the order in which it came or on what was collected before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from pipeline.errors import Finding, PipelineError, Severity
from pipeline.patches.covering import UNKNOWN_DAY, PatchDates, as_days
from pipeline.patches.survey import (
    Measured,
    SurveyLayers,
    find_shared_areas,
    measure_surveys,
    measured_area_doubt,
)
from pipeline.patches.survey_outline import REDO_ZH, doubt
from pipeline.patches.survey_reading import (
    UNKNOWN,
    Returned,
    Survey,
    SurveyContent,
    SurveyMaterial,
    join_surveys,
    outline_wkb,
    read_survey,
)
from pipeline.schema.events import NewEvent
from pipeline.schema.returned import ReturnedFile, SurveyFeature


@dataclass(frozen=True)
class AcceptedSurvey:
    """A returned polygon that counts; all polygons of one patch have one and the same event."""

    file: ReturnedFile
    feature: SurveyFeature
    event: NewEvent
    notices: tuple[Finding, ...]


@dataclass(frozen=True)
class RejectedSurvey:
    """A returned polygon that does not count."""

    file: ReturnedFile
    feature: SurveyFeature
    patch_id: str | None
    """Of the run; None if it is not known which."""
    finding: Finding


@dataclass(frozen=True)
class SurveyResult:
    """Every returned polygon once, in order of file and row."""

    accepted: tuple[AcceptedSurvey, ...]
    rejected: tuple[RejectedSurvey, ...]


def accept_surveys(material: SurveyMaterial, features: Sequence[Returned]) -> SurveyResult:
    """Every returned polygon as accepted, with the event of its patch, or as rejected."""
    pieces = [read_survey(material, source) for source in sorted(features, key=_order)]
    joined = [one for group in _groups(pieces) for one in join_surveys(material, group)]
    surveys = _settled(material, joined)
    # The first file of a patch speaks for the others, which say the same.
    first = {one.patch: one for one in reversed(surveys) if one.problem is None}
    measured = _measured(material, [first[patch] for patch in sorted(first)])
    problems = {patch: found for patch, found in measured.items() if isinstance(found, Finding)}
    good = {patch: found for patch, found in measured.items() if isinstance(found, Measured)}
    shared = _overlapping(material, [first[patch] for patch in good])
    problems |= {n: found for n, found in shared.items() if found.severity is Severity.BLOCK}
    accepted: list[AcceptedSurvey] = []
    rejected: list[RejectedSurvey] = []
    for survey in surveys:
        problem = survey.problem or problems.get(survey.patch)
        if problem is not None:
            rejected += _rejections(material, survey, problem)
            continue
        found = good[survey.patch]
        event = _event(material, first[survey.patch], found)
        notices = [*survey.notices, *_doubts(material, survey, found)]
        notices += [shared[survey.patch]] if survey.patch in shared else []
        accepted += [
            AcceptedSurvey(file, feature, event, (*feature.notices, *notices))
            for file, feature in survey.sources
        ]
    return SurveyResult(
        tuple(sorted(accepted, key=_order_of)), tuple(sorted(rejected, key=_order_of))
    )


def _order(source: Returned) -> tuple[str, int, str]:
    file, feature = source
    shape = "" if feature.geometry is None else shapely.to_wkb(feature.geometry, hex=True)
    return file.name, feature.row_no or 0, shape


def _order_of(one: AcceptedSurvey | RejectedSurvey) -> tuple[str, int, str]:
    return _order((one.file, one.feature))


def _groups(pieces: Iterable[Survey]) -> list[list[Survey]]:
    """Polygons of one patch in one file; those of unknown patches one by one."""
    groups: dict[tuple[str, int, int], list[Survey]] = {}
    for number, piece in enumerate(pieces):
        alone = number if piece.patch == UNKNOWN else UNKNOWN
        groups.setdefault((piece.file.name, piece.patch, alone), []).append(piece)
    return list(groups.values())


def _settled(material: SurveyMaterial, surveys: Sequence[Survey]) -> list[Survey]:
    """Surveys of several files that differ are refused, but for the one the bureau decided for."""
    files: dict[int, dict[str, SurveyContent]] = {}
    for one in surveys:
        if one.problem is None:
            files.setdefault(one.patch, {})[one.file.name] = one.content
    return [
        one if one.problem else _settle(one, files[one.patch], _decided_for(material, one))
        for one in surveys
    ]


def _decided_for(material: SurveyMaterial, survey: Survey) -> str | None:
    return material.decided.get(str(material.patches["patch_id"].iloc[survey.patch]))


def _settle(survey: Survey, files: Mapping[str, SurveyContent], decided: str | None) -> Survey:
    """`files` are those of the patch with a usable survey."""
    value, allowed = "、".join(sorted(files)), "各份相同，或由县局裁决"
    if decided is not None and survey.content != files.get(decided):
        what = f"这个图斑的实测界址已裁决采用 {decided}。"
        advice = "裁决有误时改正 bureau/decisions.xlsx。"
    elif decided is None and len(set(files.values())) > 1:
        what = "几份文件里同一图斑的实测界址不同。"
        advice = "在 bureau/decisions.xlsx 里写明采用哪一份文件。"
    else:
        return survey
    return survey.refused(Finding("E-RETURN-CONFLICT", what, "", value, allowed, advice))


def _measured(material: SurveyMaterial, surveys: Sequence[Survey]) -> dict[int, Measured | Finding]:
    """Areas of the surveys by patch, or why a survey can not be measured."""
    if not surveys:
        return {}
    patches = np.array([one.patch for one in surveys], dtype=np.int64)
    table = gpd.GeoDataFrame(
        {"patch_id": material.patches["patch_id"].to_numpy(dtype=object)[patches]},
        geometry=[one.outline for one in surveys],
        crs=material.patches.crs,
    )
    cutters, dates = material.read_cutters(table), material.dates.of(patches)
    measured: list[Measured | Finding] = []
    try:
        measured += measure_surveys(table, dates, cutters)
    except PipelineError:
        # One boundary that can not be cut must not take the others with it.
        for n in range(len(table)):
            only = np.array([n])
            measured.append(_alone(table.iloc[only], dates.of(only), cutters))
    townships = material.patches["township_code"].notna().to_numpy(dtype=bool)[patches]
    outside = Finding(
        "E-RETURN-GEOMETRY",
        "界址在全县乡镇范围以外。",
        advice=f"核对图斑编号、坐标系和带号；{REDO_ZH}",
    )
    return {
        int(patch): outside
        if isinstance(one, Measured) and one.township_code is None and has_township
        else one
        for patch, one, has_township in zip(patches, measured, townships, strict=True)
    }


def _alone(
    survey: gpd.GeoDataFrame, dates: PatchDates, cutters: SurveyLayers
) -> Measured | Finding:
    try:
        return measure_surveys(survey, dates, cutters)[0]
    except PipelineError as problem:
        what = "界址与参考图层套合不闭合，无法计算面积。"
        value = problem.findings[0].value
        return Finding("E-RETURN-GEOMETRY", what, "", value, "", REDO_ZH)


def _overlapping(material: SurveyMaterial, surveys: Sequence[Survey]) -> dict[int, Finding]:
    """Surveys that cover land of another patch's survey, by patch: refused or a notice."""
    outlines = np.array([one.outline for one in surveys], dtype=object)
    rows = material.patches.iloc[[one.patch for one in surveys]]
    patches = np.asarray(rows.geometry.to_numpy(), dtype=object)
    names = rows["patch_id"].tolist()
    texts: dict[int, list[str]] = {}
    refused: set[int] = set()
    for pair in find_shared_areas(outlines, patches, material.limits):
        for one, two in ((pair.first, pair.second), (pair.second, pair.first)):
            text = f"与图斑 {names[two]} 的界址重叠 {pair.area_m2:.2f} 平方米"
            texts.setdefault(one, []).append(text)
            refused |= {one} if pair.is_refused else set()
    what = "界址与另一图斑的界址重叠，同一块地会计算两次。"
    told = "两个图斑本身重叠，界址也重叠，同一块地会计算两次。"
    allowed = f"不超过 {material.limits.max_shared_m2:g} 平方米"
    return {
        surveys[n].patch: Finding("E-RETURN-GEOMETRY", what, "", "；".join(lines), allowed, REDO_ZH)
        if n in refused
        else doubt(told, "；".join(lines), "由县局确定各图斑的认定面积。")
        for n, lines in texts.items()
    }


def _doubts(material: SurveyMaterial, survey: Survey, found: Measured) -> tuple[Finding, ...]:
    """What should be looked at in a survey that counts."""
    date, closes_on = survey.surveyed_date, material.closes_on
    before = int(material.dates.before[survey.patch])
    doubts = []
    if survey.surveyed_by is None or date is None:
        lacking = "、".join(
            name
            for name, value in (("测量单位", survey.surveyed_by), ("测量日期", date))
            if value is None
        )
        doubts.append(doubt(f"没有写明{lacking}。", "", "补填后重新交回。"))
    if date is not None and closes_on is not None and date > closes_on:
        allowed = f"不晚于 {closes_on}"
        doubts.append(doubt("测量日期晚于统计截止日期。", date, "核对日期。", allowed))
    if date is not None and UNKNOWN_DAY < int(as_days([date])[0]) < before:
        allowed = f"不早于 {np.datetime64(before, 'D')}"
        doubts.append(doubt("测量日期早于前时相。", date, "核对日期。", allowed))
    township = material.patches["township_code"].iloc[survey.patch]
    own = None if pd.isna(township) else str(township)
    if found.township_code != own:
        doubts.append(doubt("界址大部分在另一乡镇。", found.township_code or "", "核对界址。"))
    elif own is not None and found.outside_m2 > 0.0:
        value = f"{found.outside_m2:.2f} 平方米"
        doubts.append(doubt("界址有一部分在全县乡镇范围以外。", value, "核对界址。"))
    name = str(material.patches["patch_id"].iloc[survey.patch])
    area = found.areas["survey_area_m2"]
    stated = measured_area_doubt(material.stated_area_m2.get(name), area, material.limits)
    return (*doubts, *([] if stated is None else [stated]))


def _event(material: SurveyMaterial, survey: Survey, found: Measured) -> NewEvent:
    return NewEvent(
        "survey_accepted",
        material.run,
        str(material.patches["patch_id"].iloc[survey.patch]),
        {
            **found.areas,
            "surveyed_by": survey.surveyed_by,
            "surveyed_date": survey.surveyed_date,
            "wkb": outline_wkb(survey.outline),
        },
        event_date=survey.surveyed_date,
        by=survey.surveyed_by,
        source_file=survey.file.name,
        source_sha256=survey.file.sha256,
    )


def _rejections(material: SurveyMaterial, survey: Survey, problem: Finding) -> list[RejectedSurvey]:
    known = survey.patch != UNKNOWN
    name = str(material.patches["patch_id"].iloc[survey.patch]) if known else None
    return [RejectedSurvey(file, feature, name, problem) for file, feature in survey.sources]
