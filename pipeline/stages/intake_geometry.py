"""What delivered geometries were left out or repaired, row by row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import Severity
from pipeline.patches.layer_checks import Usable
from pipeline.schema.code_findings import at_rows
from pipeline.schema.problems import Place, Problem, row_problems
from pipeline.schema.reference import REQUIRED_LAYERS
from pipeline.schema.source_mapping import Delivery

NEVER_DROPPED = frozenset({"townships", "issued_patches"})
"""Layers of which no row may be left out for its geometry: the work stops instead."""

_REASONS_ZH = {
    "Self-intersection": "边线自相交",
    "Ring Self-intersection": "环自相交",
    "Too few points in geometry component": "环的点数不足",
    "Hole lies outside shell": "内环在外环之外",
    "Holes are nested": "内环互相嵌套",
    "Nested shells": "部件互相嵌套",
    "Interior is disconnected": "内部不连通",
    "Duplicate Rings": "环重复",
    "Invalid Coordinate": "坐标不是有限的数",
}

_KINDS_ZH = {"MultiPolygon": "面", "MultiLineString": "线", "Point": "点"}


def geometry_problems(delivery: Delivery, usable: Usable) -> list[Problem]:
    """Rows without usable geometry, and what was repaired."""
    if not len(delivery.raw):
        return [_no_features(delivery)]
    if all(shape is None for shape in usable.geometry):
        return [_nothing_usable(delivery, usable)]
    problems: list[Problem] = []
    for kind, is_bad, what in _reasons(delivery, usable):
        positions = np.flatnonzero(is_bad)
        values = [_kind(delivery.raw.geometry[n]) for n in positions]
        template = _left_out(delivery, f"GEOMETRY-{kind}", what)
        problems += at_rows(delivery, template, positions, values)
    return problems + _repairs(delivery, usable)


def _reasons(delivery: Delivery, usable: Usable) -> list[tuple[str, NDArray[np.bool_], str]]:
    wanted = _KINDS_ZH[str(delivery.spec.geometry)]
    return [
        ("NONE", usable.is_missing, "没有图形，或坐标不是有限的数"),
        ("KIND", usable.is_mistyped, f"图形类型不对，应为{wanted}"),
        ("LOST", usable.is_lost, f"图形无效，修复后没有剩下{wanted}"),
    ]


def _left_out(delivery: Delivery, kind: str, what: str) -> Problem:
    """A row that can not be taken in: of layers that must be whole it stops the work."""
    is_strict = delivery.spec.name in NEVER_DROPPED
    return delivery.problem(
        f"{'E' if is_strict else 'N'}-{kind}",
        what + ("。" if is_strict else "，这一行未入库。"),
        allowed=_KINDS_ZH[str(delivery.spec.geometry)],
        advice="在源数据中补画或改正图形后重新运行。",
        severity=Severity.BLOCK if is_strict else Severity.NOTICE,
    )


def _nothing_usable(delivery: Delivery, usable: Usable) -> Problem:
    found = [
        f"{what} {int(is_bad.sum())} 行"
        for _, is_bad, what in _reasons(delivery, usable)
        if is_bad.any()
    ]
    return delivery.problem(
        "E-LAYER-GEOMETRY",
        "整个文件没有一个可用的图形。",
        value="；".join(found),
        allowed=_KINDS_ZH[str(delivery.spec.geometry)],
        advice="核对是否拿错了文件或图层；确实没有要素时从配置中去掉这个图层。",
        count=len(delivery.raw),
    )


def _no_features(delivery: Delivery) -> Problem:
    is_required = delivery.spec.name in REQUIRED_LAYERS
    advice = "核对是否拿错了文件"
    return delivery.problem(
        "E-LAYER-EMPTY" if is_required else "N-LAYER-EMPTY",
        "文件里没有要素。",
        value="0 个要素",
        allowed="至少一个要素",
        advice=advice + ("。" if is_required else "；确实没有要素时从配置中去掉这个图层。"),
        severity=Severity.BLOCK if is_required else Severity.NOTICE,
    )


def _repairs(delivery: Delivery, usable: Usable) -> list[Problem]:
    positions = np.flatnonzero(usable.is_repaired)
    change = usable.area_change_m2[positions]
    reasons = [_explained(usable.reasons.get(int(n), "")) for n in positions]
    values = [
        f"{text}；面积变化 {delta:+.2f} m²"
        for (text, _), delta in zip(reasons, change, strict=True)
    ]
    template = delivery.problem(
        "N-LAYER-REPAIRED",
        "图形无效（如自相交），已自动修复。",
        allowed="有效的图形",
        advice="在图上核对修复后的形状；不对时改正源数据。",
        severity=Severity.NOTICE,
    )
    return row_problems(
        template,
        delivery.raw.rows[positions],
        values,
        lambda listed: [
            reasons[n][1] or place
            for n, place in zip(listed, delivery.places(positions[listed]), strict=True)
        ],
    )


def _explained(reason: str) -> tuple[str, Place | None]:
    """GEOS's reason in Chinese, and the place it names."""
    kind, _, where = reason.partition("[")
    numbers = where.removesuffix("]").split()
    place = (float(numbers[0]), float(numbers[1])) if len(numbers) >= 2 else None
    return _REASONS_ZH.get(kind, kind or "一行有多个点，取第一个"), place


def _kind(shape: object) -> str:
    return "空" if shape is None else str(getattr(shape, "geom_type", ""))
