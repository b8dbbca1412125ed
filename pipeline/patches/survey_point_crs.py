"""In which reference system listed boundary points (拐点坐标) are, and which number is north.

Chinese surveying writes X for north and Y for east; other programs the other way round. Within
China the sizes tell them apart: northings, eastings with and without zone number do not overlap.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from pipeline.errors import Finding, Severity
from pipeline.patches.layer_crs import (
    CHINA_LAT,
    CHINA_LON,
    GEOGRAPHIC,
    NORTHING_M,
    crs_label,
    epsg_of,
    find_misfit,
    parse_crs,
    zone_epsg,
)

PLAIN_EASTING_M = (2.0e4, 9.8e5)
"""Eastings without a zone number."""
ZONED_EASTING_M = (1.3e7, 4.6e7)
"""Eastings behind their zone number: 13–23 in 6° zones, 25–45 in 3° zones."""
EXPECTED_ZH = "CGCS2000，东坐标带带号，或写明几度分带和带号（中央经线）"

_OTHER_DATUMS = (
    ("西安80", r"西安|(?<!\d)(19)?80(?!\d)"),
    ("北京54", r"北京|(?<!\d)(19)?54(?!\d)"),
    ("地方独立坐标系", r"独立|地方|假定|任意"),
)
_SAME_DATUM = r"2000|CGCS|WGS"
"""WGS 84 and CGCS2000 agree to centimetres."""


@dataclass(frozen=True)
class StatedCrs:
    """What a table says of its reference system; None where it says nothing."""

    text: str = ""
    epsg: int | None = None
    datum: str | None = None
    """CGCS2000, or the name of an older datum."""
    zone_degrees: int | None = None
    zone: int | None = None
    meridian_deg: int | None = None


@dataclass(frozen=True)
class PointCrs:
    """How listed points are to be read."""

    crs: CRS | None = None
    is_swapped: bool = False
    """Whether the first number is east."""
    problem: Finding | None = None
    notices: tuple[Finding, ...] = ()


def parse_stated_crs(text: str) -> StatedCrs:
    """Statement in Chinese words, as in heads of tables and of the national text format."""
    word = unicodedata.normalize("NFKC", text)
    epsg = _number(r"EPSG\s*[:=]?\s*(\d{4,5})", word)
    if epsg is None and re.fullmatch(r"\d{4,5}", word.strip()):
        epsg = int(word)
    about = " ".join(re.findall(r"[^\n;,]{0,20}坐标系[^\n;,]{0,40}|CGCS\s*\d*", word)) or word
    datum = "CGCS2000" if re.search(_SAME_DATUM, about, re.IGNORECASE) else None
    if datum is None and "坐标" in word:
        datum = next((name for name, mark in _OTHER_DATUMS if re.search(mark, about)), None)
    degrees = _number(r"几度分带\s*[=:]?\s*([36])", word) or _number(
        r"([36])\s*(?:度|°)\s*带", word
    )
    zone = _number(r"带号\s*[=:]?\s*(\d{2})(?!\d)", word)
    meridian = _number(r"中央(?:经线|子午线)\s*[=:]?\s*(\d{2,3})", word)
    stated = StatedCrs(text.strip()[:80], epsg, datum, degrees, zone, meridian)
    return stated if stated != StatedCrs(stated.text) else StatedCrs()


def resolve_point_crs(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    stated: StatedCrs,
    default: CRS | None,
    where: str,
) -> PointCrs:
    """The system of points by what is stated and by the size of their numbers.

    `first` is written as X or latitude (north), `second` as Y or longitude (east). `default` is the
    system of the images, taken for eastings without zone number where nothing is stated.
    """
    if stated.datum not in (None, "CGCS2000"):
        return PointCrs(problem=_other_datum(stated, where))
    orders = [
        is_swapped
        for is_swapped, north, east in ((False, first, second), (True, second, first))
        if _is_pair(north, east)
    ]
    value = f"第一个点 ({first[0]:.10g}, {second[0]:.10g})"
    if not orders:
        allowed = "X（北）、Y（东），米；或纬度、经度，度"
        what = "界址点坐标的大小不像同一个坐标系里的坐标。"
        return PointCrs(problem=_problem(what, where, value, allowed, "核对坐标的位数和单位。"))
    is_swapped = orders[0]
    east = first if is_swapped else second
    crs, notices, problem = _system(east, stated, default, where)
    if problem is None and crs is not None:
        problem = _contradiction(first, second, is_swapped, crs, where)
    if is_swapped:
        what = "X、Y 写反了：X 里是东坐标，Y 里是北坐标；已按数值大小对调后读取。"
        notices = (*notices, _notice(what, where, value, "测绘惯例 X 为北、Y 为东；请核对。"))
    return PointCrs(crs, is_swapped, problem, notices)


def _is_pair(north: NDArray[np.float64], east: NDArray[np.float64]) -> bool:
    if _within(north, CHINA_LAT) and _within(east, CHINA_LON):
        return True
    return _within(north, NORTHING_M) and (
        _within(east, PLAIN_EASTING_M) or _within(east, ZONED_EASTING_M)
    )


def _system(
    east: NDArray[np.float64], stated: StatedCrs, default: CRS | None, where: str
) -> tuple[CRS | None, tuple[Finding, ...], Finding | None]:
    if stated.epsg is not None:
        crs = parse_crs(str(stated.epsg))
        if crs is None:
            return None, (), _problem("写明的坐标系不存在。", where, f"EPSG:{stated.epsg}")
        return crs, (), None
    if _within(east, CHINA_LON):
        return CRS.from_epsg(GEOGRAPHIC), (), None
    if _within(east, ZONED_EASTING_M):
        return _zoned(east, stated, where)
    code = _plain_code(stated)
    if code is not None:
        return CRS.from_epsg(code), (), None
    plain = _plain(default)
    if plain is None:
        what = "东坐标不带带号，也没有写明带号或中央经线，定不了位置。"
        return None, (), _problem(what, where, f"{east[0]:.10g}")
    what = "东坐标不带带号，也没有写明坐标系；按本期影像的坐标系读取。"
    return plain, (_notice(what, where, crs_label(plain), "核对带号；最好写明坐标系。"),), None


def _zoned(
    east: NDArray[np.float64], stated: StatedCrs, where: str
) -> tuple[CRS | None, tuple[Finding, ...], Finding | None]:
    zones = sorted({int(value // 1e6) for value in east.tolist()})
    code = zone_epsg(float(zones[0]) * 1e6, None)
    if len(zones) > 1 or code is None:
        value = "、".join(str(zone) for zone in zones)
        return None, (), _problem("东坐标的带号不一致，或不是国内的带号。", where, value)
    if stated.zone not in (None, zones[0]):
        value = f"写明带号 {stated.zone}，东坐标以 {zones[0]} 开头"
        return None, (), _problem("东坐标的带号与写明的带号不符。", where, value)
    degrees = 3 if zones[0] >= 25 else 6
    if stated.zone_degrees not in (None, degrees):
        value = f"写明 {stated.zone_degrees} 度带，带号 {zones[0]} 属 {degrees} 度带"
        return None, (), _problem("带号与写明的分带不符。", where, value)
    return CRS.from_epsg(code), (), None


def _plain_code(stated: StatedCrs) -> int | None:
    """EPSG code of a system without zone number in its eastings."""
    if stated.zone is not None and stated.zone_degrees in (None, 3) and 25 <= stated.zone <= 45:
        return 4534 + stated.zone - 25
    if stated.zone is not None and stated.zone_degrees in (None, 6) and 13 <= stated.zone <= 23:
        return 4502 + stated.zone - 13
    meridian = stated.meridian_deg
    if meridian is None or stated.zone is not None:
        return None
    if stated.zone_degrees == 6:
        return 4502 + (meridian - 75) // 6 if meridian in range(75, 136, 6) else None
    return 4534 + (meridian - 75) // 3 if meridian in range(75, 136, 3) else None


def _plain(default: CRS | None) -> CRS | None:
    """The system of the images, without the zone number in its eastings."""
    code = None if default is None else epsg_of(default)
    if code is not None and 4513 <= code <= 4533:
        return CRS.from_epsg(code + 21)
    if code is not None and 4491 <= code <= 4501:
        return CRS.from_epsg(code + 11)
    return default if default is not None and default.is_projected else None


def _contradiction(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    is_swapped: bool,
    crs: CRS,
    where: str,
) -> Finding | None:
    """Why the numbers can not be in the system that is stated."""
    east, north = (first, second) if is_swapped else (second, first)
    bounds = float(east.min()), float(north.min()), float(east.max()), float(north.max())
    misfit = find_misfit(bounds, crs, None)
    if misfit is None:
        return None
    return _problem(misfit.what_zh, where, crs_label(crs), "坐标与写明的坐标系一致")


def _other_datum(stated: StatedCrs, where: str) -> Finding:
    what = "坐标系的基准与影像不同，直接换算会差几十米以上。"
    advice = "用省级自然资源部门给的转换参数转到 CGCS2000 后再交回。"
    return _problem(what, where, str(stated.datum), "CGCS2000", advice)


def _within(values: NDArray[np.float64], limits: tuple[float, float]) -> bool:
    return bool(((values >= limits[0]) & (values <= limits[1])).all())


def _number(pattern: str, text: str) -> int | None:
    found = re.search(pattern, text, re.IGNORECASE)
    return int(found.group(1)) if found else None


def _problem(
    what: str,
    where: str,
    value: str,
    allowed: str = EXPECTED_ZH,
    advice: str = "核对坐标系、带号和 X、Y 的先后，写明后再交回。",
) -> Finding:
    return Finding("E-RETURN-GEOMETRY", what, where, value, allowed, advice)


def _notice(what: str, where: str, value: str, advice: str) -> Finding:
    return Finding("N-RETURN-DOUBT", what, where, value, advice=advice, severity=Severity.NOTICE)
