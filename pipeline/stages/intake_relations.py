"""What reference layers must agree on with each other, with the images and with the run's dates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.config.models import RunConfig
from pipeline.errors import Severity
from pipeline.patches.layer_checks import MIN_OVERLAP_M2, share_inside
from pipeline.patches.layer_crs import crs_label, fitting_crs, robust_bounds
from pipeline.patches.layer_gaps import MIN_GAP_WIDTH_M, Gaps, find_gaps, wide_parts
from pipeline.schema.columns import object_values
from pipeline.schema.problems import Problem
from pipeline.schema.reference import REQUIRED_LAYERS
from pipeline.stages.intake_codes import (
    check_codes,
    check_validity_order,
    check_versions,
    check_vintage,
    valid_on_after_date,
)
from pipeline.stages.intake_images import Frame
from pipeline.stages.intake_layers import Taken
from pipeline.stages.intake_offset import check_offsets
from pipeline.stages.intake_overlaps import OVERLAP_CHECKED, check_overlaps, check_twins

MIN_INSIDE = 0.5
"""An issued patch with less of its area in the county is told."""
MAX_GAPS_LISTED = 50

COVERING = {
    "land_use": ("地类为未知", "核对地类图斑是否完整；空缺里的图斑面积记为未分类。"),
    "villages": ("查不到所在的村", "核对村界是否完整；空缺里的图斑没有村代码和村名称。"),
}
"""Layers that should cover the townships → what a gap means, and what to do."""

_NOTICE = Severity.NOTICE


def check_relations(taken: Mapping[str, Taken], run: RunConfig, frame: Frame) -> list[Problem]:
    """Every problem between layers. Layers without a place in the working CRS are left out."""
    placed = {name: layer for name, layer in taken.items() if layer.is_placed and len(layer.table)}
    problems: list[Problem] = []
    for layer in placed.values():
        problems += _check_extent(layer, frame)
        problems += check_twins(layer)
    for name in OVERLAP_CHECKED:
        if name in placed:
            problems += check_overlaps(placed[name])
    problems += check_offsets(placed, frame)
    problems += check_validity_order(taken)
    problems += check_codes(taken, run)
    problems += check_vintage(taken, run)
    county = None
    if "townships" in taken and len(taken["townships"].table):
        problems += check_versions(taken["townships"], run)
        if "townships" in placed:
            county = county_outline(placed["townships"], run)
    if county is not None:
        problems += _check_holes(placed["townships"], county)
        for name in COVERING:
            if name in placed:
                problems += _check_gaps(placed[name], county, run)
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
            "E-LAYER-EXTENT" if is_required else "N-LAYER-EXTENT",
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


def _check_holes(townships: Taken, county: BaseGeometry) -> list[Problem]:
    """Land between the townships that belongs to none of them."""
    rings = shapely.get_rings(shapely.get_parts(county))
    solid = shapely.union_all(shapely.polygons(rings))
    holes = wide_parts(shapely.difference(solid, county), MIN_GAP_WIDTH_M)
    holes = holes[shapely.area(holes) > MIN_OVERLAP_M2]
    places = shapely.get_coordinates(shapely.point_on_surface(holes)).reshape(-1, 2)
    gaps = Gaps(shapely.area(holes), places, float(solid.area))
    return _gap_problems(
        townships,
        gaps,
        f"乡镇之间有空缺 {len(holes)} 处，不属于任何乡镇。",
        "核对界线；确是外县飞地的不用改，那里的图斑没有乡镇。",
    )


def _check_gaps(layer: Taken, county: BaseGeometry, run: RunConfig) -> list[Problem]:
    shapes = layer.table.geometry.to_numpy()
    if "valid_from_date" in layer.table:
        shapes = shapes[valid_on_after_date(layer, run)]
    gaps = find_gaps(shapes, county)
    effect, advice = COVERING[layer.spec.name]
    what = f"{layer.spec.label_zh}没有盖满乡镇范围：空缺 {len(gaps.area_m2)} 处，这些地方{effect}。"
    return _gap_problems(layer, gaps, what, advice)


def _gap_problems(layer: Taken, gaps: Gaps, what: str, advice: str) -> list[Problem]:
    """The whole of it once, then the largest gaps, each at its place."""
    if not len(gaps.area_m2):
        return []
    share = gaps.total_m2 / gaps.whole_m2
    whole = Problem(
        "N-LAYER-GAP",
        what,
        layer.spec.name,
        "、".join(dict.fromkeys(layer.files.tolist())),
        value=f"共 {gaps.total_m2:.1f} m²，占乡镇面积 {max(100 * share, 0.01):.2f}%"
        + ("以下" if share < 1e-4 else ""),
        allowed="盖满乡镇范围，没有空缺",
        advice=advice,
        severity=_NOTICE,
    )
    single = [
        replace(
            whole,
            what=f"{layer.spec.label_zh}空缺的位置。",
            value=f"{area:.2f} m²",
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
    """Issued patches: ids once, inside county and image."""
    table = issued.table
    ids = object_values(table["issued_id"])
    repeated = np.flatnonzero(table["issued_id"].duplicated() & table["issued_id"].notna())
    template = Problem(
        "E-LAYER-DUPLICATE",
        "下发图斑编号重复。",
        allowed="每个编号一条",
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
            "N-LAYER-OUTSIDE",
            f"下发图斑大部分不在{what}内。",
            allowed=f"一半以上在{what}内",
            advice="核对图斑是否发错县、坐标系是否正确；图斑仍然保留。",
            severity=_NOTICE,
        )
        values = [f"{ids[p]}：在内 {100 * inside[p]:.0f}%" for p in positions]
        problems += issued.problems(template, positions, values)
    return problems
