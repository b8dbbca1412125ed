"""The outline of what an image really shows, without collar and nodata (有效范围)."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pipeline.imagery.quality import CELL_PX

MAX_RUNS = 20_000
"""More runs of covered cells than this are drawn from cells twice as wide: nodata sprinkled over
an image has no outline worth its corners."""


def covered_outline(cells: NDArray[np.bool_], height: int, width: int) -> BaseGeometry:
    """Outline of the covered cells `(row, col)` in pixel coordinates, x = column, y = row.

    Right to half a cell (`CELL_PX` pixels). The last cells reach to the image's edge.
    """
    side = CELL_PX
    runs = _runs(cells)
    while len(runs) > MAX_RUNS:
        cells, side = _halved(cells), side * 2
        runs = _runs(cells)
    if not len(runs):
        return shapely.Polygon()
    row, first, last = runs.T
    right = np.where(last == cells.shape[1], width, np.minimum(last * side, width))
    bottom = np.where(row + 1 == cells.shape[0], height, np.minimum((row + 1) * side, height))
    return shapely.union_all(shapely.box(first * side, row * side, right, bottom))


def _runs(cells: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Runs of covered cells in each row: `(run, 3)` of row, first column, column after the last."""
    padded = np.zeros((cells.shape[0], cells.shape[1] + 2), np.int8)
    padded[:, 1:-1] = cells
    change = np.diff(padded, axis=1)
    rows, first = np.nonzero(change == 1)
    _, last = np.nonzero(change == -1)
    return np.column_stack([rows, first, last])


def _halved(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cells twice as wide; one is covered if at least half of it is."""
    height, width = (-(-n // 2) for n in cells.shape)
    even = np.zeros((2 * height, 2 * width), np.int8)
    even[: cells.shape[0], : cells.shape[1]] = cells
    total = even.reshape(height, 2, width, 2).sum(axis=(1, 3))
    result: NDArray[np.bool_] = total >= 2
    return result
