"""4-connected components of a 0/1 mask, kept as runs of pixels instead of a label image.

A run is a maximal stretch of foreground inside one row, `col0 <= col < col1`. Runs are taken from
strips of whole rows, so where the mask was cut can not show in them; components are then joined by
union-find over runs of neighbouring rows. Memory grows with the number of runs, not of pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.grid import PixelWindow

FOREGROUND = 1
"""The one mask value that belongs to a component; 0 and 255 (unobserved) do not."""

MAX_RUNS = 2**31 - 1
"""Runs are numbered in int32."""


@njit(nogil=True, cache=True)
def _count_runs(mask: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Number of runs in each row of `mask` `(y, x)`."""
    height, width = mask.shape
    counts = np.zeros(height, np.int64)
    for row in range(height):
        n = 0
        if width > 0 and mask[row, 0] == FOREGROUND:
            n = 1
        for col in range(1, width):
            n += (mask[row, col] == FOREGROUND) & (mask[row, col - 1] != FOREGROUND)
        counts[row] = n
    return counts


@njit(nogil=True, cache=True)
def _encode_runs(
    mask: NDArray[np.uint8], row0: int, counts: NDArray[np.int64]
) -> NDArray[np.int32]:
    """Runs of `mask` `(y, x)` in row-major order, `(3, run)`: row, col0, col1."""
    runs = np.empty((3, counts.sum()), np.int32)
    width = mask.shape[1]
    k = 0
    for row in range(mask.shape[0]):
        col = 0
        for _ in range(counts[row]):
            while mask[row, col] != FOREGROUND:
                col += 1
            runs[0, k] = row0 + row
            runs[1, k] = col
            while col < width and mask[row, col] == FOREGROUND:
                col += 1
            runs[2, k] = col
            k += 1
    return runs


@njit(nogil=True, cache=True)
def _root(parent: NDArray[np.int32], run: int) -> int:
    """Root of `run`, halving the path on the way."""
    while parent[run] != run:
        parent[run] = parent[parent[run]]
        run = parent[run]
    return run


@njit(nogil=True, cache=True)
def _join_rows(
    runs: NDArray[np.int32], row_offsets: NDArray[np.int64], classes: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Union-find over runs of one class that share a pixel edge; the smallest run is the root.

    `runs` `(3, run)` or with further rows, `classes` `(run,)`.
    """
    parent = np.arange(runs.shape[1]).astype(np.int32)
    for row in range(1, row_offsets.size - 1):
        above, here = row_offsets[row - 1], row_offsets[row]
        end_above, end_here = here, row_offsets[row + 1]
        while above < end_above and here < end_here:
            overlaps = runs[1, above] < runs[2, here] and runs[1, here] < runs[2, above]
            if overlaps and classes[above] == classes[here]:
                a, b = _root(parent, above), _root(parent, here)
                if a < b:
                    parent[b] = a
                else:
                    parent[a] = b
            if runs[2, above] < runs[2, here]:
                above += 1
            else:
                here += 1
    return parent


@njit(nogil=True, cache=True)
def _number_components(parent: NDArray[np.int32]) -> int:
    """Replace `parent` by component numbers in order of the first run; return their count.

    Works in one forward pass because a run's parent never lies behind it.
    """
    n = 0
    for run in range(parent.size):
        if parent[run] == run:
            parent[run] = n
            n += 1
        else:
            parent[run] = parent[parent[run]]
    return n


@njit(nogil=True, cache=True)
def _counting_sort(
    key: NDArray[np.int32], n_keys: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Stable order of `key`, and the `n_keys + 1` offsets of the equal keys in that order."""
    offsets = np.zeros(n_keys + 1, np.int64)
    for k in key:
        offsets[k + 1] += 1
    for k in range(n_keys):
        offsets[k + 1] += offsets[k]
    cursor = offsets[:-1].copy()
    order = np.empty(key.size, np.int32)
    for i in range(key.size):
        order[cursor[key[i]]] = i
        cursor[key[i]] += 1
    return order, offsets


def _bounding_boxes(runs: NDArray[np.int32], offsets: NDArray[np.int64]) -> NDArray[np.int32]:
    """`(component, 4)`: row0, row1, col0, col1 of runs `(3, run)` grouped by component."""
    first, last = offsets[:-1], offsets[1:] - 1
    col0 = np.minimum.reduceat(runs[1], first)
    col1 = np.maximum.reduceat(runs[2], first)
    return np.stack([runs[0, first], runs[0, last] + 1, col0, col1], axis=1)


class RowIndex(NamedTuple):
    """Runs of all components in row order."""

    row_offsets: NDArray[np.int64]
    """`(height + 1,)`: the runs of row r are `runs[:, row_offsets[r] : row_offsets[r + 1]]`."""
    runs: NDArray[np.int32]
    """`(3, run)`: row, col0, col1."""
    component: NDArray[np.int32]
    """`(run,)`."""


@dataclass(frozen=True, eq=False)
class Components:
    """4-connected components, numbered 0, 1, … in row-major order of their first pixel."""

    height: int
    """Rows of the mask."""
    width: int
    """Columns of the mask."""
    n_pixels: NDArray[np.int64]
    """`(component,)`."""
    bbox: NDArray[np.int32]
    """`(component, 4)`: row0, row1, col0, col1, half-open."""
    run_offsets: NDArray[np.int64]
    """`(component + 1,)`: component c has `runs[:, run_offsets[c] : run_offsets[c + 1]]`."""
    runs: NDArray[np.int32]
    """`(3, run)`: row, col0, col1 (half-open), row-major inside each component."""

    def __len__(self) -> int:
        return int(self.n_pixels.size)

    @property
    def first_row(self) -> NDArray[np.int32]:
        """Row of each component's first pixel."""
        rows: NDArray[np.int32] = self.runs[0, self.run_offsets[:-1]]
        return rows

    @property
    def first_col(self) -> NDArray[np.int32]:
        """Column of each component's first pixel."""
        cols: NDArray[np.int32] = self.runs[1, self.run_offsets[:-1]]
        return cols

    @cached_property
    def by_row(self) -> RowIndex:
        """The same runs in row order, for work on strips; built once, on first use."""
        component = np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.run_offsets))
        order, row_offsets = _counting_sort(self.runs[0], self.height)
        return RowIndex(row_offsets, self.runs[:, order], component[order])

    def select(self, keep: NDArray[np.bool_]) -> Components:
        """The components where `keep` `(component,)` is true, renumbered, in the same order."""
        n_runs = np.diff(self.run_offsets)
        return Components(
            height=self.height,
            width=self.width,
            n_pixels=self.n_pixels[keep],
            bbox=self.bbox[keep],
            run_offsets=np.concatenate(([0], np.cumsum(n_runs[keep]))),
            runs=self.runs[:, np.repeat(keep, n_runs)],
        )


class ComponentBuilder:
    """Collects a mask strip by strip, from the top, and then finds its components."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._height = 0
        self._counts: list[NDArray[np.int64]] = []
        self._runs: list[NDArray[np.int32]] = []

    def add_strip(self, row0: int, mask: NDArray[np.uint8]) -> None:
        """Append the rows `row0`, `row0 + 1`, …; `mask` is uint8 `(rows, width)`.

        Pixels equal to 1 are foreground; all others (0, 255 = unobserved) are background.
        """
        if row0 != self._height:
            raise ValueError(f"strips must follow each other: row {self._height}, got {row0}")
        if mask.ndim != 2 or mask.shape[1] != self._width:
            raise ValueError(f"a strip must be (rows, {self._width}), got {mask.shape}")
        rows = np.ascontiguousarray(mask)
        counts = _count_runs(rows)
        self._counts.append(counts)
        self._runs.append(_encode_runs(rows, row0, counts))
        self._height += mask.shape[0]

    def finish(self) -> Components:
        """The components of all rows added so far."""
        counts = np.concatenate([np.zeros(1, np.int64), *self._counts])
        row_offsets = np.cumsum(counts)
        if row_offsets[-1] > MAX_RUNS:
            raise ValueError(f"mask has {row_offsets[-1]} runs, more than {MAX_RUNS}")
        runs = np.concatenate([np.empty((3, 0), np.int32), *self._runs], axis=1)
        component = _join_rows(runs, row_offsets, np.zeros(runs.shape[1], np.int32))
        order, offsets = _counting_sort(component, _number_components(component))
        runs = runs[:, order]
        return Components(
            height=self._height,
            width=self._width,
            n_pixels=np.add.reduceat(runs[2] - runs[1], offsets[:-1], dtype=np.int64),
            bbox=_bounding_boxes(runs, offsets),
            run_offsets=offsets,
            runs=runs,
        )


def find_components(mask: NDArray[np.uint8]) -> Components:
    """Components of a whole uint8 mask `(y, x)` in memory; foreground is 1."""
    builder = ComponentBuilder(mask.shape[1])
    builder.add_strip(0, mask)
    return builder.finish()


def burn(components: Components, window: PixelWindow, out: NDArray[np.uint8], value: int) -> None:
    """Write `value` into `out` `(y, x)`, which covers `window`, wherever a component lies.

    All other pixels of `out` stay as they are. `window` must lie inside the mask.
    """
    everywhere = np.zeros(len(components), np.uint8)
    burn_from(components, window, out, out, everywhere, (value, value))


@njit(nogil=True, cache=True)
def _burn_runs_from(
    index: RowIndex,
    origin: tuple[int, int],
    out: NDArray[np.uint8],
    plane: NDArray[np.uint8],
    least: NDArray[np.uint8],
    values: tuple[int, int],
) -> None:
    """Set the pixels of `out` to the first of `values` where `plane` reaches the component's own
    `least`, to the second where it does not."""
    row0, col0 = origin
    for row in range(out.shape[0]):
        for run in range(index.row_offsets[row0 + row], index.row_offsets[row0 + row + 1]):
            limit = least[index.component[run]]
            begin = max(index.runs[1, run] - col0, 0)
            for col in range(begin, min(index.runs[2, run] - col0, out.shape[1])):
                out[row, col] = values[0] if plane[row, col] >= limit else values[1]


def burn_from(
    components: Components,
    window: PixelWindow,
    out: NDArray[np.uint8],
    plane: NDArray[np.uint8],
    least: NDArray[np.uint8],
    values: tuple[int, int],
) -> None:
    """Like `burn`, but the first of `values` only where `plane` `(y, x)` is at least the number in
    `least` `(component,)`, the second elsewhere in a component."""
    _require_covering(components, window, out)
    _burn_runs_from(components.by_row, (window.row0, window.col0), out, plane, least, values)


def _require_covering(components: Components, window: PixelWindow, array: NDArray[Any]) -> None:
    """Refuse a window outside the mask, or an array of another shape than its window."""
    if window.clip(components.height, components.width) != window:
        raise ValueError(f"{window} is not inside {components.height} x {components.width}")
    if array.shape != window.shape:
        raise ValueError(f"array {array.shape} does not cover {window}")


@njit(nogil=True, cache=True)
def _sum_runs(
    index: RowIndex,
    origin: tuple[int, int],
    values: NDArray[Any],
    column: NDArray[np.int64],
    sums: NDArray[np.int64],
) -> None:
    """Add values `(y, x)` to `sums[component, 0]`, and 1 to `sums[component, column[value]]`."""
    row0, col0 = origin
    for row in range(values.shape[0]):
        for run in range(index.row_offsets[row0 + row], index.row_offsets[row0 + row + 1]):
            c = index.component[run]
            begin = max(index.runs[1, run] - col0, 0)
            for col in range(begin, min(index.runs[2, run] - col0, values.shape[1])):
                value = values[row, col]
                sums[c, 0] += value
                if value < column.size and column[value] > 0:
                    sums[c, column[value]] += 1


class ComponentSums:
    """Integer sums of a raster inside each component; exact, so windows may come in any order.

    For work on several threads give each its own instance over disjoint windows and `merge` them.
    """

    def __init__(self, components: Components, counted_values: Sequence[int] = ()) -> None:
        """`counted_values` are the distinct raster values whose pixels are counted."""
        self._components = components
        self._counted = np.array(counted_values, dtype=np.int64)
        self._column = np.zeros(max((*counted_values, -1)) + 1, dtype=np.int64)
        self._column[self._counted] = np.arange(1, self._counted.size + 1)
        self._sums = np.zeros((len(components), 1 + self._counted.size), np.int64)

    @property
    def totals(self) -> NDArray[np.int64]:
        """Sum of the values, `(component,)`."""
        return self._sums[:, 0]

    @property
    def counts(self) -> NDArray[np.int64]:
        """Pixels having each counted value, `(component, counted value)`."""
        return self._sums[:, 1:]

    def add_window(
        self, window: PixelWindow, values: NDArray[np.uint8] | NDArray[np.uint16]
    ) -> None:
        """Add the values `(y, x)` of one window; in the end every pixel must have come once."""
        _require_covering(self._components, window, values)
        origin = (window.row0, window.col0)
        _sum_runs(self._components.by_row, origin, values, self._column, self._sums)

    def merge(self, other: ComponentSums) -> None:
        """Add the sums of other windows of the same components and counted values."""
        self._sums += other._sums

    @property
    def counted_values(self) -> tuple[int, ...]:
        """The raster values whose pixels are counted, in the order of `counts`."""
        return tuple(self._counted.tolist())

    def majority(self, default: int, among: Sequence[int] | None = None) -> NDArray[np.int64]:
        """The counted value, of those `among` which to choose, that most pixels of each component
        have, `(component,)`.

        A tie goes to the value named first; `default` where no pixel has such a value.
        """
        chosen = np.full(self._counted.size, True)
        if among is not None:
            chosen = np.isin(self._counted, among)
        counts = self.counts[:, chosen]
        best = np.append(self._counted[chosen], default)
        winner = np.argmax(np.column_stack([counts, np.zeros(len(self._sums))]), axis=1)
        return best[np.where(counts.any(axis=1), winner, -1)]
