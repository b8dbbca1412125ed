"""Boundaries out of listed points (拐点坐标): rings by patch, parcel and ring number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from shapely.geometry import MultiPolygon, Polygon

from pipeline.errors import Finding
from pipeline.patches.survey_point_crs import StatedCrs, parse_stated_crs, resolve_point_crs
from pipeline.schema.returned import SurveyFeature

MAX_RINGS = 1_000
"""Of one parcel."""
MIN_POINTS = 3
_ADVICE = "按界址点成果表补齐后再交回：图斑编号、圈号、点号、X（北）、Y（东）。"


@dataclass(frozen=True)
class BoundaryPoint:
    """One line of a table of points."""

    row_no: int
    patch_id: str | None
    first: float | None
    """As written under X (north) or latitude; None if it is no number."""
    second: float | None
    """As written under Y (east) or longitude."""
    parcel: str = ""
    ring: str = ""
    surveyed_by: str | None = None
    surveyed_date: str | None = None
    crs_text: str = ""


@dataclass
class _Parcel:
    points: list[BoundaryPoint] = field(default_factory=list)
    rings: dict[str, list[BoundaryPoint]] = field(default_factory=dict)


def outlines_of_points(
    points: Iterable[BoundaryPoint], stated: StatedCrs, default: CRS | None, where: str
) -> list[SurveyFeature]:
    """One boundary for each parcel of each patch, in the order in which they begin."""
    parcels: dict[tuple[str | None, str], _Parcel] = {}
    for point in points:
        parcel = parcels.setdefault((point.patch_id, point.parcel), _Parcel())
        parcel.points.append(point)
        parcel.rings.setdefault(point.ring, []).append(point)
    return [
        _feature(patch_id, parcel, stated, default, where)
        for (patch_id, _), parcel in parcels.items()
    ]


def assemble_rings(rings: Sequence[NDArray[np.float64]]) -> Polygon | MultiPolygon:
    """Rings as one area: a ring inside another is a hole, one inside a hole is land again.

    Rings that cross themselves or each other stay as they are; whoever checks the area says so.
    """
    shapes = sorted((Polygon(ring) for ring in rings), key=lambda shape: -shape.area)
    depths: list[int] = []
    holes: dict[int, list[Polygon]] = {}
    for number, shape in enumerate(shapes):
        around = [n for n in range(number) if _contains(shapes[n], shape)]
        depths.append(len(around))
        if len(around) % 2:
            holes.setdefault(max(around, key=lambda n: (depths[n], n)), []).append(shape)
    outer = [
        Polygon(shape.exterior, [hole.exterior for hole in holes.get(number, [])])
        for number, shape in enumerate(shapes)
        if depths[number] % 2 == 0
    ]
    return outer[0] if len(outer) == 1 else MultiPolygon(outer)


def _contains(outer: Polygon, inner: Polygon) -> bool:
    try:
        return bool(outer.contains(inner))
    except shapely.errors.GEOSException:
        return False


def _feature(
    patch_id: str | None, parcel: _Parcel, stated: StatedCrs, default: CRS | None, where: str
) -> SurveyFeature:
    start = parcel.points[0]
    place = f"{where} 第 {start.row_no} 行"
    who = _first(point.surveyed_by for point in parcel.points)
    day = _first(point.surveyed_date for point in parcel.points)

    def refused(problem: Finding) -> SurveyFeature:
        return SurveyFeature(patch_id, None, None, start.row_no, who, day, problem)

    if problem := _incomplete(parcel, where, place):
        return refused(problem)
    written = _first(point.crs_text or None for point in parcel.points)
    known = parse_stated_crs(_as_statement(written)) if written else stated
    if written and known == StatedCrs():
        what = "写明的坐标系看不懂。"
        return refused(_problem(what, place, written[:60], "CGCS2000 及带号，或 EPSG 代码"))
    first = np.array([point.first for point in parcel.points], np.float64)
    second = np.array([point.second for point in parcel.points], np.float64)
    found = resolve_point_crs(first, second, known, default, place)
    if found.problem is not None:
        return refused(found.problem)
    rings = [_ring(ring, is_swapped=found.is_swapped) for ring in parcel.rings.values()]
    outline = assemble_rings(rings)
    return SurveyFeature(
        patch_id, outline, found.crs, start.row_no, who, day, notices=found.notices
    )


def _incomplete(parcel: _Parcel, where: str, place: str) -> Finding | None:
    """Why the points make no boundary."""
    for point in parcel.points:
        if point.first is None or point.second is None:
            row = f"{where} 第 {point.row_no} 行"
            return _problem("界址点缺少坐标，或坐标不是数字。", row, "", "两个数字")
    if len(parcel.rings) > MAX_RINGS:
        return _problem("界址的圈太多。", place, f"{len(parcel.rings)} 圈", f"{MAX_RINGS} 圈以内")
    for name, ring in parcel.rings.items():
        n_points = len({(point.first, point.second) for point in ring})
        if n_points < MIN_POINTS:
            value = f"圈 {name or 1} 只有 {n_points} 个不同的点"
            return _problem("界址点太少，围不成地块。", place, value, "每圈至少 3 个点")
    return None


def _as_statement(text: str) -> str:
    return text if text.strip().isdecimal() else f"坐标系 {text}"


def _ring(points: Sequence[BoundaryPoint], *, is_swapped: bool) -> NDArray[np.float64]:
    """East and north of the points of a ring."""
    numbers = np.array([(point.second, point.first) for point in points], np.float64)
    return numbers[:, ::-1] if is_swapped else numbers


def _first(texts: Iterable[str | None]) -> str | None:
    return next((text for text in texts if text), None)


def _problem(what: str, where: str, value: str, allowed: str) -> Finding:
    return Finding("E-RETURN-GEOMETRY", what, where, value, allowed, _ADVICE)


POINT_TITLES: Mapping[str, tuple[str, ...]] = {
    "patch_id": (
        "patch_id",
        "issued_id",
        "图斑编号",
        "图斑号",
        "下发图斑编号",
        "监测图斑编号",
        "监测编号",
        "jcbh",
        "tbbh",
        "tbbsm",
    ),
    "parcel": ("地块号", "地块编号", "地块", "宗地号", "parcel"),
    "ring": ("圈号", "环号", "环", "圈", "ring"),
    "point": ("点号", "界址点号", "拐点号", "拐点编号", "序号", "point"),
    "first": ("x", "纵", "纵x", "x纵", "北", "北x", "x北", "n", "north", "northing"),
    "second": ("y", "横", "横y", "y横", "东", "东y", "y东", "e", "east", "easting"),
    "lat": ("纬度", "北纬", "lat", "latitude", "b", "纬度b"),
    "lon": ("经度", "东经", "lon", "lng", "longitude", "l", "经度l"),
    "surveyed_by": ("surveyed_by", "测量单位", "测绘单位", "cldw"),
    "surveyed_date": ("surveyed_date", "测量日期", "测绘日期", "clrq"),
    "crs": ("坐标系", "坐标系统", "crs", "epsg"),
}
"""Titles of the columns, folded, without brackets, units and the word 坐标."""
