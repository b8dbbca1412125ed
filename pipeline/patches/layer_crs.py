"""Whether coordinates can be in the reference system they are said to be in; which one fits.

CGCS2000 (国家大地坐标系) in China: degrees EPSG:4490; 3° zones with the zone number before the
easting 4513–4533 (zones 25–45) and without 4534–4554; 6° zones 4491–4501 (13–23) and 4502–4512.
EPSG's own axis order is north, east; here x is always east and y north.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

GEOGRAPHIC = 4490
DEGREE_M = 111_320.0
"""Length of a degree of latitude, metres; good enough to cut edges."""
MAX_EDGE_M = 100.0
"""Edges that are straight in degrees are cut to this length before they are projected."""
MAX_COORDINATE = 1e12
"""Larger numbers are no coordinates in any system."""
MAX_BEND_M = 1e-3
"""An edge that bends by less between two projections is left as it is."""
MAX_STEPS = 20_000
"""Points that cutting adds to one geometry at most: 2,000 km of outline, longer than a county's."""
CHINA_LON, CHINA_LAT = (72.0, 137.0), (2.0, 55.0)
NORTHING_M = (1.0e5, 6.2e6)
"""Northings of China in a Gauss-Krüger zone."""
MAX_OFFSET_M = 480_000.0
"""Farthest a 6° zone with some overlap reaches from its central meridian."""
SAME_ELLIPSOID_M = 1.0
"""Ellipsoids whose axes differ by more belong to datums (西安80、北京54) that need parameters."""

Bounds = tuple[float, float, float, float]
"""Left, bottom, right, top."""


@dataclass(frozen=True)
class Misfit:
    """Why coordinates can not be in the CRS."""

    what_zh: str
    suggestion: int | None = None
    """EPSG code that fits, if one is clear."""
    kind: MisfitKind = "zone"
    is_swapped: bool = False
    """Whether the first coordinate is the northern one."""


MisfitKind = Literal["zone", "axes", "degrees"]


def is_number(coordinates: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which coordinates can be meant: finite, and no filler such as -1.8e308."""
    found: NDArray[np.bool_] = np.abs(coordinates) < MAX_COORDINATE
    return found


def robust_bounds(geometry: NDArray[np.object_]) -> Bounds | None:
    """Bounds without the outermost 1 % of the features on each side; None without coordinates."""
    boxes = shapely.bounds(geometry)
    boxes = boxes[is_number(boxes).all(axis=1)]
    if not len(boxes):
        return None
    low = np.quantile(boxes[:, :2], 0.01, axis=0)
    high = np.quantile(boxes[:, 2:], 0.99, axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def parse_crs(text: str) -> CRS | None:
    """A CRS named by its EPSG code ("EPSG:4547" or "4547"); None if there is no such system."""
    word = text.strip().upper().removeprefix("EPSG:")
    try:
        crs = CRS.from_epsg(int(word))
    except (ValueError, CRSError):
        return None
    return crs if crs.is_projected or crs.is_geographic else None


def epsg_of(crs: CRS) -> int | None:
    """EPSG code of a CRS, also of one that a `.prj` in ESRI's dialect describes."""
    code = crs.to_epsg(min_confidence=20)
    return None if code is None else int(code)


def crs_label(crs: CRS) -> str:
    """Name and code, as shown to people."""
    code = epsg_of(crs)
    if code is None:
        return str(crs.name)
    return f"{_name_zh(code) or crs.name}（EPSG:{code}）"


def _name_zh(code: int) -> str | None:
    """Chinese name of a CGCS2000 system; None for all others."""
    if code == GEOGRAPHIC:
        return "CGCS2000 经纬度"
    for first, last, degrees, zone, meridian in (
        (4513, 4533, 3, 25, 75),
        (4534, 4554, 3, None, 75),
        (4491, 4501, 6, 13, 75),
        (4502, 4512, 6, None, 75),
    ):
        if first <= code <= last:
            central = meridian + degrees * (code - first)
            prefix = "不带带号" if zone is None else f"带号 {zone + code - first}"
            return f"CGCS2000 {degrees} 度带，中央经线 {central}°，{prefix}"
    return None


def is_same_crs(first: CRS, second: CRS) -> bool:
    """Whether two systems give the same numbers to the same places, x before y."""
    if first == second:
        return True
    codes = epsg_of(first), epsg_of(second)
    return codes[0] is not None and codes[0] == codes[1]


def needs_parameters(source: CRS, target: CRS) -> bool:
    """Whether only parameters of the survey office (七参数) relate the two datums."""
    axes = [
        crs.geodetic_crs.ellipsoid.semi_major_metre
        for crs in (source, target)
        if crs.geodetic_crs is not None and crs.geodetic_crs.ellipsoid is not None
    ]
    return len(axes) == 2 and abs(axes[0] - axes[1]) > SAME_ELLIPSOID_M


def find_misfit(bounds: Bounds, crs: CRS, near: tuple[float, float] | None) -> Misfit | None:
    """A contradiction between coordinates and CRS; None if they can belong together.

    `near` is longitude and latitude of the images, used only to name the zone that is meant.
    """
    x, y = (bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2
    if crs.is_geographic:
        return _misfit_in_degrees(x, y, near)
    if _is_degrees(x, y) and abs(x) > 1e-6:
        return Misfit("坐标是经纬度（度），写明的却是投影坐标系。", GEOGRAPHIC, "degrees")
    if _is_degrees(y, x) and abs(x) > 1e-6:
        what = "坐标是纬度在前、经度在后的度数，写明的却是投影坐标系；请先对调 X、Y。"
        return Misfit(what, kind="axes", is_swapped=True)
    easting0 = _false_easting(crs)
    if easting0 is None or abs(x - easting0) <= MAX_OFFSET_M:
        return None
    if abs(y - easting0) <= MAX_OFFSET_M and NORTHING_M[0] < x < NORTHING_M[1]:
        what = "坐标轴颠倒：X 里是北坐标，Y 里是东坐标；请先对调 X、Y。"
        return Misfit(what, kind="axes", is_swapped=True)
    return _misfit_of_zone(x, crs, near)


def _misfit_in_degrees(x: float, y: float, near: tuple[float, float] | None) -> Misfit | None:
    if _is_degrees(y, x) and not _is_degrees(x, y):
        what = "坐标轴颠倒：X 里是纬度，Y 里是经度；请先对调 X、Y。"
        return Misfit(what, kind="axes", is_swapped=True)
    if abs(x) <= 180 and abs(y) <= 90:
        return None
    return Misfit("坐标是米，写明的却是经纬度坐标系。", zone_epsg(x, near), "degrees")


def _misfit_of_zone(x: float, crs: CRS, near: tuple[float, float] | None) -> Misfit:
    has_prefix = (_false_easting(crs) or 0.0) > 1e6
    if x > 1e6 and not has_prefix:
        return Misfit(
            f"东坐标带有带号（{int(x // 1e6)}），写明的坐标系却不带带号。", zone_epsg(x, near)
        )
    if x < 1e6 and has_prefix:
        plain = _without_prefix(epsg_of(crs))
        return Misfit("东坐标不带带号，写明的坐标系却是带带号的。", plain or zone_epsg(x, near))
    return Misfit("东坐标的带号与写明的坐标系不符。", zone_epsg(x, near))


def _is_degrees(lon: float, lat: float) -> bool:
    return CHINA_LON[0] <= lon <= CHINA_LON[1] and CHINA_LAT[0] <= lat <= CHINA_LAT[1]


def zone_epsg(easting: float, near: tuple[float, float] | None) -> int | None:
    """The CGCS2000 Gauss-Krüger system of an easting: by its zone number, else by the images."""
    zone = int(easting // 1e6)
    if 25 <= zone <= 45:
        return 4513 + zone - 25
    if 13 <= zone <= 23:
        return 4491 + zone - 13
    if zone == 0 and near is not None and 25 <= round(near[0] / 3) <= 45:
        return 4534 + round(near[0] / 3) - 25
    return None


def _without_prefix(code: int | None) -> int | None:
    if code is None:
        return None
    if 4513 <= code <= 4533:
        return code + 21
    return code + 11 if 4491 <= code <= 4501 else None


def _false_easting(crs: CRS) -> float | None:
    """False easting of a transverse Mercator system, metres; None for other projections."""
    operation = crs.coordinate_operation
    method = "" if operation is None else operation.method_name.casefold().replace("_", " ")
    if operation is None or not ("transverse mercator" in method or "gauss" in method):
        return None
    found = [p for p in operation.params if p.name.casefold().replace("_", " ") == "false easting"]
    return float(found[0].value) * float(found[0].unit_conversion_factor) if found else None


def candidates() -> Iterator[int]:
    """EPSG codes of CGCS2000 that a county's file can be in: degrees, then 3° and 6° zones."""
    yield GEOGRAPHIC
    yield from range(4513, 4555)
    yield from range(4491, 4513)


def fitting_crs(bounds: Bounds, target: CRS, footprint: Bounds) -> list[int]:
    """CGCS2000 systems in which the coordinates would lie on the images, nearest to them first."""
    x, y = (bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2
    centre_x, centre_y = (footprint[0] + footprint[2]) / 2, (footprint[1] + footprint[3]) / 2
    found: list[tuple[float, int]] = []
    for code in candidates():
        crs = CRS.from_epsg(code)
        if crs.is_geographic != (abs(x) <= 180 and abs(y) <= 90):
            continue
        easting0 = _false_easting(crs)
        if easting0 is not None and abs(x - easting0) > MAX_OFFSET_M:
            continue
        east, north = Transformer.from_crs(crs, target, always_xy=True).transform(x, y)
        if footprint[0] <= east <= footprint[2] and footprint[1] <= north <= footprint[3]:
            found.append((abs(east - centre_x) + abs(north - centre_y), code))
    return [code for _, code in sorted(found)]


def to_crs(geometry: NDArray[np.object_], source: CRS, target: CRS) -> NDArray[np.object_]:
    """Geometries in the target CRS; what can not be projected gets infinite coordinates.

    Edges that would bend are cut to `MAX_EDGE_M` first, so that they stay where they were straight:
    those in degrees, and those of another projection (another zone, UTM).
    """
    if is_same_crs(source, target):
        return geometry
    if source.is_geographic and not target.is_geographic:
        geometry = _cut_edges(geometry, MAX_EDGE_M / DEGREE_M)
    elif source.is_projected and _bends_edges(geometry, source, target):
        geometry = _cut_edges(geometry, MAX_EDGE_M)
    return project_points(geometry, source, target)


def _cut_edges(geometry: NDArray[np.object_], step: float) -> NDArray[np.object_]:
    """Edges cut to a step; outlines far longer than a county's get fewer points than that."""
    length = np.nan_to_num(shapely.length(geometry), posinf=0.0)
    steps = np.maximum(step, length / MAX_STEPS)
    # A line whose points all coincide has no edge, and GEOS refuses to cut it.
    has_edge = length > 0
    cut = geometry.copy()
    cut[has_edge] = shapely.segmentize(geometry[has_edge], steps[has_edge])
    return cut


def _bends_edges(geometry: NDArray[np.object_], source: CRS, target: CRS) -> bool:
    """Whether some long edge, moved by its ends, leaves its true course by more than a hair.

    A zone with and without its number before the easting is the same projection: nothing bends.
    """
    points, owner = shapely.get_coordinates(geometry, return_index=True)
    is_edge = (owner[1:] == owner[:-1]) & np.isfinite(points[1:] + points[:-1]).all(axis=1)
    starts, ends = points[:-1][is_edge], points[1:][is_edge]
    is_long = np.hypot(*(ends - starts).T) > MAX_EDGE_M
    starts, ends = starts[is_long], ends[is_long]
    transformer = Transformer.from_crs(source, target, always_xy=True)

    def moved(at: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(transformer.transform(at[:, 0], at[:, 1]))

    off = moved((starts + ends) / 2) - (moved(starts) + moved(ends)) / 2
    off = off[np.isfinite(off).all(axis=1)]
    return bool((np.hypot(off[:, 0], off[:, 1]) > MAX_BEND_M).any())


def project_points(geometry: NDArray[np.object_], source: CRS, target: CRS) -> NDArray[np.object_]:
    """Geometries with the same points in the target CRS, straight between them there."""
    if is_same_crs(source, target):
        return geometry
    transformer = Transformer.from_crs(source, target, always_xy=True)

    def project(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(transformer.transform(points[:, 0], points[:, 1]))

    moved: NDArray[np.object_] = shapely.transform(geometry, project)
    return moved
