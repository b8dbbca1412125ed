"""Exact pixel-edge outlines of components, built straight from their runs.

The outline is swept downwards, one line between two pixel rows at a time. Where the breakpoints
(run ends) of the row above and the row below differ there is a corner. Each corner has one
neighbour on its line and one in its column, and following them alternately gives the rings.

Where two pixels of a component meet only diagonally, four edges meet in one point. It becomes two
corners, one for each of the two *background* pixels. Since the component is 4-connected, these two
pixels lie in different 4-connected pieces of its background; so no ring passes a point twice,
every piece of the background has its own ring, and the polygon is valid without repair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import shapely
from numba import njit
from numpy.typing import NDArray

from pipeline.grid import Grid
from pipeline.patches.components import Components

CHUNK_COMPONENTS = 2048
"""Components traced in one call: fixed, so that it does not depend on the number of threads."""

MapChunks = Callable[[Callable[[int], NDArray[np.object_]], range], Iterable[NDArray[np.object_]]]
"""`map`, or the `map` of an executor: applies a function to each item, results in order."""

# Rows of the corner table, int32 (4, corner): position, then the two neighbouring corners.
ROW, COL, ON_LINE, IN_COLUMN = 0, 1, 2, 3

BEYOND = np.int32(2**31 - 1)
"""A column to the right of all others."""


@njit(nogil=True, cache=True)
def _link(corners: NDArray[np.int32], direction: int, a: int, b: int) -> None:
    """Make corners `a` and `b` neighbours, ON_LINE or IN_COLUMN."""
    corners[direction, a] = b
    corners[direction, b] = a


@njit(nogil=True, cache=True)
def _sweep_line(
    runs: NDArray[np.int32],
    ranges: tuple[int, int, int],
    hanging: NDArray[np.int32],
    corners: NDArray[np.int32],
    n: int,
) -> int:
    """Add the corners on the line between two rows to the `n` known ones; return their number.

    The row above is `runs[:, ranges[0]:ranges[1]]`, the row below `runs[:, ranges[1]:ranges[2]]`.
    Breakpoint k is the left (even) or right (odd) end of run k // 2; `hanging[k]` is the corner
    from which the vertical edge at breakpoint k comes down.
    """
    i, i_end, j_end = 2 * ranges[0], 2 * ranges[1], 2 * ranges[2]
    j = i_end
    row = runs[0, ranges[0]] + 1 if i < i_end else runs[0, ranges[1]]
    start = -1
    while i < i_end or j < j_end:
        x_above = runs[1 + (i & 1), i >> 1] if i < i_end else BEYOND
        x_below = runs[1 + (j & 1), j >> 1] if j < j_end else BEYOND
        if x_above == x_below and (i & 1) == (j & 1):
            hanging[j] = hanging[i]
            i, j = i + 1, j + 1
            continue
        left = right = n
        if x_above <= x_below:
            _link(corners, IN_COLUMN, hanging[i], n)
            corners[ROW, n], corners[COL, n] = row, x_above
            n, i = n + 1, i + 1
        if x_below <= x_above:
            hanging[j] = n
            corners[ROW, n], corners[COL, n] = row, x_below
            # A diagonal meeting: the edge that ends here and the edge that begins here go to
            # different corners, such that each corner turns round one background pixel.
            if left != n and j & 1:
                right = n
            else:
                left = n
            n, j = n + 1, j + 1
        if start >= 0:
            _link(corners, ON_LINE, start, left)
            start = right if left != right else -1
        else:
            start = right
    return n


@njit(nogil=True, cache=True)
def _find_corners(
    runs: NDArray[np.int32], hanging: NDArray[np.int32], corners: NDArray[np.int32], n: int
) -> int:
    """Add the corners of one component with runs `(3, run)` to the `n` known ones."""
    above = below = 0
    n_runs = runs.shape[1]
    while above < n_runs:
        end = below
        while end < n_runs and runs[0, end] == runs[0, below]:
            end += 1
        n = _sweep_line(runs, (above, below, end), hanging, corners, n)
        above, below = below, end
    return n


@njit(nogil=True, cache=True)
def _walk_ring(
    corners: NDArray[np.int32], start: int, direction: int, out: NDArray[np.int32], n: int
) -> int:
    """Append the closed ring through `start` to `out` `(2, point)`: row, col.

    `direction` is the first step. Corners passed get ROW = -1. Returns the new number of points.
    """
    first, corner = n, start
    while corners[ROW, corner] >= 0:
        out[0, n], out[1, n] = corners[ROW, corner], corners[COL, corner]
        corners[ROW, corner] = -1
        corner = corners[direction, corner]
        direction = ON_LINE + IN_COLUMN - direction
        n += 1
    out[0, n], out[1, n] = out[0, first], out[1, first]
    return n + 1


@njit(nogil=True, cache=True)
def _trace(
    runs: NDArray[np.int32], run_offsets: NDArray[np.int64], shell_direction: int
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """Rings of the components with runs `(3, run)`: shell first, then holes.

    Every ring starts at its upper left corner; shells go first in `shell_direction`, holes in the
    other one. Returns points `(2, point)` (row, col), the offsets of the rings in the points and
    the offsets of the components in the rings.
    """
    n_runs = runs.shape[1]
    corners = np.empty((4, 4 * n_runs), np.int32)
    hanging = np.empty(2 * n_runs, np.int32)
    points = np.empty((2, 5 * n_runs), np.int32)
    ring_offsets = np.zeros(n_runs + 1, np.int64)
    shell_offsets = np.zeros(run_offsets.size, np.int64)
    n_points = n_rings = 0
    for c in range(run_offsets.size - 1):
        component = runs[:, run_offsets[c] : run_offsets[c + 1]]
        n_corners = _find_corners(component, hanging, corners, 0)
        direction = shell_direction
        for corner in range(n_corners):
            if corners[ROW, corner] >= 0:
                n_points = _walk_ring(corners, corner, direction, points, n_points)
                n_rings += 1
                ring_offsets[n_rings] = n_points
                direction = ON_LINE + IN_COLUMN - shell_direction
        shell_offsets[c + 1] = n_rings
    return points[:, :n_points], ring_offsets[: n_rings + 1], shell_offsets


def trace_outlines(
    components: Components, grid: Grid, map_chunks: MapChunks = map
) -> NDArray[np.object_]:
    """Outlines of the components as shapely polygons, `(component,)`, in component order.

    The polygons follow the pixel edges exactly, with holes, in the coordinates of `grid`, the grid
    of the mask. Every one is valid; shells run counter-clockwise in x, y and each ring starts at
    the corner that is uppermost, then leftmost, in pixels. With the `map` of a thread pool the
    chunks run in parallel; the result is the same.
    """
    a, b, _, d, e, _ = grid.transform
    shell_direction = IN_COLUMN if a * e - b * d < 0 else ON_LINE

    def trace_chunk(first: int) -> NDArray[np.object_]:
        offsets = components.run_offsets[first : first + CHUNK_COMPONENTS + 1]
        runs = components.runs[:, offsets[0] : offsets[-1]]
        points, *ring_offsets = _trace(runs, offsets - offsets[0], shell_direction)
        rows, cols = points.astype(np.float64)
        coordinates = np.column_stack(grid.xy(rows, cols))
        polygons: NDArray[np.object_] = shapely.from_ragged_array(
            shapely.GeometryType.POLYGON, coordinates, tuple(ring_offsets)
        )
        return polygons

    chunks = map_chunks(trace_chunk, range(0, len(components), CHUNK_COMPONENTS))
    return np.concatenate([np.empty(0, dtype=object), *chunks])
