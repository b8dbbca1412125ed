"""Codes, dates and versions of the taken layers against each other and the run's dates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.config.models import RunConfig
from pipeline.errors import Severity
from pipeline.schema.columns import object_values
from pipeline.schema.problems import Problem
from pipeline.stages.intake_layers import Taken

OPEN_START, OPEN_END = "0000-00-00", "9999-99-99"
"""Compare before and after every ISO date."""

MAX_SURVEY_YEARS = 2
"""The survey of 31 December is published within a year: an older one is not the last."""

_NOTICE = Severity.NOTICE


def period_of(layer: Taken) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    """First and last day of validity of every feature, ISO text; open ends compare as such."""
    starts = layer.table["valid_from_date"].fillna(OPEN_START).to_numpy(dtype=object)
    ends = layer.table["valid_to_date"].fillna(OPEN_END).to_numpy(dtype=object)
    return starts, ends


def valid_on_after_date(layer: Taken, run: RunConfig) -> NDArray[np.bool_]:
    """Which features are valid on the after date; all of them without a date."""
    if run.after.date is None:
        return np.ones(len(layer.table), dtype=bool)
    day = run.after.date.isoformat()
    starts, ends = period_of(layer)
    return np.array([s <= day <= e for s, e in zip(starts, ends, strict=True)], dtype=bool)


def check_versions(townships: Taken, run: RunConfig) -> list[Problem]:
    """A township code twice at one time; no township valid on the after date."""
    codes = object_values(townships.table["township_code"])
    problems = _versions_twice(townships, "township_code", codes)
    if not valid_on_after_date(townships, run).any():
        problems.append(
            Problem(
                "E-LAYER-VALID",
                "没有一个乡镇在后时相当天有效。",
                "townships",
                "、".join(dict.fromkeys(townships.files.tolist())),
                value=f"后时相 {run.after.date}",
                allowed="至少一个乡镇的起止日期包含后时相",
                advice="核对起止日期字段（valid_from_date、valid_to_date）的映射。",
            )
        )
    return problems


def _versions_twice(layer: Taken, name: str, codes: NDArray[np.object_]) -> list[Problem]:
    """Rows that share a code and are valid on a common day."""
    starts, ends = period_of(layer)
    by_code: dict[str, list[int]] = {}
    for position, code in enumerate(codes):
        if code is not None:
            by_code.setdefault(code, []).append(position)
    twice = sorted(
        later
        for group in by_code.values()
        for n, later in enumerate(group)
        if any(
            starts[later] <= ends[earlier] and starts[earlier] <= ends[later]
            for earlier in group[:n]
        )
    )
    template = Problem(
        "E-LAYER-VERSION",
        f"{layer.spec.label_zh}的代码 {name} 在同一时期有两条以上。",
        allowed="同一代码的各个版本起止日期互不重叠",
        advice="一个乡镇分成几块时请先合并为一个多部件面；区划调整前后的版本请填起止日期。",
    )
    positions = np.array(twice, dtype=np.int64)
    return layer.problems(template, positions, [str(codes[p]) for p in twice])


def check_validity_order(taken: Mapping[str, Taken]) -> list[Problem]:
    """Validity that ends before it begins."""
    problems = []
    for layer in taken.values():
        if "valid_from_date" not in layer.table:
            continue
        starts, ends = period_of(layer)
        positions = np.flatnonzero([s > e for s, e in zip(starts, ends, strict=True)])
        template = Problem(
            "E-LAYER-PERIOD",
            "起始日期晚于截止日期，任何一天都不算有效。",
            allowed="起始日期不晚于截止日期",
            advice="核对两个日期是否填反，改正后重新运行。",
        )
        values = [f"{starts[p]} 至 {ends[p]}" for p in positions]
        problems += layer.problems(template, positions, values)
    return problems


def check_codes(taken: Mapping[str, Taken], run: RunConfig) -> list[Problem]:
    """Codes of divisions must nest: county 6, township 9, village 12 digits."""
    if "townships" not in taken:
        return []
    problems = _outside(
        taken["townships"], "township_code", 6, {run.county_code}, "乡镇代码不在本县代码之下。"
    )
    known = set(taken["townships"].table["township_code"].dropna())
    if not known:
        return problems
    for name, column, what in (
        ("villages", "village_code", "村代码的前 9 位不是已有的乡镇代码。"),
        ("patrol_areas", "responsible_code", "巡查责任单位代码不是已有的乡镇代码。"),
    ):
        if name in taken:
            problems += _outside(taken[name], column, 9, known, what)
    return problems


def _outside(layer: Taken, column: str, width: int, known: set[str], what: str) -> list[Problem]:
    codes = object_values(layer.table[column])
    positions = np.flatnonzero([c is not None and c[:width] not in known for c in codes])
    template = Problem(
        "N-LAYER-NEST",
        what,
        allowed="、".join(sorted(known)[:20]),
        advice="核对代码；区划调整过的，请补上旧版乡镇界线及起止日期。",
        severity=_NOTICE,
    )
    return layer.problems(template, positions, [str(codes[p]) for p in positions])


def check_vintage(taken: Mapping[str, Taken], run: RunConfig) -> list[Problem]:
    """The land survey must be the last one before the before date (DESIGN §4)."""
    if "land_use" not in taken or not len(taken["land_use"].table) or run.before.date is None:
        return []
    layer, before = taken["land_use"], run.before.date
    oldest = before.replace(year=before.year - MAX_SURVEY_YEARS, day=min(before.day, 28))
    vintages = layer.table["vintage_date"].fillna("").to_numpy(dtype=str)
    is_known = vintages != ""
    problems = []
    for code, is_wrong, what, advice in (
        (
            "N-VINTAGE-NONE",
            ~is_known,
            "地类图斑没有写明数据时点，无法判断是否早于前时相。",
            "在映射里写 vintage: YYYY-MM-DD（变更调查的标准时点，如 2023-12-31）。",
        ),
        (
            "N-LAYER-VINTAGE",
            is_known & (vintages > before.isoformat()),
            "地类图斑的数据时点晚于前时相：变化可能已经进入地类，占用耕地会算少。",
            "换用前时相之前最近一次变更调查的成果。",
        ),
        (
            "N-VINTAGE-OLD",
            is_known & (vintages < oldest.isoformat()),
            f"地类图斑的数据时点比前时相早 {MAX_SURVEY_YEARS} 年以上，其间应有更新的变更调查。",
            "换用前时相之前最近一次变更调查的成果；只有这一版的，占用地类按当时的算。",
        ),
    ):
        positions = np.flatnonzero(is_wrong)
        if not len(positions):
            continue
        latest = max(vintages[positions].tolist()) or "空"
        template = Problem(
            code,
            what,
            value=f"时点 {latest}，前时相 {before}，{len(positions)} 个图斑",
            allowed="前时相之前最近一次变更调查的标准时点",
            advice=advice,
            severity=_NOTICE,
        )
        (first,) = layer.problems(template, positions[:1])
        problems.append(replace(first, count=len(positions)))
    return problems
