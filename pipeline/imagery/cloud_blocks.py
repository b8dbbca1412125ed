"""An overview of both dates in blocks of some metres, on which clouds are told as whole objects.

A cloud is far larger than a tile may be, so it is not decided pixel by pixel: the image is reduced
to block means first. Blocks are anchored at the grid origin and their side divides 512 px, so every
block lies in one tile and the overview does not depend on how the grid was cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.grid import BLOCK_PX, PixelWindow, RasterWindow, Tile, TileOutput
from pipeline.imagery.validity import UNREGISTERED, VALID, VALIDITIES, count_codes, worst_of

BLOCK_M = 10.0
"""Blocks are no smaller than this: a cloud smaller than a few of them hides no more than a roof."""
EDGE_REACH_M = 4.0
"""Over what distance a step counts as sharp: a roof's edge spans it, a cloud's does not."""
DATES = ("before", "after")


def block_side_px(pixel_size_m: float) -> int:
    """Pixels per block side: the smallest power of two that spans `BLOCK_M`."""
    side = 1
    while side * pixel_size_m < BLOCK_M and side < BLOCK_PX:
        side *= 2
    return side


def edge_reach_px(pixel_size_m: float) -> int:
    """Pixels over which a step is measured; two, since optics blur every edge over one or two."""
    return max(2, min(BLOCK_PX, round(EDGE_REACH_M / pixel_size_m)))


@dataclass(frozen=True, eq=False)
class BlockView:
    """One date in blocks."""

    mean: NDArray[np.float32]
    """`(band, y, x)`, mean of what the date shows in each block, in its digital numbers."""
    state: NDArray[np.uint8]
    """`(y, x)` commonest code of validity in the block; the lowest of equals."""
    seen: NDArray[np.uint8]
    """`(y, x)` per cent of the block's pixels that this date shows."""
    edge: NDArray[np.float32]
    """`(y, x)` largest step of visible brightness over `edge_reach_px` that starts here."""
    saturated: NDArray[np.uint8]
    """`(y, x)` per cent of the pixels at the largest value in every visible band."""

    @classmethod
    def blank(cls, bands: int, shape: tuple[int, int]) -> BlockView:
        """A view to be filled tile by tile."""
        return cls(
            np.zeros((bands, *shape), np.float32),
            np.ones(shape, np.uint8),
            np.zeros(shape, np.uint8),
            np.zeros(shape, np.float32),
            np.zeros(shape, np.uint8),
        )

    def put(self, part: BlockView, row: int, col: int) -> None:
        """Copy a part of the view to its place."""
        rows, cols = part.state.shape
        place = slice(row, row + rows), slice(col, col + cols)
        self.mean[:, place[0], place[1]] = part.mean
        self.state[place], self.seen[place] = part.state, part.seen
        self.edge[place], self.saturated[place] = part.edge, part.saturated


@dataclass(frozen=True)
class BlockPlan:
    """Parameters of `reduce_tile`."""

    side_px: int
    reach_px: int
    visible: tuple[int, ...]
    """Positions of the visible bands."""
    largest: Mapping[str, float]
    """Largest value that a date's pixels can have, by date; infinite if there is none."""

    def shape(self, height: int, width: int) -> tuple[int, int]:
        """Blocks of an image of that many pixels."""
        return -(-height // self.side_px), -(-width // self.side_px)


def largest_value(dtype: str, largest_seen: float) -> float:
    """The value at which pixels of a type are cut off; infinite for real numbers.

    Sensors fill 10, 11, 12 or 14 bits of a 16-bit file: the smallest of these ranges that holds
    every value seen is the sensor's.
    """
    if np.dtype(dtype).kind == "f":
        return float("inf")
    limit = int(np.iinfo(np.dtype(dtype)).max)
    for bits in (8, 10, 11, 12, 14):
        if largest_seen <= (1 << bits) - 1 < limit:
            return float((1 << bits) - 1)
    return float(limit)


@dataclass(frozen=True, eq=False)
class BlockPart:
    """The blocks of one tile, and where they lie."""

    row: int
    col: int
    views: Mapping[str, BlockView]


def reduce_tile(tile: Tile, sources: Mapping[str, RasterWindow], params: BlockPlan) -> TileOutput:
    """Tile function: blocks of both dates; sources are the aligned dates and their validities.

    Needs a halo of `reach_px`.
    """
    core = _core_in(tile)
    views = {}
    for name in DATES:
        pixels, codes = sources[name].array, sources[f"valid_{name}"].array[0]
        arrays = _reduce(
            pixels,
            np.ascontiguousarray(codes),
            core,
            (params.side_px, params.reach_px),
            np.array(params.visible, np.int64),
            params.largest[name],
        )
        views[name] = BlockView(*arrays)
    part = BlockPart(tile.core.row0 // params.side_px, tile.core.col0 // params.side_px, views)
    return TileOutput(partials=((tile.index, part),))


def _core_in(tile: Tile) -> tuple[int, int, int, int]:
    rows, cols = tile.core_slices
    return rows.start, rows.stop, cols.start, cols.stop


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _reduce(
    pixels: NDArray[Any],
    codes: NDArray[np.uint8],
    core: tuple[int, int, int, int],
    size: tuple[int, int],
    visible: NDArray[np.int64],
    largest: float,
) -> Any:
    bands, height, width = pixels.shape
    row0, row1, col0, col1 = core
    side, reach = size
    shape = (row1 - row0 + side - 1) // side, (col1 - col0 + side - 1) // side
    mean = np.zeros((bands, shape[0], shape[1]), np.float32)
    state = np.zeros(shape, np.uint8)
    seen = np.zeros(shape, np.uint8)
    edge = np.zeros(shape, np.float32)
    saturated = np.zeros(shape, np.uint8)
    totals = np.zeros(bands, np.float64)
    counts = np.zeros(256, np.int64)
    for by in range(shape[0]):
        for bx in range(shape[1]):
            totals[:] = 0.0
            counts[:] = 0
            n_cut, steepest = 0, 0.0
            r1, c1 = min(row0 + (by + 1) * side, row1), min(col0 + (bx + 1) * side, col1)
            for r in range(row0 + by * side, r1):
                for c in range(col0 + bx * side, c1):
                    counts[codes[r, c]] += 1
                    if codes[r, c] == 1:
                        continue
                    is_cut = True
                    for k in range(bands):
                        totals[k] += pixels[k, r, c]
                    for k in visible:
                        is_cut = is_cut and pixels[k, r, c] >= largest
                    n_cut += is_cut
                    if r + reach < height and codes[r + reach, c] != 1:
                        steepest = max(steepest, _step(pixels, visible, r, c, r + reach, c))
                    if c + reach < width and codes[r, c + reach] != 1:
                        steepest = max(steepest, _step(pixels, visible, r, c, r, c + reach))
            n_all = counts.sum()
            n_seen = n_all - counts[1]
            state[by, bx] = np.argmax(counts)
            if n_seen:
                seen[by, bx] = (100 * n_seen) // n_all
                saturated[by, bx] = (100 * n_cut) // n_all
                edge[by, bx] = steepest
                for k in range(bands):
                    mean[k, by, bx] = totals[k] / n_seen
    return mean, state, seen, edge, saturated


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _step(
    pixels: NDArray[Any], visible: NDArray[np.int64], r: int, c: int, r1: int, c1: int
) -> float:
    total = 0.0
    for k in visible:
        total += float(pixels[k, r1, c1]) - float(pixels[k, r, c])
    return abs(total) / visible.size


@dataclass(frozen=True, eq=False)
class HideJob:
    """Parameters of `hide_tile`."""

    blocks: Mapping[str, NDArray[np.uint8]]
    """Codes of the blocks `(y, x)`, by date."""
    side_px: int


def hide_tile(tile: Tile, sources: Mapping[str, RasterWindow], params: HideJob) -> TileOutput:
    """Tile function: the blocks' codes put into the validities; sources are the validities."""
    codes = {}
    for name in DATES:
        blocks = spread(params.blocks[name], tile.core, params.side_px)
        known = sources[f"valid_{name}"].array[0]
        codes[f"valid_{name}"] = worst_of((known, blocks), tile.core.shape)
    # What does not fit is a matter of both dates, written where nothing else hides the land.
    valid = worst_of(tuple(codes.values()), tile.core.shape)
    is_apart = (sources["valid"].array[0] == UNREGISTERED) & (valid == VALID)
    valid[is_apart] = UNREGISTERED
    rasters = {"valid": valid, **codes}
    counts = {name: count_codes(rasters[name]) for name in VALIDITIES}
    return TileOutput(rasters, ((tile.index, counts),))


def spread(blocks: NDArray[np.uint8], window: PixelWindow, side_px: int) -> NDArray[np.uint8]:
    """Codes of blocks `(y, x)` at every pixel of a window."""
    rows = np.arange(window.row0, window.row1) // side_px
    cols = np.arange(window.col0, window.col1) // side_px
    return np.ascontiguousarray(blocks[rows[:, None], cols[None, :]])
