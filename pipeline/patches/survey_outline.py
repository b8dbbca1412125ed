"""Outlines of surveyed boundaries (实测界址): fit to be measured, and where they ought to be.

Surveyed are the points; between them an edge is straight in the run's CRS, whatever CRS they were
delivered in, so the same survey has the same area in degrees, in another zone and in the run's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from pyproj import CRS, Transformer
from shapely.geometry import MultiPolygon
from shapely.geometry.base import BaseGeometry

from pipeline.errors import Finding, Severity
from pipeline.patches.layer_checks import Geometries, make_usable
from pipeline.patches.layer_crs import (
    GEOGRAPHIC,
    Bounds,
    crs_label,
    find_misfit,
    fitting_crs,
    needs_parameters,
    project_points,
)

FARTHEST_POINT_M = 100_000.0
"""A point this far from its patch is a slip of a digit; it also bounds what an edge may cost."""

REDO_ZH = "改正后重新交回这个图斑的界址。"


@dataclass(frozen=True)
class SurveyLimits:
    """The rules `survey.*` on one day."""

    max_distance_m: float
    """Between a survey and its patch."""
    min_overlap_ratio: float
    """Common area by the smaller of survey and patch; below it is a notice."""
    max_area_ratio: float
    """Larger by smaller of survey and patch; beyond it is a notice."""
    min_area_m2: float
    """Of a survey."""
    max_repair_m2: float
    """How much a repair may change the area."""
    max_shared_m2: float
    """Common area of two surveys, beyond that of their patches."""
    max_area_difference_ratio: float
    """Between the area filled in and that of the boundary; beyond it is a notice."""


@dataclass(frozen=True)
class SurveyOutline:
    """A boundary in the run's CRS, or why there is none."""

    geometry: MultiPolygon | None
    """Valid, in normal form: the same boundary is the same whatever point it began with."""
    problem: Finding | None = None
    """E-RETURN-GEOMETRY."""
    notices: tuple[Finding, ...] = ()
    """N-RETURN-DOUBT."""


def read_outline(
    shape: BaseGeometry | None,
    source: CRS | None,
    patch: BaseGeometry,
    crs: CRS,
    limits: SurveyLimits,
) -> SurveyOutline:
    """One delivered polygon in the run's projected `crs`, repaired if that hardly changes it.

    `patch` is the outline in `crs` that was surveyed; it tells which CRS can be meant.
    """
    if shape is None or shape.is_empty or not np.isfinite(shapely.get_coordinates(shape)).all():
        return _refused("没有图形，或坐标不是有限的数。")
    if source is None:
        return _refused("界址没有写明坐标系。", "", "CGCS2000，写明带号或中央经线")
    if problem := _misplaced(shape, source, patch, crs, limits):
        return SurveyOutline(None, problem)
    given = np.array([shapely.force_2d(shape)], dtype=object)
    usable = make_usable(project_points(given, source, crs), "MultiPolygon")
    if usable.is_mistyped[0]:
        return _refused("界址不是面。", shape.geom_type, "面（多边形）")
    if usable.geometry[0] is None:
        return _refused("界址无效，修复后没有剩下面。")
    outline = _normal(usable.geometry)
    if not usable.is_repaired[0]:
        return SurveyOutline(outline)
    change = float(usable.area_change_m2[0])
    value = f"修复前后面积相差 {change:+.3f} 平方米"
    if abs(change) > limits.max_repair_m2:
        allowed = f"修复后面积变化不超过 {limits.max_repair_m2:g} 平方米"
        return _refused("界址线自相交或环有误，无法确定围的是哪块地。", value, allowed)
    what = "界址线自相交或环有误，已自动修复。"
    return SurveyOutline(outline, notices=(doubt(what, value, "在图上核对修复后的形状。"),))


def join_outlines(pieces: Sequence[MultiPolygon], limits: SurveyLimits) -> SurveyOutline:
    """The pieces of one patch as one boundary; equal ones count once, others may not overlap."""
    different = sorted({piece.wkb: piece for piece in pieces}.items())
    shapes: Geometries = np.array([piece for _, piece in different], dtype=object)
    joined = shapes[0]
    if len(shapes) > 1:
        joined = _normal(np.array([shapely.union_all(shapes)], dtype=object))
    if joined.area < limits.min_area_m2:
        allowed = f"不小于 {limits.min_area_m2:g} 平方米"
        return _refused("界址几乎没有围住面积。", f"{joined.area:.3f} 平方米", allowed)
    shared = float(shapely.area(shapes).sum() - joined.area)
    if shared > limits.max_shared_m2:
        what = "同一图斑的几块界址互相重叠，分不清是扣除还是合计。"
        allowed = f"不超过 {limits.max_shared_m2:g} 平方米；挖空的部分作内环"
        return _refused(what, f"重叠 {shared:.2f} 平方米", allowed)
    return SurveyOutline(joined)


def compare_with_patch(
    outline: MultiPolygon, patch: BaseGeometry, limits: SurveyLimits
) -> tuple[Finding | None, tuple[Finding, ...]]:
    """Why a boundary can not be that of the patch, else what is doubtful about it."""
    distance = float(shapely.distance(outline, patch))
    if distance > limits.max_distance_m:
        allowed = f"距图斑不超过 {limits.max_distance_m:g} 米"
        advice = f"核对图斑编号、坐标系和带号；{REDO_ZH}"
        what = "界址离图斑太远。"
        return _problem(what, f"相距 {distance:.1f} 米", allowed, advice), ()
    shared = float(shapely.area(shapely.intersection(outline, patch)))
    smaller, larger = sorted((outline.area, patch.area))
    doubts = []
    if shared < limits.min_overlap_ratio * smaller:
        value = f"重叠占较小者的 {100 * shared / smaller:.1f} %"
        if shared == 0.0:
            value = f"不重叠，相距 {distance:.1f} 米"
        advice = "在图上核对界址量的是不是这个图斑。"
        allowed = f"不低于 {100 * limits.min_overlap_ratio:g} %"
        doubts.append(doubt("界址与图斑重叠很少。", value, advice, allowed))
    if larger > limits.max_area_ratio * smaller:
        value = f"界址 {outline.area:.2f} 平方米，图斑 {patch.area:.2f} 平方米"
        advice = "在图上核对有没有输错的点、漏量的地块。"
        allowed = f"相差不超过 {limits.max_area_ratio:g} 倍"
        doubts.append(doubt("界址与图斑的面积相差很大。", value, advice, allowed))
    return None, tuple(doubts)


def _misplaced(
    shape: BaseGeometry, source: CRS, patch: BaseGeometry, crs: CRS, limits: SurveyLimits
) -> Finding | None:
    """Why the coordinates can not be in the CRS they are said to be in."""
    if needs_parameters(source, crs):
        what = "坐标系的基准（如西安80、北京54）与影像不同，直接换算会差几十米以上。"
        advice = f"用省级自然资源部门给的转换参数转到 CGCS2000；{REDO_ZH}"
        return _problem(what, crs_label(source), "CGCS2000", advice)
    bounds: Bounds = tuple(shapely.bounds(shape).tolist())
    centre = shapely.centroid(patch)
    to_degrees = Transformer.from_crs(crs, GEOGRAPHIC, always_xy=True)
    misfit = find_misfit(bounds, source, to_degrees.transform(centre.x, centre.y))
    middle = (bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2
    value = f"{crs_label(source)}；坐标约 ({middle[0]:.10g}, {middle[1]:.10g})"
    if misfit is not None:
        advice = _meant(_fitting(bounds, patch, crs, limits))
        return _problem(misfit.what_zh, value, "坐标与写明的坐标系一致", advice)
    placed = project_points(np.array([shape], dtype=object), source, crs)
    corners = shapely.get_coordinates(placed)
    if not np.isfinite(corners).all():
        return _problem("坐标不能换算到影像的坐标系。", value, crs_label(crs), _meant([]))
    farthest = float(np.abs(corners - [centre.x, centre.y]).max())
    is_far = farthest > FARTHEST_POINT_M
    box = shapely.box(*shapely.bounds(placed[0]))
    is_away = is_far or shapely.distance(box, patch) > limits.max_distance_m
    if is_away and (fits := _fitting(bounds, patch, crs, limits)):
        what = "按写明的坐标系界址远离图斑，按另一个坐标系却正好落在图斑上：坐标系多半写错了。"
        return _problem(what, value, "", _meant(fits))
    if is_far:
        what = "界址有的点离图斑太远，多半输错了数字。"
        allowed = f"每个点距图斑不超过 {FARTHEST_POINT_M / 1000:g} 公里"
        return _problem(what, f"最远约 {farthest / 1000:.3g} 公里", allowed)
    return None


def _meant(fits: Sequence[int]) -> str:
    """What to do about a CRS that can not be right; `fits` are the codes that would do."""
    hint = "".join(f"按坐标看应是 {crs_label(CRS.from_epsg(code))}；" for code in fits[:1])
    return f"{hint}核对坐标系、带号和 X、Y 的先后；{REDO_ZH}"


def _fitting(bounds: Bounds, patch: BaseGeometry, crs: CRS, limits: SurveyLimits) -> list[int]:
    x0, y0, x1, y1 = shapely.bounds(patch).tolist()
    reach = limits.max_distance_m
    return fitting_crs(bounds, crs, (x0 - reach, y0 - reach, x1 + reach, y1 + reach))


def _normal(shapes: Geometries) -> MultiPolygon:
    """The one polygon or multipolygon without repeated points, as a multipolygon in normal form."""
    flat = shapely.remove_repeated_points(shapes[0], 0.0)
    return MultiPolygon(shapely.get_parts(shapely.normalize(flat)).tolist())


def doubt(what: str, value: str, advice: str, allowed: str = "") -> Finding:
    """N-RETURN-DOUBT: accepted, to be looked at."""
    return Finding("N-RETURN-DOUBT", what, "", value, allowed, advice, Severity.NOTICE)


def _problem(what: str, value: str = "", allowed: str = "", advice: str = REDO_ZH) -> Finding:
    return Finding("E-RETURN-GEOMETRY", what, "", value, allowed, advice)


def _refused(what: str, value: str = "", allowed: str = "") -> SurveyOutline:
    return SurveyOutline(None, _problem(what, value, allowed))
