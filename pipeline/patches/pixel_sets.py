"""Sets of pixels as runs: outlines turned into pixels, and what two families of sets share.

The sets of one family may touch or, for outlines, overlap each other, and a set outside the image
has no run; otherwise they are `Components` and are summed and drawn like them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numba import njit
from numpy.typing import NDArray

from pipeline.grid import Grid
from pipeline.patches.components import Components, RowIndex

GeometryArray = NDArray[np.object_]
Runs = NDArray[np.int64]
"""`(3, run)`: row, col0, col1 (half-open)."""


@dataclass(frozen=True, eq=False)
class OutlinePixels:
    """The pixels whose centres lie inside outlines, `(outline,)`."""

    inside: Components
    """What lies inside the image; an outline outside it has no run."""
    n_pixels: NDArray[np.int64]
    """All pixels of the grid, continued beyond the image; at least one."""
    first_row: NDArray[np.int64]
    """Row of the first pixel in row-major order, outside the image perhaps negative."""
    first_col: NDArray[np.int64]


def rasterise_outlines(outlines: GeometryArray, grid: Grid) -> OutlinePixels:
    """Pixels of polygons in the CRS of `grid`, by the centre of the pixel.

    A centre on an edge belongs to the polygon on its right or lower side, so neighbours share no
    pixel. An outline that holds no centre has the one pixel in which its representative point lies.
    """
    owner, runs = _scan(outlines, grid)
    missing = np.setdiff1d(np.arange(outlines.size), owner)
    points = shapely.point_on_surface(outlines[missing])
    rows, cols = grid.rowcol(shapely.get_x(points), shapely.get_y(points))
    single = np.floor(np.stack([rows, cols, cols + 1.0])).astype(np.int64)
    owner, runs = np.append(owner, missing), np.concatenate([runs, single], axis=1)
    order = np.lexsort((runs[1], runs[0], owner))
    owner, runs = owner[order], runs[:, order]
    first = np.searchsorted(owner, np.arange(outlines.size))
    n_pixels = np.bincount(owner, weights=runs[2] - runs[1], minlength=outlines.size)
    return OutlinePixels(
        _clipped(owner, runs, outlines.size, grid),
        n_pixels.astype(np.int64),
        runs[0, first],
        runs[1, first],
    )


def _scan(outlines: GeometryArray, grid: Grid) -> tuple[NDArray[np.int64], Runs]:
    """Runs of pixel centres inside each outline by the even-odd rule, unsorted, with their owner.

    Every edge is crossed by the centre lines of the rows between its ends; crossings of one row,
    sorted, are by turns the beginning and the end of a run.
    """
    polygons, part_owner = shapely.get_parts(outlines, return_index=True)
    rings, ring_part = shapely.get_rings(polygons, return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    rows, cols = grid.rowcol(points[:, 0], points[:, 1])
    is_edge = ring[1:] == ring[:-1]
    row0, row1 = rows[:-1][is_edge], rows[1:][is_edge]
    col0, col1 = cols[:-1][is_edge], cols[1:][is_edge]
    first = np.ceil(np.minimum(row0, row1) - 0.5).astype(np.int64)
    count = np.ceil(np.maximum(row0, row1) - 0.5).astype(np.int64) - first
    edge = np.repeat(np.arange(count.size), count)
    row = np.arange(edge.size) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    share = (row + 0.5 - row0[edge]) / (row1 - row0)[edge]
    crossing = col0[edge] + share * (col1 - col0)[edge]
    owner = part_owner[ring_part[ring[:-1][is_edge]]][edge]
    order = np.lexsort((crossing, row, owner))
    begin, end = crossing[order][0::2], crossing[order][1::2]
    bounds = np.ceil(np.stack([begin, end]) - 0.5).astype(np.int64)
    runs = np.concatenate([row[order][None, 0::2], bounds])
    is_filled = runs[2] > runs[1]
    return owner[order][0::2][is_filled].astype(np.int64), runs[:, is_filled]


def _clipped(owner: NDArray[np.int64], runs: Runs, n_sets: int, grid: Grid) -> Components:
    """The runs' part inside the image."""
    cut = runs.copy()
    cut[1:] = np.clip(runs[1:], 0, grid.width)
    keep = (cut[0] >= 0) & (cut[0] < grid.height) & (cut[2] > cut[1])
    return sets_of_runs(owner[keep], cut[:, keep], n_sets, (grid.height, grid.width))


def sets_of_runs(
    owner: NDArray[np.int64], runs: Runs, n_sets: int, shape: tuple[int, int]
) -> Components:
    """Sets from runs in any order; `shape` is the image's `(height, width)`."""
    order = np.lexsort((runs[1], runs[0], owner))
    owner, runs = owner[order], runs[:, order]
    offsets = np.searchsorted(owner, np.arange(n_sets + 1)).astype(np.int64)
    sizes = np.bincount(owner, weights=runs[2] - runs[1], minlength=n_sets)
    bbox = np.zeros((n_sets, 4), np.int32)
    for number in np.flatnonzero(np.diff(offsets)):
        mine = runs[:, offsets[number] : offsets[number + 1]]
        bbox[number] = mine[0, 0], mine[0, -1] + 1, mine[1].min(), mine[2].max()
    height, width = shape
    return Components(height, width, sizes.astype(np.int64), bbox, offsets, runs.astype(np.int32))


def join_sets(families: Sequence[Components]) -> Components:
    """Families of sets in one image as one family, in the order given."""
    ends = np.cumsum([0, *(family.runs.shape[1] for family in families)])
    offsets = [family.run_offsets[1:] + end for family, end in zip(families, ends, strict=False)]
    return Components(
        families[0].height,
        families[0].width,
        np.concatenate([family.n_pixels for family in families]),
        np.concatenate([family.bbox for family in families]),
        np.concatenate([np.zeros(1, np.int64), *offsets]),
        np.concatenate([family.runs for family in families], axis=1),
    )


def reordered(family: Components, order: NDArray[np.int64]) -> Components:
    """The same sets in another order."""
    n_runs = np.diff(family.run_offsets)[order]
    ends = np.cumsum(n_runs)
    run = np.arange(family.runs.shape[1]) - np.repeat(ends - n_runs, n_runs)
    return Components(
        family.height,
        family.width,
        family.n_pixels[order],
        family.bbox[order],
        np.concatenate([np.zeros(1, np.int64), ends]),
        family.runs[:, run + np.repeat(family.run_offsets[:-1][order], n_runs)],
    )


@dataclass(frozen=True, eq=False)
class Shared:
    """Runs that belong to a set of each of two families, `(run,)`."""

    first: NDArray[np.int64]
    """Number of the set in the first family."""
    second: NDArray[np.int64]
    runs: Runs

    def where(self, keep: NDArray[np.bool_]) -> Shared:
        """Some of the runs."""
        return Shared(self.first[keep], self.second[keep], self.runs[:, keep])


@njit(nogil=True, cache=True)
def _fill_common(
    runs: NDArray[np.int32],
    owner: NDArray[np.int64],
    index: RowIndex,
    out: NDArray[np.int64],
) -> int:
    """Number of common runs; those that fit go into `out`: first, second, row, col0, col1."""
    n = 0
    for k in range(runs.shape[1]):
        row = runs[0, k]
        for other in range(index.row_offsets[row], index.row_offsets[row + 1]):
            col0 = max(runs[1, k], index.runs[1, other])
            col1 = min(runs[2, k], index.runs[2, other])
            if col0 < col1:
                if n < out.shape[1]:
                    out[0, n], out[1, n] = owner[k], index.component[other]
                    out[2, n], out[3, n], out[4, n] = row, col0, col1
                n += 1
    return n


def shared_runs(first: Components, second: Components) -> Shared:
    """What the sets of two families in the same image have in common."""
    owner = np.repeat(np.arange(len(first), dtype=np.int64), np.diff(first.run_offsets))
    found = np.empty((5, 0), np.int64)
    n = _fill_common(first.runs, owner, second.by_row, found)
    found = np.empty((5, n), np.int64)
    _fill_common(first.runs, owner, second.by_row, found)
    return Shared(found[0], found[1], found[2:])
