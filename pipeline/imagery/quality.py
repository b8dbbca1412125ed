"""Statistics of one image as delivered (影像质量), in fixed 512-px blocks of its own grid.

One pass of the tile engine reads every chosen block once; `quality_checks` judges what comes out.
Everything that decides is a whole number or exact in float64, so that tile size, workers and order
change nothing. Large images are judged on a lattice of blocks; where there may be no data, every
block is read for its coverage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.grid import BLOCK_PX, PixelWindow, RasterWindow, Tile, TileOutput
from pipeline.imagery.quality_kernels import (
    are_equal,
    count_at_least,
    count_steps,
    count_values,
)
from pipeline.imagery.validity import NodataRule, covered_mask
from pipeline.schema.model import Frozen

CELL_PX = 8
"""Coverage is sampled once per cell of this side."""
PROBE_PX = 4
"""Band correlations use every n-th pixel both ways."""
MAX_LATTICE_BLOCKS = 20
"""Blocks per side that are looked at in full; a larger image is sampled."""
STEEP_BALANCE = 0.5
"""A column is steep if this much more of its steps go one way than the other. In images without
stripes up to three columns in a hundred of a block are: roads and field edges that run along it."""
MIN_STEPS = BLOCK_PX // 2
"""Fewer steps than this tell nothing of a column or row."""


class QualityParams(Frozen):
    """Limits of the image checks at intake (影像质量检查)."""

    max_saturated_ratio: float = Field(
        0.02, gt=0, lt=1, description="一个 512 像元块里饱和像元的比例，超过则提示"
    )
    max_stripe_ratio: float = Field(
        0.06, gt=0, lt=1, description="一个 512 像元块里成条带的行（列）的比例，超过则提示"
    )
    max_gap_ratio: float = Field(
        0.5, gt=0, lt=1, description="直方图中间空缺的灰度级比例，超过则提示（位深不实）"
    )
    min_levels: int = Field(16, ge=2, description="中间 98% 像元占用的灰度级数，少于此值则提示")
    same_correlation: float = Field(
        0.98, gt=0, lt=1, description="两期影像细部的相关系数，超过则视为同一幅影像"
    )
    swapped_correlation: float = Field(
        -0.25, gt=-1, lt=0, description="两期同名波段之差的相关系数，低于此值则怀疑波段写反"
    )
    role_margin: float = Field(
        0.2, gt=0, lt=1, description="另一波段比近红外更不像可见光时，相关系数至少相差此值才提示"
    )
    max_gsd_ratio: float = Field(1.25, gt=1, description="两期影像分辨率之比，超过则提示")
    max_scene_days: int = Field(
        92, ge=0, description="镶嵌线中各景日期与影像日期相差的天数，超过则提示"
    )


@dataclass(frozen=True)
class BlockStats:
    """One 512-px block; tuples are by band."""

    window: PixelWindow
    covered_pixels: int
    steep_cols: tuple[float, ...]
    """Share of the columns with a one-sided step to their neighbour; NaN if none can be told."""
    steep_rows: tuple[float, ...]
    steep_step: tuple[float, ...]
    """Median size of the step at steep columns and rows, digital numbers; NaN without any."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over every `PROBE_PX`-th covered pixel; exact in float64 for integer pixels."""

    count: int
    totals: NDArray[np.float64]
    """`(band,)`"""
    products: NDArray[np.float64]
    """`(band, band)`"""

    @property
    def correlation(self) -> NDArray[np.float64]:
        """Correlation of the bands; NaN for constant ones."""
        mean = self.totals / max(self.count, 1)
        covariance = self.products / max(self.count, 1) - np.outer(mean, mean)
        spread = np.sqrt(np.maximum(np.diag(covariance), 0.0))
        scale = np.outer(spread, spread)
        result = np.full(covariance.shape, np.nan)
        np.divide(covariance, scale, out=result, where=scale > 0)
        return result


@dataclass(frozen=True, eq=False)
class ImageStats:
    """What is known of an image's pixels."""

    histograms: tuple[NDArray[np.int64], ...]
    """By band, of all values of the pixel type; empty for floating pixels."""
    first_value: int
    """Value of the first bin."""
    lows: tuple[float, ...]
    highs: tuple[float, ...]
    same_bands: frozenset[tuple[int, int]]
    """Pairs of bands (from 0) with equal pixels."""
    moments: Moments
    blocks: tuple[BlockStats, ...]
    """The chosen blocks, in row-major order."""

    @property
    def covered_pixels(self) -> int:
        """Pixels with data in the chosen blocks."""
        return sum(block.covered_pixels for block in self.blocks)


@dataclass(frozen=True, eq=False)
class Survey:
    """What one block gives."""

    window: PixelWindow
    stats: ImageStats | None
    """None if the block is not one of the chosen."""
    cells: NDArray[np.bool_]
    """Whether the middle of each `CELL_PX` cell has data."""


@dataclass(frozen=True, eq=False)
class SurveyJob:
    """Parameters of `survey_tile`; tiles are single blocks."""

    rule: NodataRule
    chosen: frozenset[int] | None
    """Numbers of the blocks to look at in full; None for all."""


def chosen_blocks(height: int, width: int) -> frozenset[int] | None:
    """A regular lattice of at most `MAX_LATTICE_BLOCKS` a side; None if that is every block."""
    across, down = ceil(width / BLOCK_PX), ceil(height / BLOCK_PX)
    step_row, step_col = (ceil(count / MAX_LATTICE_BLOCKS) for count in (down, across))
    if step_row == step_col == 1:
        return None
    return frozenset(
        row * across + col
        for row in range(step_row // 2, down, step_row)
        for col in range(step_col // 2, across, step_col)
    )


def survey_tile(tile: Tile, sources: Mapping[str, RasterWindow], params: SurveyJob) -> TileOutput:
    """Tile function: the `Survey` of one block of the source `image`, on the image's own grid."""
    source = sources["image"]
    covered = covered_mask(source, params.rule)
    half = CELL_PX // 2
    cells = covered[half::CELL_PX, half::CELL_PX] == 1
    is_chosen = params.chosen is None or tile.index in params.chosen
    stats = block_stats(source.array, covered, tile.core) if is_chosen else None
    return TileOutput(partials=((tile.index, Survey(tile.core, stats, cells)),))


def block_stats(
    pixels: NDArray[Any], covered: NDArray[np.uint8], window: PixelWindow
) -> ImageStats:
    """Statistics of one block; `pixels` `(band, y, x)`, `covered` `(y, x)` 0 or 1."""
    n_bands = len(pixels)
    is_float = pixels.dtype.kind == "f"
    has_histogram = not is_float and pixels.dtype.itemsize <= 2
    first = int(np.iinfo(pixels.dtype).min) if has_histogram else 0
    bins = 1 << (8 * pixels.dtype.itemsize) if has_histogram else 0
    histograms = tuple(np.zeros(bins, np.int64) for _ in range(n_bands if has_histogram else 0))
    for band, histogram in zip(pixels, histograms, strict=False):
        count_values(band, covered, first, histogram)
    steps = [_steep(band, covered) for band in pixels]
    seen = covered == 1
    has_any = bool(seen.any())
    lows = tuple(float(b.min(where=seen, initial=_top(b))) if has_any else np.inf for b in pixels)
    highs = tuple(
        float(b.max(where=seen, initial=_bottom(b))) if has_any else -np.inf for b in pixels
    )
    same = frozenset(
        (low, high)
        for high in range(n_bands)
        for low in range(high)
        if are_equal(pixels[low], pixels[high], covered)
    )
    block = BlockStats(
        window,
        int(np.count_nonzero(covered)),
        tuple(step[0] for step in steps),
        tuple(step[1] for step in steps),
        tuple(step[2] for step in steps),
    )
    return ImageStats(histograms, first, lows, highs, same, _moments(pixels, seen), (block,))


def _top(band: NDArray[Any]) -> float | int:
    return np.inf if band.dtype.kind == "f" else int(np.iinfo(band.dtype).max)


def _bottom(band: NDArray[Any]) -> float | int:
    return -np.inf if band.dtype.kind == "f" else int(np.iinfo(band.dtype).min)


def _moments(pixels: NDArray[Any], seen: NDArray[np.bool_]) -> Moments:
    probe = pixels[:, ::PROBE_PX, ::PROBE_PX]
    values = probe[:, seen[::PROBE_PX, ::PROBE_PX]].astype(np.float64)
    # einsum adds in a fixed order; a matrix product may split its sums by threads.
    return Moments(
        values.shape[1], values.sum(axis=1), np.einsum("in,jn->ij", values, values, optimize=False)
    )


def _steep(band: NDArray[Any], covered: NDArray[np.uint8]) -> tuple[float, float, float]:
    """Share of steep columns, of steep rows, and the median size of their steps."""
    rows, cols = band.shape
    by_col, by_row = np.zeros((2, cols), np.int32), np.zeros((2, rows), np.int32)
    count_steps(band, covered, by_col, by_row)
    shares, sizes = [], []
    for balance, values in ((by_col, band), (by_row, band.T)):
        is_told = balance[1] >= MIN_STEPS
        is_steep = is_told & (np.abs(balance[0]) > STEEP_BALANCE * balance[1])
        shares.append(float(is_steep.sum() / is_told.sum()) if is_told.any() else np.nan)
        for col in np.flatnonzero(is_steep):
            step = values[:, col].astype(np.float64) - values[:, col - 1]
            sizes.append(abs(float(np.median(step))))
    return shares[0], shares[1], float(np.median(sizes)) if sizes else np.nan


def merge_stats(first: ImageStats, second: ImageStats) -> ImageStats:
    """Statistics of two disjoint parts of an image; floating sums keep the order of the parts."""
    pairs = zip(first.histograms, second.histograms, strict=True)
    return ImageStats(
        tuple(a + b for a, b in pairs),
        first.first_value,
        tuple(map(min, first.lows, second.lows)),
        tuple(map(max, first.highs, second.highs)),
        first.same_bands & second.same_bands,
        Moments(
            first.moments.count + second.moments.count,
            first.moments.totals + second.moments.totals,
            first.moments.products + second.moments.products,
        ),
        first.blocks + second.blocks,
    )


@dataclass(frozen=True, eq=False)
class SaturationJob:
    """Parameters of `saturation_tile`; tiles are single blocks."""

    rule: NodataRule
    levels: tuple[float, ...]
    """By band; infinite where nothing is saturated."""


@dataclass(frozen=True)
class SaturatedBlock:
    """Saturated pixels of one block, by band."""

    window: PixelWindow
    covered_pixels: int
    saturated_pixels: tuple[int, ...]


def saturation_tile(
    tile: Tile, sources: Mapping[str, RasterWindow], params: SaturationJob
) -> TileOutput:
    """Tile function: the `SaturatedBlock` of one block of the source `image`."""
    source = sources["image"]
    covered = covered_mask(source, params.rule)
    counts = tuple(
        count_at_least(band, covered, level)
        for band, level in zip(source.array, params.levels, strict=True)
    )
    found = SaturatedBlock(tile.core, int(np.count_nonzero(covered)), counts)
    return TileOutput(partials=((tile.index, found),))
