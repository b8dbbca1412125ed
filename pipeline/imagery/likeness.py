"""Whether two images are one image given twice, and whether their bands are in the same order.

Judged on small windows of the common bands, laid on each other by their georeference alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.grid import BLOCK_PX, Grid, PixelWindow, RasterWindow, Tile, TileOutput
from pipeline.imagery.resample import GridMapping, sample_nearest
from pipeline.imagery.validity import NodataRule, covered_mask

WINDOW_PX = 128
WINDOWS_PER_SIDE = 5
MIN_PIXELS = 2000
"""Fewer common pixels than this carry no correlation."""


def likeness_windows(grid: Grid) -> list[Tile]:
    """Small windows on a regular lattice of blocks, in row-major order."""
    down, across = -(-grid.height // BLOCK_PX), -(-grid.width // BLOCK_PX)
    rows, cols = (
        sorted({int(i) for i in np.linspace(0, count - 1, min(count, WINDOWS_PER_SIDE))})
        for count in (down, across)
    )
    found: list[Tile] = []
    for row in rows:
        for col in cols:
            block = PixelWindow(
                row * BLOCK_PX, (row + 1) * BLOCK_PX, col * BLOCK_PX, (col + 1) * BLOCK_PX
            ).clip(grid.height, grid.width)
            row0 = block.row0 + max(0, (block.shape[0] - WINDOW_PX) // 2)
            col0 = block.col0 + max(0, (block.shape[1] - WINDOW_PX) // 2)
            core = PixelWindow(row0, row0 + WINDOW_PX, col0, col0 + WINDOW_PX)
            core = core.clip(block.row1, block.col1)
            found.append(Tile(len(found), core, core))
    return found


@dataclass(frozen=True, eq=False)
class PairJob:
    """Parameters of `sample_window`."""

    mapping: GridMapping
    """From the before image's grid to the after image's."""
    before_rule: NodataRule
    after_rule: NodataRule


@dataclass(frozen=True, eq=False)
class PairWindow:
    """Co-located pixels of one window."""

    before: NDArray[Any]
    """`(band, y, x)` of the common bands."""
    after: NDArray[Any]
    seen: NDArray[np.bool_]
    """`(y, x)`, data in both."""


def sample_window(tile: Tile, sources: Mapping[str, RasterWindow], params: PairJob) -> TileOutput:
    """Tile function: one `PairWindow`; sources `before` on its own grid and `after` on its own."""
    before, after = sources["before"], sources["after"]
    origin = after.row0, after.col0
    mask = covered_mask(after, params.after_rule)
    moved = np.stack(
        [sample_nearest(tile.core, band, origin, params.mapping, 0) for band in after.array]
    )
    there = sample_nearest(tile.core, mask, origin, params.mapping, 0) == 1
    seen = there & (covered_mask(before, params.before_rule) == 1)
    return TileOutput(partials=((tile.index, PairWindow(before.array, moved, seen)),))


@dataclass(frozen=True)
class Likeness:
    """What the windows of a pair say together."""

    pixels: int
    """Pixels with data in both."""
    is_identical: bool
    detail_correlation: float
    """Smallest correlation, among the bands, of the steps between neighbouring pixels; NaN if
    there are too few or they are all flat."""
    swapped: tuple[tuple[int, int, float], ...]
    """Pairs of common bands (from 0) whose difference goes the other way in the other image, with
    the correlation of these differences."""


def measure_likeness(windows: list[PairWindow], max_swapped: float) -> Likeness:
    """Compare co-located windows.

    Two images of one day, stretched or cut to fewer bits, keep the steps between neighbouring
    pixels; two passes of a sensor do not even over unchanged land, for noise and light differ.
    A swapped pair of bands turns the sign of their difference: what was redder is now bluer.
    """
    pixels = sum(int(window.seen.sum()) for window in windows)
    if pixels < MIN_PIXELS:
        return Likeness(pixels, False, float("nan"), ())
    same = all(bool((window.before == window.after)[:, window.seen].all()) for window in windows)
    details = [_step_correlation(windows, band) for band in range(len(windows[0].before))]
    return Likeness(pixels, same, min(details), _swapped(windows, max_swapped))


def _step_correlation(windows: list[PairWindow], band: int) -> float:
    pairs = []
    for window in windows:
        both = window.seen[:, 1:] & window.seen[:, :-1]
        pairs.append(
            [
                np.diff(image[band].astype(np.float64), axis=1)[both]
                for image in (window.before, window.after)
            ]
        )
    before, after = (np.concatenate([pair[n] for pair in pairs]) for n in (0, 1))
    return _correlation(before, after)


def _swapped(
    windows: list[PairWindow], max_correlation: float
) -> tuple[tuple[int, int, float], ...]:
    before = np.concatenate([window.before[:, window.seen] for window in windows], axis=1)
    after = np.concatenate([window.after[:, window.seen] for window in windows], axis=1)
    scaled = [_standardised(image.astype(np.float64)) for image in (before, after)]
    found = []
    for low, high in combinations(range(len(before)), 2):
        first, second = (image[low] - image[high] for image in scaled)
        correlation = _correlation(first, second)
        if correlation < max_correlation:
            found.append((low, high, correlation))
    return tuple(found)


def _standardised(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = pixels.std(axis=1, keepdims=True)
    centred = pixels - pixels.mean(axis=1, keepdims=True)
    result: NDArray[np.float64] = np.divide(
        centred, spread, out=np.zeros_like(centred), where=spread > 0
    )
    return result


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    if first.size < MIN_PIXELS:
        return float("nan")
    first, second = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((first * first).sum() * (second * second).sum()))
    return float((first * second).sum() / scale) if scale > 0 else float("nan")
