"""Layers that seem to carry the offset of public web maps (疑似 GCJ-02 偏移): told, never moved."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipeline.errors import Severity
from pipeline.patches.layer_offset import (
    LOT_TOLERANCES_M,
    TOLERANCES_M,
    Offset,
    find_offset,
    outlines_of,
)
from pipeline.schema.problems import Problem
from pipeline.stages.intake_images import Frame
from pipeline.stages.intake_layers import Taken

ANCHORS = ("land_use", "townships", "villages", "permanent_basic_farmland", "planning_zones")
"""Layers whose outlines others share, the most reliable ones first."""


def check_offsets(placed: Mapping[str, Taken], frame: Frame) -> list[Problem]:
    """One notice per layer that meets another one only without the offset."""
    if frame.crs is None:
        return []
    outlines = {
        name: outlines_of(np.asarray(layer.table.geometry), frame.crs)
        for name, layer in placed.items()
        if layer.spec.geometry == "MultiPolygon"
    }
    problems = []
    for name in outlines:
        best: tuple[Offset, str] | None = None
        tolerances = TOLERANCES_M if name in ANCHORS else LOT_TOLERANCES_M
        for anchor in ANCHORS:
            if anchor == name or anchor not in outlines:
                continue
            found = find_offset(outlines[name], outlines[anchor], tolerances)
            if found and (best is None or found.share_without > best[0].share_without):
                best = found, placed[anchor].spec.label_zh
        if best is not None:
            problems += _told(placed[name], *best)
    return problems


def _told(layer: Taken, offset: Offset, other: str) -> list[Problem]:
    distance = float(np.hypot(offset.east_m, offset.north_m))
    template = Problem(
        "N-LAYER-OFFSET",
        f"{layer.spec.label_zh}疑似整体偏移：像是从互联网地图取得的 GCJ-02（火星坐标）。",
        value=f"偏约 {distance:.0f} m（东 {offset.east_m:+.0f} m，北 {offset.north_m:+.0f} m）；"
        f"与{other}的边界相合（{offset.tolerance_m:.0f} m 以内）的现在占 "
        f"{100 * offset.share_now:.0f}%，扣除偏移占 {100 * offset.share_without:.0f}%",
        allowed="CGCS2000 坐标",
        advice="在位置图上与影像核对，向提供单位索取 CGCS2000 的成果。程序没有挪动图层。",
        severity=Severity.NOTICE,
        count=1,
    )
    (problem,) = layer.problems(template, np.zeros(1, np.int64))
    return [problem]
