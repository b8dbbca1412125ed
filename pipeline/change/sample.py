"""A seeded lattice of pixels on which global statistics are found.

Blocks of 512 px, anchored at the grid origin, are taken on a regular lattice, and inside them every
n-th pixel in absolute numbers. So a sample depends on the grid and the seed alone, never on tiles
or workers. Iterating IR-MAD on such a sample moves no figure that matters (PERFORMANCE §3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.grid import BLOCK_PX, RasterWindow, Tile, TileOutput, tiles
from pipeline.schema.model import Frozen


class SampleParams(Frozen):
    """Settings of the sample that global statistics are found on (统计样本)."""

    blocks_per_side: int = Field(
        8, ge=1, description="每个方向抽取的 512 像元块数；影像更小则全部使用"
    )
    target_pixels: int = Field(2_000_000, ge=10_000, description="样本像元数的目标值")
    seed: int = Field(1, ge=0, description="抽样格点的种子")


@dataclass(frozen=True)
class LatticeStep:
    """Parameters of `take_sample`: which pixels inside a block."""

    step_px: int
    row_offset: int
    col_offset: int

    def slices(self, tile: Tile) -> tuple[slice, slice]:
        """The lattice's rows and columns inside a tile."""
        offsets = (self.row_offset - tile.core.row0, self.col_offset - tile.core.col0)
        rows, cols = (slice(offset % self.step_px, None, self.step_px) for offset in offsets)
        return rows, cols


@dataclass(frozen=True)
class PairSample:
    """Co-located pixels of both dates, `(band, n)` each, in block order and row-major inside."""

    before: NDArray[Any]
    after: NDArray[Any]

    @property
    def is_turned(self) -> bool:
        """Whether a detector that does not care about the order of the dates takes them the other
        way round: the date of lower band means goes first, so that a pair and the same pair with
        its dates swapped give the same numbers to the last bit."""
        means = [
            [float(band.mean(dtype=np.float64)) for band in d] for d in (self.before, self.after)
        ]
        return means[0] > means[1]

    @property
    def turned(self) -> PairSample:
        """The dates the other way round."""
        return PairSample(self.after, self.before)


def sample_plan(height: int, width: int, params: SampleParams) -> tuple[list[Tile], LatticeStep]:
    """The blocks to read and the pixel step inside them."""
    block_rows, block_cols = ceil(height / BLOCK_PX), ceil(width / BLOCK_PX)
    step_r, step_c = (ceil(count / params.blocks_per_side) for count in (block_rows, block_cols))
    rng = np.random.default_rng(params.seed)
    first_r, first_c = int(rng.integers(step_r)), int(rng.integers(step_c))
    chosen = [
        tile
        for tile in tiles(height, width, BLOCK_PX)
        if (tile.core.row0 // BLOCK_PX) % step_r == first_r
        and (tile.core.col0 // BLOCK_PX) % step_c == first_c
    ]
    n_pixels = sum(t.core.shape[0] * t.core.shape[1] for t in chosen)
    step = max(1, round(sqrt(n_pixels / params.target_pixels)))
    return chosen, LatticeStep(step, int(rng.integers(step)), int(rng.integers(step)))


def take_sample(tile: Tile, sources: Mapping[str, RasterWindow], params: LatticeStep) -> TileOutput:
    """Tile function: valid sample pixels of one block; sources `before`, `after`, `valid`."""
    rows, cols = params.slices(tile)
    seen = np.flatnonzero(sources["valid"].array[0, rows, cols] == 0)
    before, after = (
        sources[name].array[:, rows, cols].reshape(sources[name].array.shape[0], -1)[:, seen]
        for name in ("before", "after")
    )
    return TileOutput(partials=((tile.index, PairSample(before, after)),))


def count_sampled(
    tile: Tile, sources: Mapping[str, RasterWindow], params: LatticeStep
) -> TileOutput:
    """Tile function: how often each validity occurs in the sample, by source."""
    rows, cols = params.slices(tile)
    counts = {
        name: np.bincount(source.array[0, rows, cols].ravel(), minlength=256)
        for name, source in sources.items()
    }
    return TileOutput(partials=((tile.index, counts),))


def join_samples(parts: list[PairSample]) -> PairSample:
    """One sample from the blocks' samples, given in block order."""
    return PairSample(
        np.ascontiguousarray(np.concatenate([p.before for p in parts], axis=1)),
        np.ascontiguousarray(np.concatenate([p.after for p in parts], axis=1)),
    )
