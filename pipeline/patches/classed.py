"""Components of a mask with several classes of change, kept apart where they touch.

A yard built inside a field that was harvested is one connected change but two things. Runs carry
the class of their pixels and only runs of one class are joined. Pieces too small to become a patch
go over to the class of a larger neighbour, so that a patch is not torn to shreds by single pixels.
All work is on runs of whole rows: how the mask was cut into tiles can not show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.patches.components import (
    MAX_RUNS,
    Components,
    _bounding_boxes,
    _counting_sort,
    _join_rows,
    _number_components,
)

LIKELY, OTHER, FAINT = 1, 2, 3
"""Mask values: construction-like change, any other, and what looked like construction, weighs too
little and changed little; all else (0, 255 unobserved) is background."""
ROUNDS = 2
"""How often small pieces may go over: a second time for pieces that grew by the first."""


@dataclass(frozen=True, eq=False)
class ClassedComponents:
    """4-connected components, each of one class."""

    components: Components
    classes: NDArray[np.int32]
    """`(component,)`."""

    @property
    def is_likely(self) -> NDArray[np.bool_]:
        """`(component,)`: True for construction-like ones."""
        is_likely: NDArray[np.bool_] = self.classes == LIKELY
        return is_likely


class ClassedBuilder:
    """Collects a mask of classes strip by strip, from the top, and then finds its components."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._height = 0
        self._runs: list[NDArray[np.int32]] = []

    def add_strip(self, row0: int, mask: NDArray[np.uint8]) -> None:
        """Append the rows `row0`, `row0 + 1`, …; `mask` is uint8 `(rows, width)`."""
        if row0 != self._height:
            raise ValueError(f"strips must follow each other: row {self._height}, got {row0}")
        if mask.ndim != 2 or mask.shape[1] != self._width:
            raise ValueError(f"a strip must be (rows, {self._width}), got {mask.shape}")
        self._runs.append(_encode_classed(np.ascontiguousarray(mask), row0))
        self._height += mask.shape[0]

    def finish(self, small_px: int) -> ClassedComponents:
        """The components; pieces under `small_px` pixels beside a larger one join its class."""
        runs = np.concatenate([np.empty((4, 0), np.int32), *self._runs], axis=1)
        if runs.shape[1] > MAX_RUNS:
            raise ValueError(f"mask has {runs.shape[1]} runs, more than {MAX_RUNS}")
        for _ in range(ROUNDS):
            offsets = _row_offsets(runs, self._height)
            component = _join_rows(runs, offsets, runs[3])
            n = _number_components(component)
            sizes = np.bincount(component, weights=runs[2] - runs[1], minlength=n)
            goes_over = _small_beside_larger(
                runs, offsets, component, sizes.astype(np.int64), small_px
            )
            if not goes_over.any():
                break
            moved = runs.copy()
            target = goes_over[component]
            moved[3] = np.where(target > 0, target, runs[3])
            runs = _merge_touching(moved)
        return _components_of(runs, self._height, self._width)


def _components_of(runs: NDArray[np.int32], height: int, width: int) -> ClassedComponents:
    component = _join_rows(runs, _row_offsets(runs, height), runs[3])
    order, offsets = _counting_sort(component, _number_components(component))
    sorted_runs = runs[:, order]
    positions = np.ascontiguousarray(sorted_runs[:3])
    components = Components(
        height=height,
        width=width,
        n_pixels=np.add.reduceat(positions[2] - positions[1], offsets[:-1], dtype=np.int64),
        bbox=_bounding_boxes(positions, offsets),
        run_offsets=offsets,
        runs=positions,
    )
    return ClassedComponents(components, sorted_runs[3, offsets[:-1]])


def _row_offsets(runs: NDArray[np.int32], height: int) -> NDArray[np.int64]:
    """`(height + 1,)`: the runs of row r are `runs[:, offsets[r] : offsets[r + 1]]`."""
    counts = np.bincount(runs[0], minlength=height)
    return np.concatenate(([0], np.cumsum(counts))).astype(np.int64)


@njit(nogil=True, cache=True)
def _encode_classed(mask, row0):  # type: ignore[no-untyped-def]
    """Maximal runs of one class in row-major order, `(4, run)`: row, col0, col1, class."""
    height, width = mask.shape
    n = 0
    for row in range(height):
        previous = 0
        for col in range(width):
            value = mask[row, col]
            if value != previous and LIKELY <= value <= FAINT:
                n += 1
            previous = value
    runs = np.empty((4, n), np.int32)
    k = 0
    for row in range(height):
        col = 0
        while col < width:
            value = mask[row, col]
            if value < LIKELY or value > FAINT:
                col += 1
                continue
            runs[0, k], runs[1, k], runs[3, k] = row0 + row, col, value
            while col < width and mask[row, col] == value:
                col += 1
            runs[2, k] = col
            k += 1
    return runs


@njit(nogil=True, cache=True)
def _offer(sizes, pair, best):  # type: ignore[no-untyped-def]
    """Let the smaller of two touching components of different class take note of the larger one.

    Of two equally large ones the one numbered later is the smaller; of several larger neighbours
    the largest counts, then the one numbered first.
    """
    a, b = pair
    if sizes[a] > sizes[b] or (sizes[a] == sizes[b] and a < b):
        a, b = b, a
    known = best[a]
    if known < 0 or sizes[b] > sizes[known] or (sizes[b] == sizes[known] and b < known):
        best[a] = b


@njit(nogil=True, cache=True)
def _small_beside_larger(runs, row_offsets, component, sizes, small_px):  # type: ignore[no-untyped-def]
    """`(component,)`: class that a small component goes over to, 0 if it stays."""
    best = np.full(sizes.size, -1, np.int64)
    classes = np.zeros(sizes.size, np.int32)
    for run in range(runs.shape[1]):
        classes[component[run]] = runs[3, run]
    for row in range(row_offsets.size - 1):
        first, last = row_offsets[row], row_offsets[row + 1]
        for run in range(first + 1, last):
            if runs[1, run] == runs[2, run - 1]:
                _offer(sizes, (component[run - 1], component[run]), best)
        if row == 0:
            continue
        above, here = row_offsets[row - 1], first
        while above < first and here < last:
            overlaps = runs[1, above] < runs[2, here] and runs[1, here] < runs[2, above]
            if overlaps and runs[3, above] != runs[3, here]:
                _offer(sizes, (component[above], component[here]), best)
            if runs[2, above] < runs[2, here]:
                above += 1
            else:
                here += 1
    target = np.zeros(sizes.size, np.int32)
    for c in range(sizes.size):
        if sizes[c] < small_px and best[c] >= 0:
            target[c] = classes[best[c]]
    return target


@njit(nogil=True, cache=True)
def _merge_touching(runs):  # type: ignore[no-untyped-def]
    """The same runs with touching ones of one class in one row made into one."""
    out = np.empty_like(runs)
    n = 0
    for run in range(runs.shape[1]):
        joins = n > 0 and (
            out[0, n - 1] == runs[0, run]
            and out[2, n - 1] == runs[1, run]
            and out[3, n - 1] == runs[3, run]
        )
        if joins:
            out[2, n - 1] = runs[2, run]
        else:
            out[:, n] = runs[:, run]
            n += 1
    return out[:, :n].copy()
