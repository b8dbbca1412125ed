"""Whether an image's own reference can be true at all, before anything is worked out with it.

Intake asks more: whether the coordinates are where a county of China can be
(`patches.layer_crs.find_misfit`). Here only the impossible is refused, because a comparison without
a county may lie anywhere.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from pipeline.errors import Finding, InputError
from pipeline.grid import Grid
from pipeline.patches.layer_crs import Bounds, Misfit, crs_label, find_misfit, is_number

MAX_DEGREES = 180.0
"""Projected coordinates that are all smaller look like degrees, in either order."""
MAX_LON, MAX_LAT = 360.0, 90.0
"""Degrees beyond these are no place on Earth; longitudes are counted to 360 by some."""


def require_reference(path: Path, grid: Grid) -> None:
    """Refuse an image that can not be placed, or whose place contradicts its CRS: `InputError`."""
    finding = _transform_finding(path, grid) or _crs_finding(path, grid)
    if finding is not None:
        raise InputError(finding)


def misfit_finding(path: Path, grid: Grid, misfit: Misfit) -> Finding:
    """E-IMAGE-CRS: what contradicts what, and which CRS fits, if one is clear."""
    assert grid.crs is not None  # without a CRS nothing contradicts it
    fits = ""
    if misfit.suggestion is not None:
        fits = f"按坐标看应是 {crs_label(CRS.from_epsg(misfit.suggestion))}。"
    left, top = grid.affine @ (0.0, 0.0)
    return Finding(
        "E-IMAGE-CRS",
        misfit.what_zh,
        where=str(path),
        value=f"{crs_label(grid.crs)}；左上角 ({left:.6g}, {top:.6g})",
        allowed="坐标与写明的坐标系相符",
        advice=f"{fits}向供方核实坐标系后，在 QGIS 或 gdal_edit 中改正影像的坐标系。",
    )


def grid_bounds(grid: Grid) -> Bounds:
    """The box around a grid's four corners, in its own coordinates."""
    x, y = _corners(grid)
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())


def _corners(grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows = np.array([0.0, 0.0, 1.0, 1.0]) * grid.height
    cols = np.array([0.0, 1.0, 1.0, 0.0]) * grid.width
    return grid.xy(rows, cols)


def _transform_finding(path: Path, grid: Grid) -> Finding | None:
    """E-RASTER-TRANSFORM where the transform gives no coordinates, or no pixel any area."""
    a, b, _, d, e, _ = grid.transform
    with np.errstate(over="ignore", invalid="ignore"):
        is_usable = is_number(np.array([*grid.transform, *np.ravel(_corners(grid))])).all()
    if not is_usable:
        what = "影像的地理变换里有无法使用的数，算不出坐标。"
    elif a * e - b * d == 0:
        what = "影像的地理变换不可逆，像元没有面积。"
    elif grid.crs_wkt is not None and not grid.is_placed:
        what = "影像写明了坐标系，却没有地理变换，不知道位置和像元大小。"
    else:
        return None
    return Finding(
        "E-RASTER-TRANSFORM",
        what,
        where=str(path),
        value=str(grid.transform),
        allowed="左上角坐标和像元大小都写在影像里",
        advice="重新导出带正确地理参考的影像。",
    )


def _crs_finding(path: Path, grid: Grid) -> Finding | None:
    """E-RASTER-NOCRS without a system that has an ellipsoid, E-IMAGE-CRS with a wrong one."""
    if grid.crs_wkt is None and grid.gsd_m is None:
        return Finding(
            "E-RASTER-NOCRS",
            "影像没有坐标系，无法换算成米。",
            where=str(path),
            allowed="带坐标系的影像（如 CGCS2000 3 度带），或用 --gsd 给出地面分辨率",
            advice="向提供单位索取带坐标系的正射影像；只想试看变化时加 --gsd 米数"
            "（如 --gsd 0.5），面积按平面计算。",
        )
    if grid.crs is None:
        return None
    if grid.crs.ellipsoid is None:
        return Finding(
            "E-RASTER-NOCRS",
            "影像的坐标系没有椭球，算不出椭球面积。",
            where=str(path),
            value=grid.crs.name,
            allowed="大地坐标系或投影坐标系（如 CGCS2000 3 度带）",
            advice="在 QGIS 中为影像指定正确的坐标系后重新导出。",
        )
    misfit = _impossible(grid, grid.crs)
    return None if misfit is None else misfit_finding(path, grid, misfit)


def _impossible(grid: Grid, crs: CRS) -> Misfit | None:
    """Why the coordinates can be nowhere in the CRS, in intake's words where it has some."""
    x, y = (np.abs(values) for values in _corners(grid))
    if crs.is_geographic:
        if x.max() <= MAX_LON and y.max() <= MAX_LAT:
            return None
        what = "坐标超出了经纬度的范围。"
    elif not crs.is_projected:
        return Misfit("坐标系既不是经纬度，也不是投影坐标系。")
    else:
        if max(x.max(), y.max()) > MAX_DEGREES or _is_in_use(grid, crs):
            return None
        what = "坐标的大小像经纬度（度），不在写明的投影坐标系的适用范围内。"
    told = find_misfit(grid_bounds(grid), crs, None)
    return told if told is not None and told.kind != "zone" else Misfit(what, kind="degrees")


def _is_in_use(grid: Grid, crs: CRS) -> bool:
    """Whether a corner lies where the CRS is used; a CRS of the user's own is used anywhere."""
    code = crs.to_epsg()  # the WKT of a file does not tell the area of use
    area = None if code is None else CRS.from_epsg(code).area_of_use
    if area is None:
        return True
    to_degrees = Transformer.from_crs(crs, 4326, always_xy=True)
    lon, lat = (np.asarray(values) for values in to_degrees.transform(*_corners(grid)))
    is_east, is_west = lon >= area.west, lon <= area.east
    spans = is_east & is_west if area.west <= area.east else is_east | is_west
    return bool((spans & (lat >= area.south) & (lat <= area.north)).any())
