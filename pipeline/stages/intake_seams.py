"""Seam lines of mosaics (镶嵌线) at intake: complete, dated, and in the right order of time."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import shapely

from pipeline.config.models import ImageInput, RunConfig
from pipeline.errors import Severity
from pipeline.patches.layer_checks import find_overlaps
from pipeline.patches.layer_gaps import wide_parts
from pipeline.patches.scene_dates import Seams, inverted_area
from pipeline.schema.columns import object_values
from pipeline.schema.problems import Problem
from pipeline.stages.intake_images import LABELS, Frame
from pipeline.stages.intake_layers import Taken
from pipeline.stages.intake_survey import Surveyed

SEAM_LAYERS = {"before": "before_seams", "after": "after_seams"}
MAX_LISTED = 20
"""Gaps and overlaps told one by one."""
MIN_WIDTH_M = 1.0
"""A gap or overlap narrower than this (twice area by perimeter) is a line drawn twice."""

_NOTICE = Severity.NOTICE


def check_seams(
    taken: Mapping[str, Taken], images: Mapping[str, Surveyed], run: RunConfig, frame: Frame
) -> list[Problem]:
    """Every finding about the seam layers that are supplied."""
    given = {"before": run.before, "after": run.after}
    problems: list[Problem] = []
    seams: dict[str, Seams] = {}
    for name, layer_name in SEAM_LAYERS.items():
        layer = taken.get(layer_name)
        if layer is None or not layer.is_placed or not len(layer.table):
            continue
        problems += _check_dates(layer, given[name], run)
        problems += _check_overlaps(layer)
        if name in images:
            problems += _check_gaps(layer, images[name], frame)
        seams[name] = _seams(layer, given[name])
    if seams:
        problems += _check_order(seams, taken, given, frame)
    return problems


def sensors_of(layer: Taken | None) -> tuple[str, ...]:
    """Sensors named in a seam layer, each once."""
    if layer is None:
        return ()
    return tuple(sorted(set(layer.table["sensor_name"].dropna())))


def scene_days(layer: Taken | None) -> tuple[str, ...]:
    """Days named in a seam layer, each once."""
    if layer is None:
        return ()
    return tuple(sorted(set(layer.table["scene_date"].dropna())))


def _seams(layer: Taken, image: ImageInput) -> Seams:
    otherwise = None if image.date is None else image.date.isoformat()
    outlines = np.asarray(layer.table.geometry.to_numpy(), dtype=object)
    return Seams(outlines, object_values(layer.table["scene_date"]), otherwise)


def _check_dates(layer: Taken, image: ImageInput, run: RunConfig) -> list[Problem]:
    days = object_values(layer.table["scene_date"])
    template = Problem(
        "N-SEAM-DATE",
        "这一景没有日期，按整幅影像的日期计。",
        layer.spec.name,
        value="空",
        advice="向供方要求在镶嵌线里逐景填写影像获取日期。",
        severity=_NOTICE,
    )
    missing = np.flatnonzero([day is None for day in days])
    problems = layer.problems(template, missing)
    if image.date is None:
        return problems
    limit = run.settings.intake.quality.max_scene_days
    apart = [
        0 if day is None else abs((datetime.date.fromisoformat(day) - image.date).days)
        for day in days
    ]
    far = np.flatnonzero([n > limit for n in apart])
    template = replace(
        template,
        what="这一景的日期离写明的影像日期太远，变化可能不在本期之内。",
        allowed=f"影像日期 {image.date} 前后 {limit} 天",
        advice="核对日期是否填错；没有填错的，向供方要求换用本期的影像。图斑仍按这一景的日期计。",
    )
    return problems + layer.problems(template, far, [f"{days[n]}，相差 {apart[n]} 天" for n in far])


def _check_overlaps(layer: Taken) -> list[Problem]:
    geometry = layer.table.geometry.to_numpy()
    overlaps = find_overlaps(geometry)
    first, second = overlaps.first[:MAX_LISTED], overlaps.second[:MAX_LISTED]
    shared = shapely.intersection(geometry[first], geometry[second])
    names = layer.table["scene_id"].fillna(layer.table["feature_id"]).to_numpy(dtype=object)
    return [
        Problem(
            "N-LAYER-OVERLAP",
            f"{layer.spec.label_zh}里两景重叠，看不出像元取自哪一景；重叠处两景的日期都计入。",
            layer.spec.name,
            str(layer.files[a]),
            int(layer.rows[a]),
            value=f"{names[a]} 与 {names[b]} 重叠 {shape.area:.0f} m²",
            allowed="各景互不重叠",
            advice="向供方要求提供裁切后的镶嵌线（不是各景的整景范围）。",
            severity=_NOTICE,
            area=shape,
        )
        for a, b, shape in zip(first, second, shared, strict=True)
        if len(wide_parts(shape, MIN_WIDTH_M))
    ]


def _check_gaps(layer: Taken, image: Surveyed, frame: Frame) -> list[Problem]:
    whole = image.placed(image.covered, frame)
    if whole is None:
        return []
    left = shapely.difference(whole, shapely.union_all(layer.table.geometry.to_numpy()))
    real = wide_parts(left, max(MIN_WIDTH_M, image.outline_error_m))
    if not len(real):
        return []
    area = float(shapely.area(real).sum())
    return [
        Problem(
            "N-LAYER-GAP",
            f"{layer.spec.label_zh}没有盖满影像的有效范围，空缺处按整幅影像的日期计。",
            layer.spec.name,
            "、".join(dict.fromkeys(layer.files.tolist())),
            value=f"{len(real)} 处，占影像的 {100 * area / whole.area:.2f}%",
            allowed="各景拼起来盖满影像的有效范围",
            advice="向供方要求补全镶嵌线；也可能拿错了另一期或另一县的镶嵌线。",
            severity=_NOTICE,
            area=shapely.union_all(real),
        )
    ]


def _check_order(
    seams: Mapping[str, Seams],
    taken: Mapping[str, Taken],
    given: Mapping[str, ImageInput],
    frame: Frame,
) -> list[Problem]:
    """Land where the before scene is not older than the after scene."""
    both = {name: seams[name] if name in seams else _whole(given[name], frame) for name in given}
    wrong = inverted_area(both["before"], both["after"])
    grounds = [shapely.union_all(both[name].outlines) for name in ("before", "after")]
    common = shapely.intersection(grounds[0], grounds[1])
    if wrong.area <= 0 or common.area <= 0:
        return []
    share = wrong.area / common.area
    names = [SEAM_LAYERS[name] for name in seams]
    layer = names[-1]
    is_mostly = share > 0.5
    files = [file for name in names for file in dict.fromkeys(taken[name].files.tolist())]
    return [
        Problem(
            "E-SEAM-ORDER" if is_mostly else "N-SEAM-ORDER",
            "按镶嵌线，前时相的影像不早于后时相的影像，"
            + (
                "而且大部分地方如此：两期影像或两个镶嵌线图层多半给反了。"
                if is_mostly
                else "这些地方的新建和拆除会颠倒，图斑的前后时相记为不详，列为存疑。"
            ),
            layer,
            "、".join(dict.fromkeys(files)),
            value=f"占两期共同范围的 {100 * share:.1f}%",
            allowed="处处前时相早于后时相",
            advice="对调两期影像（或两个镶嵌线图层）后重新运行。"
            if is_mostly
            else f"向供方要求用本期影像替换这一片（{LABELS['after']}里用了旧影像补云的，请指明）。",
            severity=Severity.BLOCK if is_mostly else _NOTICE,
            area=wrong,
        )
    ]


def _whole(image: ImageInput, frame: Frame) -> Seams:
    """An image without seam lines: one scene of its own day, as far as the run reaches."""
    day = None if image.date is None else image.date.isoformat()
    outlines = np.array([frame.footprint], dtype=object)
    return Seams(outlines, np.array([day], dtype=object), day)
