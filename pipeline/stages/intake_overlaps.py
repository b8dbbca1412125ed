"""Features of one layer that are delivered twice or lie over each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import shapely
from numpy.typing import NDArray

from pipeline.errors import Severity
from pipeline.patches.layer_checks import (
    Overlaps,
    PairFilter,
    find_overlaps,
    find_twins,
    periods_meet,
)
from pipeline.patches.layer_gaps import wide_parts
from pipeline.schema.problems import Problem
from pipeline.stages.intake_codes import period_of
from pipeline.stages.intake_layers import Taken

OVERLAP_CHECKED = (
    "townships",
    "villages",
    "land_use",
    "permanent_basic_farmland",
    "planning_zones",
)
"""Layers whose features should not overlap."""
MIN_WIDTH_M = 1.0
"""An overlap of townships narrower than this (twice area by perimeter) is a line drawn twice."""

_SAME_ID = ("townships", "villages")
"""Layers whose repeated codes are told as versions."""
_NOTICE = Severity.NOTICE


def check_twins(layer: Taken) -> list[Problem]:
    """Features that are there twice: the same outline with the same values.

    Issued patches are compared by outline alone: each has a number of its own. Points are not
    compared, because two patrols may stop at the same place.
    """
    if layer.spec.geometry == "Point" or layer.spec.name in _SAME_ID:
        return []
    later, first = _twins(layer)
    ids = layer.table["feature_id"].to_numpy(dtype=object)
    is_issued = layer.spec.name == "issued_patches"
    if is_issued:
        ids = layer.table["issued_id"].fillna("（无编号）").to_numpy(dtype=object)
        # Equal numbers are told, and stop the work, as such.
        is_new = ids[later] != ids[first]
        later, first = later[is_new], first[is_new]
    template = Problem(
        "N-LAYER-TWIN",
        f"{layer.spec.label_zh}里同一图形有两条"
        + ("，编号不同；两条都保留。" if is_issued else "，各项取值也相同；面积只计一次。"),
        allowed="每个图形一条",
        advice="核对是否重复导出或重复下发，删去多余的一条。",
        severity=_NOTICE,
    )
    values = [f"{ids[b]} 与 {ids[a]} 相同" for b, a in zip(later, first, strict=True)]
    return layer.problems(template, later, values)


def _twins(layer: Taken) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    compared = [name for name in layer.spec.fields if name != "feature_id"]
    if layer.spec.name == "issued_patches":
        compared = []
    values = layer.table[compared].astype(object).where(layer.table[compared].notna(), None)
    rows = list(values.itertuples(index=False, name=None))
    return find_twins(layer.table.geometry.to_numpy(), rows)


def check_overlaps(layer: Taken) -> list[Problem]:
    """Features that share area; townships must not, because each place has one township."""
    geometry = layer.table.geometry.to_numpy()
    overlaps = find_overlaps(geometry, _rivals(layer))
    if not len(overlaps.first):
        return []
    ids = layer.table["feature_id"].to_numpy(dtype=object)
    template = Problem(
        "N-LAYER-OVERLAP",
        f"{layer.spec.label_zh}内要素重叠，套合时按数据时点新、编号小的要素计。",
        allowed="要素互不重叠",
        advice="在图上核对，改正重叠的边界。",
        severity=_NOTICE,
    )
    if layer.spec.name != "townships":
        return _told(layer, template, overlaps, ids)
    is_wide = np.array(
        [
            len(wide_parts(shapely.intersection(geometry[a], geometry[b]), MIN_WIDTH_M)) > 0
            for a, b in zip(overlaps.first, overlaps.second, strict=True)
        ],
        bool,
    )
    blocking = replace(
        template,
        code="E-LAYER-OVERLAP",
        what="两个乡镇的范围重叠，重叠处分不清归谁。",
        allowed="同一时期的乡镇互不重叠；只有开发区可以压在乡镇上",
        advice="由民政或测绘部门确认界线后改正；区划调整前后的版本请填起止日期；"
        "压在乡镇上的开发区，类型写“开发区”。",
        severity=Severity.BLOCK,
    )
    return _told(layer, blocking, _chosen(overlaps, is_wide), ids) + _told(
        layer, template, _chosen(overlaps, ~is_wide), ids
    )


def _chosen(overlaps: Overlaps, which: NDArray[np.bool_]) -> Overlaps:
    return Overlaps(
        overlaps.first[which],
        overlaps.second[which],
        overlaps.area_m2[which],
        overlaps.places[which],
    )


def _told(
    layer: Taken, template: Problem, overlaps: Overlaps, ids: NDArray[np.object_]
) -> list[Problem]:
    values = [
        f"{ids[a]} 与 {ids[b]} 重叠 {area:.2f} m²"
        for a, b, area in zip(overlaps.first, overlaps.second, overlaps.area_m2, strict=True)
    ]
    places = [(float(x), float(y)) for x, y in overlaps.places]
    return layer.problems(template, overlaps.first, values, places)


def _rivals(layer: Taken) -> PairFilter | None:
    """Which features may not overlap: those valid together, not told as twins or versions.

    开发区 may lie over 镇.
    """
    filters: list[PairFilter] = []
    if "valid_from_date" in layer.table:
        filters.append(periods_meet(*period_of(layer)))
    if layer.spec.name == "townships":
        is_zone = (layer.table["township_kind"] == "development_zone").to_numpy(dtype=bool)
        filters.append(lambda first, second: is_zone[first] == is_zone[second])
    if layer.spec.name in _SAME_ID:
        column = "township_code" if layer.spec.name == "townships" else "village_code"
        codes = layer.table[column].fillna("").to_numpy(dtype=str)
        filters.append(lambda first, second: codes[first] != codes[second])
    else:
        group = np.arange(len(layer.table))
        later, earlier = _twins(layer)
        group[later] = earlier
        filters.append(lambda first, second: group[first] != group[second])

    def meet(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.bool_]:
        chosen = np.ones(len(first), bool)
        for one in filters:
            chosen &= one(first, second)
        return chosen

    return meet
