"""Gauss-Krüger zones at intake: two zones in one delivery, a county across a zone's edge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import shapely
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from pipeline.errors import Severity
from pipeline.io.georeference import grid_bounds, misfit_finding
from pipeline.io.scenes import SceneFile
from pipeline.patches.layer_crs import crs_label, find_misfit
from pipeline.patches.zones import beyond_zone, central_meridian, zone_beside
from pipeline.schema.problems import Problem, from_finding
from pipeline.schema.reference import REFERENCE_LAYERS
from pipeline.stages.intake_images import LABELS, Frame

_NOTICE = Severity.NOTICE


def check_image_crs(scenes: Mapping[str, SceneFile]) -> list[Problem]:
    """Images whose coordinates can not be in the system they are said to be in."""
    problems = []
    for name, file in scenes.items():
        grid = file.scene.grid
        if grid.crs is None:
            continue
        misfit = find_misfit(grid_bounds(grid), grid.crs, None)
        if misfit is None:
            continue
        finding = misfit_finding(file.path, grid, misfit)
        found = from_finding(finding, None, file.path.name)
        problems.append(replace(found, what=f"{LABELS[name]}：{found.what}"))
    return problems


def check_zones(
    scenes: Mapping[str, SceneFile], layers: Mapping[str, Sequence[tuple[str, CRS]]], frame: Frame
) -> list[Problem]:
    """Images and layers in another zone than the one the run works in.

    `layers` gives the files of every layer with the system their coordinates are in.
    """
    first = next(iter(scenes.values())).scene.grid if scenes else None
    if frame.crs is None or first is None or first.is_geographic:
        return []  # a pair in degrees is worked in a zone of our own choice
    own = central_meridian(frame.crs)
    if own is None:
        return []
    problems = []
    for name, file in scenes.items():
        crs = file.scene.grid.crs
        if crs is not None and central_meridian(crs) not in (None, own):
            problems.append(
                Problem(
                    "N-IMAGE-ZONE",
                    f"{LABELS[name]}：与工作坐标系不在同一带，已逐像元换算，要多做一次重采样。",
                    file=file.path.name,
                    value=crs_label(crs),
                    allowed=crs_label(frame.crs),
                    advice=f"向供方要求两期都按{crs_label(frame.crs)}下发。",
                    severity=_NOTICE,
                )
            )
    for layer, files in layers.items():
        others = [(f, crs) for f, crs in files if central_meridian(crs) not in (None, own)]
        if others:
            problems.append(
                Problem(
                    "N-IMAGE-ZONE",
                    f"{REFERENCE_LAYERS[layer].label_zh}与影像不在同一带，已换算到影像的坐标系。",
                    layer,
                    "、".join(dict.fromkeys(file for file, _ in others)),
                    value="、".join(dict.fromkeys(crs_label(crs) for _, crs in others)),
                    allowed=crs_label(frame.crs),
                    advice="在位置图上核对套合是否正确；今后请提供单位统一按一个带提交。",
                    severity=_NOTICE,
                )
            )
    return problems


def check_county_zone(
    county: BaseGeometry, scenes: Mapping[str, SceneFile], frame: Frame
) -> list[Problem]:
    """A county that reaches beyond the zone it is worked in."""
    if frame.crs is None:
        return []
    outside = beyond_zone(county, frame.crs)
    if outside is None:
        return []
    share = outside.area / county.area
    beside = zone_beside(outside, frame.crs)
    is_mostly = share > 0.5 and beside is not None
    advice = (
        f"县域大部分在{_label(beside)}，向供方要求全县影像统一按这一带下发。"
        if is_mostly and beside is not None
        else "全县统一用现在这一带，不要分带下发、分带接边；请供方把邻带的影像和图层换算到这一带。"
    )
    files = "、".join(Path(file.path).name for file in scenes.values())
    return [
        Problem(
            "N-IMAGE-ZONE",
            "县域跨两个投影带，有一部分在工作坐标系的带外，带外的平面距离变形较大"
            "（面积按椭球面计算，不受影响）。",
            file=files,
            value=f"{crs_label(frame.crs)}；带外占县域的 {100 * share:.1f}%",
            allowed="县域在一个带内，或全县统一换算到一个带",
            advice=advice,
            severity=_NOTICE,
            area=shapely.intersection(outside, county),
        )
    ]


def _label(code: int) -> str:
    return crs_label(CRS.from_epsg(code))
