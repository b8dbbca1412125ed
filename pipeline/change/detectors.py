"""The detectors, and which one a pair gets.

All share one form: a scorer fitted to the pair (`change.scoring`), and one tile function that turns
an aligned pair into probability (stored score) and kind. `auto` looks at the common bands, their
roles and the pixel size only, never at the data set or the size of the image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.change.construction import ConstructionParams, told_kinds
from pipeline.change.cover import CoverRule, KindBands, cover_of
from pipeline.change.kinds import CONSTRUCTION, DEMOLITION, classify_kinds
from pipeline.change.linear import SCORE_UNOBSERVED
from pipeline.change.scoring import Scorer
from pipeline.grid import RasterWindow, Tile, TileOutput

DetectorName = Literal["auto", "irmad", "cva", "sfa", "texture", "ensemble", "learned"]
DETECTORS: Mapping[str, str] = {
    "irmad": "迭代加权多元变化检测，4 个及以上共有波段时的缺省",
    "cva": "变化向量分析，共有波段少于 4 个时的缺省",
    "sfa": "迭代慢特征分析，供比较",
    "texture": "两期建成区指数之差，亚米级红绿蓝影像的缺省",
    "ensemble": "几种检测器的对数几率加权平均，1～3 米红绿蓝影像的缺省",
    "learned": "自己训练的网络（make train）或自备的 ONNX 模型",
}
"""Every detector and what it is for."""
IRMAD_MIN_BANDS = 4
ENSEMBLE_MAX_GSD_M, TEXTURE_MAX_GSD_M = 3.0, 1.0
GSD_ROUNDING = 1e-6
COLOUR_MEMBERS: tuple[tuple[str, float], ...] = tuple(("texture", s) for s in (0.5, 1.0, 2.0))
"""Of the ensemble for fewer than four bands, each with its factor on the size of a lot: sheds,
yards and estates show at different sizes."""
BAND_MEMBERS: tuple[tuple[str, float], ...] = (("irmad", 1.0), ("cva", 1.0))
"""Of the ensemble from four bands on."""


def choose_detector(name: str, roles: tuple[str, ...], gsd_m: float) -> str:
    """The detector for `auto`: IR-MAD from four common bands on; for red, green and blue alone the
    built-up index below a metre and the ensemble up to 3 m; else CVA."""
    if name != "auto":
        return name
    if len(roles) >= IRMAD_MIN_BANDS:
        return "irmad"
    if {"red", "green", "blue"} <= set(roles):
        if gsd_m < TEXTURE_MAX_GSD_M * (1.0 - GSD_ROUNDING):
            return "texture"
        if gsd_m <= ENSEMBLE_MAX_GSD_M * (1.0 + GSD_ROUNDING):
            return "ensemble"
    return "cva"


def members_of(name: str, n_bands: int) -> tuple[tuple[str, float], ...]:
    """The detectors that one stands for, with their factors on the size of a lot."""
    if name != "ensemble":
        return ((name, 1.0),)
    return BAND_MEMBERS if n_bands >= IRMAD_MIN_BANDS else COLOUR_MEMBERS


def preview_bands(roles: tuple[str, ...]) -> tuple[int, ...]:
    """Positions of red, green, blue; without roles the first three bands, or the first one."""
    colours = tuple(roles.index(r) for r in ("red", "green", "blue") if r in roles)
    if len(colours) == 3:
        return colours
    return tuple(range(3)) if len(roles) >= 3 else (0,)


@dataclass(frozen=True, eq=False)
class KindModel:
    """What the kinds of one pair are told by."""

    bands: KindBands
    covers: Mapping[str, CoverRule]
    """By date, `before` and `after`."""
    construction: ConstructionParams | None
    """None where no network told construction; the source `traces` is then not asked."""


@dataclass(frozen=True, eq=False)
class ScoreJob:
    """Parameters of `score_tile`."""

    scorer: Scorer
    kinds: KindModel | None
    """None without band roles: kind 0 everywhere."""
    preview_bands: tuple[int, ...]
    """Positions of the bands to show, red first where roles are known."""
    preview_step: int
    """Every n-th pixel, counted from the grid origin, goes into the preview."""


@dataclass(frozen=True, eq=False)
class ScorePartial:
    """What a tile gives back beside its rasters."""

    unobserved_pixels: int
    preview: NDArray[np.generic]
    """`(date, band, y, x)`: up to three bands of both dates, colours first where roles say so."""


def score_tile(tile: Tile, sources: Mapping[str, RasterWindow], params: ScoreJob) -> TileOutput:
    """Tile function: sources `before`, `after`, `valid`, `traces` (see `change.construction`) →
    `score` uint16 and `kind` uint8."""
    rows, cols = tile.core_slices
    before, after = (sources[date].array[:, rows, cols] for date in ("before", "after"))
    scored = params.scorer.score(tile, sources)
    score = scored.score
    traces = sources["traces"].array[:, rows, cols]
    kind = _kinds({"before": before, "after": after}, traces, params.kinds)
    if params.kinds is None and scored.is_gain is not None:
        kind = np.where(scored.is_gain, np.uint8(CONSTRUCTION), np.uint8(DEMOLITION))
    kind[score == SCORE_UNOBSERVED] = 0
    step = params.preview_step
    rows, cols = (
        slice(-tile.core.row0 % step, None, step),
        slice(-tile.core.col0 % step, None, step),
    )
    bands = list(params.preview_bands)
    preview = np.stack([image[bands, rows, cols] for image in (before, after)])
    partial = ScorePartial(int(np.count_nonzero(score == SCORE_UNOBSERVED)), preview)
    return TileOutput({"score": score, "kind": kind}, ((tile.index, partial),))


def _kinds(
    pair: Mapping[str, NDArray[np.generic]], traces: NDArray[np.uint8], model: KindModel | None
) -> NDArray[np.uint8]:
    """Kind `(y, x)`, 0 where nothing can be told."""
    if model is None:
        return np.zeros(traces.shape[1:], np.uint8)
    covers = {
        name: cover_of(pixels, model.bands, model.covers[name]) for name, pixels in pair.items()
    }
    told = None if model.construction is None else told_kinds(traces, model.construction)
    return classify_kinds(covers, told)
