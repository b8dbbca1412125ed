"""The table of images (影像一览) on the intake page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline.config.models import ImageInput, RunConfig
from pipeline.delivery.intake_facts import ImageFacts
from pipeline.imagery.alignment import working_grid
from pipeline.imagery.quality import QualityParams
from pipeline.io.scenes import SceneFile
from pipeline.patches.layer_crs import crs_label
from pipeline.stages.intake_coverage import Coverage
from pipeline.stages.intake_images import LABELS
from pipeline.stages.intake_layers import Taken
from pipeline.stages.intake_quality import band_name, depth_text, saturation_text
from pipeline.stages.intake_seams import SEAM_LAYERS, scene_days, sensors_of
from pipeline.stages.intake_survey import Surveyed

UNKNOWN = "—"


def image_facts(
    run: RunConfig,
    scenes: Mapping[str, SceneFile],
    images: Mapping[str, Surveyed],
    taken: Mapping[str, Taken],
    coverage: Coverage | None,
) -> tuple[ImageFacts, ...]:
    """Both images, line by line, as far as they could be opened and read."""
    facts = []
    for name, image in (("before", run.before), ("after", run.after)):
        seams = taken.get(SEAM_LAYERS[name])
        shown = None if coverage is None else coverage.shown.get(name)
        lines = {
            **_delivered(image, scenes.get(name), seams),
            **_pixels(images.get(name), run.settings.intake.quality),
            "盖住乡镇面积": UNKNOWN if shown is None else f"{100 * shown:.2f}%",
            "云掩膜": Path(image.mask).name if image.mask else "无",
            "镶嵌线": "无" if seams is None else f"{len(seams.table)} 景",
        }
        facts.append(ImageFacts(LABELS[name], lines))
    return tuple(facts)


def _delivered(image: ImageInput, opened: SceneFile | None, seams: Taken | None) -> dict[str, str]:
    """What the file, the configuration and the seam lines say."""
    days, sensors = scene_days(seams), sensors_of(seams)
    date = image.date.isoformat() if image.date else "未写明"
    if days:
        date += f"（各景 {days[0]} 至 {days[-1]}）" if len(days) > 1 else f"（各景 {days[0]}）"
    sensor = "、".join(dict.fromkeys([*([image.sensor] if image.sensor else []), *sensors]))
    lines = {
        "文件": Path(image.path).name,
        "影像时相": date,
        "卫星传感器": sensor or "未写明",
        "大小": "打不开",
        "波段": UNKNOWN,
        "分辨率": UNKNOWN,
        "坐标系": UNKNOWN,
    }
    if opened is None:
        return lines
    grid, roles = opened.scene.grid, opened.scene.roles
    placed = working_grid(grid)
    bands = "、".join(band_name(roles, n) if roles[n] else "未知" for n in range(len(roles)))
    has_metres = placed.crs is not None or placed.gsd_m is not None
    return lines | {
        "大小": f"{grid.width} × {grid.height} 像元，{opened.scene.dtype}",
        "波段": f"{len(roles)} 个（{bands}）",
        "分辨率": f"{placed.pixel_size_m:.4g} 米" if has_metres else UNKNOWN,
        "坐标系": "无" if grid.crs is None else crs_label(grid.crs),
    }


def _pixels(image: Surveyed | None, params: QualityParams) -> dict[str, str]:
    """What the pixels say."""
    names = ("实际位深", "无效像元", "过饱和", "条带")
    if image is None:
        return dict.fromkeys(names, UNKNOWN)
    rule = image.rule
    if rule.nodata is not None:
        how = f"声明为 {rule.nodata:g}"
    elif rule.mask_bands:
        how = "由文件自带掩膜声明"
    else:
        collars = "、".join(f"{collar.value:g}" for collar in rule.collars)
        how = "没有声明" + (f"，按 {collars} 值边框识别" if collars else "")
    empty = 1.0 - image.covered_ratio
    return dict(
        zip(
            names,
            (
                depth_text(image),
                f"{100 * empty:.2f}%（{how}）",
                saturation_text(image),
                _stripe_text(image, params.max_stripe_ratio),
            ),
            strict=True,
        )
    )


def _stripe_text(image: Surveyed, max_ratio: float) -> str:
    """The block with most stripes; a figure even where it is far below the limit."""
    shares = [
        share
        for block in image.stats.blocks
        for share in (*block.steep_cols, *block.steep_rows)
        if np.isfinite(share)
    ]
    if not shares:
        return "未查（影像太小）"
    word = "有" if max(shares) > max_ratio else "未见"
    return f"{word}（最多的一块 {100 * max(shares):.1f}% 的行或列）"
