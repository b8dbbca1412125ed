"""What reference layers must agree on with each other, with the images and with the run's dates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pipeline.config.models import RunConfig
from pipeline.errors import Severity
from pipeline.patches.area import ellipsoidal_area_m2
from pipeline.patches.layer_checks import (
    Overlaps,
    PairFilter,
    find_overlaps,
    periods_meet,
    share_inside,
)
from pipeline.patches.layer_crs import crs_label, fitting_crs, robust_bounds
from pipeline.patches.layer_gaps import find_gaps
from pipeline.schema.columns import object_values
from pipeline.schema.problems import Problem
from pipeline.schema.reference import REQUIRED_LAYERS
from pipeline.stages.intake_codes import (
    check_codes,
    check_validity_order,
    check_versions,
    check_vintage,
    period_of,
    valid_on_after_date,
)
from pipeline.stages.intake_images import Frame
from pipeline.stages.intake_layers import Taken

OVERLAP_CHECKED = (
    "townships",
    "villages",
    "land_use",
    "permanent_basic_farmland",
    "planning_zones",
)
"""Layers whose features should not overlap."""
AREA_TOLERANCE = 0.10
"""A stated area that differs more from the outline's is told (DOMAIN §7)."""
MIN_INSIDE = 0.5
"""An issued patch with less of its area in the county is told."""
MAX_GAPS_LISTED = 50

_NOTICE = Severity.NOTICE


def check_relations(taken: Mapping[str, Taken], run: RunConfig, frame: Frame) -> list[Problem]:
    """Every problem between layers. Layers without a place in the working CRS are left out."""
    placed = {name: layer for name, layer in taken.items() if layer.is_placed and len(layer.table)}
    problems: list[Problem] = []
    for layer in placed.values():
        problems += _check_extent(layer, frame)
    for name in OVERLAP_CHECKED:
        if name in placed:
            problems += _check_overlaps(placed[name])
    problems += check_validity_order(taken)
    problems += check_codes(taken, run)
    problems += check_vintage(taken, run)
    county = None
    if "townships" in taken and len(taken["townships"].table):
        problems += check_versions(taken["townships"], run)
        if "townships" in placed:
            county = county_outline(placed["townships"], run)
    if county is not None and "land_use" in placed:
        problems += _check_gaps(placed["land_use"], county)
    if "issued_patches" in taken:
        problems += _check_issued(taken["issued_patches"], county, frame)
    return problems


def county_outline(townships: Taken, run: RunConfig) -> BaseGeometry | None:
    """Union of the townships valid on the after date (all of them without a date)."""
    chosen = valid_on_after_date(townships, run)
    if not chosen.any():
        return None
    return shapely.union_all(townships.table.geometry.to_numpy()[chosen])


def _check_extent(layer: Taken, frame: Frame) -> list[Problem]:
    """A layer that lies nowhere near the images is in the wrong place, or the wrong file."""
    bounds = robust_bounds(layer.table.geometry.to_numpy())
    if bounds is None or frame.footprint is None or frame.crs is None or frame.bounds is None:
        return []
    if shapely.box(*bounds).intersects(frame.footprint):
        return []
    is_required = layer.spec.name in REQUIRED_LAYERS
    fits = [crs_label(frame.crs.from_epsg(c)) for c in fitting_crs(bounds, frame.crs, frame.bounds)]
    advice = "核对是否拿错了县或期次的文件，以及坐标系和带号。"
    return [
        Problem(
            "E-LAYER-EXTENT",
            f"{layer.spec.label_zh}与影像范围不重叠。",
            layer.spec.name,
            "、".join(dict.fromkeys(layer.files.tolist())),
            value=_box_text(bounds),
            allowed=f"影像范围 {_box_text(frame.bounds)}",
            advice=f"{advice}可能是 {'、'.join(fits[:3])}。" if fits else advice,
            severity=Severity.BLOCK if is_required else _NOTICE,
            place=((bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2),
        )
    ]


def _box_text(bounds: tuple[float, float, float, float]) -> str:
    return f"x {bounds[0]:.0f}–{bounds[2]:.0f}，y {bounds[1]:.0f}–{bounds[3]:.0f}"


def _check_overlaps(layer: Taken) -> list[Problem]:
    overlaps = find_overlaps(layer.table.geometry.to_numpy(), _rivals(layer))
    if not len(overlaps.first):
        return []
    ids = layer.table["feature_id"].to_numpy(dtype=object)
    template = Problem(
        "N-LAYER-OVERLAP",
        f"{layer.spec.label_zh}内要素重叠，套合时按数据时点新、编号小的要素计。",
        advice="在图上核对，改正重叠的边界。",
        severity=_NOTICE,
    )
    return layer.problems(
        template,
        overlaps.first,
        _overlap_values(overlaps, ids),
        [(float(x), float(y)) for x, y in overlaps.places],
    )


def _overlap_values(overlaps: Overlaps, ids: NDArray[np.object_]) -> list[str]:
    return [
        f"{ids[a]} 与 {ids[b]} 重叠 {area:.2f} m²"
        for a, b, area in zip(overlaps.first, overlaps.second, overlaps.area_m2, strict=True)
    ]


def _rivals(layer: Taken) -> PairFilter | None:
    """Which features may not overlap: those valid together; 开发区 may lie over 镇."""
    if "valid_from_date" not in layer.table:
        return None
    starts, ends = period_of(layer)
    meet = periods_meet(starts, ends)
    if layer.spec.name != "townships":
        return meet
    is_zone = (layer.table["township_kind"] == "development_zone").to_numpy(dtype=bool)
    return lambda first, second: meet(first, second) & (is_zone[first] == is_zone[second])


def _check_gaps(land_use: Taken, county: BaseGeometry) -> list[Problem]:
    gaps = find_gaps(land_use.table.geometry.to_numpy(), county)
    if not len(gaps.area_m2):
        return []
    share = gaps.total_m2 / gaps.whole_m2
    whole = Problem(
        "N-LAYER-GAP",
        f"地类图斑没有盖满乡镇范围：空缺 {len(gaps.area_m2)} 处，这些地方的地类为未知。",
        "land_use",
        value=f"共 {gaps.total_m2:.1f} m²，占乡镇面积 {max(100 * share, 0.01):.2f}%"
        + ("以下" if share < 1e-4 else ""),
        advice="核对地类图斑是否完整；空缺里的图斑面积记为未分类。",
        severity=_NOTICE,
    )
    single = [
        Problem(
            "N-LAYER-GAP",
            "地类图斑空缺的位置。",
            "land_use",
            value=f"{area:.2f} m²",
            severity=_NOTICE,
            place=(float(x), float(y)),
            advice="在图上核对。",
            count=0,
        )
        for area, (x, y) in zip(
            gaps.area_m2[:MAX_GAPS_LISTED], gaps.places[:MAX_GAPS_LISTED], strict=True
        )
    ]
    return [whole, *single]


def _check_issued(issued: Taken, county: BaseGeometry | None, frame: Frame) -> list[Problem]:
    """Issued patches: ids once, inside county and image, stated area near the outline's."""
    table = issued.table
    ids = object_values(table["issued_id"])
    repeated = np.flatnonzero(table["issued_id"].duplicated() & table["issued_id"].notna())
    template = Problem(
        "E-LAYER-DUPLICATE",
        "下发图斑编号重复。",
        advice="一个图斑的几块请先合并为一个多部件面；不同图斑请向上级核对编号。",
    )
    problems = issued.problems(template, repeated, [str(ids[p]) for p in repeated])
    if not issued.is_placed or not len(table):
        return problems
    geometry = table.geometry.to_numpy()
    for area, what in ((county, "本县乡镇范围"), (frame.footprint, "影像范围")):
        if area is None:
            continue
        inside = share_inside(geometry, area)
        positions = np.flatnonzero(inside < MIN_INSIDE)
        template = Problem(
            "N-LAYER-VALUE",
            f"下发图斑大部分不在{what}内。",
            advice="核对图斑是否发错县、坐标系是否正确；图斑仍然保留。",
            severity=_NOTICE,
        )
        values = [f"{ids[p]}：在内 {100 * inside[p]:.0f}%" for p in positions]
        problems += issued.problems(template, positions, values)
    return problems + _check_stated_area(issued, ids)


def _check_stated_area(issued: Taken, ids: NDArray[np.object_]) -> list[Problem]:
    assert issued.table.crs is not None  # a placed layer is in the working CRS
    stated = issued.table["stated_area_m2"].to_numpy(np.float64)
    own = ellipsoidal_area_m2(issued.table.geometry.to_numpy(), issued.table.crs)
    with np.errstate(divide="ignore", invalid="ignore"):
        positions = np.flatnonzero(np.abs(stated - own) > AREA_TOLERANCE * own)
    template = Problem(
        "N-LAYER-AREA",
        "下发面积与图形面积相差 10% 以上，程序按图形面积计。",
        advice="核对面积单位（映射 units: 写 m2、mu、ha 或 km2）和图形。",
        severity=_NOTICE,
    )
    values = [f"{ids[p]}：下发 {stated[p]:.1f} m²，图形 {own[p]:.1f} m²" for p in positions]
    return issued.problems(template, positions, values)
