"""What is wrong with the pixels of one delivered image, where, and what to ask its supplier for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import shapely
from numpy.typing import NDArray

from pipeline.errors import Severity
from pipeline.imagery.quality import QualityParams
from pipeline.imagery.quality_checks import (
    Depth,
    Stripes,
    constant_bands,
    depth_of,
    doubt_near_infrared,
    duplicate_bands,
    find_stripes,
    saturated_blocks,
)
from pipeline.scene import ROLES_ZH
from pipeline.schema.problems import Problem
from pipeline.stages.intake_images import LABELS, Frame
from pipeline.stages.intake_survey import Surveyed

_NOTICE = Severity.NOTICE


def quality_problems(
    name: str, image: Surveyed, params: QualityParams, frame: Frame
) -> list[Problem]:
    """Every finding about one image (`before` or `after`) by itself."""
    base = Problem("N-IMAGE-BAND", f"{LABELS[name]}：", file=image.file.path.name, severity=_NOTICE)
    return [
        *_empty_bands(base, image),
        *_roles(base, image, params),
        *_depths(base, image, params),
        *_collar(base, image, frame),
        *_saturation(base, image, params, frame),
        *(
            _stripes(base, image, s, frame)
            for s in find_stripes(image.stats, params.max_stripe_ratio)
        ),
    ]


def band_name(roles: Sequence[str], band: int) -> str:
    """A band as people call it: its role, else its number among the bands."""
    role = roles[band]
    return ROLES_ZH[role] if role else f"第 {band + 1} 波段"


def band_names(image: Surveyed, bands: Sequence[int]) -> str:
    """Several bands by name."""
    return "、".join(band_name(image.file.scene.roles, band) for band in bands)


def depths(image: Surveyed) -> list[Depth | None]:
    """Depth of each band; empty for floating pixels."""
    return [depth_of(h, image.stats.first_value) for h in image.stats.histograms]


def _empty_bands(base: Problem, image: Surveyed) -> list[Problem]:
    flat = constant_bands(image.stats)
    n_bands = len(image.stats.lows)
    problems = []
    if len(flat) == n_bands:
        return [
            replace(
                base,
                code="E-IMAGE-BAND",
                what=f"{base.what}全部波段都是常数，影像没有内容。",
                value="、".join(f"{low:g}" for low in image.stats.lows),
                allowed="有地物的正射影像",
                advice="核对文件是否损坏或导出出错；向供方要求重新下发这一期影像。",
                severity=Severity.BLOCK,
            )
        ]
    if flat:
        problems.append(
            replace(
                base,
                what=f"{base.what}{band_names(image, flat)}是常数，没有内容。",
                value="、".join(f"{image.stats.lows[band]:g}" for band in flat),
                allowed="每个波段都有地物",
                advice="向供方要求补发该波段；补不了的，在配置 bands: 里把它的角色留空。",
            )
        )
    if same := duplicate_bands(image.stats):
        pairs = "；".join(band_names(image, pair) for pair in same)
        is_grey = len(same) == n_bands * (n_bands - 1) // 2
        what = "各波段完全相同，其实是一幅灰度影像" if is_grey else "有波段完全相同"
        problems.append(
            replace(
                base,
                what=f"{base.what}{what}。",
                value=pairs,
                allowed="各波段互不相同",
                advice="向供方要求重新下发多波段影像（如蓝、绿、红、近红外 4 个波段）。",
            )
        )
    return problems


def _roles(base: Problem, image: Surveyed, params: QualityParams) -> list[Problem]:
    doubt = doubt_near_infrared(image.stats, image.file.scene.roles, params.role_margin)
    if doubt is None:
        return []
    odd = ROLES_ZH[doubt.role]
    return [
        replace(
            base,
            code="N-IMAGE-ROLE",
            what=f"{base.what}写明的近红外与可见光同升同降，写明的{odd}却不是，两者可能写反。",
            value=f"与其余波段的平均相关系数：近红外 {doubt.nir_correlation:.2f}，"
            f"{odd} {doubt.correlation:.2f}",
            allowed="有植被的地方，近红外与可见光最不相像",
            advice="向供方要波段顺序说明；按说明改正配置里的 bands:。",
        )
    ]


def _depths(base: Problem, image: Surveyed, params: QualityParams) -> list[Problem]:
    flat = constant_bands(image.stats)
    found = [
        (band, depth)
        for band, depth in enumerate(depths(image))
        if depth is not None and band not in flat
    ]
    combed = [(b, d) for b, d in found if d.gap_ratio > params.max_gap_ratio]
    coarse = [(b, d) for b, d in found if d.levels < params.min_levels and (b, d) not in combed]
    problems = []
    for chosen, what, allowed in (
        (
            combed,
            f"灰度级有规律地空缺，{image.file.scene.dtype} 里装的是更低位深的数据"
            "（如 8 位拉伸成 16 位）",
            f"空缺不超过 {100 * params.max_gap_ratio:.0f}%",
        ),
        (coarse, "灰度级很少，细小变化分不出来", f"不少于 {params.min_levels} 级"),
    ):
        if chosen:
            problems.append(
                replace(
                    base,
                    code="N-IMAGE-DEPTH",
                    what=f"{base.what}{what}。",
                    value="；".join(
                        f"{band_name(image.file.scene.roles, b)} {d.levels} 级，"
                        f"空缺 {100 * d.gap_ratio:.0f}%"
                        for b, d in chosen
                    ),
                    allowed=allowed,
                    advice="向供方要求下发原始位深（10–12 位装在 uint16 里）、未经拉伸的正射影像。",
                )
            )
    return problems


def _collar(base: Problem, image: Surveyed, frame: Frame) -> list[Problem]:
    values = [f"{collar.value:g}" for collar in image.rule.collars]
    if not values or image.covered_ratio == 1.0:
        return []
    whole = shapely.box(0, 0, image.grid.width, image.grid.height)
    # A file declares one value for all its pixels: two collars need a mask.
    by_hand = f"；确认就是 {values[0]} 的，可用 gdal_edit 写入 nodata" if len(values) == 1 else ""
    return [
        replace(
            base,
            code="N-IMAGE-COLLAR",
            what=f"{base.what}四周有没有声明为无效值的边框，按 {'、'.join(values)} 值边框处理。",
            value=f"占影像的 {100 * (1 - image.covered_ratio):.1f}%",
            allowed="在文件里声明无效值（nodata）或附掩膜",
            advice=f"向供方要求声明无效值后重新下发{by_hand}。",
            area=image.placed(whole.difference(image.covered), frame),
        )
    ]


def _saturation(
    base: Problem, image: Surveyed, params: QualityParams, frame: Frame
) -> list[Problem]:
    blocks, bands = saturated_blocks(image.saturated, params.max_saturated_ratio)
    if not blocks:
        return []
    worst = max(
        count / block.covered_pixels for block in blocks for count in block.saturated_pixels
    )
    levels = "、".join(
        f"{band_name(image.file.scene.roles, band)} {image.levels[band]:g}" for band in bands
    )
    return [
        replace(
            base,
            code="N-IMAGE-SATURATED",
            what=f"{base.what}有 {len(blocks)} 块过饱和，屋顶、硬化地等亮地物分不开。",
            value=f"最重的一块 {100 * worst:.1f}%；饱和值：{levels}{image.sampled_text}",
            allowed=f"每块（512 像元见方）不超过 {100 * params.max_saturated_ratio:g}%",
            advice="不是云、雪的，向供方要求下发未拉伸的原始位深影像，或换用曝光正常的一景。",
            area=image.of_windows([block.window for block in blocks], frame),
        )
    ]


def _stripes(base: Problem, image: Surveyed, found: Stripes, frame: Frame) -> Problem:
    way, lines = ("竖", "列") if found.is_along_columns else ("横", "行")
    return replace(
        base,
        code="N-IMAGE-STRIPES",
        what=f"{base.what}{band_names(image, found.bands)}有{way}向条带，{len(found.blocks)} 块。",
        value=f"成条带的{lines}最多占 {100 * found.ratio:.0f}%，幅度约 {found.step:.3g} DN"
        + image.sampled_text,
        allowed="相邻行列之间没有成片的系统差",
        advice="向供方要求做相对辐射校正（去条带）后重新下发，或换用同期另一景。",
        area=image.of_windows([block.window for block in found.blocks], frame),
    )


def depth_text(image: Surveyed) -> str:
    """The bits really used, for the table of images."""
    found = [depth for depth in depths(image) if depth is not None]
    if not found:
        lows, highs = image.stats.lows, image.stats.highs
        return f"浮点，{min(lows):.4g} 至 {max(highs):.4g}"
    gaps = max(depth.gap_ratio for depth in found)
    text = f"用到 {max(depth.bits for depth in found)} 位，主体像元 "
    levels = sorted({min(d.levels for d in found), max(d.levels for d in found)})
    text += "–".join(map(str, levels)) + " 级"
    return text + (f"，空缺 {100 * gaps:.0f}%" if gaps >= 0.01 else "")


def saturation_text(image: Surveyed) -> str:
    """The band with most saturated pixels, for the table of images."""
    shares = [
        0.0 if level is None else _share_from(histogram, level - image.stats.first_value)
        for histogram, level in zip(image.stats.histograms, image.levels, strict=True)
    ]
    if not any(shares):
        return "没有" if shares else "未查（浮点像元）"
    band = int(np.argmax(shares))
    level = image.levels[band]
    return f"{band_name(image.file.scene.roles, band)} {100 * shares[band]:.2f}%（{level:g} 以上）"


def _share_from(histogram: NDArray[np.int64], level: float) -> float:
    return float(histogram[int(level) :].sum() / histogram.sum())
