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
    GEOGRAPHIC,
    Bounds,
    MisfitKind,
    crs_label,
    epsg_of,
    find_misfit,
    fitting_crs,
    is_same_crs,
    needs_parameters,
    parse_crs,
    robust_bounds,
    to_crs,
    zone_epsg,
)
from pipeline.patches.layer_spread import DEGREES, PLAIN, SWAPPED, Spread, kind_zh
from pipeline.schema.layer import LayerSpec
from pipeline.schema.problems import Place, Problem, representative_places, row_problems
from pipeline.schema.raw_layer import RawLayer
from pipeline.stages.intake_images import Frame

_MISFIT_CODES: dict[MisfitKind, str] = {
    "zone": "E-LAYER-ZONE",
    "axes": "E-LAYER-AXES",
    "degrees": "E-LAYER-DEGREES",
}


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
        advice = "改正映射里的 crs:；不知道代码的，去掉这一行，程序会按坐标提示。"
        wrong = replace(base, code="E-CONFIG-VALUE", what=what, allowed=allowed, advice=advice)
        return None, [replace(wrong, value=source.crs)]
    if raw.crs is None or is_same_crs(raw.crs, crs) or _is_implied(raw):
        return crs, []
    told = replace(
        base,
        code="N-LAYER-CRS",
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
        nowhere = replace(base, code="E-LAYER-NOCRS", what=what, advice=advice)
        place = _middle_in(fitting[0], bounds, frame) if fitting else None
        return replace(nowhere, value=_corner(bounds), allowed="写明坐标系", place=place)
    misfit = find_misfit(bounds, crs, frame.lon_lat)
    if misfit is not None:
        fits = _fitting(bounds, frame) or ([misfit.suggestion] if misfit.suggestion else [])
        problem = _misfit_problem(base, misfit.what_zh, crs, bounds, fits, frame)
        problem = replace(problem, code=_MISFIT_CODES[misfit.kind])
        if not misfit.is_swapped:
            return problem
        own = GEOGRAPHIC if abs(bounds[0]) <= 180 else epsg_of(crs)
        turned = (bounds[1], bounds[0], bounds[3], bounds[2])
        return replace(problem, place=None if own is None else _middle_in(own, turned, frame))
    if frame.crs is not None and needs_parameters(crs, frame.crs):
        what = "坐标系的基准（如西安80、北京54）与影像不同，直接换算会差几十米以上。"
        advice = "请用省级自然资源部门给的转换参数先转到 CGCS2000。"
        wrong = replace(base, code="E-LAYER-DATUM", what=what, value=crs_label(crs), advice=advice)
        return replace(wrong, allowed=f"与影像同一基准：{crs_label(frame.crs)}")
    fits = [] if _is_near(bounds, crs, frame) else _fitting(bounds, frame)
    if fits:
        # Left alone, a layer in the wrong zone would count as supplied and touch nothing.
        what = "按写明的坐标系图层远离影像，按另一个坐标系却正好落在影像上：坐标系多半写错了。"
        return _misfit_problem(base, what, crs, bounds, fits, frame)
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
    frame: Frame,
) -> Problem:
    advice = "由提供单位重新导出；或在 QGIS 中对调坐标后另存。"
    if fits:
        advice = f"按坐标看应是 {_named(fits)}；核对后在映射里写 crs: EPSG:{fits[0]}。"
    place = _middle_in(fits[0], bounds, frame) if fits else None
    wrong = replace(base, what=what, value=f"{crs_label(crs)}；{_corner(bounds)}", advice=advice)
    return replace(wrong, allowed="坐标与写明的坐标系相符", place=place)


def _corner(bounds: Bounds) -> str:
    return f"坐标约 ({bounds[0]:.9g}, {bounds[1]:.9g})"


def _middle_in(code: int, bounds: Bounds, frame: Frame) -> Place | None:
    """Where the middle of the coordinates would lie if they were in this system."""
    if frame.crs is None:
        return None
    middle = shapely.Point((bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2)
    moved = to_crs(np.array([middle], dtype=object), CRS.from_epsg(code), frame.crs)
    return representative_places(moved)[0]


def mixed_problems(spec: LayerSpec, raw: RawLayer, spread: Spread, frame: Frame) -> list[Problem]:
    """Rows whose coordinates are of another kind than those of most rows of the file."""
    positions = np.flatnonzero(spread.is_other)
    template = Problem(
        "E-LAYER-MIXED",
        "同一个文件里混有几种坐标，一个坐标系不能都对。",
        spec.name,
        raw.file,
        allowed=f"全部与多数要素一样：{kind_zh(spread.main)}",
        advice="按坐标拆成几个文件，各自在映射里写明 crs:；或由提供单位统一坐标系后重新导出。",
    )
    boxes = shapely.bounds(raw.geometry[positions]).reshape(-1, 4)

    def place(n: int) -> Place | None:
        kind = int(spread.kinds[positions[n]])
        left, bottom, right, top = map(float, boxes[n])
        if kind >= SWAPPED:
            left, bottom, right, top = bottom, left, top, right
        easting = {DEGREES: None, PLAIN: left}.get(kind % SWAPPED, 1e6 * (kind % SWAPPED))
        code = GEOGRAPHIC if easting is None else zone_epsg(easting, frame.lon_lat)
        return None if code is None else _middle_in(code, (left, bottom, right, top), frame)

    values = [
        f"{kind_zh(int(spread.kinds[p]))}：{_corner((*map(float, box),))}"  # type: ignore[arg-type]
        for p, box in zip(positions, boxes, strict=True)
    ]
    return row_problems(
        template, raw.rows[positions], values, lambda at: [place(int(n)) for n in at]
    )
