"""Survey boundaries of a few patches in the forms in which surveyors deliver them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import geopandas
import numpy as np
import pyogrio
import pyproj
import shapely
from numpy.typing import NDArray
from shapely import Polygon
from shapely.affinity import scale
from shapely.geometry.base import BaseGeometry

from .county import Patch
from .forms import write_csv
from .played import Played

EPSG, EPSG_DEGREES, ZONE = 4547, 4490, 38
M2_PER_MU = 2000 / 3
EXACT_MU = {"pbf_499": 4.99, "pbf_500": 5.0, "pbf_501": 5.01}
JUST_ABOVE_M2 = 0.002
"""Added to exact areas: more than coordinates lose, less than any count shows."""
SURVEYOR, SURVEYED_ON = "示例县测绘队", "2024-11-18"
SURVEYED_CASES = (*EXACT_MU, "V4", "straddle")
CROSSED_CASE = "V3b"
AREA_LIMIT_M2 = 600.0
"""A ring crossing itself on less would look like a slip that can be repaired."""


def plan_surveys(patches: Sequence[Patch]) -> dict[str, Patch]:
    """Case → the patch that was surveyed for it: the first issued one."""
    chosen: dict[str, Patch] = {}
    for patch in patches:
        if patch.case_id in (*SURVEYED_CASES, CROSSED_CASE) and patch.is_issued and patch.is_sent:
            chosen.setdefault(patch.case_id, patch)
    return chosen


def write_surveys(chosen: dict[str, Patch], places: dict[str, str], played: Played) -> None:
    """All survey files; `places`: township code → its folder of returns."""
    folders = {case: f"{places[patch.township_code]}/实测" for case, patch in chosen.items()}
    with _same_time():
        both = [chosen[case] for case in ("pbf_499", "pbf_501") if case in chosen]
        if both:
            _write_layer(played, "bureau/survey/pbf.gpkg", both)
        if "pbf_500" in chosen:
            _write_layer(played, f"{folders['pbf_500']}/boundary.shp", [chosen["pbf_500"]])
    if "V4" in chosen:
        _write_points(played, f"{folders['V4']}/拐点坐标.csv", chosen["V4"])
    if "straddle" in chosen:
        _write_national(played, f"{folders['straddle']}/报备坐标.txt", chosen["straddle"])
    if CROSSED_CASE in chosen:
        _write_points(
            played, f"{folders[CROSSED_CASE]}/拐点坐标.csv", chosen[CROSSED_CASE], is_crossed=True
        )


def boundary(patch: Patch) -> Polygon:
    """What was surveyed: the plant's own outline, of the exact area where the case has one."""
    assert patch.plant is not None
    (footprint,) = getattr(patch.plant.footprint, "geoms", [patch.plant.footprint])
    if patch.case_id not in EXACT_MU:
        return footprint
    target = EXACT_MU[patch.case_id] * M2_PER_MU + JUST_ABOVE_M2
    for _ in range(4):
        factor = (target / area_m2(footprint)) ** 0.5
        footprint = scale(footprint, factor, factor)
    return footprint


def area_m2(shape: BaseGeometry) -> float:
    """Area on the CGCS2000 ellipsoid of a polygon in EPSG:4547."""
    degrees = shapely.transform(
        shapely.segmentize(shape, 20.0),
        pyproj.Transformer.from_crs(EPSG, EPSG_DEGREES, always_xy=True).transform,
        interleaved=False,
    )
    area, _ = pyproj.Geod(a=6378137.0, rf=298.257222101).geometry_area_perimeter(degrees)
    return abs(float(area))


def _write_layer(played: Played, name: str, patches: list[Patch]) -> None:
    is_shape = name.endswith(".shp")
    titles = ("图斑编号", "测量单位", "测量日期") if is_shape else (
        "patch_id", "surveyed_by", "surveyed_date"
    )  # fmt: skip
    shapes = [boundary(patch) for patch in patches]
    rows = [dict(zip(titles, (p.patch_id, SURVEYOR, SURVEYED_ON), strict=True)) for p in patches]
    table = geopandas.GeoDataFrame(rows, geometry=shapes, crs=EPSG)
    path = played.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if is_shape:
        pyogrio.write_dataframe(
            table, path, driver="ESRI Shapefile", encoding="GBK", geometry_type="Polygon",
            DBF_DATE_LAST_UPDATE=SURVEYED_ON,
        )  # fmt: skip
    else:
        pyogrio.write_dataframe(
            table, path, layer="boundaries", driver="GPKG", geometry_type="Polygon", VERSION="1.3"
        )
    for patch, shape in zip(patches, shapes, strict=True):
        _accept(played, name, patch, shape)


def _write_points(played: Played, name: str, patch: Patch, *, is_crossed: bool = False) -> None:
    ring = _ring(boundary(patch))
    if is_crossed:
        half = len(ring) // 2
        ring = np.concatenate([ring[:1], ring[half : half + 1], ring[1:half], ring[half + 1 :]])
    lines = [["图斑编号", "点号", "X（北）", "Y（东）"]]
    for number, (east, north) in enumerate(ring, start=1):
        lines.append([patch.patch_id, f"J{number}", f"{north:.3f}", f"{east:.3f}"])
    write_csv(played.folder / name, lines, "gb18030")
    if is_crossed:
        played.reject(name, "survey", patch.patch_id, "E-RETURN-GEOMETRY", "界址线自相交")
    else:
        _accept(played, name, patch, Polygon(np.round(ring, 3)))
        why = "没有写坐标系、测量单位和日期"
        played.notice(name, patch.patch_id, "N-RETURN-DOUBT", why)


def _write_national(played: Played, name: str, patch: Patch) -> None:
    """J point, ring, X north, Y east with the zone before it."""
    ring = np.round(_ring(boundary(patch)), 3)
    points = np.concatenate([ring, ring[:1]])
    head = [
        "[属性描述]", "格式版本号=1.01版本", f"数据产生单位={SURVEYOR}",
        f"数据产生日期={SURVEYED_ON}", "坐标系=2000国家大地坐标系", "几度分带=3",
        "投影类型=高斯克吕格", "计量单位=米", f"带号={ZONE}", "精度=0.001",
        "转换参数=0,0,0,0,0,0,0", "[地块坐标]",
        f"{len(points)},{area_m2(Polygon(ring)) / 10000:.4f},{patch.issued_id},,面,,,,@",
    ]  # fmt: skip
    lines = [
        f"J{1 + number % len(ring)},1,{north:.3f},{ZONE}{east:.3f}"
        for number, (east, north) in enumerate(points)
    ]
    path = played.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\r\n".join([*head, *lines]) + "\r\n", encoding="gb18030", newline="")
    _accept(played, name, patch, Polygon(ring))


def _ring(shape: Polygon) -> NDArray[np.float64]:
    return np.asarray(shape.exterior.coords)[:-1]


def _accept(played: Played, name: str, patch: Patch, shape: BaseGeometry) -> None:
    played.accept(name, "survey", patch.patch_id)
    played.patches[patch.patch_id]["survey_m2"] = area_m2(shape)


@contextmanager
def _same_time() -> Iterator[None]:
    """Have GDAL write a fixed date instead of the clock's, in this block."""
    name = "OGR_CURRENT_DATE"
    before = pyogrio.get_gdal_config_option(name)
    pyogrio.set_gdal_config_options({name: f"{SURVEYED_ON}T00:00:00.000Z"})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({name: before})
