"""Which reference system the coordinates of a delivered file are in, and whether they can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import shapely
from pyproj import CRS

from pipeline.config.models import LayerSource
from pipeline.errors import Severity
from pipeline.patches.layer_crs import (
    Bounds,
    crs_label,
    epsg_of,
    find_misfit,
    fitting_crs,
    is_same_crs,
    needs_parameters,
    parse_crs,
    robust_bounds,
    to_crs,
)
from pipeline.schema.layer import LayerSpec
from pipeline.schema.problems import Problem
from pipeline.schema.raw_layer import RawLayer
from pipeline.stages.intake_images import Frame


def resolve_crs(
    spec: LayerSpec, source: LayerSource, raw: RawLayer, frame: Frame
) -> tuple[CRS | None, list[Problem]]:
    """The CRS of a file's coordinates; None if it is not known or can not be right."""
    base = Problem("E-LAYER-CRS", "", spec.name, raw.file)
    crs, problems = _stated(base, source, raw)
    bounds = robust_bounds(raw.geometry)
    if any(p.is_blocking for p in problems) or bounds is None:
        return (None if problems and problems[-1].is_blocking else crs), problems
    refusal = _refusal(base, crs, bounds, frame)
    return (crs, problems) if refusal is None else (None, [*problems, refusal])


def _stated(base: Problem, source: LayerSource, raw: RawLayer) -> tuple[CRS | None, list[Problem]]:
    """What the mapping says, else the file; the mapping's word against the file's is told."""
    if source.crs is None:
        return raw.crs, []
    crs = parse_crs(source.crs)
    if crs is None:
        what = f"映射里的坐标系“{source.crs}”不能识别。"
        allowed = "EPSG 代码，例如 EPSG:4547（CGCS2000 3 度带，中央经线 114°）"
        return None, [replace(base, code="E-CONFIG-VALUE", what=what, allowed=allowed)]
    if raw.crs is None or is_same_crs(raw.crs, crs) or _is_implied(raw):
        return crs, []
    told = replace(
        base,
        what="映射写明的坐标系与文件自带的不同，按映射的处理。",
        value=f"文件 {crs_label(raw.crs)}；映射 {crs_label(crs)}",
        advice="在报告的位置图上核对图层是否落在县域内。",
        severity=Severity.NOTICE,
    )
    return crs, [told]


def _refusal(base: Problem, crs: CRS | None, bounds: Bounds, frame: Frame) -> Problem | None:
    """Why the coordinates can not be used with this CRS; None if they can."""
    if crs is None:
        fitting = _fitting(bounds, frame)
        what = "文件没有写明坐标系（缺少 .prj 或坐标系无法识别）。"
        hint = f"按坐标看可能是 {_named(fitting)}。" if fitting else ""
        advice = f"在映射里写 crs: EPSG 代码。{hint}"
        return replace(base, code="E-LAYER-NOCRS", what=what, advice=advice)
    misfit = find_misfit(bounds, crs, frame.lon_lat)
    if misfit is not None:
        fits = _fitting(bounds, frame) or ([misfit.suggestion] if misfit.suggestion else [])
        return _misfit_problem(base, misfit.what_zh, crs, bounds, fits)
    if frame.crs is not None and needs_parameters(crs, frame.crs):
        what = "坐标系的基准（如西安80、北京54）与影像不同，直接换算会差几十米以上。"
        advice = "请用省级自然资源部门给的转换参数先转到 CGCS2000。"
        return replace(base, what=what, value=crs_label(crs), advice=advice)
    fits = [] if _is_near(bounds, crs, frame) else _fitting(bounds, frame)
    if fits:
        # Left alone, a layer in the wrong zone would count as supplied and touch nothing.
        what = "按写明的坐标系图层远离影像，按另一个坐标系却正好落在影像上：坐标系多半写错了。"
        return _misfit_problem(base, what, crs, bounds, fits)
    return None


def _is_near(bounds: Bounds, crs: CRS, frame: Frame) -> bool:
    """Whether the coordinates meet the images if they are in this CRS; True if nobody can tell."""
    if frame.crs is None or frame.bounds is None:
        return True
    (placed,) = to_crs(np.array([shapely.box(*bounds)], dtype=object), crs, frame.crs)
    return bool(shapely.intersects(placed, shapely.box(*frame.bounds)))


def _fitting(bounds: Bounds, frame: Frame) -> list[int]:
    """Systems in which the coordinates would lie on the images."""
    if frame.crs is None or frame.bounds is None:
        return []
    return fitting_crs(bounds, frame.crs, frame.bounds)


def _named(codes: Sequence[int]) -> str:
    return "、".join(crs_label(CRS.from_epsg(code)) for code in codes[:3])


def _is_implied(raw: RawLayer) -> bool:
    """GeoJSON always counts as longitude and latitude, whatever its coordinates are."""
    return raw.file.lower().endswith(("json",)) and epsg_of(raw.crs) == 4326


def _misfit_problem(
    base: Problem,
    what: str,
    crs: CRS,
    bounds: Bounds,
    fits: Sequence[int],
) -> Problem:
    advice = "由提供单位重新导出；或在 QGIS 中对调坐标后另存。"
    if fits:
        advice = f"按坐标看应是 {_named(fits)}；核对后在映射里写 crs: EPSG:{fits[0]}。"
    value = f"{crs_label(crs)}；坐标约 ({bounds[0]:.6g}, {bounds[1]:.6g})"
    return replace(base, what=what, value=value, advice=advice)
