"""Part of `overlay`: how the run's patches are graded by its county's patrol profile."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from pipeline.config.load import CODES_DIR, RULES_DIR, load_codes, load_profile, load_rules
from pipeline.errors import Finding, InputError, Severity
from pipeline.io.vectors import read_layer
from pipeline.patches.covering import (
    UNKNOWN_DAY,
    Days,
    GeometryArray,
    ReferenceLayer,
    prepare_layer,
)
from pipeline.patches.patrol_grades import GradeSource, GradeZone, Grading, cut_outlines
from pipeline.rules.parameters import RuleInForce, RuleSet
from pipeline.rules.patrol import PatrolProfile, Zone
from pipeline.schema.reference import REFERENCE_LAYERS
from pipeline.stages.context import StageContext
from pipeline.stages.layers import supplied_layers

ASSUMED_ZH = "示例口径，待上级文件确认"
EPOCH = datetime.date(1970, 1, 1)


@dataclass(frozen=True)
class Graded:
    """How to grade the patches of a run, and what to tell of it."""

    grading: Grading | None
    """None: no profile, or one that defines no grades."""
    notices: tuple[Finding, ...] = ()


def run_grading(
    context: StageContext, patches: gpd.GeoDataFrame, after: Days, cutting: frozenset[str]
) -> Graded:
    """The grading of all patches of a run `(patch,)`; `after` are their after dates.

    `cutting` are the supplied layers that cut patches. Raises E-PATROL-PROFILE where the profile
    needs a supplied grade and there is none.
    """
    if context.run.patrol_profile is None:
        return Graded(None)
    profile = load_profile(context.run.patrol_profile)
    path = context.paths.intake_layers
    supplied = supplied_layers(path)
    told = _supplied_grades(profile, path, supplied)
    if profile.grading != "zones":
        return Graded(None, told)
    rules = load_rules(RULES_DIR)
    in_force = {rule: _in_force(context, rules, rule, after) for rule in profile.width_rules}
    widths = {rule: _metres(values) for rule, values in in_force.items()}
    outlines = np.asarray(patches.geometry.to_numpy(), dtype=object)
    near = _near_layers(path, profile, supplied, cutting, (outlines, widths))
    beside = _beside(profile)
    grading = Grading(
        _zones(profile, supplied, rules),
        None if profile.rest is None else (profile.rest.grade, _rest_zh(profile, supplied)),
        near,
        {name: cut_outlines(layer) for name, layer in near.items() if name in beside},
        widths,
        {
            code: columns["land_category"]
            for code, columns in load_codes(CODES_DIR / "land_class.csv").attributes.items()
        },
        outlines,
    )
    return Graded(grading, (*told, *_notices(profile, supplied, in_force)))


def _supplied_grades(
    profile: PatrolProfile, path: Path, supplied: frozenset[str]
) -> tuple[Finding, ...]:
    """What is to be said of the grades of the supplied patrol areas."""
    is_missing = True
    if "patrol_areas" in supplied:
        grades = read_layer(path, REFERENCE_LAYERS["patrol_areas"])["patrol_grade"]
        is_missing = bool(grades.isna().any()) or not len(grades)
        if profile.grading == "zones" and not grades.isna().all():
            what = f"巡查区图层带有等级：有等级的巡查区按图层，其余按口径“{profile.id}”推定。"
            advice = "全部要按口径推定的，从县配置里去掉 patrol_grade 这一栏。"
            notice = Finding("N-PATROL-GRADE", what, advice=advice, severity=Severity.NOTICE)
            return (notice,)
    if profile.grading == "supplied" and is_missing:
        raise InputError(
            Finding(
                "E-PATROL-PROFILE",
                f"{profile.reference.title}没有写明各级巡查区域是哪些地方，不能推定等级。",
                where="县配置 patrol_profile",
                value=profile.id,
                allowed="逐块带等级的巡查区图层 patrol_areas",
                advice="提供巡查区图层并填好每块的等级；没有的，换口径或删去 patrol_profile。",
            )
        )
    return ()


def _in_force(
    context: StageContext, rules: RuleSet, rule: str, after: Days
) -> tuple[RuleInForce, ...]:
    """The rule on each patch's after date; the run's own dates where a patch has none."""
    run = context.run
    spare = run.after.date or run.issued_on or run.closes_on or datetime.date.max
    by_day = {
        day: rules.at(
            rule, spare if day == UNKNOWN_DAY else EPOCH + datetime.timedelta(days=int(day))
        )
        for day in set(after.tolist())
    }
    return tuple(by_day[day] for day in after.tolist())


def _metres(values: tuple[RuleInForce, ...]) -> NDArray[np.float64]:
    return np.array([float(value.number()) for value in values], dtype=np.float64)


def _beside(profile: PatrolProfile) -> frozenset[str]:
    """Layers that zones lie beside."""
    sources = (s for grade in profile.grades for zone in grade.zones for s in zone.sources)
    return frozenset(s.layer for s in sources if s.extent == "beside")


def _near_layers(
    path: Path,
    profile: PatrolProfile,
    supplied: frozenset[str],
    cutting: frozenset[str],
    around: tuple[GeometryArray, Mapping[str, NDArray[np.float64]]],
) -> dict[str, ReferenceLayer]:
    """Layers looked at by their outlines: what lies around the patches within any width."""
    outlines, widths = around
    reach = max((float(width.max(initial=0.0)) for width in widths.values()), default=0.0)
    box = shapely.bounds(outlines)
    frames = shapely.box(box[:, 0] - reach, box[:, 1] - reach, box[:, 2] + reach, box[:, 3] + reach)
    wanted = [
        name
        for name in profile.layers
        if name in supplied and (name in _beside(profile) or name not in cutting)
    ]
    return {
        name: prepare_layer(
            read_layer(path, REFERENCE_LAYERS[name]), frames, development_zone_first=True
        )
        for name in wanted
    }


def _zones(
    profile: PatrolProfile, supplied: frozenset[str], rules: RuleSet
) -> tuple[GradeZone, ...]:
    """Zones of which something was supplied, the highest grade first."""
    return tuple(
        GradeZone(grade.grade, _basis_zh(zone, supplied, rules), sources)
        for grade in profile.grades
        for zone in grade.zones
        if (sources := _sources(zone, supplied))
    )


def _sources(zone: Zone, supplied: frozenset[str]) -> tuple[GradeSource, ...]:
    return tuple(
        GradeSource(
            source.layer,
            {column: frozenset(values) for column, values in source.where.items()},
            source.width_rule,
        )
        for source in zone.sources
        if source.layer in supplied
    )


def _basis_zh(zone: Zone, supplied: frozenset[str], rules: RuleSet) -> str:
    named = [s.width_rule for s in zone.sources if s.width_rule and s.layer in supplied]
    return f"{zone.zone_zh}（{ASSUMED_ZH}）" if rules.assumptions_used(named) else zone.zone_zh


def _missing(profile: PatrolProfile, supplied: frozenset[str]) -> list[str]:
    """Zones of which nothing was supplied, as the document calls them."""
    zones = [zone for grade in profile.grades for zone in grade.zones]
    return [zone.zone_zh for zone in zones if not _sources(zone, supplied)]


def _rest_zh(profile: PatrolProfile, supplied: frozenset[str]) -> str:
    text = "其他区域"
    return f"{text}（有的区域未提供图层，等级可能偏低）" if _missing(profile, supplied) else text


def _notices(
    profile: PatrolProfile,
    supplied: frozenset[str],
    in_force: Mapping[str, tuple[RuleInForce, ...]],
) -> tuple[Finding, ...]:
    """What took no part in grading, and which widths are assumed."""
    found = []
    if missing := _missing(profile, supplied):
        found.append(
            Finding(
                "N-PATROL-ZONE",
                f"按“{profile.title_zh}”定级时，下列区域没有图层，没有参与，等级可能偏低。",
                value="、".join(missing),
                advice="有范围的，在县配置里作为 patrol_zones 等图层提供。",
                severity=Severity.NOTICE,
            )
        )
    used = {
        source.width_rule
        for grade in profile.grades
        for zone in grade.zones
        for source in zone.sources
        if source.layer in supplied
    }
    assumed = [
        _width_zh(values)
        for rule, values in in_force.items()
        if rule in used and _is_assumed(values)
    ]
    if assumed:
        found.append(
            Finding(
                "N-PATROL-WIDTH",
                f"定级用到的宽度，口径文件没有写明：{ASSUMED_ZH}。",
                value="；".join(assumed),
                advice="上级文件明确后，改 configs/rules/patrol/ 里的取值和依据。",
                severity=Severity.NOTICE,
            )
        )
    return tuple(found)


def _is_assumed(values: tuple[RuleInForce, ...]) -> bool:
    return any(value.parameter.is_assumption for value in values)


def _width_zh(values: tuple[RuleInForce, ...]) -> str:
    """The rule's title and its widths on the patches' dates."""
    metres: list[Decimal] = sorted({value.number() for value in values})
    return f"{values[0].parameter.title_zh} {'、'.join(f'{m:f}' for m in metres)} 米"
